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

/* Unit tests of nic/nic: which buffers a NIC gets. */

#include <config.h>

#include "nic-fixture.h"

/* Returns how many of the next 'n' buffers for the NIC are the guest's, and
 * gives them back, or -1 if it gets none. */
static int
get(const struct rig *rig, unsigned int n)
{
    const struct rte_mempool *shells = rig->lanes[0].guest.vq->shells;
    void *objs[1024];
    int n_guest = 0;

    CHECK(n <= ARRAY_SIZE(objs));
    if (fake_eth_get(0, objs, n)) {
        return -1;
    }
    for (unsigned int i = 0; i < n; i++) {
        n_guest += ((struct rte_mbuf *) objs[i])->pool == shells;
        rte_pktmbuf_free(objs[i]);
    }
    return n_guest;
}

/* The table at the top of nic/nic.h. */
static void
policy(unsigned int n_desc)
{
    const struct fake_driver d = { .refill = FAKE_COPY };
    struct vq_fixture *guest;
    struct lane *lane;
    struct rig rig;

    rig_init(&rig, &d, 1, n_desc, 256);
    lane = &rig.lanes[0];
    guest = &lane->guest;

    /* Starting, even if a guest is attached already. */
    CHECK(!iovtee_nic_attach(rig.nic, 0, guest->vq));
    CHECK(get(&rig, 128) == 0);
    CHECK(!rxq_info(&rig, 0).n_dry);
    CHECK(lane_poll(&rig, lane) == 0);

    /* Attached: the guest's only, up to its reserve... */
    CHECK(rxq_info(&rig, 0).n_host == 128);
    CHECK(get(&rig, 32) == 32);
    CHECK(get(&rig, 1) == 1);
    CHECK(get(&rig, 224) == 224);
    CHECK(get(&rig, 225) == -1);
    CHECK(rxq_info(&rig, 0).n_refused == 1);
    check_books(&rig);

    /* ...and more only if frames wait for that... */
    for (int i = 0; i < 64; i++) {
        CHECK(rxq_info(&rig, 0).n_host == 128);
        CHECK(lane_poll(&rig, lane) == 0);
    }
    CHECK(rxq_info(&rig, 0).n_host == 0);
    CHECK(get(&rig, 256) == 224);
    CHECK(rxq_info(&rig, 0).n_dry == 32);
    CHECK(get(&rig, 226) == 224);
    CHECK(rxq_info(&rig, 0).n_dry == 34);

    /* ...until the guest has enough, and the NIC, too. */
    CHECK(get(&rig, 224) == 224);
    CHECK(rxq_info(&rig, 0).n_host == 34);
    CHECK(get(&rig, 225) == -1);
    CHECK(rxq_info(&rig, 0).n_refused == 2);
    check_books(&rig);

    /* Not attached. */
    rig_detach(&rig, 0x1);
    CHECK(get(&rig, 128) == 0);
    CHECK(!rxq_info(&rig, 0).n_stops);
    rig_destroy(&rig);
}

static void
test_policy(void)
{
    policy(128);

    /* However long its ring is, the NIC gets no more host buffers than the
     * guest has buffers to copy to. */
    policy(512);
}

/* Buffers that are unfit do not keep the NIC waiting. */
static void
test_unfit(void)
{
    const struct fake_driver driver = { .refill = FAKE_COPY };
    struct vq_fixture *guest;
    struct rig rig;

    for (int i = 0; i < 2; i++) {
        rig_init(&rig, &driver, 1, 128, 256);
        guest = &rig.lanes[0].guest;
        CHECK(!iovtee_nic_attach(rig.nic, 0, guest->vq));
        CHECK(lane_poll(&rig, &rig.lanes[0]) == 0);

        /* Use up all of the good ones, then post what is too short, or name
         * one twice. */
        while (guest->ring.n_free < 256) {
            vq_deliver(guest, vq_switch_packet(60, 1));
            CHECK(vq_reap(guest, 60, 1) == 1);
        }
        if (i == 0) {
            vq_refill(guest, 1000);
        } else {
            struct dp_packet *packet = vq_switch_packet(150, 1);
            struct iovtee_delivery d;
            int head;

            head = vq_post(guest, 100);
            guest_ring_set_avail(&guest->ring, guest->ring.avail_idx++, head);
            guest_ring_expose(&guest->ring);
            iovtee_rxvq_deliver(guest->vq, &packet, 1, 8, &d);
            CHECK(d.n_dropped == 1);
            CHECK(guest->vq->vring.fault == IOVTEE_FAULT_HEAD_BUSY);
        }

        /* Whether the NIC is dry or not. */
        for (int j = 0; j < 10; j++) {
            CHECK(get(&rig, 64) == 0);
        }
        CHECK(rxq_info(&rig, 0).n_host == 10 * 64);
        CHECK(!rxq_info(&rig, 0).n_refused);
        CHECK(!rxq_info(&rig, 0).n_dry);
        rig_destroy(&rig);
    }
}

/* That the host has no buffers is counted apart from that the guest has
 * none. */
static void
test_exhausted(void)
{
    const struct fake_driver driver = { .refill = FAKE_COPY };
    struct rte_mempool *host = vq_host_pool();
    unsigned int n = rte_mempool_avail_count(host);
    void **all = xcalloc(n, sizeof *all);
    struct rig rig;

    rig_init(&rig, &driver, 1, 128, 256);
    CHECK(get(&rig, 32) == 0);
    n = rte_mempool_avail_count(host);
    CHECK(!rte_mempool_get_bulk(host, all, n));
    CHECK(!iovtee_nic_n_exhausted(rig.nic));
    CHECK(get(&rig, 32) == -1);
    CHECK(iovtee_nic_n_exhausted(rig.nic) == 32);

    /* The guest has some, then none. */
    CHECK(!iovtee_nic_attach(rig.nic, 0, rig.lanes[0].guest.vq));
    CHECK(lane_poll(&rig, &rig.lanes[0]) == 0);
    CHECK(get(&rig, 32) == 32);
    CHECK(get(&rig, 225) == -1);
    CHECK(rxq_info(&rig, 0).n_refused == 1);
    CHECK(iovtee_nic_n_exhausted(rig.nic) == 32);
    rte_mempool_put_bulk(host, all, n);
    rig_destroy(&rig);
    free(all);
}

/* Has 'n' frames or some more arrive at each lane, and be received. */
static void
run(struct rig *rig, unsigned int n)
{
    rig_run(rig, DIV_ROUND_UP(n, BURST));
}

/* A guest for which hardly any frame is lends next to nothing. */
static void
lending(enum fake_refill refill)
{
    const struct fake_driver driver = { .refill = refill };
    struct iovtee_rxvq_info info;
    struct iovtee_rxvq *vq;
    struct lane *lane;
    struct rig rig;
    uint64_t n;

    rig_init(&rig, &driver, 1, 128, 256);
    lane = &rig.lanes[0];
    vq = lane->guest.vq;
    rig_attach(&rig);
    run(&rig, 2000);
    CHECK(!rxq_info(&rig, 0).paused && rxq_info(&rig, 0).percent >= 99);

    lane->dropped = true;
    run(&rig, 1000);
    CHECK(rxq_info(&rig, 0).paused);
    iovtee_rxvq_get_info(vq, &info);
    CHECK(info.n_loans == 1 && info.n_paused == 1);
    n = vq->counters.exposed;
    run(&rig, 64000);
    n = vq->counters.exposed - n;
    CHECK(n > 100 && n < 500);
    CHECK(rxq_info(&rig, 0).paused && !rxq_info(&rig, 0).percent);

    /* For the guest again: copied, until it is noticed. */
    lane->dropped = false;
    run(&rig, 12000);
    CHECK(!rxq_info(&rig, 0).paused);
    CHECK(vq->counters.copied[IOVTEE_COPY_PAUSED] > 1000);
    CHECK(!lane->n_lost && !lane->n_missed);
    check_zero_copy(&rig, lane);

    /* Whoever comes next is not blamed. */
    lane->dropped = true;
    run(&rig, 1000);
    CHECK(rxq_info(&rig, 0).paused);
    rig_detach(&rig, 0x1);
    iovtee_rxvq_get_info(vq, &info);
    CHECK(!info.n_loans && !info.n_paused);
    rig_attach(&rig);
    CHECK(!rxq_info(&rig, 0).paused && rxq_info(&rig, 0).percent == 100);

    /* A guest that wants it lends all the same, from now on. */
    run(&rig, 1000);
    CHECK(rxq_info(&rig, 0).paused);
    atomic_store_relaxed(&vq->always, true);
    run(&rig, 1000);
    CHECK(!rxq_info(&rig, 0).paused);
    n = vq->counters.exposed;
    run(&rig, 10000);
    CHECK(vq->counters.exposed - n >= 10000);
    iovtee_rxvq_get_info(vq, &info);
    CHECK(info.n_loans == 1 && !info.n_paused);
    rig_destroy(&rig);
}

static void
test_lending(void)
{
    lending(FAKE_BULK);
    lending(FAKE_ONE);
    lending(FAKE_COPY);
}

/* Two receive queues that get buffers of one of the guest's are judged each by
 * itself. */
static void
test_lending_two(void)
{
    const struct fake_driver driver = { .refill = FAKE_BULK };
    struct iovtee_rxvq_info info;
    struct rig rig;

    rig_init(&rig, &driver, 2, 64, 256);
    for (int i = 0; i < 2; i++) {
        CHECK(!iovtee_nic_attach(rig.nic, i, rig.lanes[0].guest.vq));
    }
    rig.lanes[1].dropped = true;
    for (int i = 0; i < 1000; i++) {
        for (int j = 0; j < 2; j++) {
            lane_wire(&rig, &rig.lanes[j], BURST);
            lane_poll(&rig, &rig.lanes[j]);
        }
    }
    CHECK(!rxq_info(&rig, 0).paused && rxq_info(&rig, 0).percent >= 99);
    CHECK(rxq_info(&rig, 1).paused && !rxq_info(&rig, 1).percent);
    iovtee_rxvq_get_info(rig.lanes[0].guest.vq, &info);
    CHECK(info.n_loans == 2 && info.n_paused == 1);
    rig_destroy(&rig);
}

/* Frames that the NIC may write decide which buffers are fit. */
static void
test_max_frame(void)
{
    static const struct {
        const char *name;
        const char *args;
        uint16_t mtu;
        uint64_t offloads;
        uint32_t max_frame;
    } cases[] = {
        { "net_tap", NULL, 1500, 0, 1522 },
        { "net_tap", NULL, 9000, 0, 9022 },
        { "net_tap", NULL, 1500, RTE_ETH_RX_OFFLOAD_KEEP_CRC, 1522 },
        { "net_af_packet", NULL, 1500, 0, 1982 },
        { "net_af_packet", "iface=x", 1500, 0, 1982 },
        { "net_af_packet", "iface=x,framesz=1584", 1500, 0, 1522 },
        { "net_af_packet", "framesz=4096,iface=x", 1500, 0, 4030 },
        { "net_af_packet", "iface=framesz=99,framesz=1,framesz=4096", 1500, 0,
          4030 },
        { "net_af_packet", "framesz=4096,iface=xframesz=9", 1500, 0, 4030 },
        { "net_tap", NULL, 2000, RTE_ETH_RX_OFFLOAD_SCATTER, 65535 },
        { "net_e1000_em", NULL, 1500, 0, 1522 },
        { "net_e1000_em", NULL, 1400, 0, 1522 },
        { "net_e1000_em", NULL, 2000, 0, 16384 },
        { "net_e1000_igb", NULL, 1500, 0, 1522 },
        { "net_e1000_igb", NULL, 1400, 0, 1522 },
        { "net_e1000_igb", NULL, 2000, 0, 2022 },
        { "net_e1000_igb_vf", NULL, 1500, 0, 1526 },
        { "net_i40e", NULL, 1500, 0, 1526 },
        { "net_i40e", NULL, 1400, 0, 1426 },
        { "net_iavf", NULL, 1498, RTE_ETH_RX_OFFLOAD_SCATTER, 1524 },
        { "net_ice", NULL, 1500, RTE_ETH_RX_OFFLOAD_KEEP_CRC, 1526 },
        { "net_ixgbe", NULL, 1500, 0, 1522 },
        { "net_ixgbe", NULL, 1400, 0, 1522 },
        { "net_ixgbe_vf", NULL, 1500, 0, 2048 },
        { "net_ixgbe_vf", NULL, 2040, 0, 2062 },
        { "net_vmxnet3", NULL, 1500, 0, 1522 },

        /* Copy only. */
        { "net_bnxt", NULL, 1500, RTE_ETH_RX_OFFLOAD_KEEP_CRC, 1526 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool virtual = (!strcmp(cases[i].name, "net_tap")
                        || !strcmp(cases[i].name, "net_af_packet"));
        const struct fake_driver d = {
            .name = cases[i].name, .args = cases[i].args,
            .bus = virtual ? "vdev" : "pci",
            .mtu = cases[i].mtu, .offloads = cases[i].offloads,
        };
        struct iovtee_nic *nic = iovtee_nic_create("phy0");

        fake_eth_init(&d);
        iovtee_nic_begin_reconfigure(nic, FAKE_PORT);
        fake_eth_setup(1, 64, vq_host_pool());
        iovtee_nic_end_reconfigure(nic, 1, 1);
        CHECK(iovtee_nic_max_frame(nic) == cases[i].max_frame);
        iovtee_nic_close(nic);
        fake_eth_close();
        iovtee_nic_destroy(nic);
    }
}

/* Drivers that must not have others' buffers do not get any. */
static void
test_verdict(void)
{
    static const struct {
        struct fake_driver d;
        bool ok;
    } cases[] = {
        { { .name = "net_af_packet" }, true },
        { { .name = "net_pcap" }, false },
        { { .name = "net_tap" }, true },
        { { .name = "net_memif" }, false },
        { { .name = "net_bonding" }, false },
        { { .name = "net_failsafe" }, false },
        { { .name = "net_e1000_em", .bus = "pci" }, true },
        { { .name = "net_ixgbe", .bus = "pci" }, true },
        { { .name = "net_ixgbe", .bus = "pci", .own_pools = true }, false },
        { { .name = "net_e1000_igb_vf", .bus = "pci" }, true },
        { { .name = "net_i40e", .bus = "pci" }, true },
        { { .name = "net_iavf", .bus = "pci" }, true },
        { { .name = "net_ice", .bus = "pci" }, true },
        { { .name = "net_ixgbe_vf", .bus = "pci" }, true },
        { { .name = "net_ena", .bus = "pci" }, true },
        { { .name = "net_vmxnet3", .bus = "pci" }, true },
        { { .name = "net_bnxt", .bus = "pci" }, false },
        { { .name = "net_sfc_efx", .bus = "pci" }, false },
        { { .name = "net_virtio", .bus = "pci" }, false },
        { { .name = "mlx5_pci", .bus = "pci" }, false },
        { { .name = "net_mana", .bus = "pci" }, false },
        { { .name = "net_netvsc", .bus = "vmbus" }, false },
        { { .name = "net_dpaa2", .bus = "fslmc" }, false },
        { { .name = "net_tap", .refuses_feed = true }, false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig rig;

        rig_init(&rig, &cases[i].d, 1, 64, 64);
        CHECK(!iovtee_nic_copy_only(rig.nic) == cases[i].ok);
        CHECK(!strcmp(iovtee_nic_driver(rig.nic), cases[i].d.name));
        if (!cases[i].ok) {
            CHECK(iovtee_nic_attach(rig.nic, 0, rig.lanes[0].guest.vq)
                  == EOPNOTSUPP);
        }

        /* It works all the same. */
        rig_run(&rig, 20);
        CHECK(rig.lanes[0].n_seen == 20 * BURST);
        CHECK(!n_zero_copied(&rig.lanes[0]));
        rig_destroy(&rig);
    }
}

/* What came out when the queues were set up holds until they are again, and
 * not only until somebody looks whether that is necessary. */
static void
test_refused(void)
{
    const struct fake_driver refusing = { .refuses_feed = true };
    const struct fake_driver willing = { .has_status = true };
    const char *why;
    struct rig rig;

    rig_init(&rig, &refusing, 1, 64, 256);
    why = iovtee_nic_copy_only(rig.nic);
    CHECK(why);
    iovtee_nic_begin_reconfigure(rig.nic, FAKE_PORT);
    iovtee_nic_end_reconfigure(rig.nic, 1, 1);
    CHECK(iovtee_nic_copy_only(rig.nic) == why);
    rig_run(&rig, 20);

    fake_eth_close();
    fake_eth_init(&willing);
    rig_reconfigure(&rig, 1, 64);
    CHECK(!iovtee_nic_copy_only(rig.nic));
    rig_attach(&rig);
    rig_run(&rig, 100);
    check_zero_copy(&rig, &rig.lanes[0]);
    rig_destroy(&rig);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "policy", test_policy },
        { "unfit", test_unfit },
        { "exhausted", test_exhausted },
        { "lending", test_lending },
        { "lending-two", test_lending_two },
        { "max-frame", test_max_frame },
        { "verdict", test_verdict },
        { "refused", test_refused },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_EMER);
    unit_eal_init("128");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
