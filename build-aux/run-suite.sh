#! /bin/sh
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

# Runs an Autotest suite, and says in its last lines what failed and why.
#
#     run-suite.sh [--recheck] [--threads] SUITE [FLAG...]
#     run-suite.sh --report DIR...
#
# FLAGs are those of SUITE, among them "-C tests".  With --recheck, tests that
# fail are run once more, one at a time: they share few processors with what
# they test, and time-outs happen.  With --threads, threads share a processor
# by themselves meanwhile, and not by sessions, and those of the suite come
# before others, where we may have it so.
#
# How many seconds each test took is in file tests/SUITE.times: SECONDS NUMBER
# NAME.  (The suites write it, see tests/suite.at.)
#
# --report says what failed in the folders of tests that failed.

# A switch's session has a PMD thread that is never idle, and whose processor
# counts as the session's share (sched(7)).  Where a guest polls on the other
# processor, the switch's main thread can then get next to nothing: it has been
# seen to stand still for a minute.
before=
autogroup=/proc/sys/kernel/sched_autogroup_enabled
share_by_threads () {
    if test "$(nice -n -10 nice 2>/dev/null)" = -10; then
        before="nice -n -10"
    fi
    test "$(cat $autogroup 2>/dev/null)" = 1 || return
    { echo 0 > $autogroup; } 2>/dev/null || return
    trap '{ echo 1 > $autogroup; } 2>/dev/null' 0
    trap 'exit 129' 1
    trap 'exit 130' 2
    trap 'exit 143' 15
}

# report_one LOG: the check that failed, what it says, and where more is.  From
# what is long the middle is left out; the files that a test captures are in
# its folder.
report_one () {
    awk -v dir="$(cd "$(dirname "$1")" && pwd)" '
        /[0-9]+\. [^ ]*\.at:[0-9]+: .*: (FAILED \(|UNEXPECTED PASS)/ {
            title = $0
            sub(/^.*\.at:[0-9]+: /, "", title)
            next
        }
        /^[^ ]*\.at:[0-9]+: / && !/: exit code was / { n = 0 }
        /^> / || /^[^ ]*:$/ || /^ ?$/ { next }
        { line[++n] = $0 }
        END {
            print title
            for (i = 1; i <= n; i++) {
                if (n <= 40 || i <= 10 || i > n - 30) {
                    print "    " line[i]
                } else if (i == 11) {
                    print "    ... (" n - 40 " lines)"
                }
            }
            print "    logs: " dir
        }' "$1"
}

# report LOG...: the same for each test that has a log.
report () {
    test -e "$1" || return
    echo
    echo "What failed, with \"-\" what was expected, \"+\" what was seen:"
    for log; do
        report_one "$log"
    done
}

if test "$1" = --report; then
    shift
    for dir; do
        shift
        set -- "$@" "$dir"/*testsuite.log
    done
    report "$@"
    exit
fi

recheck=no
threads=no
while :; do
    case $1 in
        --recheck) recheck=yes ;;
        --threads) threads=yes ;;
        *) break ;;
    esac
    shift
done
# again SUITE [FLAG...]: runs the tests that failed once more, and only these:
# what chooses tests adds to them.
again () {
    suite=$1
    shift
    n=$#
    while test $n -gt 0; do
        case $1 in
            -k) shift; n=$((n - 1)) ;;
            [0-9]*) ;;
            *) set -- "$@" "$1" ;;
        esac
        shift
        n=$((n - 1))
    done
    $before sh "$suite" "$@" --recheck -j1
}

files=tests/${1##*/}
: > "$files.times"
: > "$files.begun"
test $threads = no || share_by_threads
status=0
$before sh "$@" || status=$?
if test $status != 0 && test $recheck = yes; then
    status=0
    again "$@" || status=$?
fi

# A shell that does not know its line has left a copy of the suite.
rm -f "${1##*/}.lineno"

# Only what has failed now: the folders of others may be of earlier runs.
if test $status != 0; then
    report $(find "$files.dir" -mindepth 2 -maxdepth 2 -name '*.log' \
                 -newer "$files.begun" 2>/dev/null |
             xargs -r grep -lE ': (FAILED|UNEXPECTED PASS)' | sort)
fi
exit $status
