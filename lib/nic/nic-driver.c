/*
 * Copyright (c) 2026 The IOVTee for Open vSwitch authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

/* What is known of drivers, and what the device says of itself.  The PCI
 * drivers that were looked at are in a table; what was found is in
 * Documentation/topics/nic-drivers.rst. */

#include <config.h>

#include "nic/nic-driver.h"

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include "nic/vf.h"
#include "packets.h"
#include "util.h"

/* Frame size of net_af_packet's rings unless its arguments say otherwise, and
 * how much of it the kernel keeps for itself before an Ethernet frame: the
 * offset that packet(7) calls "tp_mac", in version 2 of the ring. */
#define AF_PACKET_FRAME_SIZE 2048
#define AF_PACKET_OVERHEAD 66

/* The longest receive buffer of net_e1000_em. */
#define EM_MAX_BUFFER 16384

/* net_ixgbe_vf rounds the length of its receive buffers down to a multiple of
 * this. */
#define IXGBE_BUFFER_UNIT 1024

/* What is known of a driver of PCI devices. */
struct pci_driver {
    const char *name;
    const char *copy_only;      /* Why it must not be given the buffers of
                                 * others, or NULL if it may. */
    uint32_t slack;             /* How much longer a frame that it lets through
                                 * may be than MTU, Ethernet header and two
                                 * VLAN tags, bytes. */
    uint16_t least_mtu;         /* With a smaller MTU the NIC lets through what
                                 * it does with this one. */
    uint16_t ring_size;         /* Of a receive ring, unless the user says
                                 * another one, or 0. */
};

/* Descriptors of a transmit ring whose driver does not tell: Open vSwitch's
 * default. */
enum { UNKNOWN_TX_RING = 2048 };

/* Sizes of receive rings, in descriptors, that suit guests with 256 and more.
 * Some drivers replace each buffer before they pass on its frame, or all that
 * are missing at once.  They always have as many as they have descriptors, and
 * what a guest of 256 can lend is not to be less than that.  With the others
 * the NIC waits for the guest's. */
enum { RING_ALWAYS_FULL = 128, RING = 512 };

/* The drivers of PCI devices that were looked at.  What was found is in
 * Documentation/topics/nic-drivers.rst. */
static const struct pci_driver pci_drivers[] = {
    { "net_e1000_em", NULL, 0, RTE_ETHER_MTU, RING_ALWAYS_FULL },
    { "net_e1000_igb", NULL, 0, RTE_ETHER_MTU, RING_ALWAYS_FULL },
    { "net_e1000_igb_vf", NULL, 4, 0, RING_ALWAYS_FULL },
    { "net_ena", NULL, 0, 0, RING_ALWAYS_FULL },
    { "net_i40e", NULL, 4, 0, RING },
    { "net_iavf", NULL, 4, 0, RING },
    { "net_ice", NULL, 4, 0, RING },
    { "net_ixgbe", NULL, 0, RTE_ETHER_MTU, RING },
    { "net_ixgbe_vf", NULL, 0, 0, RING },
    { "net_vmxnet3", NULL, 0, 0, RING_ALWAYS_FULL },

    { "mlx5_pci", "driver looks buffers up in memory regions of its own", 0,
      0, 0 },
    { "net_bnxt", "driver frees its buffers while the NIC may write", 0, 0,
      0 },
    { "net_mana", "driver looks buffers up by their memory pool", 0, 0, 0 },
    { "net_mlx4", "driver looks buffers up in memory regions of its own", 0,
      0, 0 },
    { "net_virtio", "driver keeps its buffers when it is stopped", 0, 0, 0 },
};

/* Drivers of virtual devices that may be given the buffers of others.  Most
 * others pass their buffers on to who knows whom, or write more than a buffer
 * holds, or before it. */
static const char *const virtual_drivers[] = {
    "net_af_packet", "net_tap",
    "net_nicmodel",             /* Of our own tests. */
};

static const struct pci_driver *find_pci_driver(const char *name);
static const char *driver_verdict(const struct iovtee_nic *,
                                  const char *bus);
static uint32_t af_packet_frame_size(const struct rte_device *);
static uint32_t overlong_frame(const struct iovtee_nic *, uint16_t mtu,
                               uint64_t offloads);

/* Finds out what there is to know of the device of 'nic'. */
void
iovtee_nic_learn(struct iovtee_nic *nic)
{
    struct rte_eth_dev_info info;
    const char *bus;

    if (rte_eth_dev_info_get(nic->port_id, &info)) {
        nic->copy_only = "the device does not answer";
        if (!nic->driver) {
            nic->driver = xstrdup("unknown");
        }
        return;
    }

    bus = info.device ? rte_bus_name(rte_dev_bus(info.device)) : "none";
    free(nic->driver);
    nic->driver = xstrdup(info.driver_name);
    nic->dev = info.device;
    nic->mappable = strcmp(bus, "vdev");
    nic->is_vf = iovtee_vf_check(nic->driver, IOVTEE_VF_DEVICES,
                                 info.device ? rte_dev_name(info.device)
                                 : NULL);
    nic->max_frame = iovtee_nic_longest_frame(nic);

    if (nic->kept) {
        return;
    }
    nic->copy_only = NULL;
    if (rte_eal_iova_mode() != RTE_IOVA_VA) {
        /* Physical addresses mean that no IOMMU stands between the NIC and
         * the rest of the host, and that nobody pins guest memory. */
        nic->copy_only = "DPDK runs with physical addresses (IOVA mode PA)";
    }
    if (!nic->copy_only) {
        nic->copy_only = driver_verdict(nic, bus);
    }
    if (!nic->copy_only) {
        nic->copy_only = nic->unfed;
    }
}

/* Returns how many descriptors a receive queue of DPDK port 'port_id' had
 * better have, so that a guest with a ring of usual size can lend it all of
 * its buffers, or 0 if the number does not matter. */
unsigned int
iovtee_nic_default_ring_size(uint16_t port_id)
{
    const struct pci_driver *driver;
    struct rte_eth_dev_info info;

    if (rte_eth_dev_info_get(port_id, &info)) {
        return 0;
    }
    driver = find_pci_driver(info.driver_name);
    return driver ? driver->ring_size : 0;
}

/* Returns how many mbufs all transmit queues of all NICs of the process may
 * keep after they were sent. */
unsigned int
iovtee_nic_tx_capacity(void)
{
    unsigned int n = 0;
    uint16_t port_id;

    RTE_ETH_FOREACH_DEV (port_id) {
        struct rte_eth_dev_info info;

        if (rte_eth_dev_info_get(port_id, &info)) {
            continue;
        }
        for (uint16_t i = 0; i < info.nb_tx_queues; i++) {
            struct rte_eth_txq_info queue;

            n += (rte_eth_tx_queue_info_get(port_id, i, &queue)
                  ? UNKNOWN_TX_RING : queue.nb_desc);
        }
    }
    return n;
}

/* Returns the longest frame in bytes that 'nic' writes into a buffer. */
uint32_t
iovtee_nic_longest_frame(const struct iovtee_nic *nic)
{
    const struct pci_driver *driver = find_pci_driver(nic->driver);
    struct rte_eth_conf conf;
    uint64_t offloads;
    uint32_t max_frame;
    uint16_t mtu;

    if (rte_eth_dev_get_mtu(nic->port_id, &mtu)) {
        mtu = RTE_ETHER_MTU;
    }
    if (driver) {
        mtu = MAX(mtu, driver->least_mtu);
    }
    offloads = (rte_eth_dev_conf_get(nic->port_id, &conf) ? 0
                : conf.rxmode.offloads);
    max_frame = (mtu + ETH_HEADER_LEN + 2 * VLAN_HEADER_LEN
                 + (driver ? driver->slack : 0)
                 + (offloads & RTE_ETH_RX_OFFLOAD_KEEP_CRC
                    ? RTE_ETHER_CRC_LEN : 0));
    return MAX(max_frame, overlong_frame(nic, mtu, offloads));
}

/* Returns how many bytes before a frame the driver of 'nic' writes.  (Of those
 * that may be given guest buffers one does: it puts a VLAN tag back that the
 * kernel has taken out.) */
uint32_t
iovtee_nic_front(const struct iovtee_nic *nic)
{
    return !strcmp(nic->driver, "net_af_packet") ? VLAN_HEADER_LEN : 0;
}

/* Returns why the driver of 'nic', which is on 'bus', must not be given guest
 * buffers, or NULL if it may. */
static const char *
driver_verdict(const struct iovtee_nic *nic, const char *bus)
{
    const struct pci_driver *driver;

    if (!strcmp(bus, "vdev")) {
        for (size_t i = 0; i < ARRAY_SIZE(virtual_drivers); i++) {
            if (!strcmp(nic->driver, virtual_drivers[i])) {
                return NULL;
            }
        }
        return "driver is not known to respect the bounds of buffers";
    } else if (strcmp(bus, "pci")) {
        return "driver is of a bus that was not looked at";
    }

    driver = find_pci_driver(nic->driver);
    if (!driver) {
        return "driver was not looked at";
    } else if (driver->copy_only) {
        return driver->copy_only;
    }
    return (rte_eth_dev_pool_ops_supported(nic->port_id, "iovtee") < 0
            ? "driver needs memory pools of its own kind" : NULL);
}

/* Returns what is known of driver 'name' of PCI devices, or NULL. */
static const struct pci_driver *
find_pci_driver(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(pci_drivers); i++) {
        if (!strcmp(name, pci_drivers[i].name)) {
            return &pci_drivers[i];
        }
    }
    return NULL;
}

/* MTU keeps most NICs from writing a longer frame.  Returns the length of the
 * longest one in bytes if 'nic', of which MTU is 'mtu' and the receive
 * offloads in use are 'offloads', is not one of these, otherwise 0. */
static uint32_t
overlong_frame(const struct iovtee_nic *nic, uint16_t mtu, uint64_t offloads)
{
    if (!strcmp(nic->driver, "net_af_packet")) {
        /* It copies whatever the kernel has put into a frame of its ring. */
        uint32_t frame_size = af_packet_frame_size(nic->dev);

        return frame_size - MIN(frame_size, AF_PACKET_OVERHEAD);
    } else if (!strcmp(nic->driver, "net_e1000_em") && mtu > RTE_ETHER_MTU) {
        /* With long frames enabled it has no limit but the buffer's length,
         * which is the same for all buffers. */
        return EM_MAX_BUFFER;
    } else if (!strcmp(nic->driver, "net_ixgbe_vf")) {
        /* The limit is the port's, the maximum of what the host and all VFs
         * asked for.  Thus only the buffer's length counts. */
        return ROUND_DOWN(nic->buffer_len, IXGBE_BUFFER_UNIT);
    } else if (!strcmp(nic->driver, "net_tap")
               && offloads & RTE_ETH_RX_OFFLOAD_SCATTER) {
        /* What the kernel's own MTU lets through but a buffer does not hold
         * goes on at the very start of the next one, headroom included, which
         * a guest's buffer does not have. */
        return UINT16_MAX;
    }
    return 0;
}

/* Returns the size in bytes of the frames in the rings of 'dev', which is a
 * net_af_packet.  It is in the arguments that the device was made with, which
 * need not be those of the Interface: another one may have made it, or DPDK's
 * own command line. */
static uint32_t
af_packet_frame_size(const struct rte_device *dev)
{
    const struct rte_devargs *devargs = rte_dev_devargs(dev);
    const char *arg = devargs ? devargs->args : NULL;
    uint32_t size = AF_PACKET_FRAME_SIZE;

    while (arg) {
        if (!strncmp(arg, "framesz=", strlen("framesz="))) {
            size = atoi(arg + strlen("framesz="));  /* The last one counts. */
        }
        arg = strchr(arg, ',');
        arg = arg ? arg + 1 : NULL;
    }
    return size;
}
