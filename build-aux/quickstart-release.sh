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

# "quickstart check --release=NAME": builds with the packages of another
# release of Debian, and runs the unit tests, system tests of the data path
# and, but for what is not released yet, of the life of guests, and the short
# form of the benchmarks there.
#
# The release lives in a root of its own, _build-NAME/root, which debootstrap
# makes and which stays for the next time.  This folder is seen in it as
# /iovtee/source, read-only, and _build-NAME/build as /iovtee/build.  What is
# mounted is mounted in a name space of its own, which ends with the command.

release=                        # Which release, if not this machine's.
release_build=                  # Where it is built.
release_tests='-k zero-copy'    # The system tests that are run there.

# need_release: refuses a release that is not supported.
need_release () {
    case $release in
        bookworm | trixie) release_tests="$release_tests -k life" ;;
        forky) ;;
        *) die "knows the releases bookworm, trixie and forky of Debian," \
               "not $release" ;;
    esac
}

# Makes $root.  One that was left unfinished is made again.
release_root () {
    local log=$release_build/quickstart-debootstrap.log script mirror since

    test ! -e "$root/iovtee/made" || return 0
    since=$SECONDS
    rm -rf "$root"
    mkdir -p "$root" || die "cannot make $root: free some space"
    mirror=$(awk '/^URIs:/ { print $2; exit }
                  /^deb / { sub(/\[[^]]*\] /, ""); print $2; exit }' \
                 /etc/apt/sources.list.d/debian.sources \
                 /etc/apt/sources.list 2>/dev/null)
    script=/usr/share/debootstrap/scripts/$release
    test -e "$script" || script=/usr/share/debootstrap/scripts/sid
    run_logged "$log" true debootstrap --variant=minbase "$release" "$root" \
        "${mirror:-http://deb.debian.org/debian}" "$script" || {
        tail -n 3 "$log" >&2
        die "debootstrap cannot make $root: see the lines above"
    }
    cp /etc/resolv.conf "$root/etc/"
    mkdir -p "$root/iovtee/source" "$root/iovtee/build"

    # A snapshot of a mirror may be older than its lists say that they last;
    # they are signed all the same.  "dpdk-headers" needs it, too.
    echo 'Acquire::Check-Valid-Until "false";' \
        > "$root/etc/apt/apt.conf.d/iovtee"
    run_logged "$log" true in_release sh -c '
        export DEBIAN_FRONTEND=noninteractive
        apt="apt-get -q -y"
        $apt update && $apt install --no-install-recommends "$@"' \
        sh $build_packages $run_packages || {
        sed -n 's/^E: /  apt: /p' "$log" >&2
        die "apt cannot install the packages in $root"
    }
    : > "$root/iovtee/made"
    say "  a root of Debian $release: done in $((SECONDS - since)) s"
}

# in_release COMMAND...: runs COMMAND in /iovtee/build of $root.
in_release () {
    unshare --mount --propagation private sh -ec '
        root=$1 source=$2 build=$3
        shift 3
        # "ip netns exec" needs a root that is a mount.
        mount --bind "$root" "$root"
        mount --bind "$build" "$root/iovtee/build"
        mount --bind "$source" "$root/iovtee/source"
        mount -o remount,bind,ro "$root/iovtee/source"
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs tmpfs "$root/run"
        exec chroot "$root" env -i LC_ALL=C HOME=/root SHELL=/bin/sh \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            sh -c "cd /iovtee/build && exec \"\$@\"" sh "$@"
    ' sh "$root" "$top" "$release_build" "$@"
}

# release_step TEXT COMMAND...: runs COMMAND there.
release_step () {
    local text=$1 since=$SECONDS log=$release_build/quickstart-${1// /-}.log

    shift
    progress_text=$text
    run_logged "$log" progress in_release "$@" || {
        grep -E 'rror: |undefined ref|\*\*\* \[|ovs-tree: |package:' "$log" |
            tail -n 5 >&2
        die "failed: $text; all of it is in $log"
    }
    say "  $text: done in $((SECONDS - since)) s"
}

# Gets the headers of DPDK for drivers, unless they are there.
release_headers () {
    local log=$release_build/quickstart-dpdk-headers.log

    test ! -e "$release_build/dpdk-source/VERSION" || return 0
    in_release ../source/build-aux/dpdk-headers dpdk-source > "$log" 2>&1 ||
        say "  no headers for drivers of DPDK, so no NIC model:" \
            "$(tail -n 1 "$log"); those of any DPDK of the same series do," \
            "as $release_build/dpdk-source"
}

release_check () {
    local since=$SECONDS

    root=$top/_build-$release/root
    release_build=$top/_build-$release/build
    need_packages debootstrap $build_packages
    need_hugepages $check_hugepages
    need_fair_threads
    say "Building for Debian $release (many minutes the first time):"
    "${as_owner[@]}" mkdir -p "$build" "$release_build" ||
        die "cannot make $release_build: free some space"
    if test ! -x "$top/configure" ||
       find "$top"/configure.ac "$top"/m4 "$top"/Makefile.am "$top"/*/*.mk \
            "$top"/*/*/*.mk -newer "$top/configure" | grep -q .; then
        step "preparing" "$build" "$top/boot.sh"
    fi
    release_root
    release_headers
    release_step "configuring" ../source/configure --enable-Werror
    say_pair "$release_build"
    release_step "building Open vSwitch and IOVTee" make -j"$jobs"
    suite_times+=("$((SECONDS - since)) - Building")
    suite_jobs=$jobs
    suite "Unit tests, Debian $release" "$release_build" check in_release
    suite_jobs=1
    suite_tests=$release_tests
    suite "System tests, Debian $release" "$release_build" \
        check-system in_release
    bench "Benchmarks, short form, Debian $release" "$release_build" \
        bench-quick in_release
    total
}
