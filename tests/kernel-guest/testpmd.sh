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

# Gives a Linux guest of the system tests this machine's dpdk-testpmd.
#
#     testpmd.sh INITRAMFS FILE
#
# Copies INITRAMFS to FILE and adds folder "dpdk" to it, with testpmd, what it
# needs to drive a virtio device, and scripts:
#
#     start ARGUMENT...   starts it in the background and waits until it takes
#                         commands; prints what it says if it does not
#     ask [COMMAND]       gives it a command and prints the answer and the
#                         port's statistics, or waits for its end after "quit"
#     kill                kills it and waits until it is gone
#     alive               is it there?
#
# Exits with status 77, for "skip this test", if testpmd, unlike Debian's, has
# no shared libraries.

initramfs=$1
archives=$2
set -e
umask 022
LC_ALL=C
export LC_ALL

# libraries FILE...: prints where the libraries are that FILEs need, and what
# loads them.
libraries () {
    # "NAME => FILE (ADDRESS)", and the loader: "FILE (ADDRESS)".
    ldd "$@" | sed -n 's/^.*[[:space:]]\(\/[^ ]*\) (.*/\1/p' | sort -u
}

program=$(command -v dpdk-testpmd)
eal=$(libraries "$program" | grep '/librte_eal\.so') || exit 77
set -- "${eal%/*}"/dpdk/pmds-*/librte_mempool_ring.so.*.* \
       "${eal%/*}"/dpdk/pmds-*/librte_net_virtio.so.*.*

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' 0
trap 'exit 1' 1 2 13 15
mkdir -p "$tmp/dpdk/drivers"
cp "$@" "$tmp/dpdk/drivers"
for file in "$program" /usr/libexec/coreutils/libstdbuf.so \
            $(libraries "$program" "$@"); do
    # Some are found in two folders.
    cp -L "$file" "$tmp/dpdk"
done

# These libraries are not those of other programs there, which may be of other
# versions.  What "stdbuf -oL" does, a library and a variable, is done by hand.
cat > "$tmp/dpdk/start" <<'END'
#! /bin/sh
test -p /tmp/testpmd.in || mkfifo /tmp/testpmd.in || exit
: > /tmp/testpmd.log
_STDBUF_O=L /dpdk/ld-linux-x86-64.so.2 --library-path /dpdk \
    --preload libstdbuf.so /dpdk/dpdk-testpmd -d /dpdk/drivers "$@" \
    <>/tmp/testpmd.in >>/tmp/testpmd.log 2>&1 &
echo $! > /tmp/testpmd.pid
until grep -q '^testpmd> ' /tmp/testpmd.log; do
    sleep 0.1
    /dpdk/alive || { cat /tmp/testpmd.log; exit 1; }
done
END

cat > "$tmp/dpdk/ask" <<'END'
#! /bin/sh
lines=$(wc -l < /tmp/testpmd.log)
answer () {
    tail -n +$((lines + 1)) /tmp/testpmd.log
}
printf '%s\n' "$1" "show port stats 0" 1<>/tmp/testpmd.in
while /dpdk/alive && ! answer | grep -q Tx-pps; do
    sleep 0.1
done
echo "$(answer)"
END

cat > "$tmp/dpdk/kill" <<'END'
#! /bin/sh
kill -9 $(cat /tmp/testpmd.pid)
while /dpdk/alive; do
    sleep 0.1
done
END

# As long as there is a thread that is no zombie, the device is not released.
cat > "$tmp/dpdk/alive" <<'END'
#! /bin/sh
cat /proc/$(cat /tmp/testpmd.pid)/task/*/status 2>/dev/null |
    grep '^State:' | grep -qv Z
END
for script in start ask kill alive; do
    chmod 755 "$tmp/dpdk/$script"
done

# The kernel takes several archives in one file.  One that is not compressed
# has to begin at a multiple of four.
cp "$initramfs" "$archives"
truncate -s %4 "$archives"
(cd "$tmp" && find dpdk | busybox cpio -o -H newc 2>/dev/null) >> "$archives"
