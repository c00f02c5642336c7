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

/* Unit tests of the guests that the NIC model plays.  The switch is
 * librte_vhost, as in Open vSwitch. */

#define _GNU_SOURCE

#include "nicmodel-fixture.h"

#include <rte_vhost.h>

#define PATH "vm.sock"
#define RING 64
#define LEN 200
#define RX 0                    /* The guest's rings. */
#define TX 1

static struct rte_mempool *pool;
static int vid = -1;
static uint32_t n_sent;         /* Frames ever sent: the next number. */

/* The switch. */

static int
new_device(int id)
{
    __atomic_store_n(&vid, id, __ATOMIC_RELEASE);
    return 0;
}

static void
destroy_device(int id)
{
    (void) id;
    __atomic_store_n(&vid, -1, __ATOMIC_RELEASE);
}

static void
switch_start(void)
{
    static const struct rte_vhost_device_ops ops = {
        .new_device = new_device,
        .destroy_device = destroy_device,
    };

    CHECK(!rte_vhost_driver_register(PATH, RTE_VHOST_USER_CLIENT));
    CHECK(!rte_vhost_driver_callback_register(PATH, &ops));
    CHECK(!rte_vhost_driver_start(PATH));
}

static void
wait_connected(bool connected)
{
    for (int i = 0; i < 5000; i++) {
        if ((__atomic_load_n(&vid, __ATOMIC_ACQUIRE) >= 0) == connected) {
            return;
        }
        nap(1000);
    }
    CHECK(!"connection");
}

static void
wait_stat(const char *key, uint64_t n)
{
    for (int i = 0; i < 5000 && stat_get("vm", key) != n; i++) {
        nap(1000);
    }
    CHECK(stat_get("vm", key) == n);
}

static void
start(const char *args)
{
    nm_init("");
    pool = make_pool(1024, 2048);
    CTL_OK("guest vm path=%s ring=%d huge=0 %s", PATH, RING, args);
    CHECK(!stat_get("vm", "connected"));
    switch_start();
    wait_connected(true);
    wait_stat("connected", 1);
}

static struct rte_mbuf *
make_frame(uint32_t seq, unsigned int len)
{
    static const struct nm_look look = {
        .dst = { 2, 0, 0, 0, 0, 2 }, .src = { 2, 0, 0, 0, 0, 1 },
        .sip = 1, .dip = 2, .sport = 3, .dport = 4, .stream = 1,
    };
    static const struct nm_flow flow = { .sip = 1, .sport = 3 };
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
    struct nm_template t;

    CHECK(mbuf);
    nm_template_init(&t, &look, len);
    nm_frame_write((uint8_t *) rte_pktmbuf_append(mbuf, len), &t, &flow, seq,
                   0);
    return mbuf;
}

/* Sends 'mbuf' to the guest as soon as there is room. */
static void
send_mbuf(struct rte_mbuf *mbuf)
{
    for (int i = 0; i < 20000; i++) {
        if (rte_vhost_enqueue_burst(vid, RX, &mbuf, 1)) {
            rte_pktmbuf_free(mbuf);
            return;
        }
        nap(100);
    }
    CHECK(!"room");
}

/* Sends 'n' frames of 'len' bytes to the guest. */
static void
send_frames(unsigned int n, unsigned int len)
{
    while (n--) {
        send_mbuf(make_frame(n_sent++, len));
    }
}

/* Receives up to 'n' frames of 'len' bytes from the guest, which must have
 * sent them back, and returns how many. */
static unsigned int
receive_back(unsigned int n, unsigned int len)
{
    static const uint8_t addresses[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
    struct rte_mbuf *mbufs[BURST];
    unsigned int got = 0;

    for (int idle = 0; got < n && idle < 100; ) {
        uint16_t k = rte_vhost_dequeue_burst(vid, TX, pool, mbufs,
                                             RTE_MIN(n - got, BURST));

        for (int i = 0; i < k; i++) {
            const uint8_t *p = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
            struct nm_found found;

            CHECK(mbufs[i]->pkt_len == len);
            CHECK(!memcmp(p, addresses, sizeof addresses));
            CHECK(nm_frame_verify(p, len, &found) == NM_GOOD);
            rte_pktmbuf_free(mbufs[i]);
        }
        got += k;
        idle = k ? 0 : idle + 1;
        if (!k) {
            nap(1000);
        }
    }
    return got;
}

static void
stop(void)
{
    CHECK(!rte_vhost_driver_unregister(PATH));
    finish();
    CHECK(access(PATH, F_OK));
}

/* Tests. */

static void
test_drop(void)
{
    start("mrg=0");
    send_frames(10 * RING, LEN);
    wait_stat("rx", 10 * RING);
    CHECK(stat_get("vm", "rx_bytes") == 10 * RING * LEN);
    CHECK(!stat_get("vm", "tx") && !stat_get("vm", "bad"));
    CHECK(!stat_get("vm", "verified"));
    CHECK(!rte_vhost_dequeue_burst(vid, TX, pool, (struct rte_mbuf *[1]) {0},
                                   1));
    stop();
}

static void
test_verify(void)
{
    struct rte_mbuf *mbuf;

    start("");
    CTL_OK("mode vm verify");
    send_frames(10 * RING, LEN);
    wait_stat("verified", 10 * RING);
    send_mbuf(make_frame(n_sent - 1, LEN));
    wait_stat("duplicated", 1);
    mbuf = make_frame(n_sent++, LEN);
    rte_pktmbuf_mtod(mbuf, uint8_t *)[LEN - 1] ^= 1;
    send_mbuf(mbuf);
    wait_stat("corrupt", 1);
    mbuf = make_frame(n_sent++, LEN);
    rte_pktmbuf_mtod(mbuf, uint8_t *)[12] = 0x12;
    send_mbuf(mbuf);
    wait_stat("foreign", 1);
    CHECK(stat_get("vm", "verified") == 10 * RING);
    CTL_OK("mode vm verify");
    CHECK(!stat_get("vm", "verified") && !stat_get("vm", "corrupt"));
    CHECK(!stat_get("vm", "bad"));
    stop();
}

static void
test_forward(void)
{
    start("");
    CTL_OK("mode vm forward");
    for (int i = 0; i < 100; i++) {
        unsigned int n = 1 + unit_random_below(RING);

        send_frames(n, LEN);
        CHECK(receive_back(n, LEN) == n);
    }
    CHECK(stat_get("vm", "tx") == n_sent && !stat_get("vm", "tx_full"));

    /* Nobody takes what it sends. */
    send_frames(2 * RING, LEN);
    wait_stat("tx_full", RING);
    CHECK(receive_back(2 * RING, LEN) == RING);
    send_frames(RING, LEN);
    CHECK(receive_back(2 * RING, LEN) == RING);
    CHECK(stat_get("vm", "tx_full") == RING && !stat_get("vm", "bad"));
    stop();
}

/* Frames that are longer than a buffer. */
static void
test_pieces(void)
{
    start("room=300");
    CTL_OK("mode vm verify");
    for (unsigned int len = 100; len <= 1500; len += 100) {
        send_frames(RING, len);
    }
    wait_stat("verified", n_sent);
    CHECK(stat_get("vm", "rx") == n_sent);
    CHECK(stat_get("vm", "rx_pieces") == 12 * RING);
    CHECK(!stat_get("vm", "bad") && !stat_get("vm", "corrupt"));
    CTL_OK("mode vm forward");
    send_frames(RING, 1500);
    send_frames(RING, 100);
    CHECK(receive_back(2 * RING, 100) == RING);
    CHECK(stat_get("vm", "tx_full") == RING);
    stop();
}

/* Connections, and guests, come and go. */
static void
test_life(void)
{
    start("");
    CTL_OK("mode vm verify");
    for (int i = 1; i <= 3; i++) {
        CHECK(stat_get("vm", "connections") == i);
        send_frames(100, LEN);
        wait_stat("verified", n_sent);
        CHECK(!rte_vhost_driver_unregister(PATH));
        wait_stat("connected", 0);
        vid = -1;
        switch_start();
        wait_connected(true);
        wait_stat("connected", 1);
    }
    CTL_OK("forget vm");
    wait_connected(false);
    CHECK(access(PATH, F_OK));
    CTL_ERROR("stats vm");
    CTL_ERROR("mode vm drop");
    CTL_ERROR("forget vm");

    CTL_ERROR("guest vm");
    CTL_ERROR("guest vm path=%s ring=100", PATH);
    CTL_ERROR("guest vm path=%s ring=1", PATH);
    CTL_ERROR("guest vm path=%s room=1", PATH);
    CTL_ERROR("guest vm path=/nowhere/%s", PATH);
    CTL_ERROR("guest %s path=%s", DEV0, PATH);
    CTL_OK("guest vm path=%s huge=0", PATH);
    CTL_ERROR("guest vm path=other");
    CTL_ERROR("mode vm sleep");
    /* The switch finds it again, and then the devices go. */
    wait_connected(true);
    wait_stat("connected", 1);
    close_devices();
    CHECK(access(PATH, F_OK));

    /* librte_vhost's thread must not be at it when EAL's memory goes. */
    wait_connected(false);
    CHECK(!rte_vhost_driver_unregister(PATH));
    CHECK(!rte_eal_cleanup());
}

/* The switch uses what was not available. */
static void
test_bad(void)
{
    struct rte_vhost_vring ring;
    uint16_t idx;

    start("");
    CHECK(!rte_vhost_get_vhost_vring(vid, RX, &ring));
    send_frames(RING, LEN);
    wait_stat("rx", RING);
    idx = ring.used->idx;
    ring.used->ring[idx % RING].id = RING;
    ring.used->ring[(idx + 1) % RING].id = ring.avail->ring[idx % RING];
    ring.used->ring[(idx + 1) % RING].len = UINT32_MAX;
    ring.used->ring[(idx + 2) % RING].id = ring.avail->ring[(idx + 1) % RING];
    ring.used->ring[(idx + 2) % RING].len = 12;
    __atomic_store_n(&ring.used->idx, idx + 3, __ATOMIC_RELEASE);
    wait_stat("bad", 3);
    CHECK(stat_get("vm", "rx") == RING);
    __atomic_store_n(&ring.used->idx, idx + 1000, __ATOMIC_RELEASE);
    for (int i = 0; i < 5000 && stat_get("vm", "bad") == 3; i++) {
        nap(1000);
    }
    CHECK(stat_get("vm", "bad") > 3 && stat_get("vm", "rx") == RING);
    stop();
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "drop", test_drop },
        { "verify", test_verify },
        { "forward", test_forward },
        { "pieces", test_pieces },
        { "life", test_life },
        { "bad", test_bad },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
