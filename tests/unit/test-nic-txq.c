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

/* Unit tests of nic/nic-txq: when sent mbufs come back. */

#include <config.h>

#include "nic-txq-fixture.h"

/* Checks that what people are told about 'nic' begins with 'start'. */
static void
check_text(struct iovtee_nic *nic, const char *start)
{
    char *text = iovtee_nic_tx_early_text(nic);

    CHECK(!strncmp(text, start, strlen(start)));
    free(text);
}

/* Which drivers get which threshold, and which are asked, by what the user
 * says. */
static void
test_levers(void)
{
    static const struct {
        const char *name;
        enum iovtee_tx_early wish;
        uint16_t n_desc;
        uint64_t tx_offloads;
        uint16_t thresh;        /* 0 for the driver's default. */
        bool asked;
        const char *text;
    } cases[] = {
        { "net_ice", AUTO, 2048, 0, 1984, false, "early, with" },
        { "net_i40e", AUTO, 512, 0, 448, false, "early, with" },
        { "net_iavf", AUTO, 256, 0, 192, false, "early, with" },
        { "net_ixgbe", AUTO, 256, 0, 192, false, "early, with" },
        { "net_ixgbe_vf", AUTO, 256, 0, 192, false, "early, with" },
        { "net_ena", AUTO, 1024, 0, 960, false, "early, with" },
        { "net_ena", AUTO, 1024, RTE_ETH_TX_OFFLOAD_TCP_TSO, 960, false,
          "early, with" },
        { "net_ice", ON, 2048, 0, 1984, false, "early, with" },
        { "net_ice", OFF, 2048, 0, 0, false, "late, as configured" },

        /* A short ring keeps little. */
        { "net_ice", AUTO, 128, 0, 0, false, "late, the ring is short" },
        { "net_ice", ON, 64, 0, 0, false, "late, the ring is short" },

        /* Their code for offloads frees a packet when its descriptor is used
         * again, whatever the threshold. */
        { "net_ice", AUTO, 2048, RTE_ETH_TX_OFFLOAD_TCP_TSO, 0, false,
          "late, the driver has no cheap way" },
        { "net_ice", AUTO, 2048, RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, 1984,
          false, "early, with" },

        /* It counts the other way round. */
        { "net_bnxt", AUTO, 2048, 0, 32, false, "early, with" },
        { "net_bnxt", OFF, 2048, 0, 0, false, "late, as configured" },

        /* Nothing to do, and nothing that could be done. */
        { "mlx5_pci", AUTO, 2048, 0, 0, false, "early, by the driver" },
        { "net_vmxnet3", ON, 2048, 0, 0, false, "early, by the driver" },
        { "net_e1000_em", AUTO, 2048, 0, 0, false, "late, the driver frees" },
        { "net_e1000_em", ON, 2048, 0, 0, false, "late, the driver frees" },

        /* To ask costs too much unless the user wants it. */
        { "net_e1000_igb", AUTO, 2048, 0, 0, false, "late, the driver would" },
        { "net_e1000_igb", ON, 2048, 0, 0, true, "early, asked for" },
        { "net_e1000_igb_vf", ON, 64, 0, 0, true, "early, asked for" },
        { "net_e1000_igb", OFF, 2048, 0, 0, false, "late, as configured" },

        /* Software NICs, and what nobody has looked at. */
        { "net_virtio", AUTO, 256, 0, 0, false, "late, what it sends" },
        { "net_virtio", ON, 256, 0, 192, false, "early, with" },
        { "net_tap", AUTO, 2048, 0, 0, false, "late, the driver was not" },
        { "net_tap", ON, 2048, 0, 0, true, "early, asked for" },
        { "net_tap", OFF, 2048, 0, 0, false, "late, as configured" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct fake_driver d = {
            .name = cases[i].name, .bus = "pci", .n_txq = 3,
            .n_txq_desc = cases[i].n_desc, .tx_offloads = cases[i].tx_offloads,
        };
        struct iovtee_nic *nic = create(&d, cases[i].wish);

        for (unsigned int q = 0; q < 3; q++) {
            CHECK(fake_eth_tx_thresh(q) == cases[i].thresh);
            send_1(nic, q, false);
        }
        CHECK(get_counts().n_cleanups == (cases[i].asked ? 3 : 0));
        check_text(nic, cases[i].text);
        destroy(nic);
    }
}

/* A driver that takes no threshold gets what Open vSwitch asked for. */
static void
test_refused(void)
{
    const struct fake_driver d = {
        .name = "net_ice", .bus = "pci", .n_txq = 2, .refuses_thresh = true,
    };
    struct iovtee_nic *nic = create(&d, AUTO);

    CHECK(!fake_eth_tx_thresh(0) && !fake_eth_tx_thresh(1));
    CHECK(get_counts().n_tx_setups == 2);
    check_text(nic, "late, the driver refuses");
    send_1(nic, 1, false);
    CHECK(!get_counts().n_cleanups);

    /* That does not make it be restarted for nothing. */
    iovtee_nic_set_tx_early(nic, ON);
    CHECK(!get_counts().n_stops);
    destroy(nic);
}

/* What the user changes takes effect at once, by a restart if need be. */
static void
test_change(void)
{
    const struct fake_driver d = { .name = "net_ice", .bus = "pci",
                                   .n_txq = 2 };
    const struct fake_driver igb = { .name = "net_e1000_igb", .bus = "pci" };
    struct iovtee_nic *nic = create(&d, AUTO);

    iovtee_nic_set_tx_early(nic, ON);
    CHECK(!get_counts().n_stops);

    iovtee_nic_set_tx_early(nic, OFF);
    CHECK(get_counts().n_stops == 1 && fake_eth_is_started());
    CHECK(!fake_eth_tx_thresh(0) && !fake_eth_tx_thresh(1));

    /* Should the start fail then it is tried again. */
    fake_eth_fail_starts(1);
    iovtee_nic_set_tx_early(nic, ON);
    CHECK(get_counts().n_stops == 2 && !fake_eth_is_started());
    iovtee_nic_run(nic);
    CHECK(fake_eth_is_started());
    CHECK(fake_eth_tx_thresh(0) == 448 && fake_eth_tx_thresh(1) == 448);
    send_1(nic, 1, false);
    destroy(nic);

    nic = create(&igb, AUTO);
    iovtee_nic_set_tx_early(nic, ON);
    send_1(nic, 0, false);
    iovtee_nic_set_tx_early(nic, OFF);
    send_1(nic, 0, false);
    CHECK(get_counts().n_cleanups == 1 && !get_counts().n_stops);
    destroy(nic);
}

struct asked {
    struct iovtee_nic *nic;
    unsigned int txq;           /* The last one. */
};

static void
note_asked(unsigned int txq, void *asked_)
{
    struct asked *asked = asked_;

    asked->txq = txq;

    /* Nobody else may send on this queue meanwhile; others may. */
    for (unsigned int i = 0; i < asked->nic->n_txq; i++) {
        if (!ovs_spin_trylock(&asked->nic->txqs[i].lock)) {
            CHECK(i != txq);
            ovs_spin_unlock(&asked->nic->txqs[i].lock);
        } else {
            CHECK(i == txq);
        }
    }
}

/* It is the queue that was sent on which is asked, under its lock, until the
 * driver says that it cannot. */
static void
test_ask(void)
{
    struct fake_driver d = {
        .name = "net_e1000_igb", .bus = "pci", .n_txq = 3,
        .sent = FAKE_SENT_PORT_STOP,
    };
    struct asked asked = { 0 };

    asked.nic = create(&d, ON);
    fake_eth_on_cleanup(note_asked, &asked);
    for (int qid = 0; qid < 3; qid++) {
        send_1(asked.nic, qid, false);
        CHECK(asked.txq == qid && fake_eth_n_unfreed(qid) == 1);
        fake_eth_complete(qid, 1);
        send_1(asked.nic, qid, false);
        CHECK(fake_eth_n_unfreed(qid) == 1);
        fake_eth_complete(qid, 1);
    }

    /* With XPS there are more senders than queues. */
    for (int qid = 3; qid < 9; qid++) {
        send_1(asked.nic, qid, true);
        CHECK(asked.txq == qid % 3 && fake_eth_n_unfreed(qid % 3) == 1);
        fake_eth_complete(qid % 3, 1);
    }
    CHECK(get_counts().n_cleanups == 12);
    destroy(asked.nic);

    d.cannot_clean = true;
    asked.nic = create(&d, ON);
    for (int i = 0; i < 3; i++) {
        send_1(asked.nic, i, false);
    }
    CHECK(get_counts().n_cleanups == 1);
    check_text(asked.nic, "late, the driver cannot be asked");
    destroy(asked.nic);
}

/* Receives a frame into a buffer of the guest of lane 0 of 'rig', and sends it
 * on transmit queue 'qid'. */
static void
send_guest_frame(struct rig *rig, int qid)
{
    struct dp_packet_batch batch;

    do {
        lane_wire(rig, &rig->lanes[0], 1);
        dp_packet_batch_init(&batch);
        CHECK(!iovtee_nic_recv(rig->nic, fake_eth_rxq(0), &batch));
        CHECK(batch.count == 1);
        if (batch.packets[0]->mbuf.pool != rig->lanes[0].guest.vq->shells) {
            dp_packet_delete_batch(&batch, true);
            batch.count = 0;
        }
    } while (!batch.count);
    CHECK(!iovtee_nic_send(rig->nic, fake_eth_netdev(), qid, &batch, false));
}

/* The guest of lane 0 of 'rig' dies.  Returns what is left of its queue. */
static struct iovtee_retired
kill_guest(struct rig *rig)
{
    struct iovtee_retired *retired_, r;
    struct vq_fixture *guest = &rig->lanes[0].guest;

    rig_detach(rig, 0x1);
    rig->n_lanes = 0;
    iovtee_rxvq_drain(guest->vq);
    iovtee_rxvq_abandon(guest->vq);
    iovtee_rxvq_unref(guest->vq);
    CHECK(iovtee_rxvq_sweep() == 1);
    CHECK(iovtee_rxvq_get_retired(&retired_) == 1);
    r = retired_[0];
    CHECK(r.mem_size && r.q == 0 && r.age < 10000);
    free(retired_[0].port);
    free(retired_);
    return r;
}

/* Frames in the memory of a guest that is gone come back from a NIC that has
 * nothing else to send. */
static void
test_fetch(void)
{
    for (int i = 0; i < 6; i++) {
        const struct fake_driver d = {
            .name = "net_ice", .bus = "pci", .n_txq = 2, .refill = FAKE_BULK,
            .sent = i % 2 ? FAKE_SENT_QUEUE_STOP : FAKE_SENT_PORT_STOP,
            .cannot_clean = i >= 4,
        };
        struct iovtee_retired r;
        struct rig rig;
        unsigned int n_stops;

        rig_init(&rig, &d, 1, 128, 256);
        iovtee_nic_begin_reconfigure(rig.nic, FAKE_PORT);
        fake_eth_setup(1, 128, vq_host_pool());
        iovtee_nic_end_reconfigure(rig.nic, 1, 2);
        CHECK(!iovtee_nic_attach(rig.nic, 0, rig.lanes[0].guest.vq));
        send_guest_frame(&rig, 1);
        send_guest_frame(&rig, 1);
        if (i < 2) {
            /* The device does not know of them any more. */
            fake_eth_complete(1, 2);
        }

        /* The stop of the receive queue leaves them where they are. */
        n_stops = get_counts().n_stops;
        r = kill_guest(&rig);
        CHECK(get_counts().n_stops == n_stops);
        CHECK(r.n_out == 2 && r.n_sent == 2);
        CHECK(r.port_id == FAKE_PORT && r.txq == 1);

        iovtee_nic_fetch(r.port_id, r.txq, 0);
        CHECK(iovtee_rxvq_sweep() == (i >= 2));
        CHECK(get_counts().n_cleanups == 1);
        iovtee_nic_fetch(r.port_id, r.txq, 999);
        CHECK(!get_counts().n_tx_queue_stops);
        CHECK(get_counts().n_stops == n_stops);
        if (i >= 2) {
            iovtee_nic_fetch(r.port_id, r.txq, 1000);
            CHECK(get_counts().n_tx_queue_stops == i % 2);
            CHECK(get_counts().n_stops == n_stops + !(i % 2));
        }
        CHECK(!iovtee_rxvq_sweep());
        CHECK(fake_eth_is_started());

        /* Neither is done twice for nothing. */
        iovtee_nic_fetch(r.port_id, r.txq, 1001);
        CHECK(get_counts().n_tx_queue_stops <= 1);
        CHECK(get_counts().n_stops <= n_stops + 1);
        send_1(rig.nic, 1, false);

        iovtee_nic_close(rig.nic);
        fake_eth_close();
        iovtee_nic_destroy(rig.nic);
        vq_fixture_free(&rig.lanes[0].guest);
    }
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "levers", test_levers },
        { "refused", test_refused },
        { "change", test_change },
        { "ask", test_ask },
        { "fetch", test_fetch },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_EMER);
    unit_eal_init("128");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
