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

# The tests of "quickstart check" and "quickstart nightly".

check_packages="clang gnuplot-nox groff-base python3-openvswitch
    python3-sphinx qemu-system-x86 tcpdump"
case ${debian-} in
    "debian 12 "*) check_packages="$check_packages libclang-rt-14-dev" ;;
    *) check_packages="$check_packages libclang-rt-dev" ;;
esac
deb_packages="debhelper debootstrap dpkg-dev fakeroot lintian"
check_hugepages=1280            # For one system test at a time.
passed=0
failed=0
skipped=0
failures=()                     # What is said on suites that failed.
late=()                         # Tests that passed only when run again.
suite_times=()                  # "SECONDS TESTS SUITE"
test_times=()                   # "SECONDS NUMBER NAME (SUITE)"
suite_jobs=1                    # How many tests of a suite run at a time.
suite_seconds=2400              # A suite that takes longer is ended.
suite_nic=                      # Which PCI NIC, if several are tested.
suite_tests=                    # Which tests of a suite, if not all.

# count_results LOG: prints how many tests of an autotest suite passed, failed,
# were skipped, and passed only when run again, from its output.  Goes by the
# line of each test; of a test that was run again the last one counts.  A suite
# that did not get to its end has one more failure.
count_results () {
    awk '
        /^ *[0-9]+: / {
            n = $1
            sub(/:/, "", n)
            if (/ (ok|expected failure)( |$)/) {
                result[n] = "passed"
            } else if (/ (FAILED|UNEXPECTED PASS)/) {
                result[n] = "failed"
                again[n] = 1
            } else if (/ skipped( |$)/) {
                result[n] = "skipped"
            }
        }
        /^## Test results/ { finished = 1 }
        END {
            for (n in result) {
                count[result[n]]++
                late += again[n] && result[n] == "passed"
            }
            print count["passed"] + 0, count["failed"] + !finished,
                  count["skipped"] + 0, late + 0
        }' "$1"
}

# late_results LOG: prints the names of the tests that passed only when run
# again.
late_results () {
    awk '
        !/^ *[0-9]+: / { next }
        / FAILED/ { again[$1] = 1; next }
        again[$1] && / ok( |$)/ {
            sub(/ +ok( .*)?$/, "")
            sub(/^ */, "")
            print
        }' "$1"
}

# failed_results LOG: prints the last word on each test that failed.
failed_results () {
    awk '
        !/^ *[0-9]+: / { next }
        { sub(/^ */, ""); last[$1] = $0 }
        END {
            for (n in last) {
                if (last[n] ~ /FAILED|UNEXPECTED PASS/) {
                    print last[n]
                }
            }
        }' "$1"
}

# note_failures TEXT [LINE...]: has them shown once more at the end, where who
# only sees the end of the output finds them.
note_failures () {
    local text=$1

    shift
    failures+=("$text:" "${@/#/  }")
}

# tally TEXT PASSED FAILED SKIPPED SINCE [FILE]: shows the results of the suite
# TEXT, which has run since SINCE, in $SECONDS, and adds them to the total.
# FILE says how long each test took, see run-suite.sh.
tally () {
    local took=$((SECONDS - $5))

    say "  $2 passed, $3 failed, $4 skipped in $took s"
    passed=$((passed + $2))
    failed=$((failed + $3))
    skipped=$((skipped + $4))
    suite_times+=("$took $(($2 + $3)) $1")
    if test -s "${6-}"; then
        readarray -t -O ${#test_times[@]} test_times < \
            <(sed "s/\$/ ($1)/" "$6")
    fi
}

# Prints how long each suite took, and the slowest tests.
show_times () {
    local line

    printf '%9s %6s  %s\n' seconds tests suite
    for line in "${suite_times[@]}"; do
        set -- $line
        printf '%9s %6s  %s\n' "$1" "$2" "${line#"$1 $2 "}"
    done
    test ${#test_times[@]} -gt 0 || return 0
    printf '%9s %6s  %s\n' seconds test "the slowest tests"
    printf '%s\n' "${test_times[@]}" | sort -rn | head -n 20 |
        while read -r line; do
            set -- $line
            printf '%9s %6s  %s\n' "$1" "$2" "${line#"$1 $2 "}"
        done
}

# Shows how each test went, as far as it is news.
show_results () {
    local line n=0

    while read -r line; do
        case $line in
            [0-9]*:*" FAILED"* | [0-9]*:*" skipped"* | *"UNEXPECTED PASS"*)
                say "  $line" ;;
            [0-9]*:*" ok") n=$((n + 1)) ;;
            *) continue ;;
        esac
        if test $((n % 25)) = 0 && test $n -gt 0; then
            say "  ... $n passed"
        fi
    done
}

# suite_files DIR TARGET: prints where the suite of TARGET in DIR leaves what
# tells of it, without the last part of the names.
suite_files () {
    case $2 in
        check-build) echo "$1/tests/build-testsuite" ;;
        check-long | check-system*) echo "$1/tests/system-iovtee-testsuite" ;;
        check-pci-*)
            echo "$1/tests/pci-results/${suite_nic:-igb}/system-pci-testsuite"
            ;;
        check-hostile-ovs)
            echo "$1/ovs-sanitizers/tests/system-iovtee-testsuite" ;;
        check-tsan) echo "$1/tsan/tests/testsuite" ;;
        *) echo "$1/tests/testsuite" ;;
    esac
}

# failure_report LOG: prints why the tests that failed did, or how the suite
# ended if it does not say.
failure_report () {
    if grep -q '^What failed, ' "$1"; then
        sed -n '/^What failed, /,/^make/{/^make/!p}' "$1"
    else
        tail -n 15 "$1"
    fi
}

# suite TEXT DIR TARGET [COMMAND...]: makes TARGET in DIR; COMMAND is put
# before make.  A suite that hangs is ended.
suite () {
    local text=$1 dir=$2 target=$3 since=$SECONDS
    local log=$dir/quickstart-$target${suite_nic:+-$suite_nic}.log
    local status=0 results names files

    shift 3
    files=$(suite_files "$dir" "$target")
    rm -f "$files.times"
    say "$text"
    cd "$dir" || die "cannot enter $dir: see to its permissions"
    run_logged "$log" show_results "$@" timeout --foreground -k 30 \
        "$suite_seconds" make -j"$jobs" "$target" RECHECK=yes \
        ${suite_nic:+PCI_NICS="$suite_nic"} \
        TESTSUITEFLAGS="-j$suite_jobs $suite_tests" || status=$?
    read -r -a results < <(count_results "$log")
    if test "$status" != 0 && test "${results[1]}" = 0; then
        results[1]=1
    fi
    if test "${results[1]}" != 0; then
        failure_report "$log" | sed 's/^/  /'
        readarray -t names < <(failed_results "$log"; failure_report "$log"
                               echo "all of it is in $log")
        note_failures "$text" "${names[@]}"
    fi
    tally "$text" "${results[@]:0:3}" "$since" "$files.times"
    if test "${results[3]}" != 0; then
        readarray -t names < <(late_results "$log")
        say "  (${results[3]} of them passed only when run again)"
        late+=("${names[@]/#/"passed only when run again: $text: "}")
    fi
}

# The NIC model of the tests is a driver of DPDK and needs headers for drivers.
# They come from where the packages come from; if they do not, then the tests
# that need the model are skipped.
get_dpdk_headers () {
    local log=$build/quickstart-dpdk-headers.log

    "${as_owner[@]}" mkdir -p "$build" || die "cannot make $build: free some" \
        "space"
    if test -e "$build/dpdk-source/VERSION"; then
        return
    fi
    if "$top/build-aux/dpdk-headers" "$build/dpdk-source" > "$log" 2>&1; then
        # Whoever was configured before did not find them.
        rm -f "$build/config.status" "$build_sanitizers/config.status"
        chown -R --reference="$top" "$build/dpdk-source"
    else
        say "No headers for drivers of DPDK: $(tail -n 1 "$log")"
    fi
}

# counted TEXT DIR TARGET [COMMAND...]: makes TARGET in DIR, shows what it says
# and counts the results that it names in a line of its own.  COMMAND is put
# before make.
counted () {
    local text=$1 dir=$2 target=$3 since=$SECONDS
    local log=$dir/quickstart-$target.log results names

    shift 3
    say "$text"
    cd "$dir" || die "cannot enter $dir: see to its permissions"
    run_logged "$log" cat "$@" timeout --foreground -k 30 \
        "$suite_seconds" make "$target"
    results=$(grep -x '[0-9]* passed, [0-9]* failed, [0-9]* skipped' "$log" |
                  tail -n 1)
    set -- ${results:-0 passed, 1 failed, 0 skipped}
    if test "$3" != 0; then
        readarray -t names < <(grep FAILED "$log")
        note_failures "$text" "${names[@]:-did not end as they should}"
    fi
    tally "$text" "$1" "$3" "$5" "$since"
}

# pci TEXT TARGET [NIC]: runs tests with a PCI NIC, where there can be a
# machine that has one.
pci () {
    local text=$1 log=$build/quickstart-pci-machine.log status=0

    run_logged "$log" true timeout --foreground -k 30 900 \
        "$top/tests/pci/machine.sh" --check || status=$?
    if test $status = 77; then
        say "$text"
        say "  skipped: $(tail -n 1 "$log")"
        skipped=$((skipped + 1))
    else
        suite_nic=${3-}
        suite "$text" "$build" "$2" \
            env IOVTEE_MACHINE_TIME="${IOVTEE_MACHINE_TIME-$machine_seconds}"
        suite_nic=
    fi
}

# bench TEXT DIR TARGET [COMMAND...]: runs benchmarks, as "counted" does.  A
# busy machine gives no valid figures, which is no failure of the short form.
bench () {
    if test -e "$2/tests/nic-model/nicmodel.so"; then
        counted "$@"
    else
        say "$1: skipped, there is no NIC model"
        skipped=$((skipped + 1))
    fi
}

# Sets $system_jobs, how many system tests run at a time: two, if there is
# memory for their guests.
system_jobs=1
choose_system_jobs () {
    if test "$(available_memory)" -ge $((4 * check_hugepages + 3072)); then
        system_jobs=2
        check_hugepages=$((2 * check_hugepages))
    fi
}

# Builds, also for the sanitizers.
build_all () {
    local since=$SECONDS

    need_packages $build_packages $run_packages $check_packages
    # Linux guests are made of packages that the tests download.
    apt-cache show linux-image-cloud-amd64 > /dev/null 2>&1 ||
        apt-get -q update > /dev/null 2>&1
    need_hugepages $check_hugepages
    need_fair_threads
    get_dpdk_headers
    need_build
    build_in "$build_sanitizers" "building IOVTee for the sanitizers" \
        --with-ovs-build="$build/ovs" --enable-sanitizers --enable-Werror \
        $(test ! -e "$build/dpdk-source/VERSION" ||
          echo "--with-dpdk-source=$build/dpdk-source") \
        CFLAGS="-g -O1"
    suite_times+=("$((SECONDS - since)) - Building")
}

# Shows where time went, what failed, and the total, and exits.
total () {
    local line dir

    for dir in "$build" "$build_sanitizers" "$release_build"; do
        test ! -d "$dir" || chown -R --reference="$top" "$dir"
    done

    # Nothing may be printed after the total.
    lasting=yes
    undo
    show_times | tee "$build/quickstart-times.txt"
    chown --reference="$top" "$build/quickstart-times.txt"
    for line in "${failures[@]}" "${late[@]}"; do
        say "$line"
    done
    say "$passed passed, $failed failed, $skipped skipped"
    test $failed = 0 && test $passed -gt 0
    exit
}

checked="our code checked by AddressSanitizer and UBSan"

check () {
    choose_system_jobs
    build_all
    suite_jobs=$jobs
    suite "Unit tests" "$build" check "${as_owner[@]}"
    suite "Unit tests, $checked" "$build_sanitizers" check "${as_owner[@]}"
    suite "Unit tests, our code checked by ThreadSanitizer" "$build" \
        check-tsan "${as_owner[@]}"
    counted "Fuzzers, short form" "$build" fuzz-quick "${as_owner[@]}"
    suite "Tests of configuring, building and packing" "$build" check-build \
        "${as_owner[@]}"
    suite_jobs=$system_jobs
    suite "System tests where memory changes hands, $checked" \
        "$build_sanitizers" check-system-memory
    suite "System tests, the others" "$build" check-system-rest
    suite_jobs=1
    machine_seconds=1200
    pci "Tests with a PCI NIC behind an IOMMU, emulated, short form" \
        check-pci-quick
    suite_jobs=$((2 * jobs))
    suite "Open vSwitch's tests of what the patches touch" "$build" \
        check-ovs "${as_owner[@]}"
    bench "Benchmarks, short form" "$build" bench-quick
    total
}

# The long forms, and all that "check" leaves out.
nightly () {
    local nic

    choose_system_jobs
    build_all
    suite_seconds=14400
    machine_seconds=14400
    suite_jobs=$system_jobs
    suite "System tests" "$build" check-system
    suite "System tests, $checked" "$build_sanitizers" check-system
    suite "System tests of hostile guests, Open vSwitch checked, too" "$build" \
        check-hostile-ovs
    suite_jobs=1
    suite "System tests, long forms" "$build" check-long
    for nic in $(make -s -C "$build" print-pci-nics); do
        pci "Tests with a PCI NIC, $nic" check-pci-matrix "$nic"
    done
    counted "Fuzzers" "$build" fuzz "${as_owner[@]}"
    need_packages $deb_packages
    counted "Packages" "$build" check-deb
    suite_jobs=$((2 * jobs))
    suite "Open vSwitch's tests" "$build" check-ovs-long "${as_owner[@]}"
    bench "Benchmarks" "$build" bench
    total
}
