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

/* The device: what it is and can do, its life cycle and its transmit queues.
 * Its receive queues are in nic/nic-rxq.c. */

#include <config.h>

#include "nic/nic-private.h"

#include <errno.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include "bitmap.h"
#include "dp-packet.h"
#include "netdev-provider.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_nic);

BUILD_ASSERT_DECL(IOVTEE_NIC_MAX_RXQS == RTE_MAX_QUEUES_PER_PORT);

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

/* NICs by the ids of their DPDK ports.  Only changed and read by the main
 * thread. */
static struct iovtee_nic *nic_by_port_id[RTE_MAX_ETHPORTS];

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
};

/* The drivers of PCI devices that were looked at.  What was found is in
 * Documentation/topics/nic-drivers.rst. */
static const struct pci_driver pci_drivers[] = {
    { "net_e1000_em", NULL, 0, RTE_ETHER_MTU },
    { "net_e1000_igb", NULL, 0, RTE_ETHER_MTU },
    { "net_e1000_igb_vf", NULL, 4, 0 },
    { "net_ena", NULL, 0, 0 },
    { "net_i40e", NULL, 4, 0 },
    { "net_iavf", NULL, 4, 0 },
    { "net_ice", NULL, 4, 0 },
    { "net_ixgbe", NULL, 0, RTE_ETHER_MTU },
    { "net_ixgbe_vf", NULL, 0, 0 },
    { "net_vmxnet3", NULL, 0, 0 },

    { "mlx5_pci", "driver looks buffers up in memory regions of its own", 0,
      0 },
    { "net_bnxt", "driver frees its buffers while the NIC may write", 0, 0 },
    { "net_mana", "driver looks buffers up by their memory pool", 0, 0 },
    { "net_mlx4", "driver looks buffers up in memory regions of its own", 0,
      0 },
    { "net_virtio", "driver keeps its buffers when it is stopped", 0, 0 },
};

/* Drivers of virtual devices that may be given the buffers of others.  Most
 * others pass their buffers on to who knows whom, or write more than a buffer
 * holds, or before it. */
static const char *const virtual_drivers[] = {
    "net_af_packet", "net_tap",
    "net_nicmodel",             /* Of our own tests. */
};

int __real_rte_eth_dev_configure(uint16_t port_id, uint16_t n_rxq,
                                 uint16_t n_txq, const struct rte_eth_conf *);
int __wrap_rte_eth_dev_configure(uint16_t port_id, uint16_t n_rxq,
                                 uint16_t n_txq, const struct rte_eth_conf *);

static void nic_learn_device(struct iovtee_nic *);
static const struct pci_driver *find_pci_driver(const char *name);
static const char *driver_verdict(const struct iovtee_nic *,
                                  const char *bus);
static uint32_t af_packet_frame_size(const struct rte_device *);
static uint32_t overlong_frame(const struct iovtee_nic *, uint16_t mtu,
                               uint64_t offloads);

struct iovtee_nic *
iovtee_nic_create(const char *name)
{
    struct iovtee_nic *nic = xzalloc(sizeof *nic);

    nic->name = xstrdup(name);
    ovs_mutex_init(&nic->mutex);
    nic->port_id = RTE_MAX_ETHPORTS;
    nic->copy_only = "the NIC was not started yet";
    atomic_init(&nic->restarting, false);
    atomic_init(&nic->n_restart_drops, 0);
    return nic;
}

/* Destroys 'nic', of which the lower netdev is closed.  Does nothing if 'nic'
 * is NULL. */
void
iovtee_nic_destroy(struct iovtee_nic *nic)
{
    if (!nic) {
        return;
    }

    iovtee_nic_close(nic);
    for (size_t i = 0; i < ARRAY_SIZE(nic->rxqs); i++) {
        iovtee_nic_rxq_destroy(nic->rxqs[i]);
    }
    for (unsigned int i = 0; i < nic->n_alloc_txq; i++) {
        ovs_spin_destroy(&nic->txqs[i].lock);
    }
    free_cacheline(nic->txqs);
    ovs_mutex_destroy(&nic->mutex);
    free(nic->driver);
    free(nic->name);
    free(nic);
}

const char *
iovtee_nic_get_name(const struct iovtee_nic *nic)
{
    return nic->name;
}

/* Announces that the lower netdev of 'nic', with DPDK port 'port_id', is about
 * to be reconfigured.  Until the matching iovtee_nic_end_reconfigure() no
 * guest can be attached or detached. */
void
iovtee_nic_begin_reconfigure(struct iovtee_nic *nic, uint16_t port_id)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    ovs_mutex_lock(&nic->mutex);
    if (nic->port_id != port_id && port_id < RTE_MAX_ETHPORTS) {
        if (nic->port_id < RTE_MAX_ETHPORTS) {
            nic_by_port_id[nic->port_id] = NULL;
        }
        nic->port_id = port_id;
        nic_by_port_id[port_id] = nic;
    }
    if (port_id < RTE_MAX_ETHPORTS) {
        nic_learn_device(nic);
    }
}

/* netdev-dpdk calls this when it calls rte_eth_dev_configure(). */
int
__wrap_rte_eth_dev_configure(uint16_t port_id, uint16_t n_rxq, uint16_t n_txq,
                             const struct rte_eth_conf *conf)
{
    struct iovtee_nic *nic = iovtee_nic_by_port_id(port_id);
    struct rte_eth_conf stripping;

    if (nic && !nic->copy_only) {
        /* Where the NIC can leave the CRC at the end of a frame netdev-dpdk
         * asks for it, though nobody ever looks at it.  In a guest's buffer it
         * takes room, which those of Linux do not have, and in the guest's
         * memory it has no business. */
        stripping = *conf;
        stripping.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_KEEP_CRC;
        conf = &stripping;
    }
    return __real_rte_eth_dev_configure(port_id, n_rxq, n_txq, conf);
}

/* Ends what iovtee_nic_begin_reconfigure() began.  The lower netdev has now
 * 'n_rxq' receive queues and 'n_txq' transmit queues. */
void
iovtee_nic_end_reconfigure(struct iovtee_nic *nic, unsigned int n_rxq,
                           unsigned int n_txq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    nic->n_rxq = MIN(n_rxq, IOVTEE_NIC_MAX_RXQS);
    nic->n_txq = n_txq;
    nic->down = false;
    if (n_txq > nic->n_alloc_txq) {
        /* No PMD thread sends during a reconfiguration. */
        for (unsigned int i = 0; i < nic->n_alloc_txq; i++) {
            ovs_spin_destroy(&nic->txqs[i].lock);
        }
        free_cacheline(nic->txqs);
        nic->txqs = xzalloc_cacheline(n_txq * sizeof *nic->txqs);
        for (unsigned int i = 0; i < n_txq; i++) {
            ovs_spin_init(&nic->txqs[i].lock);
        }
        nic->n_alloc_txq = n_txq;
    }
    ovs_mutex_unlock(&nic->mutex);
}

/* Detaches every guest from 'nic' and forgets about its DPDK port, which the
 * caller is about to close. */
void
iovtee_nic_close(struct iovtee_nic *nic)
{
    unsigned long *all = bitmap_allocate1(IOVTEE_NIC_MAX_RXQS);

    ovs_mutex_lock(&nic->mutex);
    iovtee_nic_detach__(nic, all);
    if (nic->port_id < RTE_MAX_ETHPORTS) {
        nic_by_port_id[nic->port_id] = NULL;
        nic->port_id = RTE_MAX_ETHPORTS;
    }
    nic->dev = NULL;
    nic->buffer_len = 0;
    nic->n_rxq = 0;
    ovs_mutex_unlock(&nic->mutex);
    bitmap_free(all);
}

/* Must be called from time to time by the main thread: starts the device again
 * if that failed when buffers were taken back from it. */
void
iovtee_nic_run(struct iovtee_nic *nic)
{
    if (OVS_UNLIKELY(nic->down)) {
        ovs_mutex_lock(&nic->mutex);
        nic->down = (nic->port_id < RTE_MAX_ETHPORTS
                     && iovtee_nic_start(nic) != 0);
        if (!nic->down) {
            VLOG_INFO("%s: the device is started again", nic->name);
        }
        ovs_mutex_unlock(&nic->mutex);
    }
}

/* Notes whether the NIC is administratively up: should the device have to be
 * restarted, its link must not come up when it is not. */
void
iovtee_nic_set_admin_up(struct iovtee_nic *nic, bool up)
{
    ovs_mutex_lock(&nic->mutex);
    nic->admin_down = !up;
    ovs_mutex_unlock(&nic->mutex);
}

/* Starts the device again, which was only stopped for a moment.  Returns 0 if
 * successful, otherwise a negative errno value. */
int
iovtee_nic_start(struct iovtee_nic *nic)
{
    int ret = iovtee_nic_set_up_rxqs(nic);

    if (!ret) {
        ret = rte_eth_dev_start(nic->port_id);
    }
    if (!ret && nic->admin_down) {
        rte_eth_dev_set_link_down(nic->port_id);
    }
    return ret;
}

unsigned int
iovtee_nic_n_rxq(const struct iovtee_nic *nic)
{
    return nic->n_rxq;
}

/* Returns the NUMA node of 'nic', -1 if unknown. */
int
iovtee_nic_numa_id(const struct iovtee_nic *nic)
{
    return (nic->port_id < RTE_MAX_ETHPORTS
            ? rte_eth_dev_socket_id(nic->port_id) : -1);
}

/* Returns the name of the DPDK driver of 'nic', NULL if not known yet. */
const char *
iovtee_nic_driver(const struct iovtee_nic *nic)
{
    return nic->driver;
}

/* Returns NULL if guest buffers can be given to 'nic', otherwise a phrase that
 * says why not. */
const char *
iovtee_nic_copy_only(const struct iovtee_nic *nic)
{
    return nic->copy_only;
}

/* Returns the length in bytes of the longest frame that 'nic' may write into a
 * buffer. */
uint32_t
iovtee_nic_max_frame(const struct iovtee_nic *nic)
{
    return nic->max_frame;
}

/* Locks transmit queue 'txq' of 'nic'.  Returns false if the device is being
 * restarted, which may take long; other holders of the lock send a batch. */
static bool
nic_tx_lock(struct iovtee_nic *nic, struct nic_txq *txq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    while (ovs_spin_trylock(&txq->lock)) {
        bool restarting;

        atomic_read_relaxed(&nic->restarting, &restarting);
        if (restarting) {
            return false;
        }
    }
    return true;
}

/* Sends 'batch' on queue 'qid' of 'lower', the lower netdev, as netdev_send()
 * does, or drops it if the device is being restarted. */
int
iovtee_nic_send(struct iovtee_nic *nic, struct netdev *lower, int qid,
                struct dp_packet_batch *batch, bool concurrent_txq)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct nic_txq *txq = &nic->txqs[qid % nic->n_txq];
    int error;

    if (OVS_UNLIKELY(!nic_tx_lock(nic, txq))) {
        uint64_t orig;

        atomic_add_relaxed(&nic->n_restart_drops, dp_packet_batch_size(batch),
                           &orig);
        dp_packet_delete_batch(batch, true);
        return 0;
    }
    error = lower->netdev_class->send(lower, qid, batch, concurrent_txq);
    ovs_spin_unlock(&txq->lock);
    return error;
}

/* Returns the number of packets that iovtee_nic_send() dropped. */
uint64_t
iovtee_nic_n_restart_drops(const struct iovtee_nic *nic)
{
    uint64_t n;

    atomic_read_relaxed(
        &CONST_CAST(struct iovtee_nic *, nic)->n_restart_drops, &n);
    return n;
}

/* Finds out what there is to know of the device of 'nic'. */
static void
nic_learn_device(struct iovtee_nic *nic)
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

/* Returns the NIC whose DPDK port is 'port_id', or NULL.  Main thread only. */
struct iovtee_nic *
iovtee_nic_by_port_id(uint16_t port_id)
{
    return port_id < RTE_MAX_ETHPORTS ? nic_by_port_id[port_id] : NULL;
}
