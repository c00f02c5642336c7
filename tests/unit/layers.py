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

"""Checks that the dependencies of lib/ point down.

usage: layers.py SOURCE BUILD

Goes by what files include and by what objects have undefined, so it sees what
the compiler saw.  Prints what is wrong, a line each.
"""

import pathlib
import re
import subprocess
import sys

# Folders from the bottom up.  Those of a row do not know each other.
LAYERS = [["compat", "virtio"], ["queue"], ["border"], ["nic", "session"], ["tee"],
          ["guest"], [""]]

# Functions that only one folder may call.
RESERVED = {"rte_vhost_": "session", "rte_eth_": "nic"}

VERSION = re.compile(r"\b(IOVTEE_OVS|RTE_VERSION\w*|RTE_VER_\w*)\b")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)


def level(folder):
    for i, row in enumerate(LAYERS):
        if folder in row:
            return i
    return None


def wrong_includes(lib):
    """Yields a sentence for each file that includes one above or beside it."""
    for source in sorted(lib.rglob("*.[ch]")):
        folder = source.parent.relative_to(lib).as_posix()
        folder = "" if folder == "." else folder
        if level(folder) is None:
            yield f"lib/{folder} has no place among the layers"
            continue
        for name in INCLUDE.findall(source.read_text()):
            other = pathlib.PurePath(name).parent.as_posix()
            other = "" if other == "." else other
            if not (lib / name).exists():
                continue
            if level(other) > level(folder) or (
                    level(other) == level(folder) and other != folder):
                yield f"{source.relative_to(lib.parent)} includes {name}"


def wrong_versions(source):
    """Yields a sentence for each file that asks for a version by itself."""
    for folder in "lib", "tests", "vswitchd":
        for path in sorted((source / folder).rglob("*.[ch]")):
            name = path.relative_to(source)
            if name.parts[:2] != ("lib", "compat") and VERSION.search(
                    path.read_text()):
                yield f"{name} asks for a version, as only lib/compat may"


def symbols(path):
    """Returns what the object defines and what it lacks."""
    defined, undefined = set(), set()
    output = subprocess.run(["nm", "-g", str(path)], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    for line in output.splitlines():
        kind, name = line.split()[-2:]
        (undefined if kind == "U" else defined).add(name)
    return defined, undefined


def reachable(edges, start):
    seen, todo = set(), [start]
    while todo:
        for other in edges[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def wrong_symbols(build):
    """Yields a sentence for each circle of objects, and for each call that is
    another folder's."""
    lib = build / "lib"
    objects = {path.relative_to(lib).as_posix(): symbols(path)
               for path in sorted(lib.rglob("*.o"))}
    if not objects:
        yield f"no objects in {lib}: build first"
    where = {name: path for path, (defined, _) in objects.items()
             for name in defined}
    edges = {path: {where[name] for name in undefined if name in where}
             for path, (_, undefined) in objects.items()}
    for path in edges:
        circle = sorted(other for other in reachable(edges, path)
                        if path in reachable(edges, other))
        if circle and path == circle[0]:
            yield "circle: " + " ".join(circle)
    for path, (_, undefined) in objects.items():
        for prefix, owner in RESERVED.items():
            if path.split("/")[0] != owner and any(
                    name.startswith(prefix) for name in undefined):
                yield f"lib/{path} calls {prefix}*(), as only {owner} may"


def main():
    source, build = map(pathlib.Path, sys.argv[1:])
    wrong = [*wrong_includes(source / "lib"), *wrong_versions(source),
             *wrong_symbols(build)]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
