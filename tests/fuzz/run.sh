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

# run.sh SRCDIR OVS_DIR SECONDS FUZZER...: builds each FUZZER with clang and
# libFuzzer in the folder "fuzz" of the current one, and runs it for SECONDS.
# As many run at a time as there are processors.
#
# What it finds that is new stays there for the next time, and so does an
# input that makes it fail.

srcdir=$1
ovs=$2
seconds=$3
shift 3
passed=0
failed=0

echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' > fuzz-conftest.c
clang -fsanitize=fuzzer,address fuzz-conftest.c -o fuzz-conftest \
    > /dev/null 2>&1
status=$?
rm -f fuzz-conftest fuzz-conftest.c
if test $status != 0; then
    echo "There is no clang with libFuzzer (Debian packages: clang" \
        "libclang-rt-14-dev)"
    echo "0 passed, 0 failed, $# skipped"
    exit 0
fi

mkdir -p fuzz && cd fuzz || exit 1
if test ! -e Makefile; then
    "$srcdir"/configure -q CC=clang \
        CFLAGS="-g -O1 -Wno-unknown-warning-option" --with-dpdk-source=no \
        --with-ovs-build="$ovs" --enable-sanitizers=fuzzer || exit 1
fi
$MAKE "$@" || exit 1

# run FUZZER NAME: leaves its exit status in NAME.status.
run () {
    mkdir -p "corpus/$2"
    $1 -max_total_time="$seconds" -max_len=2048 -timeout=10 \
        -artifact_prefix="$2-" "corpus/$2" "$srcdir/tests/fuzz/corpus/$2" \
        > "$2.log" 2>&1
    echo $? > "$2.status"
}

# show NAME: says how it went.
show () {
    if test "$(cat "$1.status")" = 0; then
        tail -n 1 "$1.log"
        passed=$((passed + 1))
    else
        tail -n 40 "$1.log"
        echo "$1: FAILED"
        failed=$((failed + 1))
    fi
}

at_a_time=$(nproc)
while test $# != 0; do
    names=
    while test $# != 0 && test "$(echo $names | wc -w)" -lt "$at_a_time"; do
        name=${1##*fuzz-}
        names="$names $name"
        echo "$name: $seconds s"
        run "$1" "$name" &
        shift
    done
    wait
    for name in $names; do
        show "$name"
    done
done
echo "$passed passed, $failed failed, 0 skipped"
test $failed = 0
