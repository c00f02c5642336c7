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

# The checks that configure.ac consists of.  What is missing is collected
# first and reported at once, with the Debian packages that bring it.

# IOVTEE_MISSING(WHAT, PACKAGE)
#
# Notes that WHAT is missing and that Debian's PACKAGE has it.
AC_DEFUN([IOVTEE_MISSING],
  [iovtee_missing="$iovtee_missing
    $1 (Debian package: $2)"
   iovtee_packages="$iovtee_packages $2"])

# IOVTEE_NEED_PROG(PROGRAM, PACKAGE)
AC_DEFUN([IOVTEE_NEED_PROG],
  [AC_CHECK_PROG([have_$1], [$1], [yes], [no])
   AS_IF([test "$have_$1" = no], [IOVTEE_MISSING([the program $1], [$2])])])

# IOVTEE_NEED_LIB(HEADER, LIBRARY, FUNCTION, PACKAGE)
AC_DEFUN([IOVTEE_NEED_LIB],
  [iovtee_found=yes
   AC_CHECK_HEADER([$1], [], [iovtee_found=no])
   AC_CHECK_LIB([$2], [$3], [:], [iovtee_found=no])
   AS_IF([test $iovtee_found = no], [IOVTEE_MISSING([lib$2], [$4])])])

AC_DEFUN([IOVTEE_CHECK_TOOLS],
  [IOVTEE_NEED_PROG([python3], [python3])
   IOVTEE_NEED_PROG([patch], [patch])
   IOVTEE_NEED_PROG([tar], [tar])
   IOVTEE_NEED_PROG([autom4te], [autoconf])
   AC_PATH_TOOL([PKG_CONFIG], [pkg-config])
   AS_IF([test -z "$PKG_CONFIG"],
     [IOVTEE_MISSING([the program pkg-config], [pkg-config])])])

AC_DEFUN([IOVTEE_CHECK_DPDK],
  [AC_MSG_CHECKING([for DPDK])
   DPDK_VERSION=`test -n "$PKG_CONFIG" &&
                 $PKG_CONFIG --modversion libdpdk 2>/dev/null`
   AS_IF([test -n "$DPDK_VERSION"], [AC_MSG_RESULT([$DPDK_VERSION])],
     [AC_MSG_RESULT([no])
      IOVTEE_MISSING([DPDK], [libdpdk-dev])])])

AC_DEFUN([IOVTEE_CHECK_LIBRARIES],
  [IOVTEE_NEED_LIB([openssl/ssl.h], [ssl], [SSL_new], [libssl-dev])
   IOVTEE_NEED_LIB([cap-ng.h], [cap-ng], [capng_clear], [libcap-ng-dev])
   IOVTEE_NEED_LIB([numa.h], [numa], [numa_available], [libnuma-dev])])

# IOVTEE_OVS_VERSION(COMMAND)
#
# Sets OVS_VERSION from a 'configure' or 'configure.ac' that COMMAND prints.
AC_DEFUN([IOVTEE_OVS_VERSION],
  [OVS_VERSION=`$1 2>/dev/null | $SED -n "
s/^PACKAGE_VERSION='\(.*\)'.*/\1/p
s/^A[[C]]_INIT(openvswitch, *\([[^,]]*\),.*/\1/p" | $SED 1q`])

# Where Debian's openvswitch-source has it: a tarball up to Debian 12, an
# unpacked tree from Debian 13 on.
m4_define([IOVTEE_DEBIAN_OVS], [/usr/src/openvswitch])

# Finds the source of Open vSwitch, or a tree that another build directory of
# ours has made of it.
AC_DEFUN([IOVTEE_CHECK_OVS],
  [AC_ARG_WITH([ovs],
     [AS_HELP_STRING([--with-ovs=TARBALL|DIR],
        [source of Open vSwitch, default: that of Debian's
         openvswitch-source])],
     [],
     [AS_IF([test -f IOVTEE_DEBIAN_OVS/openvswitch.tar.gz],
        [with_ovs=IOVTEE_DEBIAN_OVS/openvswitch.tar.gz],
        [with_ovs=IOVTEE_DEBIAN_OVS])])
   AC_ARG_WITH([ovs-build],
     [AS_HELP_STRING([--with-ovs-build=DIR],
        [use the Open vSwitch that another build of this package made in its
         folder "ovs", do not build one])],
     [], [with_ovs_build=no])
   OVS_SOURCE=
   AS_IF([test "$with_ovs_build" != no],
     [IOVTEE_CHECK_OVS_BUILD], [IOVTEE_CHECK_OVS_SOURCE])
   AC_SUBST([OVS_SOURCE])
   AC_SUBST([OVS_VERSION])
   AC_SUBST([OVS_DIR])
   AM_CONDITIONAL([OWN_OVS], [test "$with_ovs_build" = no])])

AC_DEFUN([IOVTEE_CHECK_OVS_BUILD],
  [AC_MSG_CHECKING([for a built Open vSwitch])
   AS_IF([test -f "$with_ovs_build/built"], [],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([$with_ovs_build holds no finished build.  Run "make" ]dnl
[where it belongs, or leave --with-ovs-build out.])])
   OVS_DIR=`cd "$with_ovs_build" && pwd`
   IOVTEE_OVS_VERSION([cat "$OVS_DIR/src/configure"])
   iovtee_patches=`$SHELL "$srcdir/build-aux/ovs-patches" "$srcdir" ]dnl
["$OVS_VERSION"`
   AS_IF([cat $iovtee_patches </dev/null | cksum | cmp -s - "$OVS_DIR/patches"],
     [], [AC_MSG_RESULT([no])
          AC_MSG_ERROR([$OVS_DIR was built with other patches than ]dnl
[these.  Run "make" there again.])])
   AC_MSG_RESULT([$OVS_VERSION in $OVS_DIR])])

AC_DEFUN([IOVTEE_CHECK_OVS_SOURCE],
  [AC_MSG_CHECKING([for the source of Open vSwitch])
   OVS_DIR=`pwd`/ovs
   OVS_VERSION=
   AS_IF([test -d "$with_ovs"],
     [OVS_SOURCE=`cd "$with_ovs" && pwd`
      IOVTEE_OVS_VERSION([cat "$OVS_SOURCE/configure.ac"])],
     [test -f "$with_ovs"],
     [OVS_SOURCE=`cd "\`dirname "$with_ovs"\`" && pwd`/`basename "$with_ovs"`
      IOVTEE_OVS_VERSION([tar -xOf "$OVS_SOURCE" --wildcards ]dnl
[--occurrence=1 '*/configure'])])
   AS_IF([test -n "$OVS_VERSION"],
     [AC_MSG_RESULT([$OVS_VERSION, $OVS_SOURCE])],
     [test -e "$with_ovs"],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([$with_ovs is no release of Open vSwitch.])],
     [AC_MSG_RESULT([no])
      IOVTEE_MISSING([$with_ovs], [openvswitch-source])])])

# The NIC model of the tests is a driver, and libdpdk-dev lacks the headers for
# drivers.  Sets DPDK_SOURCE to a source tree of DPDK of the same LTS release,
# which does not change these, or what build-aux/dpdk-headers has left of one;
# to nothing if there is none.
AC_DEFUN([IOVTEE_CHECK_DPDK_SOURCE],
  [AC_ARG_WITH([dpdk-source],
     [AS_HELP_STRING([--with-dpdk-source=DIR],
        [source of DPDK, of which the NIC model of the tests needs some
         headers, default: the folder "dpdk-source" of the build directory,
         where build-aux/dpdk-headers puts them; "no": do without])],
     [], [with_dpdk_source=default])
   DPDK_SOURCE=
   AC_MSG_CHECKING([for headers of DPDK's drivers])
   AS_CASE([$with_dpdk_source],
     [no], [iovtee_dir=],
     [default], [iovtee_dir=dpdk-source],
     [iovtee_dir=$with_dpdk_source])
   iovtee_found=`cat "$iovtee_dir/VERSION" 2>/dev/null`
   AS_IF([test -n "$iovtee_dir" &&
          test -f "$iovtee_dir/lib/ethdev/ethdev_driver.h" &&
          test "${iovtee_found%.*}" = "${DPDK_VERSION%.*}"],
     [DPDK_SOURCE=`cd "$iovtee_dir" && pwd`
      AC_MSG_RESULT([$DPDK_SOURCE, of DPDK $iovtee_found])],
     [test "$with_dpdk_source" != no && test "$with_dpdk_source" != default],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([$with_dpdk_source is no source of DPDK ${DPDK_VERSION%.*}.])],
     [AC_MSG_RESULT([no, the tests that need the NIC model will be skipped])])
   AC_SUBST([DPDK_SOURCE])
   AC_SUBST([DPDK_LIBS], [`$PKG_CONFIG --libs libdpdk 2>/dev/null`])
   AM_CONDITIONAL([NIC_MODEL], [test -n "$DPDK_SOURCE"])])

AC_DEFUN([IOVTEE_REPORT_MISSING],
  [AS_IF([test -n "$iovtee_missing"],
     [iovtee_install=`echo $iovtee_packages | tr ' ' '\n' | sort -u |
                      tr '\n' ' '`
      AC_MSG_ERROR([missing:$iovtee_missing
On Debian: apt-get install $iovtee_install])])])

# Each Open vSwitch goes with one LTS release of DPDK.  DPDK's interfaces change
# from one to the next, and experimental ones may change at any time, so only
# what was tested is accepted.
m4_define([IOVTEE_PAIRS], [3.1 with 22.11, 3.5 with 24.11, 4.0 with 25.11])

# Substitutes OVS_SERIES, such as 3.5, and OVS_NUMBER, 305 for 3.5, which
# lib/compat.h knows as IOVTEE_OVS.
AC_DEFUN([IOVTEE_CHECK_PAIR],
  [OVS_SERIES=`AS_ECHO(["$OVS_VERSION"]) |
               $SED -n 's/^\(@<:@0-9@:>@*\.@<:@0-9@:>@*\).*/\1/p'`
   DPDK_SERIES=`AS_ECHO(["$DPDK_VERSION"]) |
                $SED -n 's/^\(@<:@0-9@:>@*\.@<:@0-9@:>@*\).*/\1/p'`
   AC_MSG_CHECKING([whether these go together])
   AS_CASE([" IOVTEE_PAIRS,"],
     [*" $OVS_SERIES with $DPDK_SERIES,"*],
       [AC_MSG_RESULT([yes, Open vSwitch $OVS_SERIES with DPDK $DPDK_SERIES])],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([Open vSwitch $OVS_VERSION with DPDK $DPDK_VERSION is ]dnl
[not supported.  Supported are Open vSwitch and DPDK IOVTEE_PAIRS.  Choose ]dnl
[by --with-ovs, and by PKG_CONFIG_PATH if there are several DPDK.])])
   OVS_NUMBER=`IFS=.; set -- $OVS_SERIES; expr @S|@1 '*' 100 + @S|@2`
   AC_SUBST([OVS_SERIES])
   AC_SUBST([DPDK_SERIES])
   AC_SUBST([OVS_NUMBER])])

AC_DEFUN([IOVTEE_ENABLE_WERROR],
  [AC_ARG_ENABLE([Werror],
     [AS_HELP_STRING([--enable-Werror],
        [a warning about our own code is an error])],
     [], [enable_Werror=no])
   IOVTEE_WERROR=
   AS_IF([test "$enable_Werror" != no], [IOVTEE_WERROR=-Werror])
   AC_SUBST([IOVTEE_WERROR])])

# The sanitizers watch our own code only, unless somebody asks for more.  Open
# vSwitch and DPDK stay as they are, so one build of Open vSwitch serves a build
# with and one without.
AC_DEFUN([IOVTEE_ENABLE_SANITIZERS],
  [AC_ARG_ENABLE([sanitizers],
     [AS_HELP_STRING([--enable-sanitizers@<:@=KIND@:>@],
        [compile our own code for AddressSanitizer and
         UndefinedBehaviorSanitizer ("address"); KIND "fuzzer": for
         libFuzzer, too, with CC=clang; "thread": for ThreadSanitizer
         instead])],
     [], [enable_sanitizers=no])
   iovtee_runtime="libasan8 libubsan1"
   AS_CASE([$enable_sanitizers],
     [no], [SANITIZER_CFLAGS=],
     [thread], [# It does not know fences.  On ours no plain access depends.
                SANITIZER_CFLAGS="-fsanitize=thread -Wno-tsan"
                iovtee_runtime=libtsan2],
     [fuzzer], [SANITIZER_CFLAGS="-fsanitize=address,undefined,fuzzer-no-link"
                SANITIZER_CFLAGS="$SANITIZER_CFLAGS -fno-sanitize-recover"
                iovtee_runtime="clang libclang-rt-14-dev"],
     [yes | address], [SANITIZER_CFLAGS="-fsanitize=address,undefined"],
     [AC_MSG_ERROR([--enable-sanitizers=$enable_sanitizers: there are dnl
"address", "fuzzer" and "thread"])])
   AS_IF([test -n "$SANITIZER_CFLAGS"],
     [SANITIZER_CFLAGS="$SANITIZER_CFLAGS -fno-omit-frame-pointer"
      AC_MSG_CHECKING([whether $CC knows $SANITIZER_CFLAGS])
      iovtee_saved_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS $SANITIZER_CFLAGS"
      AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([the compiler lacks the sanitizers ]dnl
[(Debian packages: $iovtee_runtime)])])
      CFLAGS=$iovtee_saved_CFLAGS])
   AC_SUBST([SANITIZER_CFLAGS])
   AC_SUBST([SANITIZERS], [$enable_sanitizers])
   AM_CONDITIONAL([FUZZER], [test "$enable_sanitizers" = fuzzer])
   IOVTEE_ENABLE_OVS_SANITIZERS])

# Undefined behavior is not looked for in Open vSwitch, which has some that is
# harmless.
AC_DEFUN([IOVTEE_ENABLE_OVS_SANITIZERS],
  [AC_ARG_ENABLE([ovs-sanitizers],
     [AS_HELP_STRING([--enable-ovs-sanitizers],
        [compile Open vSwitch for AddressSanitizer as well; goes with
         --enable-sanitizers, and without --with-ovs-build])],
     [], [enable_ovs_sanitizers=no])
   OVS_SANITIZER_CFLAGS=
   AS_IF([test "$enable_ovs_sanitizers" != no],
     [AS_CASE([$enable_sanitizers,$with_ovs_build],
        [yes,no | address,no], [],
        [AC_MSG_ERROR([--enable-ovs-sanitizers goes with ]dnl
[--enable-sanitizers, and without --with-ovs-build])])
      OVS_SANITIZER_CFLAGS="-fsanitize=address -fno-omit-frame-pointer"])
   AC_SUBST([OVS_SANITIZER_CFLAGS])
   AC_SUBST([OVS_SANITIZERS], [$enable_ovs_sanitizers])])

# IOVTEE_CC_FLAG(VARIABLE, FLAG)
#
# Adds FLAG to the flags in VARIABLE if the compiler knows it.
AC_DEFUN([IOVTEE_CC_FLAG],
  [AC_MSG_CHECKING([whether $CC accepts $2])
   iovtee_saved_CFLAGS=$CFLAGS
   CFLAGS="$CFLAGS -Werror $$1 $2"
   AC_COMPILE_IFELSE([AC_LANG_SOURCE([int x;])],
     [AC_MSG_RESULT([yes])
      $1="$$1 $2"],
     [AC_MSG_RESULT([no])])
   CFLAGS=$iovtee_saved_CFLAGS])

AC_DEFUN([IOVTEE_WARNING_FLAGS],
  [WARNING_FLAGS=
   for flag in -Wall -Wextra -Wno-sign-compare -Wpointer-arith \
               -Wformat-security -Wswitch-enum \
               -Wcast-align -Wstrict-prototypes -Wold-style-definition \
               -Wmissing-prototypes -Wshadow -Wlogical-not-parentheses \
               -Wduplicated-cond; do
     IOVTEE_CC_FLAG([WARNING_FLAGS], [$flag])
   done
   AC_SUBST([WARNING_FLAGS])])

# IOVTEE_MACHINE_FLAGS
#
# PREFETCHW is no operation on those x86-64 processors that do not have it.
# Without this flag GCC makes an ordinary prefetch of __builtin_prefetch(p, 1),
# so that a cache line that is to be written, and that another core has, comes
# over twice.
AC_DEFUN([IOVTEE_MACHINE_FLAGS],
  [MACHINE_FLAGS=
   case $host_cpu in
     x86_64) IOVTEE_CC_FLAG([MACHINE_FLAGS], [-mprfchw]) ;;
   esac
   AC_SUBST([MACHINE_FLAGS])])
