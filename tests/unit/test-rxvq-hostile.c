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

/* Unit tests of queue/rxvq with bad guests. */

#include <config.h>

#include "queue/rxvq.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"
#include "rxvq-fixture.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

enum { SIZE = 64, BUF_LEN = 2048, MAX_FRAME = 1522, HDR_LEN = 12 };

static const struct vq_params modern = {
    .size = SIZE, .start = 65500, .hdr_len = HDR_LEN, .mergeable = true,
};

/* The guest posts a buffer again that it does not own. */
static void
test_busy(void)
{
    struct dp_packet *packets[3];
    struct iovtee_delivery d;
    struct vq_fixture f;
    uint16_t head;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    for (int i = 0; i < 3; i++) {
        packets[i] = vq_receive(&f, 1514, i);
    }
    head = iovtee_rxvq_head(f.vq, packets[0]);
    guest_ring_set_avail(&f.ring, f.ring.avail_idx++, head);
    guest_ring_expose(&f.ring);
    for (int i = 0; i < SIZE - 3; i++) {
        vq_deliver(&f, vq_host_packet(100, i, VQ_PEER));
    }
    CHECK(!f.vq->vring.fault);

    for (int i = 0; i < 3; i++) {
        struct dp_packet *packet = vq_host_packet(100, 1, VQ_PEER);

        iovtee_rxvq_deliver(f.vq, &packet, 1, 8, &d);
        CHECK(d.n_dropped == 1);
        CHECK(f.vq->vring.fault == IOVTEE_FAULT_HEAD_BUSY);
        CHECK(f.vq->counters.faults[IOVTEE_FAULT_HEAD_BUSY] == 1);
    }

    /* What is in the switch still gets through. */
    for (int i = 0; i < SIZE - 3; i++) {
        CHECK(vq_reap(&f, 100, i) == 1);
    }
    for (int i = 0; i < 3; i++) {
        vq_deliver(&f, packets[i]);
        CHECK(vq_reap(&f, 1514, i) == 1);
    }
    vq_check_memory(&f);

    /* And what comes after does not. */
    vq_refill(&f, BUF_LEN);
    CHECK(!vq_lend(&f, packets, 3, MAX_FRAME));
    vq_fixture_destroy(&f);
}

/* The guest posts buffers that overlap, and a packet in one of them has to be
 * copied into the next one, or into the next two. */
static void
test_overlap(void)
{
    for (int n = 1; n <= 2; n++) {
        struct iovtee_delivery d;
        struct dp_packet *packet;
        struct iovtee_desc desc;
        uint8_t frame[1000];
        struct vq_fixture f;
        uint64_t addr;
        uint8_t *copy;

        vq_fixture_init(&f, &modern);
        vq_refill(&f, BUF_LEN);
        packet = vq_receive(&f, sizeof frame, 1);
        addr = f.ring.desc[iovtee_rxvq_head(f.vq, packet)].addr + 100;
        for (int i = 0; i < n; i++) {
            uint16_t idx = modern.start + 1 + i;
            uint16_t head = f.ring.avail[2 + idx % SIZE];

            desc = f.ring.desc[head];
            desc.len = BUF_LEN / (n * n);
            desc.addr = addr + i * desc.len;
            guest_ring_set_desc(&f.ring, head, desc);
        }

        dp_packet_pull(packet, 4);
        iovtee_rxvq_deliver(f.vq, &packet, 1, 0, &d);
        CHECK(!d.n_dropped && f.vq->counters.copied[IOVTEE_COPY_MOVED] == 1);
        CHECK(f.vq->vring.published == (uint16_t) (modern.start + n));

        /* The copy's header has overwritten what comes next. */
        copy = guest_va(&f.guest, addr, BUF_LEN);
        vq_frame(frame, sizeof frame, 1);
        CHECK(!memcmp(copy + HDR_LEN, frame + 4, 80));

        vq_fixture_destroy(&f);
    }
}

/* A buffer that is longer than an mbuf can say is not lent to a NIC that fills
 * it. */
static void
test_huge(void)
{
    void *objs[SIZE];
    uint64_t first = UINT64_MAX;
    struct vq_fixture f;
    bool unfit;

    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    for (int i = 0; i < SIZE; i++) {
        first = MIN(first, f.by_head[i].pieces[0].gpa);
    }
    for (int i = 0; i < SIZE; i++) {
        guest_ring_set_desc(&f.ring, i, (struct iovtee_desc) {
            .addr = first, .len = 70000,
            .flags = IOVTEE_DESC_F_WRITE,
        });
    }
    CHECK(!iovtee_rxvq_post(f.vq, objs, 1, false, UINT16_MAX, &f.posted,
                            &unfit));
    CHECK(unfit);
    CHECK(iovtee_rxvq_post(f.vq, objs, 1, false,
                           UINT16_MAX - RTE_PKTMBUF_HEADROOM, &f.posted,
                           &unfit) == 1);
    CHECK(((struct rte_mbuf *) objs[0])->buf_len == UINT16_MAX);
    rte_mempool_put(f.vq->shells, objs[0]);
    vq_fixture_destroy(&f);
}

/* What was reported as written. */
static uint64_t n_marked;

static void
mark(void *aux OVS_UNUSED, uint64_t gpa OVS_UNUSED, uint64_t len)
{
    n_marked += len;
}

/* The guest says of each buffer that it is as long as can be said.  It gets
 * its frames like any other, in place and copied, into simple buffers and into
 * chains, and what is reported as written is no more than an mbuf can have. */
static void
test_endless(void)
{
    static const struct vq_params params = {
        .size = SIZE, .start = 65500, .hdr_len = HDR_LEN, .mergeable = true,
        .endless = true,
    };
    static const uint32_t lens[2] = { HDR_LEN, 2000 };
    const struct iovtee_vring_log log = { mark, NULL };
    uint8_t frame[1514], *memory;
    struct dp_packet *packets[3];
    struct vq_fixture f;
    uint32_t len;
    uint16_t head;

    vq_fixture_init(&f, &params);
    memory = guest_va(&f.guest, VQ_ENDLESS_GPA, VQ_ENDLESS_SIZE);
    vq_frame(frame, sizeof frame, 1);
    for (int i = 0; i < 14; i++) {
        struct iovtee_desc desc = {
            .addr = VQ_ENDLESS_GPA + i * UINT64_C(50000000),
            .len = UINT32_MAX, .flags = IOVTEE_DESC_F_WRITE,
        };
        int posted = (i < 12 ? vq_post(&f, BUF_LEN)
                      : vq_post_pieces(&f, lens, 2, false));

        CHECK(posted >= 0);
        if (i >= 12) {
            posted = f.ring.desc[posted].next;
        }
        guest_ring_set_desc(&f.ring, posted, desc);
    }
    guest_ring_expose(&f.ring);

    /* In place. */
    CHECK(vq_lend(&f, packets, 3, MAX_FRAME) == 3);
    for (int i = 0; i < 3; i++) {
        struct rte_mbuf *m = &packets[i]->mbuf;

        CHECK(m->buf_len == UINT16_MAX);
        memcpy(rte_pktmbuf_mtod(m, void *), frame, sizeof frame);
        m->data_len = m->pkt_len = sizeof frame;
    }
    CHECK(iovtee_rxvq_received(f.vq, packets, 3) == 3);
    CHECK(!f.vq->counters.dropped[IOVTEE_DROP_OVERRUN]);
    vq_deliver(&f, packets[0]);
    CHECK(guest_ring_reap(&f.ring, &head, &len)
          && len == HDR_LEN + sizeof frame);
    CHECK(!memcmp(memory + HDR_LEN, frame, sizeof frame));

    /* What is pushed fits into an mbuf that had no room left. */
    dp_packet_push_zeros(packets[2], RTE_PKTMBUF_HEADROOM);
    CHECK(packets[2]->mbuf.ol_flags & RTE_MBUF_F_EXTERNAL);
    vq_deliver(&f, packets[2]);
    CHECK(guest_ring_reap(&f.ring, &head, &len)
          && len == HDR_LEN + RTE_PKTMBUF_HEADROOM + sizeof frame);

    /* One comes home while writes are reported. */
    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_resume(f.vq, f.callfd, &log);
    dp_packet_delete(packets[1]);
    CHECK(n_marked >= sizeof frame && n_marked <= UINT16_MAX);

    /* Copied. */
    for (int i = 0; i < 12; i++) {
        vq_deliver(&f, vq_host_packet(sizeof frame, 1, VQ_PEER));
        CHECK(guest_ring_reap(&f.ring, &head, &len)
              && len == HDR_LEN + sizeof frame);
    }
    CHECK(!f.vq->vring.fault && !f.vq->ledger.n_violations);
    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_resume(f.vq, f.callfd, NULL);
    memset(f.by_head, 0, SIZE * sizeof *f.by_head);
    memcpy(f.expected, f.memory, f.memory_size);
    vq_fixture_destroy(&f);
}

/* A PMD thread that interrupts a guest through a pipe that is full and
 * blocks. */
struct blocked {
    struct vq_fixture *f;
    bool pinned;                /* Does it hold what others wait for? */
    atomic_bool unpinned;       /* Not any more? */
    atomic_bool done;
};

static void *
deliver_blocked(void *blocked_)
{
    struct blocked *blocked = blocked_;

    if (blocked->pinned) {
        struct dp_packet *packet = vq_host_packet(100, 1, VQ_PEER);
        struct iovtee_delivery d;

        iovtee_rxvq_deliver_silently(blocked->f->vq, &packet, 1, 0, &d);
        atomic_store(&blocked->unpinned, true);
        iovtee_rxvq_interrupt(blocked->f->vq);
    } else {
        vq_deliver(blocked->f, vq_host_packet(100, 1, VQ_PEER));
    }
    atomic_store(&blocked->done, true);
    return NULL;
}

/* Whoever waits for the queue meanwhile, as the main thread does for its
 * counters and librte_vhost's to stop it, need not wait for the guest; and
 * what is written in the end goes where it was to go. */
static void
blocked_by_guest(bool pinned)
{
    struct iovtee_rxvq_info info;
    struct blocked blocked;
    struct vq_fixture f;
    pthread_t thread;
    size_t n = 0, k;
    int fds[2], other;
    uint8_t buf[4096 + 64];
    bool done;

    memset(buf, 'x', sizeof buf);
    vq_fixture_init(&f, &modern);
    vq_refill(&f, BUF_LEN);
    CHECK(!guest_ring_enable_interrupts(&f.ring));
    CHECK(!pipe(fds));
    iovtee_rxvq_set_callfd(f.vq, fds[1]);
    while (write(fds[1], buf, 1) == 1) {
        n++;
    }
    CHECK(!fcntl(fds[1], F_SETFL, 0));

    blocked.f = &f;
    blocked.pinned = pinned;
    atomic_init(&blocked.unpinned, false);
    atomic_init(&blocked.done, false);
    thread = ovs_thread_create("blocked", deliver_blocked, &blocked);

    /* If the lock were held, nothing below would return.  (Open vSwitch has a
     * handler for this signal.) */
    signal(SIGALRM, SIG_DFL);
    alarm(60);
    while (f.ring.used[1] == modern.start) {
        xnanosleep_no_quiesce(1000 * 1000);
    }
    CHECK(vq_reap(&f, 100, 1) == 1);
    do {
        atomic_read(&blocked.unpinned, &done);
    } while (pinned && !done);
    xnanosleep_no_quiesce(20 * 1000 * 1000);

    iovtee_rxvq_get_info(f.vq, &info);
    CHECK(info.state == IOVTEE_RXVQ_RUNNING);
    iovtee_rxvq_suspend(f.vq);
    iovtee_rxvq_resume(f.vq, -1, NULL);
    atomic_read(&blocked.done, &done);
    CHECK(!done);

    /* The number of this one is not that of the one that was closed. */
    close(fds[1]);
    other = dup(STDERR_FILENO);
    CHECK(other >= 0);
    do {
        k = read(fds[0], buf, 4096);
        n -= MIN(n, k);
    } while (n);
    xpthread_join(thread, NULL);
    atomic_read(&blocked.done, &done);
    CHECK(done);
    for (n = k; read(fds[0], buf + n, 1) == 1; n++) {
        continue;
    }
    CHECK(n >= 8 && buf[n - 1] != 'x' && buf[n - 8] != 'x');
    close(other);
    close(fds[0]);
    vq_refill(&f, BUF_LEN);
    vq_fixture_destroy(&f);
    alarm(0);
}

static void
test_blocked(void)
{
    blocked_by_guest(false);
}

/* The same for a thread that has pinned packets of another guest, whose stop
 * waits for that (queue/shells.h). */
static void
test_blocked_pinned(void)
{
    blocked_by_guest(true);
}

/* Descriptors that were looked at, and how long a burst took. */
static unsigned int n_looks;
static long long int burst_time;

void *__real_iovtee_guestmem_translate(const struct iovtee_guestmem *,
                                       uint64_t gpa, uint64_t len);
void *__wrap_iovtee_guestmem_translate(const struct iovtee_guestmem *,
                                       uint64_t gpa, uint64_t len);

void *
__wrap_iovtee_guestmem_translate(const struct iovtee_guestmem *mem,
                                 uint64_t gpa, uint64_t len)
{
    n_looks++;
    return __real_iovtee_guestmem_translate(mem, gpa, len);
}

enum { PIECES_SIZE = 2048, N_CHAINS = PIECES_SIZE / 2 };

/* Makes '*f' a guest all of whose buffers are chains of 1024 pieces of one
 * byte, each in a page of its own.  All but the first piece belong to all of
 * the chains. */
static void
pieces_init(struct vq_fixture *f)
{
    static const struct vq_params params = {
        .size = PIECES_SIZE, .hdr_len = HDR_LEN, .mergeable = true,
    };

    vq_fixture_init(f, &params);
    for (uint16_t i = 0; i < PIECES_SIZE - 1; i++) {
        struct iovtee_desc desc = {
            .addr = VQ_BUF_GPA + i * UINT64_C(16384), .len = 1,
            .flags = IOVTEE_DESC_F_WRITE,
        };

        if (i < PIECES_SIZE - 2) {
            desc.flags |= IOVTEE_DESC_F_NEXT;
            desc.next = i < N_CHAINS ? N_CHAINS : i + 1;
        }
        guest_ring_set_desc(&f->ring, i, desc);
    }
    for (uint16_t i = 0; i < N_CHAINS; i++) {
        guest_ring_set_avail(&f->ring, i, i);
    }
    guest_ring_set_avail_idx(&f->ring, N_CHAINS);
}

static void
pieces_destroy(struct vq_fixture *f)
{
    uint16_t last_avail, last_used;

    CHECK(!f->vq->vring.fault && iovtee_rxvq_is_balanced(f->vq));
    iovtee_rxvq_suspend(f->vq);
    iovtee_rxvq_finish(f->vq, &last_avail, &last_used);
    iovtee_rxvq_unref(f->vq);
    iovtee_rxvq_sweep();
    memset(f->by_head, 0, PIECES_SIZE * sizeof *f->by_head);
    guest_ring_set_avail_idx(&f->ring, last_used);
    vq_fixture_open(f, last_used, last_used);
    memcpy(f->expected, f->memory, f->memory_size);
    vq_fixture_destroy(f);
}

/* Returns the time that this thread had a processor, in microseconds. */
static long long int
cpu_usec(void)
{
    struct timespec ts;

    CHECK(!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
    return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

/* Sends a burst of frames of 'len' bytes.  Returns how many arrive. */
static unsigned int
pieces_send(struct vq_fixture *f, uint32_t len)
{
    struct dp_packet *packets[NETDEV_MAX_BURST];
    struct iovtee_delivery d;

    for (uint32_t i = 0; i < NETDEV_MAX_BURST; i++) {
        packets[i] = vq_switch_packet(len, i);
    }
    n_looks = 0;
    burst_time = cpu_usec();
    iovtee_rxvq_deliver(f->vq, packets, NETDEV_MAX_BURST, 8, &d);
    burst_time = cpu_usec() - burst_time;
    return NETDEV_MAX_BURST - d.n_dropped;
}

/* Whatever a guest's buffers are like, a burst is so much work and no more. */
static void
test_pieces(void)
{
    static const uint32_t lens[] = { 60, 800, 1514, 60000 };
    struct vq_fixture f;

    pieces_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        uint64_t n_before = f.vq->counters.dropped[IOVTEE_DROP_PIECES];
        unsigned int n = pieces_send(&f, lens[i]);

        /* Each buffer that is taken is looked at once more. */
        CHECK(n_looks <= IOVTEE_RXVQ_MAX_PIECES
              + NETDEV_MAX_BURST * (lens[i] / IOVTEE_RXVQ_PIECE_LEN + 1));
        CHECK(f.vq->counters.dropped[IOVTEE_DROP_PIECES]
              == n_before + NETDEV_MAX_BURST - n);
        CHECK((n > 0) == (lens[i] < 1000));
    }
    pieces_destroy(&f);

    /* A chain as long as may be takes a frame, and a usual one all. */
    pieces_init(&f);
    vq_deliver(&f, vq_host_packet(1000, 1, VQ_PEER));
    pieces_destroy(&f);
    vq_fixture_init(&f, &modern);
    for (int i = 0; i < 8; i++) {
        static const uint32_t pieces[] = { 12, 100, 100, 100, 100, 100, 1200 };

        CHECK(vq_post_pieces(&f, pieces, ARRAY_SIZE(pieces), false) >= 0);
    }
    guest_ring_expose(&f.ring);
    for (int i = 0; i < 8; i++) {
        vq_deliver(&f, vq_host_packet(1514, 1, VQ_PEER));
        CHECK(vq_reap(&f, 1514, 1) == 1);
    }
    vq_fixture_destroy(&f);
}

/* A NIC that wants buffers does not have all of a ring looked at that has none
 * for it. */
static void
test_unfit(void)
{
    static const struct vq_params params = {
        .size = PIECES_SIZE, .hdr_len = HDR_LEN, .mergeable = true,
    };

    for (int chained = 0; chained < 2; chained++) {
        void *objs[32];
        struct vq_fixture f;
        bool unfit = false;

        vq_fixture_init(&f, &params);
        if (chained) {
            static const uint32_t lens[] = { 12, 2000 };

            while (vq_post_pieces(&f, lens, 2, false) >= 0) {
                continue;
            }
            guest_ring_expose(&f.ring);
        } else {
            vq_refill(&f, 1000);
        }
        n_looks = 0;
        CHECK(!iovtee_rxvq_post(f.vq, objs, ARRAY_SIZE(objs), true, MAX_FRAME,
                                &f.posted, &unfit));
        CHECK(unfit);
        CHECK(n_looks <= ARRAY_SIZE(objs) + IOVTEE_RXVQ_MAX_UNFIT);
        CHECK(f.vq->ledger.n[IOVTEE_IDLE]
              <= ARRAY_SIZE(objs) + IOVTEE_RXVQ_MAX_UNFIT);
        vq_fixture_destroy(&f);
    }
}

static int
compare_times(const void *a_, const void *b_)
{
    const long long int *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

/* So other queues of the same PMD thread are polled again soon.  The time that
 * others have the processor does not count, but what they do to its caches
 * does; hence the limits are generous.  (With sanitizers it is longer, by how
 * much is theirs.) */
static void
test_pieces_time(void)
{
    static const uint32_t lens[] = { 60, 1000, 1514 };
    static long long int times[1000];
    struct vq_fixture f;

    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        if (i % 10 == 0) {
            pieces_init(&f);
        }
        pieces_send(&f, lens[i % ARRAY_SIZE(lens)]);
        times[i] = burst_time;
        if (i % 10 == 9) {
            pieces_destroy(&f);
        }
    }

    qsort(times, ARRAY_SIZE(times), sizeof *times, compare_times);
    printf("a burst takes %lld us half of the time, %lld us 99 %% of the "
           "time\n", times[ARRAY_SIZE(times) / 2],
           times[ARRAY_SIZE(times) * 99 / 100]);
#ifndef __SANITIZE_ADDRESS__
    CHECK(times[ARRAY_SIZE(times) / 2] <= 2000);
#endif
}

static struct vq_fixture victim;
static atomic_bool done;

/* Writes to the ring of 'victim', partly what makes sense. */
static void *
scribble(void *aux OVS_UNUSED)
{
    struct guest_ring *ring = &victim.ring;
    bool stop;

    do {
        uint32_t i = unit_random_below(SIZE);
        struct iovtee_desc desc = {
            .addr = (UINT64_C(4) << 30) + unit_random_below(SIZE * 16384),
            .len = unit_random_below(4096),
            .flags = (unit_random_below(4) ? IOVTEE_DESC_F_WRITE
                      : unit_random_below(8)),
            .next = unit_random_below(SIZE + !unit_random_below(100)),
        };

        if (!unit_random_below(100)) {
            desc.addr = unit_random() * UINT64_C(0x100000001);
            desc.len = unit_random();
        }
        guest_ring_set_desc(ring, i, desc);
        if (!unit_random_below(10)) {
            guest_ring_set_avail(ring, i, unit_random_below(SIZE));
        }
        atomic_read_relaxed(&done, &stop);
    } while (!stop);
    return NULL;
}

/* One moment in the life of a switch with such a guest. */
static void
suffer(struct vq_fixture *f)
{
    struct dp_packet *packets[16];
    struct iovtee_delivery d;
    unsigned int n;

    n = vq_lend(f, packets, 16, 600);
    for (unsigned int i = 0; i < n; i++) {
        struct rte_mbuf *m = &packets[i]->mbuf;

        memset(rte_pktmbuf_mtod(m, void *), i, 600);
        m->data_len = m->pkt_len = 600;
        m->port = VQ_PEER;
    }
    n = iovtee_rxvq_received(f->vq, packets, n);
    if (n > 4) {
        dp_packet_delete(packets[--n]);
        dp_packet_push_zeros(packets[0], 40);
    }
    if (n < ARRAY_SIZE(packets)) {
        packets[n++] = vq_host_packet(1514, 1, VQ_PEER);
    }
    iovtee_rxvq_deliver(f->vq, packets, n, 8, &d);
    CHECK(iovtee_rxvq_is_balanced(f->vq));
    CHECK(!vq_n_posted(f));
}

/* The ring changes while it is being read. */
static void
test_scribble(void)
{
    uint64_t n_faults = 0, n_in_place = 0, n_copied = 0;
    struct vq_fixture *f = &victim;
    pthread_t thread;

    vlog_set_levels(NULL, VLF_CONSOLE, VLL_EMER);
    vq_fixture_init(f, &modern);
    atomic_init(&done, false);
    thread = ovs_thread_create("scribble", scribble, NULL);
    for (int i = 0; i < 2000; i++) {
        uint16_t avail_idx = modern.start;
        uint16_t last_avail, last_used;

        /* A driver that resets the ring. */
        guest_ring_set_avail_idx(&f->ring, avail_idx);
        iovtee_rxvq_unref(f->vq);
        vq_fixture_open(f, modern.start, modern.start);
        for (int j = 0; j < 20; j++) {
            avail_idx += unit_random_below(16);
            guest_ring_set_avail_idx(&f->ring, avail_idx);
            suffer(f);
        }
        n_faults += f->vq->vring.fault != IOVTEE_FAULT_NONE;
        n_in_place += f->vq->counters.zero_copied;
        for (size_t j = 0; j < IOVTEE_N_COPY_REASONS; j++) {
            n_copied += f->vq->counters.copied[j];
        }
        iovtee_rxvq_suspend(f->vq);
        if (unit_random_below(2)) {
            iovtee_rxvq_finish(f->vq, &last_avail, &last_used);
            CHECK(last_avail == last_used);
        } else {
            iovtee_rxvq_abandon(f->vq);
        }
        CHECK(iovtee_rxvq_is_balanced(f->vq) && !f->vq->n_orphans);
        iovtee_rxvq_sweep();
    }
    atomic_store_relaxed(&done, true);
    xpthread_join(thread, NULL);
    iovtee_rxvq_unref(f->vq);
    iovtee_rxvq_sweep();
    CHECK(n_faults && n_in_place && n_copied);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "busy", test_busy },
        { "overlap", test_overlap },
        { "huge", test_huge },
        { "endless", test_endless },
        { "blocked", test_blocked },
        { "blocked-pinned", test_blocked_pinned },
        { "pieces", test_pieces },
        { "pieces-time", test_pieces_time },
        { "unfit", test_unfit },
        { "scribble", test_scribble },
    };

    set_program_name(argv[0]);
    vlog_set_pattern(VLF_CONSOLE, "%c|%p|%m");
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    unit_eal_init("64");
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
