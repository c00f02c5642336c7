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

for fuzzer; do
    name=${fuzzer##*fuzz-}
    echo "$name: $seconds s"
    mkdir -p "corpus/$name"
    if $fuzzer -max_total_time="$seconds" -max_len=2048 -timeout=10 \
        -artifact_prefix="$name-" "corpus/$name" \
        "$srcdir/tests/fuzz/corpus/$name" > "$name.log" 2>&1; then
        tail -n 1 "$name.log"
        passed=$((passed + 1))
    else
        tail -n 40 "$name.log"
        echo "$name: FAILED"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
test $failed = 0
