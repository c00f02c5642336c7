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

# Runs each system test many times, and says what ever failed.
#
#     luck.sh TIMES SECONDS [FLAG...]
#
# To be called in a build directory, as root.  Runs the tests that FLAGs of
# the suite choose (all, if there are none) TIMES times, and every other time
# keeps the processor of the PMD thread busy.  Begins no further round after
# SECONDS.  What is left of a round in which a test failed is in
# tests/luck/ROUND.  Ends with a line for each test that failed, and with the
# total of all rounds.

here=$(cd "$(dirname "$0")" && pwd)
times=$1
seconds=$2
shift 2
suite=tests/system-iovtee-testsuite
begun=$(date +%s)
burner=
trap 'test -z "$burner" || kill $burner' 0
trap 'exit 130' 2
trap 'exit 143' 15

rm -rf tests/luck
mkdir -p tests/luck
round=0
while test $round -lt "$times" &&
      test $(($(date +%s) - begun)) -lt "$seconds"; do
    round=$((round + 1))
    busy=
    burner=
    if test $((round % 2)) = 0; then
        busy=", busy"
        taskset -c 1 sh -c 'while :; do :; done' &
        burner=$!
    fi
    "$here/../../build-aux/run-suite.sh" --threads $suite -C tests \
        --color=never AUTOTEST_PATH="$LUCK_PATH" "$@" > tests/luck/output 2>&1 ||
        cp -R $suite.dir tests/luck/$round
    test -z "$burner" || kill $burner
    burner=
    sed -n 's/^ *[0-9]*: .* \(ok\|FAILED\|skipped\).*/&/p' tests/luck/output \
        >> tests/luck/results
    echo "round $round$busy: $(grep -c ' FAILED ' tests/luck/output) failed"
done

# "N: NAME   FAILED (FILE:LINE)"
awk -v rounds=$round '
    / FAILED \(/ {
        failed++
        sub(/ +FAILED \(/, " (")
        times[$0]++
    }
    / ok$/ { passed++ }
    / skipped \(/ { skipped++ }
    END {
        for (test in times) {
            printf "failed %d of %d times: %s\n", times[test], rounds, test
        }
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0
    }' tests/luck/results
