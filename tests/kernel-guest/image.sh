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

# Makes what a Linux guest of the system tests boots from.
#
#     image.sh DIR [PACKAGE INIT MODULE...]
#
# Leaves in DIR, which is made if necessary and which can be kept for the next
# time:
#
#     vmlinuz     kernel of Debian's PACKAGE, linux-image-cloud-amd64 if not
#                 given
#     initramfs   busybox, kernel modules MODULE... and what they need, and
#                 INIT, as "init"; a guest's of the system tests, with ethtool,
#                 if not given
#
# Downloads packages with apt-get, installs none, needs no privileges.
# Prints nothing if all is well; otherwise one line that says what is missing,
# and exits with status 77, for "skip this test".

here=$(cd "$(dirname "$0")" && pwd)
package=linux-image-cloud-amd64
init=$here/init
modules="virtio_pci virtio_net qemu_fw_cfg uio_pci_generic"
programs=sbin/ethtool
debs="busybox-static ethtool libmnl0 libc6"
umask 022
LC_ALL=C
export LC_ALL

skip () {
    echo "$*"
    exit 77
}

# unpacked NAME...: downloads packages into the current folder and unpacks all
# of them into folder "root".
unpacked () {
    apt-get -qq download "$@" >apt.log 2>&1 || return
    for deb in *.deb; do
        dpkg-deb -x "$deb" root || return
    done
}

# Prints the name of the package that has the kernel itself.
kernel_package () {
    apt-cache depends "$package" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1
}

# copy_modules FROM TO: copies kernel modules $modules and those that they need
# from folder FROM to folder TO, both with lib/modules/VERSION.
copy_modules () {
    version=$(ls "$1/lib/modules") &&
    "$busybox" depmod -b "$1" "$version" &&
    for module in $modules; do
        # "PATH/MODULE.ko: PATH/NEEDED.ko PATH/NEEDED.ko..."
        files=$(sed -n "/\/$module\.ko:/s/://p" \
                "$1/lib/modules/$version/modules.dep")
        if test -z "$files"; then
            echo "no kernel module $module" >&2
            return 1
        fi
        for file in $files; do
            file=lib/modules/$version/$file
            mkdir -p "$2/${file%/*}" && cp "$1/$file" "$2/$file" || return
        done
    done &&
    "$busybox" depmod -b "$2" "$version"
}

# copy_programs FROM TO: copies $programs and the libraries that they need from
# folder FROM to folder TO.
copy_programs () {
    lib=lib/x86_64-linux-gnu
    loader=lib64/ld-linux-x86-64.so.2
    for program in $programs; do
        mkdir -p "$2/bin" "$2/lib" "$2/lib64" &&
        cp "$1/$program" "$2/bin" &&
        cp "$1/$lib/${loader##*/}" "$2/$loader" &&
        # "NAME => FILE (ADDRESS)", and the loader itself.
        "$2/$loader" --library-path "$1/$lib:$1/usr/$lib" --list \
            "$1/$program" > libraries || return
        for file in $(sed -n 's/.* => \(.*\) (.*/\1/p' libraries); do
            cp "$file" "$2/lib" || return
        done
    done
}

# Makes folder "rootfs", all but "init", and file "vmlinuz" in the current
# folder.
make_rootfs () {
    busybox=$PWD/root/bin/busybox
    mkdir -p rootfs/bin rootfs/dev rootfs/proc rootfs/sys rootfs/tmp &&
    cp "$busybox" rootfs/bin/busybox &&
    copy_modules root rootfs &&
    copy_programs root rootfs &&
    cp root/boot/vmlinuz-* vmlinuz
}

# make_initramfs DIR: packs DIR/rootfs and $init into DIR/initramfs.
make_initramfs () (
    cp "$init" "$1/rootfs/init" &&
    chmod 755 "$1/rootfs/init" &&
    cd "$1/rootfs" &&
    find . | bin/busybox cpio -o -H newc 2>/dev/null | gzip -1 \
        > ../initramfs.tmp &&
    mv ../initramfs.tmp ../initramfs
)

case $# in
    1) ;;
    0 | 2) echo "usage: $0 DIR [PACKAGE INIT MODULE...]" >&2; exit 1 ;;
    *)
        dir=$1 package=$2 init=$(cd "$(dirname "$3")" && pwd)/${3##*/}
        shift 3
        modules=$* programs= debs=busybox-static
        set -- "$dir" ;;
esac
test "$(uname -m)" = x86_64 || skip "kernel guests need an x86-64 machine"
mkdir -p "$1" || exit 1
dir=$(cd "$1" && pwd) || exit 1

# Tests may run at the same time.
exec 9>"$dir/lock"
flock 9 || exit 1

if test ! -e "$dir/vmlinuz" || test "$here/image.sh" -nt "$dir/vmlinuz" ||
   test "$(cat "$dir/contents" 2>/dev/null)" != "$package $debs $modules"
then
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        skip "kernel guests need apt-get and dpkg-deb to get a kernel"
    tmp=$(mktemp -d) || exit 1
    trap 'rm -rf "$tmp"' 0
    trap 'exit 1' 1 2 13 15
    chmod 755 "$tmp"
    kernel=$(kernel_package)
    cd "$tmp" || exit 1
    test -n "$kernel" && unpacked "$kernel" $debs ||
        skip "cannot download Debian's $package and" \
             "$debs (apt-get update may help)"
    make_rootfs || skip "cannot make a guest of Debian's packages"
    rm -rf "$dir/rootfs" "$dir/initramfs"
    cp -R rootfs "$dir/rootfs" && cp vmlinuz "$dir/vmlinuz" &&
        echo "$package $debs $modules" > "$dir/contents" || exit 1
fi
if test ! -e "$dir/initramfs" || test "$init" -nt "$dir/initramfs"; then
    make_initramfs "$dir" || skip "cannot make an initramfs in $dir"
fi
exit 0
