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

# Runs the tests with PCI NICs, once for each of several NICs.
#
#     check.sh "NIC..." [FLAG...]
#
# To be called in the build directory, in which tests/system-pci-testsuite has
# been made.  Each NIC, see machine.sh, has a machine of its own.  FLAGs are
# for the test suite.  What is left of a run is in tests/pci-results/NIC.  If
# there are several NICs, a table says at the end how each test went with each.
#
# Exits with status 77 if there cannot be a machine.

here=$(cd "$(dirname "$0")" && pwd)
nics=$1
shift

# Prints the command for the machine.
command_for () {
    cat <<END
export IOVTEE_TIMEOUT=\${IOVTEE_TIMEOUT-180}
"$here/../../build-aux/run-suite.sh" --threads \
    $(test "$RECHECK" != yes || echo --recheck) \
    tests/system-pci-testsuite -C tests --color=never \
    AUTOTEST_PATH=tests:vswitchd $*
status=\$?
cp -R tests/system-pci-testsuite.* \$RESULTS
exit \$status
END
}

# check NIC FLAG...: runs the suite with NIC.
check () {
    results=tests/pci-results/$1
    nic=$1
    shift
    rm -rf "$results"
    mkdir -p "$results" || return
    { "$here/machine.sh" "$nic" "$results" "$(command_for "$@")"
      echo $? > "$results/exit"; } |
        sed -u "s|tests/\(system-pci-testsuite.dir/\)|$results/\1|" |
        tee "$results/output"
    return "$(cat "$results/exit")"
}

# Prints how each test went with each of $nics.
table () {
    echo
    for nic in $nics; do
        sed -nE 's/^ *([0-9]+): (.*[^ ]) +(ok|FAILED|skipped).*/\1|\2|\3/p' \
            tests/pci-results/$nic/output | sed "s/^/$nic|/"
    done | awk -F '|' -v nics="$nics" '
        { title[$2] = $3; result[$1, $2] = $4; n = $2 > n ? $2 : n }
        END {
            n_nics = split(nics, nic, " ")
            printf "%-50s", ""
            for (i = 1; i <= n_nics; i++) {
                printf " %8s", nic[i]
            }
            print ""
            for (t = 1; t <= n; t++) {
                if (t in title) {
                    printf "%-50s", title[t]
                    for (i = 1; i <= n_nics; i++) {
                        r = result[nic[i], t]
                        printf " %8s", r == "" ? "-" : r
                    }
                    print ""
                }
            }
        }'
}

test -n "$nics" || { echo "usage: $0 'NIC...' [FLAG...]" >&2; exit 2; }
status=0
reason=$("$here/machine.sh" --check) || {
    status=$?
    echo "PCI NICs: skipped: $reason"
    exit $status
}
for nic in $nics; do
    check "$nic" "$@" || status=1
done
test "$nics" = "${nics% *}" || table
exit $status
