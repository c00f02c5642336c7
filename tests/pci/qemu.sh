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

# Finds or gets a QEMU that emulates igb, which is since version 8.
#
#     qemu.sh DIR
#
# Prints the command, which may be more than one word.  If the QEMU that is
# installed is too old, then that of Debian's backports is used: downloaded
# with apt-get, and unpacked in DIR, which is made if necessary and which can
# be kept for the next time.  Nothing is installed, the lists of apt and its
# sources stay as they are, and no privileges are needed.
#
# If there cannot be one, prints one line that says why, and exits with status
# 77, for "skip this test".

here=$(cd "$(dirname "$0")" && pwd)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages="qemu-system-x86 qemu-system-common qemu-system-data seabios"
umask 022
LC_ALL=C
export LC_ALL

skip () {
    echo "$*"
    exit 77
}

# has_igb COMMAND...: does this QEMU emulate igb?
has_igb () {
    "$@" -machine none -device igb,help 2>/dev/null | grep -q '^igb options'
}

# Prints where the packages of this release come from, "URL RELEASE".
mirror () {
    release=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
        "Created-By: Packages" "Codename: $release" 2>/dev/null |
        awk '$3 == "main" && $1 !~ /security/ { print $1, $2; exit }'
}

# apt COMMAND ARGUMENT...: apt-get that knows Debian's backports and nothing
# else, with lists of its own below the current folder.
apt () {
    apt-get -qq -o Dir::Etc::SourceList=/dev/null \
        -o Dir::Etc::SourceParts="$PWD/parts" \
        -o Dir::State::Lists="$PWD/lists" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o APT::Sandbox::User= "$@" >>apt.log 2>&1
}

# Downloads and unpacks the packages into folder "root" of the current folder.
get () {
    set -- $(mirror)
    test $# = 2 && test -r $keyring || return
    mkdir -p parts lists/partial &&
    echo "deb [signed-by=$keyring] $1 $2-backports main" > parts/debian.list &&
    apt update && apt download $packages || return
    for deb in *.deb; do
        dpkg-deb -x "$deb" root || return
    done
}

# Makes the command in folder "root" of the current folder, which is going to
# be $1/root.
make_command () {
    cat > root/qemu <<END
#! /bin/sh
QEMU_MODULE_DIR=$1/root/usr/lib/x86_64-linux-gnu/qemu
export QEMU_MODULE_DIR
exec $1/root/usr/bin/qemu-system-x86_64 -L $1/root/usr/share/qemu \\
    -L $1/root/usr/share/seabios "\$@"
END
    chmod 755 root/qemu
}

test $# = 1 || { echo "usage: $0 DIR" >&2; exit 1; }
test "$(uname -m)" = x86_64 || skip "emulated NICs need an x86-64 machine"
command -v qemu-system-x86_64 >/dev/null || skip "needs qemu-system-x86_64"
if has_igb qemu-system-x86_64; then
    echo qemu-system-x86_64
    exit 0
fi
mkdir -p "$1" || exit 1
dir=$(cd "$1" && pwd) || exit 1

# Tests may run at the same time.
exec 9>"$dir/lock"
flock 9 || exit 1

if test ! -x "$dir/root/qemu" || test "$here/qemu.sh" -nt "$dir/root/qemu"
then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        skip "needs QEMU 8 or newer with igb"
    tmp=$(mktemp -d) || exit 1
    trap 'rm -rf "$tmp"' 0
    trap 'exit 1' 1 2 13 15
    cd "$tmp" || exit 1
    get || skip "needs QEMU 8 or newer with igb, and cannot download that of" \
                "Debian's backports"
    make_command "$dir" || exit 1
    rm -rf "$dir/root"
    cp -R root "$dir/root" || exit 1
    touch "$dir/root/qemu"
fi
has_igb "$dir/root/qemu" ||
    skip "needs QEMU 8 or newer with igb, and that of Debian's backports" \
         "does not run"
echo "$dir/root/qemu"
