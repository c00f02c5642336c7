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

#include "nm-source.h"

#include <stdlib.h>
#ifdef __x86_64__
#include <emmintrin.h>
#endif

#include <rte_cycles.h>

#include "frame-look.h"
#include "nm-check.h"
#include "nm-dev.h"
#include "nm-engine.h"
#include "nm-rx.h"
#include "nm-sink.h"

#define ROUND 64                /* Frames per round. */
#define PREFETCH 8              /* Buffers ahead. */

static unsigned int n_running;

struct nm_source *
nm_source_create(void)
{
    return calloc(1, sizeof(struct nm_source));
}

void
nm_source_destroy(struct nm_source *s)
{
    if (s) {
        nm_source_stop(s);
        nm_pcap_free(s->pcap);
        free(s->flows);
        free(s->same);
        free(s);
    }
}

/* Is any source running?  Then the engine must not sleep. */
bool
nm_source_any_runs(void)
{
    return n_running > 0;
}

/* Computes the hashes of the flows again, after a change of key. */
void
nm_source_rehash(struct nm_dev *dev)
{
    struct nm_source *s = dev->source;

    for (uint32_t i = 0; i < s->n_flows && s->flows; i++) {
        struct nm_flow *flow = &s->flows[i];
        uint32_t dip = __builtin_bswap32(s->look.dip);
        uint16_t dport = __builtin_bswap16(s->look.dport);
        uint8_t tuple[12];

        memcpy(tuple, &flow->sip, 4);
        memcpy(tuple + 4, &dip, 4);
        memcpy(tuple + 8, &flow->sport, 2);
        memcpy(tuple + 10, &dport, 2);
        flow->rss = (dev->toeplitz
                     ? nm_rss_hash(dev->toeplitz, tuple, sizeof tuple) : 0);
    }
}

/* Starts to send 'count' frames and for 'ms' milliseconds; 0 means without
 * limit. */
void
nm_source_start(struct nm_dev *dev, uint64_t count, uint64_t ms)
{
    struct nm_source *s = dev->source;

    nm_source_stop(s);
    s->n_sent = s->n_bytes = s->n_skipped = 0;
    s->size_i = s->flow_i = 0;
    s->burst_left = s->burst;
    s->left = count ? count : UINT64_MAX;
    s->started_tsc = s->next_tsc = rte_rdtsc();
    s->ran_tsc = 0;
    s->stop_tsc = ms ? s->started_tsc + nm_us_to_tsc(ms * 1000) : 0;
    s->fraction = 0;
    s->sink_base = dev->sink->n_packets;
    s->running = true;
    n_running++;
}

void
nm_source_stop(struct nm_source *s)
{
    if (s->running) {
        s->ran_tsc = rte_rdtsc() - s->started_tsc;
        n_running--;
        __atomic_store_n(&s->running, false, __ATOMIC_RELEASE);
    }
}

/* Returns how many frames of 's' are due. */
static uint32_t
n_due(struct nm_source *s, uint64_t now)
{
    uint64_t n = ROUND;

    if ((int64_t) (now - s->next_tsc) < 0) {
        return 0;
    }
    if (s->rate) {
        n = (now - s->next_tsc) / s->tsc_per_frame + 1;
        if (s->late && n > s->late + s->burst) {
            uint64_t skip = n - s->late - s->burst;

            nm_add(&s->n_skipped, skip);
            s->next_tsc += skip * s->tsc_per_frame;
            n -= skip;
        }
        if (s->burst) {
            /* A burst is sent when its last frame is due. */
            n -= n % s->burst;
        }
    } else if (s->burst && n > s->burst_left) {
        n = s->burst_left;
    }
    n = n < ROUND || s->burst ? n : ROUND;
    return n < s->left ? n : s->left;
}

/* 'n' frames were sent. */
static void
sent(struct nm_source *s, uint32_t n)
{
    s->left -= n;
    nm_add(&s->n_sent, n);
    if (s->rate) {
        double tsc = n * s->tsc_per_frame + s->fraction;

        s->next_tsc += (uint64_t) tsc;
        s->fraction = tsc - (uint64_t) tsc;
    } else if (s->burst) {
        s->burst_left -= n;
        if (!s->burst_left) {
            s->burst_left = s->burst;
            /* The pause begins now, not when the burst did. */
            s->next_tsc = rte_rdtsc() + nm_us_to_tsc(s->gap_us);
        }
    }
}

static inline void
advance(uint32_t *i, uint32_t n)
{
    *i = *i + 1 < n ? *i + 1 : 0;
}

/* Copies 'len' bytes, and up to 7 more, past the caches if that is
 * possible. */
static inline void
copy_past(void *to_, const void *from_, uint32_t len)
{
#ifdef __x86_64__
    const long long *from = from_;
    long long *to = to_;

    for (uint32_t i = 0; i < (len + 7) / 8; i++) {
        _mm_stream_si64(to + i, from[i]);
    }
#else
    memcpy(to_, from_, len);
#endif
}

/* What copy_past() wrote is visible before what is written from now on. */
static inline void
copied_past(void)
{
#ifdef __x86_64__
    _mm_sfence();
#endif
}

/* Writes up to 'n' frames that are all the same into the next buffers of 'dev'
 * and returns how many.  Doing nothing else in between, a processor takes all
 * their cache lines from the other one at once, and not one after the other,
 * which it does when stores to them wait behind stores to everything else. */
static uint32_t
write_same(const struct nm_dev *dev, const struct nm_source *s, uint32_t n)
{
    struct nm_rxq *q = nm_rx_queue(dev, s->flows[0].rss);
    uint32_t len = s->templates[0].len;

    if (!q || !nm_rx_claim(q)) {
        return 0;
    }
    n = RTE_MIN(n, q->tail_seen - q->filled);
    for (uint32_t i = 0; i < n; i++) {
        const struct nm_desc *desc = &q->ring[(q->filled + i) & q->mask];

        if (s->past && desc->hi >> 32 >= RTE_ALIGN_CEIL(len, 8)) {
            copy_past((void *) (uintptr_t) desc->lo, s->same, len);
        } else if (likely(desc->hi >> 32 >= len)) {
            memcpy((void *) (uintptr_t) desc->lo, s->same, len);
        }
    }
    if (s->past) {
        copied_past();
    }
    return n;
}

/* Sends the next frame, made from a template, and maybe 'written' already.
 * Returns false if it must wait. */
static inline bool
send_fast(struct nm_dev *dev, struct nm_source *s, uint32_t seq, uint64_t now,
          bool written)
{
    const struct nm_template *t = &s->templates[s->size_i];
    const struct nm_flow *flow = &s->flows[s->flow_i];
    struct nm_rxq *q = nm_rx_queue(dev, flow->rss);
    struct nm_slot *slot = q ? nm_rx_claim(q) : NULL;
    uint16_t flags = NM_RX_CSUM_GOOD | (dev->toeplitz ? NM_RX_RSS : 0);

    if (unlikely(!slot) && s->wait) {
        return false;
    }
    if (likely(nm_rx_accept(dev, t->head, t->len))) {
        if (unlikely(!slot)) {
            nm_add(q ? &q->n_missed : &dev->n_missed, 1);
        } else if (unlikely(slot->room < t->len)) {
            nm_add(&dev->n_no_room, 1);
        } else {
            nm_rx_prefetch(q, PREFETCH);
            if (unlikely(dev->knobs.check)) {
                nm_check_fill(q, q->filled & q->mask);
            }
            if (written) {
                /* By write_same(). */
            } else if (s->same) {
                memcpy((uint8_t *) (uintptr_t) slot->addr,
                       s->same + s->size_i * NM_MAX_FRAME, t->len);
            } else {
                nm_frame_write((uint8_t *) (uintptr_t) slot->addr, t, flow,
                               seq, now);
            }
            nm_rx_commit(q, slot, t->len, flow->rss, flags, now);
        }
    }
    s->n_bytes += t->len;
    advance(&s->size_i, s->n_sizes);
    advance(&s->flow_i, s->n_flows);
    return true;
}

/* Makes frame 'seq' as tests/frames does, at 'frame'. */
static uint32_t
build_slow(const struct nm_source *s, uint32_t seq, uint8_t *frame)
{
    struct frame_look look;

    frame_look_init(&look);
    memcpy(look.dst, s->look.dst, 6);
    memcpy(look.src, s->look.src, 6);
    look.n_tags = s->look.n_tags;
    for (int i = 0; i < look.n_tags; i++) {
        look.tpid[i] = s->look.tpid[i];
        look.tci[i] = s->look.tci[i];
    }
    look.sip = s->flows[s->flow_i].sip;
    look.dip = __builtin_bswap32(s->look.dip);
    look.sport = __builtin_bswap16(s->flows[s->flow_i].sport);
    look.dport = s->look.dport;
    return frame_build(frame, &look, s->look.stream, seq,
                       s->sizes[s->size_i] - frame_headers_len(&look));
}

/* Sends a frame that is in memory already.  Returns false if it must wait. */
static bool
send_slow(struct nm_dev *dev, struct nm_source *s, uint32_t seq, uint64_t now)
{
    static uint8_t buffer[NM_MAX_FRAME];
    const uint8_t *frame = buffer;
    uint16_t flags = 0;
    struct nm_rxq *q;
    uint32_t len;

    if (s->pcap) {
        frame = s->pcap->data + s->pcap->frames[s->size_i].ofs;
        len = s->pcap->frames[s->size_i].len;
    } else {
        len = build_slow(s, seq, buffer);
    }
    if (s->wait) {
        q = nm_rx_queue(dev, nm_rss_frame(dev, frame, len, &flags));
        if (!q || !nm_rx_claim(q)) {
            return false;
        }
    }
    nm_rx_frame(dev, frame, len, now);
    s->n_bytes += len;
    advance(&s->size_i, s->pcap ? s->pcap->n : s->n_sizes);
    advance(&s->flow_i, s->n_flows);
    return true;
}

/* Sends what is due.  Returns how many frames that were. */
unsigned int
nm_source_run(struct nm_dev *dev, uint64_t now)
{
    struct nm_source *s = dev->source;
    uint32_t seq, n, i = 0, n_written = 0;
    bool slow;

    if (!s->running) {
        return 0;
    }
    if (s->stop_tsc && (int64_t) (now - s->stop_tsc) >= 0) {
        nm_source_stop(s);
        return 0;
    }
    if (s->wait && (!dev->started || dev->hung || !dev->link)) {
        return 0;
    }

    n = n_due(s, now);
    if (s->window) {
        uint64_t back = dev->sink->n_packets - s->sink_base;
        uint64_t out = s->n_sent > back ? s->n_sent - back : 0;

        n = RTE_MIN(n, s->window > out ? s->window - out : 0);
    }
    seq = s->first + s->n_sent;
    slow = s->pcap || s->payload == NM_FRAMES;
    if (slow) {
        while (i < n && send_slow(dev, s, seq + i, now)) {
            i++;
        }
    } else {
        if (s->same && s->n_sizes == 1 && !dev->knobs.check) {
            n_written = write_same(dev, s, RTE_MIN(n, NM_BURST));
            n = n_written ? n_written : n;
        }
        while (i < n && send_fast(dev, s, seq + i, now, n_written)) {
            i++;
        }
    }
    if (i) {
        sent(s, i);
        if (!s->left) {
            nm_source_stop(s);
        }
    }
    return i;
}
