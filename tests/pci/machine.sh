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

# Runs a command in a machine with an emulated PCI NIC, behind an IOMMU unless
# told otherwise.
#
#     machine.sh --check
#     machine.sh NIC RESULTS COMMAND
#
# The machine is one of QEMU's, without KVM, so that it runs everywhere.  It
# sees all files of this one, but what it writes is lost, apart from what it
# writes to $RESULTS, which is folder RESULTS here.  COMMAND is a shell script
# that runs as root in the folder that this is called in.  What it prints is
# printed, its exit status is the exit status.  RESULTS gets, too:
#
#     console     what the kernel said, console.N in an Nth try that hung
#     qemu        what QEMU said
#     dma         where the NIC wrote frames to, and which were too long for
#                 it, as QEMU traces it
#
# NIC, which is $PCI_MODEL to COMMAND, is a device of QEMU: igb or e1000e, or
# another one, for which "dma" stays empty and $PCI_TRACE is empty, too.  It is
# at $PCI_NIC, bound to vfio-pci.  If "-no-iommu" follows the name of the
# device, then the machine has no IOMMU, $PCI_IOMMU is empty, and the NIC is
# bound to uio_pci_generic, as Debian builds its kernels without
# CONFIG_VFIO_NOIOMMU.  The NIC's cable ends at $PCI_CABLE, a virtio NIC.
# There is KVM for machines in the machine, by the virtualization of AMD's
# processors, which QEMU emulates; $IOVTEE_GUEST_CACHE has what a Linux guest
# of the system tests boots from.
#
# "--check" only finds out whether there can be a machine, and does all
# downloads.  If there cannot be one, one line says why, and the exit status is
# 77.
#
# The environment may say:
#
#     IOVTEE_GUEST_CACHE=DIR   where kernel and QEMU are kept between runs
#                              (~/.cache/openvswitch-iovtee)
#     IOVTEE_MACHINE_TIME=N    seconds that COMMAND may take (1800)

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME-$HOME/.cache}/openvswitch-iovtee
cache=${IOVTEE_GUEST_CACHE-$cache}
image=$cache/pci
memory=2048                     # Of the machine, in MiB.
modules="virtio_pci virtio_net qemu_fw_cfg 9p 9pnet_virtio overlay tun veth
    vfio_iommu_type1 vfio-pci uio_pci_generic kvm-amd"

# prerequisites: sets $qemu, or says what is missing and exits.
prerequisites () {
    if test "$(id -u)" != 0; then
        echo "emulated NICs need root"
        exit 77
    fi
    available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    if test "${available:-0}" -lt $(((memory + 512) * 1024)); then
        echo "emulated NICs need $((memory + 512)) MiB of free memory"
        exit 77
    fi
    qemu=$("$here/qemu.sh" "$cache/qemu") || { echo "$qemu"; exit 77; }
    "$here/../kernel-guest/image.sh" "$image" linux-image-amd64 \
        "$here/init" $modules || exit
    "$here/../kernel-guest/image.sh" "$cache" || exit
}

# Prints the script that the machine runs: COMMAND is $1.
script () {
    cat <<END
export PATH='$PATH' LC_ALL=C HOME=/root
export RESULTS=/run/iovtee-results
export IOVTEE_GUEST_CACHE='$cache'
export PCI_NIC=0000:00:03.0 PCI_CABLE=0000:00:04.0
export PCI_MODEL=$model PCI_TRACE=$trace PCI_IOMMU=$iommu
echo $driver > /sys/bus/pci/devices/\$PCI_NIC/driver_override &&
echo \$PCI_NIC > /sys/bus/pci/drivers/$driver/bind &&
cd '$PWD' || exit 1
$1
END
}

# Runs QEMU until it ends.
run_machine () {
    share=security_model=none,multidevs=remap
    timeout -k 10 ${IOVTEE_MACHINE_TIME-1800} $qemu \
        -nodefaults -no-user-config -display none -no-reboot \
        -machine q35,hpet=off -cpu max,+svm -smp 2 -m $memory \
        -kernel "$image/vmlinuz" -initrd "$image/initramfs" -append \
        "console=ttyS0 mitigations=off intel_iommu=on iovtee.hugepages=400" \
        -fw_cfg name=opt/iovtee/command,file="$results/command" \
        -serial file:"$results/console" \
        -chardev file,id=output,path=/dev/fd/3,append=on \
        -serial chardev:output \
        -virtfs local,path=/,mount_tag=host,readonly=on,$share \
        -virtfs local,path="$results",mount_tag=results,$share \
        -D "$results/dma" \
        ${trace:+-trace $trace -trace e1000x_rx_oversized} \
        ${iommu:+-device $iommu} \
        -netdev hubport,id=nic,hubid=1 -netdev hubport,id=cable,hubid=1 \
        -device $model,netdev=nic,addr=0x3,mac=02:00:00:00:01:00 \
        -device virtio-net-pci,netdev=cable,addr=0x4,mac=02:00:00:00:00:01 \
        </dev/null 3>&1 >"$results/qemu" 2>&1 &
    pid=$!
    hung=
    watch_boot
    wait $pid
}

# Ends QEMU if the command does not run after a minute.  A boot takes ten
# seconds, but without KVM it happens once in a while that Linux waits for a
# timer for ever.
watch_boot () {
    tries=0
    while kill -0 $pid 2>/dev/null && test ! -e "$results/status"; do
        tries=$((tries + 1))
        if test $tries = 60; then
            echo "machine.sh: the machine does not start" >&2
            hung=yes
            kill $pid
        fi
        sleep 1
    done
}

case $#:$1 in
    1:--check) prerequisites; exit 0 ;;
    3:*) ;;
    *) sed -n 's/^# *\(machine.sh .*\)/usage: \1/p' "$0" >&2; exit 2 ;;
esac
prerequisites
mkdir -p "$2" && results=$(cd "$2" && pwd) || exit 1
rm -f "$results/status"
model=${1%-no-iommu}
if test "$model" = "$1"; then
    iommu=intel-iommu,intremap=on,aw-bits=48
    driver=vfio-pci
else
    iommu=
    driver=uio_pci_generic
fi
case $model in
    igb) trace=igb_rx_desc_buff_write ;;
    e1000e) trace=e1000e_rx_desc_buff_write ;;
    *) trace= ;;
esac
script "$3" > "$results/command"
pid=
trap 'test -z "$pid" || kill $pid 2>/dev/null' 0
trap 'exit 1' 1 2 13 15
for try in 1 2 3 4 5; do
    run_machine
    status=$?
    test -n "$hung" || break
    mv "$results/console" "$results/console.$try"
done
pid=
if test $status != 0 || test ! -s "$results/status"; then
    echo "machine.sh: QEMU ended with status $status"
    exit 1
fi
exit "$(cat "$results/status")"
