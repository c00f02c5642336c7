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

/* Unit tests of nic/nic-recall and nic/nic-fetch: what a guest sends from its
 * own buffers, and how it comes back. */

#include <config.h>

#include "nic-txq-fixture.h"

static unsigned int n_home, n_copied, n_refused, n_not_sent;

static void
lent_put(void *aux OVS_UNUSED, void *const *objs, unsigned int n)
{
    n_home += n;
    for (unsigned int i = 0; i < n; i++) {
        enum iovtee_fate fate = iovtee_mark_get_fate(objs[i]);

        n_copied += fate == IOVTEE_FATE_PORT;
        n_refused += fate == IOVTEE_FATE_REFUSED;
        n_not_sent += iovtee_shells_in_burst(objs[i]);
    }
}

/* Sends 'n' shells of 'row' through 'nic' on queue 'qid', with a packet of the
 * host in front. */
static void
send_lent(struct iovtee_nic *nic, int qid, struct iovtee_shells *row,
          unsigned int n)
{
    static uint8_t frame[200];
    struct dp_packet_batch batch;

    n_home = n_copied = n_refused = n_not_sent = 0;
    dp_packet_batch_init(&batch);
    dp_packet_batch_add(&batch, vq_host_packet(60, 1, VQ_PEER));
    for (unsigned int i = 0; i < n; i++) {
        struct dp_packet *packet = (void *) (row->first + i * row->step);

        packet->mbuf.buf_addr = frame;
        packet->mbuf.buf_len = sizeof frame;
        packet->mbuf.data_len = packet->mbuf.pkt_len = sizeof frame;
        packet->mbuf.data_off = 0;
        iovtee_mark_set_read_only(&packet->mbuf);
        iovtee_packet_received(packet);
        pkt_metadata_init(&packet->md, u32_to_odp(1));
        dp_packet_batch_add(&batch, packet);
    }
    CHECK(!iovtee_nic_send(nic, fake_eth_netdev(), qid, &batch, false));
}

/* The driver frees what was sent when more is sent. */
static void
free_sent(void *aux OVS_UNUSED)
{
    rte_eth_tx_done_cleanup(FAKE_PORT, 0, 0);
}

/* The NIC has three packets of 'row' in transmit queue 1, and gives them back
 * by one means or another. */
static void
give_back(struct iovtee_nic *nic, struct iovtee_shells *row)
{
    /* To ask helps for what is sent, and does no harm for other ports. */
    iovtee_nic_try_to_ask(FAKE_PORT, 1);
    CHECK(!n_home);
    fake_eth_complete(1, fake_eth_n_unfreed(1) - 2);
    iovtee_nic_try_to_ask(FAKE_PORT + 1, 1);
    iovtee_nic_try_to_ask(FAKE_PORT, 7);
    CHECK(!n_home);
    iovtee_nic_try_to_ask(FAKE_PORT, 1);
    CHECK(n_home == 1);
    fake_eth_complete(1, 1);
    iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_ASK);
    CHECK(n_home == 2 && !get_counts().n_tx_queue_stops);
    iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_STOP_QUEUE);
    CHECK(n_home == 3 && get_counts().n_tx_queue_stops == 1);
    send_lent(nic, 0, row, 3);
    iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_STOP_QUEUE);
    CHECK(!n_home);
    iovtee_nic_take_back(FAKE_PORT, 0, IOVTEE_TXVQ_RESTART);
    CHECK(n_home == 3 && get_counts().n_stops == 1 && fake_eth_is_started());
}

/* Such packets go to the NIC that may read them, as they are, while they may
 * be sent, and come back from it by one means or another. */
static void
test_lent(void)
{
    static const struct iovtee_shells_ops ops = { lent_put, NULL };
    const struct fake_driver d = {
        .name = "net_ice", .bus = "pci", .n_txq = 2,
        .sent = FAKE_SENT_QUEUE_STOP,
    };
    struct iovtee_nic *nic = create(&d, AUTO);
    struct iovtee_shells *row;
    uint16_t port_id, txq;
    unsigned int n_sent;
    uint32_t sent_to;

    CHECK(iovtee_mark_init());
    row = iovtee_shells_create(8, SOCKET_ID_ANY, &ops, NULL);
    iovtee_shells_set_read_only(row);

    /* It may not read them. */
    send_lent(nic, 1, row, 3);
    CHECK(n_home == 3 && n_copied == 3 && get_counts().n_sent == 4);
    atomic_store_relaxed(&row->port_id, FAKE_PORT + 1);
    send_lent(nic, 1, row, 3);
    CHECK(n_home == 3 && n_copied == 3);

    /* It may. */
    atomic_store_relaxed(&row->port_id, FAKE_PORT);
    n_sent = get_counts().n_sent;
    send_lent(nic, 1, row, 3);
    CHECK(!n_home && !n_copied && get_counts().n_sent == n_sent + 4);
    CHECK(!iovtee_shells_is_pinned(row));
    CHECK(iovtee_mark_get_sent((const void *) row->first, &port_id,
                               &txq));
    CHECK(port_id == FAKE_PORT && txq == 1);
    atomic_read_relaxed(&row->sent_to, &sent_to);
    CHECK(sent_to == (FAKE_PORT << 16 | 1));

    give_back(nic, row);

    /* The guest has taken them back. */
    iovtee_shells_revoke(row);
    n_sent = get_counts().n_sent;
    send_lent(nic, 0, row, 3);
    CHECK(n_home == 3 && !n_copied && get_counts().n_sent == n_sent + 1);
    CHECK(n_refused == 3);
    iovtee_shells_restore(row);

    /* A NIC that goes does not send any more. */
    send_lent(nic, 0, row, 3);
    CHECK(!n_home);
    iovtee_nic_close(nic);
    CHECK(n_home == 3 && !fake_eth_is_started());
    fake_eth_close();
    iovtee_nic_destroy(nic);
    iovtee_shells_destroy(row);
}

/* A NIC to which frames of 'row' are lent. */
static struct iovtee_nic *
create_lender(const struct fake_driver *d, struct iovtee_shells **rowp)
{
    static const struct iovtee_shells_ops ops = { lent_put, NULL };
    struct iovtee_nic *nic = create(d, AUTO);

    CHECK(iovtee_mark_init());
    *rowp = iovtee_shells_create(8, SOCKET_ID_ANY, &ops, NULL);
    iovtee_shells_set_read_only(*rowp);
    atomic_store_relaxed(&(*rowp)->port_id, FAKE_PORT);
    return nic;
}

/* What comes home while a burst is sent is of an earlier one, or was not
 * sent. */
static void
test_not_sent(void)
{
    const struct fake_driver d = {
        .name = "net_ice", .bus = "pci", .n_txq = 2,
        .sent = FAKE_SENT_QUEUE_STOP,
    };
    struct iovtee_shells *row;
    struct iovtee_nic *nic = create_lender(&d, &row);

    send_lent(nic, 0, row, 3);
    fake_eth_complete(0, 10);
    fake_eth_on_send(free_sent, NULL);
    send_1(nic, 0, false);
    CHECK(n_home == 3 && !n_not_sent);
    send_lent(nic, 0, row, 3);
    CHECK(!n_home);
    fake_eth_on_send(NULL, NULL);
    fake_eth_complete(0, 10);
    iovtee_nic_try_to_ask(FAKE_PORT, 0);
    CHECK(n_home == 3 && !n_not_sent && !n_refused);
    fake_eth_drop_sends(true);
    send_lent(nic, 0, row, 3);
    CHECK(n_home == 3 && n_not_sent == 3);
    fake_eth_drop_sends(false);
    destroy(nic);
    iovtee_shells_destroy(row);
}

/* Nothing is lent to a NIC that would not give it back.  Whether it would is
 * tried once, where nobody is disturbed. */
static void
test_recall(void)
{
    for (int i = 0; i < 8; i++) {
        const struct fake_driver d = {
            .n_txq = 3, .sent = i % 2 ? FAKE_SENT_QUEUE_STOP
                                      : FAKE_SENT_PORT_STOP,
            .cannot_clean = i & 2,
            .name = i & 4 ? "net_iavf" : NULL, .bus = i & 4 ? "pci" : NULL,
        };
        struct iovtee_nic *nic = create(&d, AUTO);
        bool asked = !(i & 6);          /* That one must not be asked. */

        for (int j = 0; j < 2; j++) {
            for (int k = 0; k < 3; k++) {
                nic->mappable = false;
                CHECK(iovtee_nic_let_read(nic, NULL)
                      == (asked || i % 2 ? FAKE_PORT : UINT32_MAX));
            }
            CHECK(!iovtee_nic_tx_copy_only(nic) == (asked || i % 2));
            CHECK(get_counts().n_tx_queue_stops
                  == (asked || !(i % 2) ? 0 : j + 1));
            CHECK(asked || !(i % 2) || fake_eth_last_stopped_txq() == 2);
            CHECK(j || !get_counts().n_stops);
            reconfigure(nic, &d);
        }
        destroy(nic);
    }
}

/* What a guest that runs has lent comes back from a queue that is quiet, or
 * does not give it back for long, but that is not stopped often. */
static void
test_rescue(void)
{
    const struct fake_driver d = {
        .n_txq = 2, .sent = FAKE_SENT_QUEUE_STOP, .cannot_clean = true,
    };
    struct iovtee_shells *row;
    struct iovtee_nic *nic = create_lender(&d, &row);
    long long int now = 1000;

    send_lent(nic, 1, row, 3);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 1, now, 100)
          == IOVTEE_NIC_RESCUE_LATER);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 1, now + 99, 199)
          == IOVTEE_NIC_RESCUE_LATER);
    CHECK(!n_home && !get_counts().n_tx_queue_stops);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 1, now + 100, 200)
          == IOVTEE_NIC_RESCUE_DONE);
    CHECK(n_home == 3 && get_counts().n_tx_queue_stops == 1);
    CHECK(fake_eth_last_stopped_txq() == 1);

    /* Somebody goes on sending there. */
    send_lent(nic, 1, row, 3);
    for (int age = 100; age < 500; age += 100) {
        send_1(nic, 1, false);
        CHECK(iovtee_nic_rescue(FAKE_PORT, 1, now + 200 + age, age)
              == IOVTEE_NIC_RESCUE_LATER);
    }
    CHECK(!n_home);
    send_1(nic, 1, false);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 1, now + 700, 500)
          == IOVTEE_NIC_RESCUE_DONE);
    CHECK(n_home == 3);

    /* It was just stopped. */
    send_lent(nic, 1, row, 3);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 1, now + 800, 100)
          == IOVTEE_NIC_RESCUE_LATER);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 1, now + 900, 200)
          == IOVTEE_NIC_RESCUE_LATER);
    CHECK(!n_home);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 1, now + 1100, 300)
          == IOVTEE_NIC_RESCUE_DONE);
    CHECK(n_home == 3);

    CHECK(iovtee_nic_rescue(FAKE_PORT + 1, 1, now + 5000, 1000)
          == IOVTEE_NIC_RESCUE_LATER);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 7, now + 5000, 1000)
          == IOVTEE_NIC_RESCUE_LATER);
    CHECK(!get_counts().n_stops);
    destroy(nic);
    iovtee_shells_destroy(row);
}

/* A driver that keeps frames when a queue is stopped is found out, and is lent
 * no more. */
static void
test_rescue_in_vain(void)
{
    const struct fake_driver d = {
        .n_txq = 2, .sent = FAKE_SENT_PORT_STOP, .cannot_clean = true,
        .stops_txqs = true,
    };
    struct iovtee_shells *row;
    struct iovtee_nic *nic = create_lender(&d, &row);

    nic->mappable = false;
    CHECK(iovtee_nic_let_read(nic, NULL) == FAKE_PORT);
    send_lent(nic, 0, row, 3);
    iovtee_nic_rescue(FAKE_PORT, 0, 1000, 100);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 0, 1100, 200)
          == IOVTEE_NIC_RESCUE_DONE);
    CHECK(!n_home && !get_counts().n_stops);
    CHECK(iovtee_nic_rescue(FAKE_PORT, 0, 1500, 600)
          == IOVTEE_NIC_RESCUE_FAILED);
    CHECK(n_home == 3 && get_counts().n_stops == 1 && fake_eth_is_started());
    CHECK(iovtee_nic_let_read(nic, NULL) == UINT32_MAX);
    CHECK(strstr(iovtee_nic_tx_copy_only(nic), "keeps"));

    /* Nothing more is done for its sake. */
    CHECK(iovtee_nic_rescue(FAKE_PORT, 0, 9000, 8000)
          == IOVTEE_NIC_RESCUE_LATER);
    CHECK(get_counts().n_stops == 1);
    destroy(nic);
    iovtee_shells_destroy(row);
}

/* A queue that does not start again costs a restart of the device, one that
 * cannot be stopped does not. */
static void
test_cannot_stop(void)
{
    struct fake_driver d = { .n_txq = 2, .sent = FAKE_SENT_QUEUE_STOP };
    struct iovtee_nic *nic = create(&d, AUTO);

    fake_eth_fail_txq_starts(1);
    iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_STOP_QUEUE);
    CHECK(get_counts().n_tx_queue_stops == 1 && get_counts().n_stops == 1);
    CHECK(fake_eth_is_started());
    send_1(nic, 1, false);
    destroy(nic);

    d.sent = FAKE_SENT_PORT_STOP;
    nic = create(&d, AUTO);
    iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_STOP_QUEUE);
    CHECK(!get_counts().n_tx_queue_stops && !get_counts().n_stops);
    send_1(nic, 1, false);
    destroy(nic);
}

/* When a guest stops, harder means are used one by one, and a NIC that keeps
 * its frames all the same does not get to send them. */
static void
test_kept(void)
{
    for (int sent = FAKE_SENT_PORT_STOP; sent <= FAKE_SENT_NEVER; sent++) {
        const struct fake_driver d = { .n_txq = 2, .sent = sent };
        struct iovtee_shells *row;
        struct iovtee_nic *nic = create_lender(&d, &row);

        send_lent(nic, 1, row, 3);
        iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_RESTART);
        CHECK(n_home == (sent == FAKE_SENT_PORT_STOP ? 3 : 0));
        CHECK(get_counts().n_tx_setups == 2);
        iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_SET_UP);
        CHECK(n_home == (sent <= FAKE_SENT_SETUP ? 3 : 0));
        CHECK(get_counts().n_tx_setups == 4 && fake_eth_is_started());
        CHECK(!iovtee_nic_copy_only(nic));
        send_1(nic, 1, false);
        if (sent == FAKE_SENT_NEVER) {
            iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_LEAVE_STOPPED);
            CHECK(!n_home && !fake_eth_is_started());
            iovtee_nic_run(nic);
            iovtee_nic_take_back(FAKE_PORT, 1, IOVTEE_TXVQ_RESTART);
            CHECK(!fake_eth_is_started());
            CHECK(strstr(iovtee_nic_copy_only(nic), "keeps frames"));
            CHECK(iovtee_nic_let_read(nic, NULL) == UINT32_MAX);
        }
        destroy(nic);
        iovtee_shells_destroy(row);
    }
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "lent", test_lent },
        { "not-sent", test_not_sent },
        { "recall", test_recall },
        { "rescue", test_rescue },
        { "rescue-in-vain", test_rescue_in_vain },
        { "cannot-stop", test_cannot_stop },
        { "kept", test_kept },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_EMER);
    unit_eal_init("128");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
