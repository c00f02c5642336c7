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

/* Unit tests of queue/rxvq: frames whose tags are popped or pushed on the way
 * to the guest, by Open vSwitch's own functions. */

#include <config.h>

#include "queue/rxvq.h"

#include <rte_mbuf.h>

#include "packets.h"
#include "util.h"
#include "rxvq-fixture.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

enum { BUF_LEN = 2048, MAX_FRAME = 1522, SIZE = 64, BURST = 32 };

/* A change is followed within so many frames: those that it takes to learn,
 * and what the NIC has already, which is less than the ring.  It may take two
 * steps if more was pushed than there was room for, as then nobody knows how
 * much. */
enum { LEARNED = IOVTEE_SHIFT_PATIENCE + SIZE, LEARNED_TWICE = 1000 };

static const struct vq_params modern = {
    .size = SIZE, .start = 65500, .hdr_len = 12, .mergeable = true,
};
static const struct vq_params legacy = {
    .size = SIZE, .start = 7, .hdr_len = 10,
};

/* A NIC that has as many buffers as it can get. */
struct nic {
    struct vq_fixture f;
    uint32_t buf_len;
    uint32_t max_frame;
    struct dp_packet *ring[SIZE];
    uint32_t first, n;
    uint32_t seed;
};

static void
nic_refill(struct nic *nic)
{
    unsigned int got;

    vq_refill(&nic->f, nic->buf_len);
    do {
        struct dp_packet *packet;

        got = vq_lend(&nic->f, &packet, 1, nic->max_frame);
        if (got) {
            nic->ring[(nic->first + nic->n++) % SIZE] = packet;
        }
    } while (got);
}

static void
nic_init(struct nic *nic, const struct vq_params *params, uint32_t buf_len,
         uint32_t max_frame)
{
    memset(nic, 0, sizeof *nic);
    vq_fixture_init(&nic->f, params);
    nic->buf_len = buf_len;
    nic->max_frame = max_frame;
    nic_refill(nic);
}

static void
nic_destroy(struct nic *nic)
{
    while (nic->n) {
        rte_pktmbuf_free(&nic->ring[nic->first++ % SIZE]->mbuf);
        nic->n--;
    }
    vq_check_books(&nic->f);
    vq_fixture_destroy(&nic->f);
}

/* Returns the next frame, of 'len' bytes, received into a buffer of the guest,
 * or of the host if there is none. */
static struct dp_packet *
nic_receive(struct nic *nic, uint32_t len)
{
    struct dp_packet *packet;

    if (!nic->n) {
        return vq_host_packet(len, nic->seed, VQ_PEER);
    }
    packet = nic->ring[nic->first++ % SIZE];
    nic->n--;
    vq_fill(&nic->f, packet, len, nic->seed);
    CHECK(iovtee_rxvq_received(nic->f.vq, &packet, 1) == 1);
    return packet;
}

/* Gives 'packet', which has none, 'n' tags as if it had come with them. */
static void
tag(struct dp_packet *packet, int n)
{
    static const uint8_t tags[] = {
        0x88, 0xa8, 0x20, 0x07, 0x81, 0x00, 0x00, 0x64
    };

    packet->packet_type = htonl(PT_ETH);
    packet->l3_ofs = ETH_HEADER_LEN + n * VLAN_HEADER_LEN;
    memcpy((uint8_t *) dp_packet_data(packet) + 12,
           tags + sizeof tags - n * VLAN_HEADER_LEN, n * VLAN_HEADER_LEN);
}

/* Takes the next packet, which must be the 'len' bytes of 'frame', with a
 * virtio header that says nothing. */
static void
reap(struct nic *nic, const uint8_t *frame, uint32_t len)
{
    const uint32_t hdr_len = nic->f.params.hdr_len;
    const uint8_t hdr[12] = { [10] = 1 };
    uint8_t got[VQ_MAX_FRAME];
    struct vq_buffer buffer;
    uint16_t head;
    uint32_t used;

    CHECK(vq_reap_raw(&nic->f, &head, &used, &buffer));
    CHECK(used == hdr_len + len);
    vq_gather(&nic->f, &buffer, 0, got, used);
    CHECK(!memcmp(got, hdr, hdr_len) && !memcmp(got + hdr_len, frame, len));
    vq_accept(&nic->f, &buffer);
}

/* Receives a frame of 'len' bytes, pops 'n_tags' from it, or pushes that many
 * if it is negative, and delivers it.  The guest must get what it should, and
 * nothing outside of its buffers may have changed. */
static void
pass(struct nic *nic, uint32_t len, int n_tags)
{
    struct dp_packet *packet = nic_receive(nic, len);
    uint8_t frame[VQ_MAX_FRAME];
    uint32_t size;

    tag(packet, n_tags > 0 ? n_tags : 0);
    for (int i = 0; i < n_tags; i++) {
        eth_pop_vlan(packet);
    }
    for (int i = n_tags; i < 0; i++) {
        eth_push_vlan(packet, htons(ETH_TYPE_VLAN), htons(100 + i));
    }
    size = dp_packet_size(packet);
    CHECK(size == len - n_tags * VLAN_HEADER_LEN);
    memcpy(frame, dp_packet_data(packet), size);

    vq_deliver(&nic->f, packet);
    reap(nic, frame, size);
    if (!(nic->seed++ % 16)) {
        vq_forgive(&nic->f);    /* Only of what is inside of buffers. */
        vq_check_memory(&nic->f);
    }
    nic_refill(nic);
}

/* The same with 'n' frames of all lengths.  Returns how many were copied. */
static uint64_t
pass_many(struct nic *nic, uint32_t n, int n_tags)
{
    uint64_t before = nic->f.vq->counters.zero_copied;

    for (uint32_t i = 0; i < n; i++) {
        pass(nic, 64 + nic->seed * 97 % (nic->max_frame - 64 + 1), n_tags);
    }
    return n - (nic->f.vq->counters.zero_copied - before);
}

static int
shift_of(const struct nic *nic)
{
    struct iovtee_rxvq_info info;

    iovtee_rxvq_get_info(nic->f.vq, &info);
    return info.shift;
}

/* Frames are delivered in place whatever happens to their tags. */
static void
learned(const struct vq_params *params, int n_tags)
{
    struct nic nic;
    uint64_t n_copied;

    nic_init(&nic, params, BUF_LEN, MAX_FRAME);
    n_copied = pass_many(&nic, LEARNED, n_tags);
    CHECK(n_tags ? n_copied >= IOVTEE_SHIFT_PATIENCE : !n_copied);
    CHECK(shift_of(&nic) == -n_tags * VLAN_HEADER_LEN);
    CHECK(pass_many(&nic, 2000, n_tags) == 0);
    CHECK(vq_n_copied(&nic.f, IOVTEE_COPY_MOVED) == n_copied);

    /* And when the flows have changed. */
    for (int to = -2; to <= 2; to++) {
        /* Of what does not fit before the frame, it is only known how much it
         * is at least: here one tag, of 2 bytes of room. */
        bool twice = params == &legacy && n_tags == 2 && to == -2;

        if (to != n_tags) {
            pass_many(&nic, 3 * IOVTEE_SHIFT_QUIET, n_tags);
            CHECK(pass_many(&nic, twice ? LEARNED_TWICE : LEARNED, to) > 0);
            CHECK(pass_many(&nic, 200, to) == 0);
            pass_many(&nic, LEARNED_TWICE, n_tags);
            CHECK(pass_many(&nic, 200, n_tags) == 0);
        }
    }
    nic_destroy(&nic);
}

static void
test_learned(void)
{
    for (int n_tags = -2; n_tags <= 2; n_tags++) {
        learned(&modern, n_tags);
        learned(&legacy, n_tags);
    }
}

/* Of a mixture the kind that is more frequent is delivered in place. */
static void
test_mixture(void)
{
    for (int n_tags = -2; n_tags <= 2; n_tags++) {
        struct nic nic;
        uint64_t n = 0;

        if (!n_tags) {
            continue;
        }
        nic_init(&nic, n_tags % 2 ? &modern : &legacy, BUF_LEN, MAX_FRAME);
        for (int i = 0; i < 2000; i++) {
            pass(&nic, 100, i % 3 ? n_tags : 0);
        }
        n = nic.f.vq->counters.zero_copied;
        for (int i = 0; i < 3000; i++) {
            pass(&nic, 100, i % 3 ? n_tags : 0);
        }
        CHECK(nic.f.vq->counters.zero_copied == n + 2000);
        CHECK(shift_of(&nic) == -n_tags * VLAN_HEADER_LEN);
        nic_destroy(&nic);
    }
}

/* A guest's buffers may have no room for what is pushed, or only if something
 * is popped. */
static void
test_room(void)
{
    struct iovtee_rxvq_info info;
    struct nic nic;

    /* To the byte. */
    for (int n_tags = -2; n_tags <= 2; n_tags++) {
        uint32_t need = 12 + MAX_FRAME - n_tags * VLAN_HEADER_LEN;

        nic_init(&nic, &modern, need, MAX_FRAME);
        pass_many(&nic, 2 * LEARNED, n_tags);
        CHECK(shift_of(&nic) == -n_tags * VLAN_HEADER_LEN);
        CHECK(pass_many(&nic, 500, n_tags) == 0);
        iovtee_rxvq_get_info(nic.f.vq, &info);
        CHECK(!info.cramped_len && !info.is_unfit);
        nic_destroy(&nic);

        nic_init(&nic, &modern, need - 1, MAX_FRAME - 4);
        nic.max_frame = MAX_FRAME;
        nic_refill(&nic);
        for (int i = 0; i < 1000; i++) {
            pass(&nic, 100, n_tags);
        }
        CHECK(shift_of(&nic) == -n_tags * VLAN_HEADER_LEN);
        for (int i = 0; i < 100; i++) {
            uint64_t n = nic.f.vq->counters.zero_copied;

            pass(&nic, 100, n_tags);
            CHECK(nic.f.vq->counters.zero_copied == n);
        }
        iovtee_rxvq_get_info(nic.f.vq, &info);
        CHECK(info.cramped_len == (n_tags < 0 ? need - 1 : 0));
        CHECK(info.is_unfit == (n_tags >= 0));
        nic_destroy(&nic);
    }
}

/* Some drivers put a tag back into the frame, in front of where they were told
 * to put it: so there must be room for it in the buffer. */
static void
test_front(void)
{
    for (int k = 0; k < 2; k++) {
        const struct vq_params *params = k ? &legacy : &modern;
        struct dp_packet *packet;
        struct nic nic;

        nic_init(&nic, params, BUF_LEN, MAX_FRAME);
        nic.f.posted.front = VLAN_HEADER_LEN;
        pass_many(&nic, LEARNED, 2);
        CHECK(shift_of(&nic) == -2 * VLAN_HEADER_LEN);
        pass_many(&nic, SIZE, 2);
        CHECK((pass_many(&nic, 500, 2) == 0) == (params == &modern));
        for (int i = 0; i < SIZE; i++) {
            packet = nic_receive(&nic, 100);
            CHECK(dp_packet_headroom(packet) >= VLAN_HEADER_LEN);
            dp_packet_delete(packet);
            nic_refill(&nic);
        }
        nic_destroy(&nic);
    }
}

/* What is pushed beyond the room that was left moves the frame out of the
 * guest's buffer.  That many tags are more than there is a shift for, but the
 * shift becomes what is right for what comes next. */
static void
test_back(void)
{
    for (int k = 0; k < 2; k++) {
        struct nic nic;

        nic_init(&nic, k ? &legacy : &modern, BUF_LEN, MAX_FRAME);
        pass_many(&nic, LEARNED, 2);
        CHECK(shift_of(&nic) == -2 * VLAN_HEADER_LEN);
        for (int i = 0; i < 4000; i++) {
            pass(&nic, 100, -3);
        }
        CHECK(shift_of(&nic) == 0);
        pass_many(&nic, 4 * IOVTEE_SHIFT_QUIET, 2);
        CHECK(shift_of(&nic) == -2 * VLAN_HEADER_LEN);
        pass_many(&nic, 1000, -2);
        CHECK(shift_of(&nic) == 2 * VLAN_HEADER_LEN);
        nic_destroy(&nic);
    }
}

/* Frames in buffers of the host count, those of others do not. */
static void
test_host(void)
{
    struct vq_fixture f;

    for (int peer = 0; peer < 2; peer++) {
        vq_fixture_init(&f, &modern);
        for (int i = 0; i < 1000; i++) {
            struct dp_packet *packet = vq_host_packet(100, i, VQ_PEER + !peer);

            vq_refill(&f, BUF_LEN);
            tag(packet, 1);
            eth_pop_vlan(packet);
            vq_deliver(&f, packet);
            packet = vq_switch_packet(100, i);
            dp_packet_pull(packet, 4);
            vq_deliver(&f, packet);
            for (int j = 0; j < 2; j++) {
                struct vq_buffer buffer;
                uint16_t head;
                uint32_t len;

                CHECK(vq_reap_raw(&f, &head, &len, &buffer));
                CHECK(len == 12 + 96);
                vq_accept(&f, &buffer);
            }
        }
        CHECK(f.vq->shift.now == (peer ? -VLAN_HEADER_LEN : 0));
        vq_fixture_destroy(&f);
    }
}

static void
check_loan(const struct nic *nic, uint32_t n, uint32_t gain, uint32_t cost)
{
    CHECK(iovtee_loan_read(&nic->f.posted.n_frames) == n);
    CHECK(iovtee_loan_read(&nic->f.posted.gain) == gain);
    CHECK(iovtee_loan_read(&nic->f.posted.cost) == cost);
}

/* Frames that are moved cost little, and none of those counts that were posted
 * before it was known that they would be. */
static void
test_worth(void)
{
    struct nic nic;

    nic_init(&nic, &modern, BUF_LEN, MAX_FRAME);
    for (int i = 0; i < IOVTEE_SHIFT_PATIENCE; i++) {
        pass(&nic, 104, 1);
    }
    check_loan(&nic, IOVTEE_SHIFT_PATIENCE - 1, 0,
               (IOVTEE_SHIFT_PATIENCE - 1) * IOVTEE_LOAN_MOVED);
    while (!nic.f.vq->counters.zero_copied) {
        check_loan(&nic, IOVTEE_SHIFT_PATIENCE - 1, 0,
                   (IOVTEE_SHIFT_PATIENCE - 1) * IOVTEE_LOAN_MOVED);
        pass(&nic, 104, 1);
    }
    check_loan(&nic, IOVTEE_SHIFT_PATIENCE, 100,
               (IOVTEE_SHIFT_PATIENCE - 1) * IOVTEE_LOAN_MOVED);
    CHECK(!nic.f.vq->counters.exposed);
    nic_destroy(&nic);
}

/* Flows that do anything, as those might that match what the guest rewrites,
 * never have anything written outside of its buffers. */
static void
test_random(void)
{
    uint32_t x = 1;

    for (int k = 0; k < 8; k++) {
        struct nic nic;

        nic_init(&nic, k & 1 ? &legacy : &modern, k & 2 ? BUF_LEN : 1536,
                 k & 4 ? MAX_FRAME : 600);
        for (int i = 0; i < 100; i++) {
            uint32_t n = (x = x * 1664525 + 1013904223) >> 22;

            for (uint32_t j = 0; j < n; j++) {
                x = x * 1664525 + 1013904223;
                pass(&nic, 80 + (x >> 16) % 500,
                     i % 2 ? i % 7 - 4 : (int) ((x >> 8) % 7) - 4);
            }
        }
        CHECK(nic.f.vq->shift.n_changes > 5);
        nic_destroy(&nic);
    }
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "learned", test_learned },
        { "mixture", test_mixture },
        { "room", test_room },
        { "front", test_front },
        { "back", test_back },
        { "host", test_host },
        { "worth", test_worth },
        { "random", test_random },
    };

    set_program_name(argv[0]);
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
