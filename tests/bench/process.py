# Copyright (c) 2026 The IOVTee for Open vSwitch authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Processes that we start, and end."""

import ctypes
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Error(Exception):
    """Something without which nothing can be measured."""


class Process:
    """A child, in a session of its own so that Control-C is ours alone, which
    does not outlive us even if we are killed."""

    def __init__(self, name, argv, log, **kwargs):
        self.name = name
        self.log = log
        with open(log, "ab") as out:
            kwargs.setdefault("stdout", out)
            kwargs.setdefault("stdin", subprocess.DEVNULL)
            self.popen = subprocess.Popen(
                argv, stderr=out, start_new_session=True,
                preexec_fn=die_with_parent, **kwargs)
        self.pid = self.popen.pid

    def last_words(self):
        with open(self.log, errors="replace") as log:
            lines = log.read().splitlines()
        for line in reversed(lines):
            if "ERR|" in line or "EMER|" in line:
                return line
        return lines[-1] if lines else "nothing in its log"

    def check(self):
        if self.popen.poll() is not None:
            raise Error("%s ended: %s" % (self.name, self.last_words()))

    def end(self):
        for number in signal.SIGTERM, signal.SIGKILL:
            if self.popen.poll() is None:
                self.popen.send_signal(number)
                try:
                    self.popen.wait(10)
                except subprocess.TimeoutExpired:
                    continue
        for pipe in self.popen.stdin, self.popen.stdout:
            try:
                if pipe:
                    pipe.close()
            except BrokenPipeError:
                pass


def wait_until(text, condition, process=None, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if process:
            process.check()
        if time.monotonic() > end:
            raise Error("waited in vain until " + text)
        time.sleep(0.05)
