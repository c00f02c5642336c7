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

# The demonstration of "quickstart".
#
#     namespace iovtee-world          namespace iovtee-switch
#     +--------------------+          +----------------------------------+
#     | nic0  10.11.0.1    |   veth   | nic0 - ovs-vswitchd - vm0 - guest |
#     +--------------------+==========+----------------------------------+
#
# "nic0" plays the physical NIC: DPDK's net_af_packet drives the switch's end.
# The guest is dpdk-testpmd over virtio-user; it answers ARP and ping for any
# address, and afterwards sends each frame back.

world=$prefix-world
switch=$prefix-switch
guest_ip=10.11.0.2
guest_mac=02:00:00:00:00:02
world_ip=10.11.0.1
world_mac=02:00:00:00:00:01
frames=300000
demo_hugepages=384

# Types of the two ports, for comparison with the stock ones.
: "${NIC_TYPE:=iovtee}"
: "${GUEST_TYPE:=iovtee}"

in_switch () {
    ip netns exec $switch "$@"
}

in_world () {
    ip netns exec $world "$@"
}

# Open vSwitch's tools, all of which find our switch and database only.
ovs () {
    local tool=$1

    shift
    OVS_RUNDIR=$run timeout 60 "ovs-$tool" "$@"
}

vsctl () {
    ovs vsctl --db="unix:$run/db.sock" "$@"
}

ofctl () {
    ovs ofctl -O OpenFlow14 "$@"
}

appctl () {
    ovs appctl -t "$run/ovs-vswitchd.ctl" "$@"
}

# await TEXT COMMAND...: waits up to a minute until COMMAND succeeds.
await () {
    local text=$1 end=$((SECONDS + 60))

    shift
    until "$@" > /dev/null 2>&1; do
        test $SECONDS -lt $end ||
            demo_failed "waited in vain until $text"
        sleep 0.1
    done
}

# Keeps the logs of a run that failed.
demo_failed () {
    local logs=$build/quickstart-logs

    rm -rf "$logs"
    mkdir -p "$logs"
    cp "$run"/*.log "$logs" 2>/dev/null
    grep -hE '\|(ERR|EMER)\|' "$run/ovs-vswitchd.log" 2>/dev/null |
        tail -n 3 >&2
    die "$*; the logs are in $logs"
}

# The network that the switch and the world are connected by.
demo_network () {
    {
        ip netns add $world &&
            ip netns add $switch &&
            in_world sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
                net.ipv6.conf.default.disable_ipv6=1 &&
            in_switch sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
                net.ipv6.conf.default.disable_ipv6=1 &&
            ip -n $switch link set lo up &&
            ip -n $switch link add nic0 type veth \
                peer name nic0 address $world_mac netns $world &&
            in_switch ethtool -K nic0 tx off tso off gso off gro off &&
            in_world ethtool -K nic0 tx off tso off gso off gro off &&
            ip -n $switch link set nic0 up &&
            ip -n $world link set nic0 up &&
            ip -n $world address add $world_ip/24 dev nic0
    } > "$run/network.log" 2>&1 || {
        tail -n 1 "$run/network.log" >&2
        die "cannot make network namespaces: outside of a container, or in" \
            "a privileged one, it works"
    }
}

# A database and a switch of our own: the system's are not touched.
demo_switch () {
    local other_config=(
        dpdk-init=true
        "dpdk-lcore-mask=$(printf '0x%x' $((1 << cpu_main)))"
        "pmd-cpu-mask=$(printf '0x%x' $((1 << cpu_pmd)))"
        per-port-memory=true
        'dpdk-extra="--no-pci --in-memory --iova-mode=va"'
    )

    ovsdb-tool create "$run/conf.db" \
        /usr/share/openvswitch/vswitch.ovsschema &&
        OVS_RUNDIR=$run ovsdb-server -vconsole:off "$run/conf.db" \
            --detach --no-chdir --remote="punix:$run/db.sock" \
            --unixctl="$run/ovsdb-server.ctl" \
            --pidfile="$run/ovsdb-server.pid" \
            --log-file="$run/ovsdb-server.log" &&
        vsctl --no-wait -- init -- set Open_vSwitch . \
            "${other_config[@]/#/other_config:}" ||
        demo_failed "the database does not start"

    OVS_RUNDIR=$run in_switch "$build/vswitchd/ovs-vswitchd" \
        -vconsole:off "unix:$run/db.sock" --detach --no-chdir \
        --pidfile="$run/ovs-vswitchd.pid" --unixctl="$run/ovs-vswitchd.ctl" \
        --log-file="$run/ovs-vswitchd.log" ||
        demo_failed "the switch does not start"
    demo_run vsctl add-br br0 -- \
        set Bridge br0 datapath_type=netdev fail_mode=secure
}

# The two ports, and where packets go.
demo_ports () {
    local devargs=net_af_packet_nic0,iface=nic0
    local peer=

    devargs+=,framesz=2048,blocksz=65536,framecnt=1024
    if test "$GUEST_TYPE" = iovtee; then
        peer=options:peer=nic0
    fi
    demo_run vsctl add-port br0 nic0 -- set Interface nic0 type="$NIC_TYPE" \
        options:dpdk-devargs="$devargs"
    demo_run vsctl add-port br0 vm0 -- set Interface vm0 type="$GUEST_TYPE" \
        options:vhost-server-path="$run/vm0.sock" $peer
    demo_run ofctl add-flow br0 in_port=nic0,actions=output:vm0
    demo_run ofctl add-flow br0 in_port=vm0,actions=output:nic0
}

# Prints a command that a user may want to know, and runs it.
demo_run () {
    local shown=$1

    case $shown in
        vsctl | ofctl | appctl) shown=ovs-$shown ;;
    esac
    say "  $shown ${*:2}"
    "$@" || demo_failed "that did not work"
}

demo_guest () {
    local vdev=net_virtio_user0,path=$run/vm0.sock,server=1

    vdev+=,mac=$guest_mac,queue_size=1024
    mkfifo "$run/guest.in"
    setsid stdbuf -oL dpdk-testpmd --lcores "(0,1)@$cpu_main" --no-pci \
        --in-memory --single-file-segments -m 128 \
        --vdev "$vdev" -- \
        -i -a --forward-mode=icmpecho --total-num-mbufs=8192 \
        <> "$run/guest.in" >> "$run/guest.log" 2>&1 &
    echo $! > "$run/guest.pid"
    disown
    await "the guest runs" grep 'testpmd> ' "$run/guest.log"
    await "the guest is connected" link_is_up
}

link_is_up () {
    test "$(vsctl get Interface vm0 link_state)" = up
}

# guest_do COMMAND: gives the guest a command of testpmd's.
guest_do () {
    echo "$1" 1<> "$run/guest.in"
}

demo_undo () {
    local name

    for name in guest ovs-vswitchd ovsdb-server; do
        end_process "$run/$name.pid"
    done
    for name in $world $switch; do
        if ip netns list 2>/dev/null | grep -q "^$name\>"; then
            ip netns del $name
        fi
    done
}

# The traffic, and what became of it
# ----------------------------------

demo_traffic () {
    say "Sending 5 pings to the guest:"
    in_world ping -q -c 5 -i 0.2 -w 20 $guest_ip > "$run/ping.log" ||
        demo_failed "the guest does not answer pings"
    sed -n '/packets transmitted/s/^/  /p' "$run/ping.log"

    # From now on the guest sends each frame back.
    guest_forwards macswap

    say "Sending $frames UDP frames of 60 to 1514 bytes.  The guest sends each"
    say "back, and every byte is compared:"
    "$build/tests/traffic/frames" exchange "$world:nic0,dst=$guest_mac" \
        "$world:nic0,swap" --size=60-1514 --count=$frames \
        > "$run/frames.log" 2> "$run/frames.err"
    frames_status=$?
    sed 's/^/  /' "$run/frames.log"
}

# guest_forwards MODE: has the guest go on in another of testpmd's modes.  What
# has arrived when it starts again it throws away, before it says how many
# packets it takes at once.
guest_forwards () {
    : > "$run/guest.log"
    guest_do stop
    guest_do "set fwd $1"
    guest_do start
    await "the guest is in mode $1" \
        grep -a "$1 packet forwarding packets/burst" "$run/guest.log"
}

# Prints KEY of the statistics of port vm0.
vm_stat () {
    sed -n "s/.*\<$1=\([0-9]*\).*/\1/p" "$run/stats" | head -n 1
}

demo_report () {
    local zero copied delivered share reasons

    ofctl dump-ports br0 vm0 > "$run/stats"
    say
    say "Delivered to the guest"
    delivered=$(sed -n 's/.*tx pkts=\([0-9]*\),.*/\1/p' "$run/stats")
    zero=$(vm_stat iovtee_zero_copied)
    if test -n "$zero"; then
        copied=$((delivered - zero))
        reasons=$(tr -s ', ' '\n\n' < "$run/stats" |
            sed -n 's/^iovtee_copied_\(.*\)=\([1-9][0-9]*\)$/\1: \2/p')
        say "  packets:     $delivered"
        # Rounded down: 100 % means all of them.
        share=$((10000 * zero / (delivered ? delivered : 1)))
        say "  zero-copied: $zero," \
            "$(printf '%d.%02d %%' $((share / 100)) $((share % 100)))"
        say "  copied:      $copied${reasons:+, because: }"$reasons
    fi
    say
    say "ovs-appctl iovtee/show"
    appctl iovtee/show | sed 's/^/  /'
    say
    say "ovs-ofctl dump-flows br0"
    appctl revalidator/wait
    ofctl --names dump-flows br0 | sed 's/^ */  /'
    say
}

demo_look_around () {
    cat <<END
Everything goes on running.  To look around as root:

  export OVS_RUNDIR=$run
  alias ovs-vsctl='ovs-vsctl --db=unix:$run/db.sock'
  alias ovs-appctl='ovs-appctl -t $run/ovs-vswitchd.ctl'
  ovs-vsctl show
  ovs-appctl iovtee/show
  ovs-appctl dpif-netdev/pmd-perf-show
  ovs-ofctl -O OpenFlow14 dump-ports br0
  ip netns exec $world ping $guest_ip
  echo "show port stats all" > $run/guest.in; tail $run/guest.log
  less $run/ovs-vswitchd.log

To end it: sudo ./quickstart clean
END
}

demo () {
    need_packages $build_packages $run_packages
    need_hugepages $demo_hugepages
    need_fair_threads
    need_build
    say
    say "Setting up a NIC port, a guest port and flows in both directions:"
    demo_network
    demo_switch
    demo_ports
    demo_guest
    demo_traffic
    demo_report
    test $frames_status = 0 || demo_failed "frames were lost or damaged"
    if test $keep = yes; then
        lasting=yes
        guest_forwards icmpecho
        demo_look_around
    fi
}
