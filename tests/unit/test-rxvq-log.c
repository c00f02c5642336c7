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

/* Unit tests of queue/rxvq: the log of writes while a guest is migrated.
 *
 * The oracle is a second memory, as the guest's new host would have it: a copy
 * of the first from when the log began, into which only what is marked is
 * copied, at the moment of the mark.  So it lacks what was written without a
 * mark, and what was written after it. */

#include <config.h>

#include "queue/rxvq.h"

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "util.h"
#include "rxvq-fixture.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

enum { BUF_LEN = 2048, MAX_FRAME = 1522 };

static const struct vq_params modern = {
    .size = 64, .start = 65500, .hdr_len = 12, .mergeable = true,
};
static const struct vq_params event_idx = {
    .size = 32, .start = 0, .hdr_len = 12, .event_idx = true,
};
static const struct vq_params legacy = {
    .size = 64, .start = 7, .hdr_len = 10,
};
static const struct vq_params *const all_params[] = {
    &modern, &event_idx, &legacy,
};

struct replica {
    const struct vq_fixture *f;
    uint8_t *memory;            /* Of the buffers... */
    uint8_t *used;              /* ...and of the used ring. */
    size_t used_size;
    unsigned int n_marks;
    struct iovtee_vring_log log;
};

/* Copies what of the 'len' bytes at 'gpa' is in the 'size' bytes that are at
 * 'area_gpa', from 'src' to 'dst'.  Returns the number of bytes. */
static uint64_t
copy_marked(uint64_t gpa, uint64_t len, uint64_t area_gpa, size_t size,
            uint8_t *dst, const uint8_t *src)
{
    uint64_t ofs = gpa - area_gpa;

    if (ofs >= size) {
        return 0;
    }
    CHECK(len <= size - ofs);
    memcpy(dst + ofs, src + ofs, len);
    return len;
}

static void
mark(void *replica_, uint64_t gpa, uint64_t len)
{
    struct replica *r = replica_;
    const struct vq_fixture *f = r->f;

    CHECK(len);
    CHECK(copy_marked(gpa, len, f->ring.used_gpa, r->used_size, r->used,
                      (const uint8_t *) f->ring.used)
          + copy_marked(gpa, len, VQ_BUF_GPA, f->memory_size, r->memory,
                        f->memory) == len);
    r->n_marks++;
}

/* Suspends the queue of 'f' and has it go on with a log. */
static void
begin_log(struct replica *r, struct vq_fixture *f)
{
    iovtee_rxvq_suspend(f->vq);
    *r = (struct replica) {
        .f = f,
        .memory = xmemdup(f->memory, f->memory_size),
        .used_size = IOVTEE_USED_AREA_SIZE(f->params.size),
        .log = { mark, r },
    };
    r->used = xmemdup(f->ring.used, r->used_size);
    iovtee_rxvq_resume(f->vq, f->callfd, &r->log);
}

static void
check_replica(const struct replica *r)
{
    CHECK(!memcmp(r->memory, r->f->memory, r->f->memory_size));
    CHECK(!memcmp(r->used, r->f->ring.used, r->used_size));
}

/* The front-end does not want a log any more. */
static void
end_log(struct replica *r)
{
    struct vq_fixture *f = CONST_CAST(struct vq_fixture *, r->f);
    unsigned int n_marks;

    iovtee_rxvq_suspend(f->vq);
    check_replica(r);
    n_marks = r->n_marks;
    iovtee_rxvq_resume(f->vq, f->callfd, NULL);
    vq_deliver(f, vq_host_packet(1000, 99, VQ_PEER));
    vq_reap(f, 1000, 99);
    CHECK(r->n_marks == n_marks);
    free(r->memory);
    free(r->used);
}

/* Whatever is copied is marked, once it is there; and it is said why it was
 * copied. */
static void
test_copies(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(all_params); i++) {
        static const uint32_t lens[] = { 60, 256, 257, 1514 };
        struct vq_fixture f;
        struct replica r;

        vq_fixture_init(&f, all_params[i]);
        vq_refill(&f, BUF_LEN);
        begin_log(&r, &f);
        for (uint32_t j = 0; j < 200; j++) {
            uint32_t len = lens[j % ARRAY_SIZE(lens)];

            vq_deliver(&f, vq_host_packet(len, j, VQ_PEER));
            check_replica(&r);
            CHECK(vq_reap(&f, len, j) == 1);
            vq_refill(&f, BUF_LEN);
        }
        CHECK(f.vq->counters.copied[IOVTEE_COPY_MIGRATION] == 200);
        end_log(&r);
        vq_fixture_destroy(&f);
    }
}

/* So it is when several packets of a burst are copied at once. */
static void
test_burst(void)
{
    struct dp_packet *packets[NETDEV_MAX_BURST];
    struct iovtee_delivery d;
    struct vq_fixture f;
    struct replica r;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    begin_log(&r, &f);
    for (uint32_t i = 0; i < NETDEV_MAX_BURST; i++) {
        packets[i] = vq_host_packet(60, i, VQ_PEER);
    }
    iovtee_rxvq_deliver(f.vq, packets, NETDEV_MAX_BURST, 0, &d);
    CHECK(!d.n_dropped);
    check_replica(&r);
    for (uint32_t i = 0; i < NETDEV_MAX_BURST; i++) {
        vq_reap(&f, 60, i);
    }
    end_log(&r);
    vq_fixture_destroy(&f);
}

/* Chains, indirect buffers, and frames over several buffers, also those that
 * do not fit in the end. */
static void
test_pieces(void)
{
    static const uint32_t lens[] = { 12, 700, 5, 900 };
    struct iovtee_delivery d;
    struct dp_packet *packet;
    struct vq_fixture f;
    struct replica r;

    for (int indirect = 0; indirect < 2; indirect++) {
        vq_fixture_init(&f, &modern);
        vq_post_pieces(&f, lens, ARRAY_SIZE(lens), indirect);
        guest_ring_expose(&f.ring);
        begin_log(&r, &f);
        vq_deliver(&f, vq_host_packet(1514, 1, VQ_PEER));
        check_replica(&r);
        CHECK(vq_reap(&f, 1514, 1) == 1);
        vq_refill(&f, BUF_LEN);
        end_log(&r);
        vq_fixture_destroy(&f);
    }

    vq_fixture_init(&f, &modern);
    vq_refill(&f, 300);
    begin_log(&r, &f);
    vq_deliver(&f, vq_host_packet(1514, 1, VQ_PEER));
    check_replica(&r);
    CHECK(vq_reap(&f, 1514, 1) == 6);
    vq_refill(&f, 300);
    end_log(&r);
    vq_fixture_destroy(&f);

    /* This one needs more buffers than there are. */
    vq_fixture_init(&f, &modern);
    for (int i = 0; i < 3; i++) {
        vq_post(&f, 300);
    }
    guest_ring_expose(&f.ring);
    begin_log(&r, &f);
    packet = vq_host_packet(1514, 1, VQ_PEER);
    iovtee_rxvq_deliver(f.vq, &packet, 1, 0, &d);
    CHECK(d.n_dropped == 1);
    check_replica(&r);
    vq_refill(&f, BUF_LEN);
    vq_forgive(&f);
    for (int i = 0; i < 3; i++) {
        vq_deliver(&f, vq_host_packet(200, 1, VQ_PEER));
        CHECK(vq_reap(&f, 200, 1) == 1);
    }
    end_log(&r);
    vq_fixture_destroy(&f);
}

/* No NIC gets a buffer while writes are logged. */
static void
test_post(void)
{
    struct dp_packet *packet;
    struct vq_fixture f;
    struct replica r;
    bool unfit = false;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    begin_log(&r, &f);
    CHECK(!iovtee_rxvq_post(f.vq, (void **) &packet, 1, false, MAX_FRAME,
                            &f.posted, &unfit));
    CHECK(unfit);
    end_log(&r);
    vq_refill(&f, BUF_LEN);
    packet = vq_receive(&f, 1514, 1);
    vq_deliver(&f, packet);
    CHECK(vq_reap(&f, 1514, 1) == 1);
    CHECK(f.vq->counters.zero_copied == 1);
    vq_fixture_destroy(&f);
}

/* Packets that have been inside of the switch, in the guest's own buffers, for
 * so long that the log began in the meantime: one is delivered, one dropped
 * after the switch has changed it, and one is still there at the end. */
static void
test_in_switch(void)
{
    struct dp_packet *packets[3];
    uint16_t last_avail, last_used;
    unsigned int n_marks;
    struct vq_fixture f;
    struct replica r;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    for (int i = 0; i < 3; i++) {
        packets[i] = vq_receive(&f, 1514, i);
    }
    begin_log(&r, &f);

    /* Where no filler covers it. */
    memset((uint8_t *) dp_packet_data(packets[1]) + 1000, 'x', 9);
    memset((uint8_t *) dp_packet_data(packets[2]) + 1000, 'x', 9);
    vq_deliver(&f, packets[0]);
    dp_packet_delete(packets[1]);
    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_finish(f.vq, &last_avail, &last_used);
    check_replica(&r);
    vq_forgive(&f);
    CHECK(vq_reap(&f, 1514, 0) == 1);

    /* The other two come back without a packet. */
    for (int i = 0; i < 2; i++) {
        struct vq_buffer buffer;
        uint16_t head;
        uint32_t len;

        CHECK(vq_reap_raw(&f, &head, &len, &buffer));
        vq_accept(&f, &buffer);
    }

    /* Nobody is to be told of what is freed now. */
    n_marks = r.n_marks;
    dp_packet_delete(packets[2]);
    CHECK(r.n_marks == n_marks);
    iovtee_rxvq_unref(f.vq);
    iovtee_rxvq_sweep();
    free(r.memory);
    free(r.used);
    vq_fixture_open(&f, last_avail, last_used);
    vq_fixture_destroy(&f);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "copies", test_copies },
        { "burst", test_burst },
        { "pieces", test_pieces },
        { "post", test_post },
        { "in-switch", test_in_switch },
    };

    set_program_name(argv[0]);
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
