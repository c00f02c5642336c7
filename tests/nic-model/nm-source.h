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

#ifndef NM_SOURCE_H
#define NM_SOURCE_H 1

/* Where frames come from
 * ======================
 *
 * Each device has a source of its own at the far end of its wire.  Keys:
 *
 *     size=N[,N...]      lengths in turn, with CRC, as in RFC 2544 (64)
 *     size=imix          64, 594 and 1518 as 7:4:1
 *     pcap=FILE          frames of a capture, in a loop, instead
 *     payload=fast       as in nm-frame.h (default)
 *     payload=frames     as tests/frames makes them; slow
 *     payload=same       all frames of a length are the same, of one flow;
 *                        cheapest, and for measurements only
 *     past=1             frames of this kind are written past the caches, into
 *                        memory, as by a NIC without DDIO; not in check mode
 *     flows=N            differ in source address and port (1)
 *     vlan=TCI[,TCI]     tags, outermost first; the length includes them
 *     stream=N           number of the stream (1)
 *     first=N            sequence number of the first frame (0)
 *     stamp=1            time stamp, for the latency that a sink measures
 *     dst=MAC src=MAC sip=IP dip=IP sport=N dport=N
 *     rate=N             frames per second; 0 as fast as possible (0)
 *     burst=N            frames come N at a time
 *     gap=US             without rate: pause after each burst
 *     wait=0|1           a frame waits for a buffer, rather than being missed
 *                        (1 if rate is 0, else 0)
 *     window=N           frames on the way from here to the sink of the same
 *                        device, at most; makes counts exact on any machine
 *     late=N             frames that may be made up for, when the engine did
 *                        not run for a while; more are "skipped" (256)
 *
 * Engine only. */

#include <stdbool.h>
#include <stdint.h>

#include "nm-frame.h"
#include "nm-pcap.h"

#define NM_MAX_SIZES 64

struct nm_dev;

enum nm_payload { NM_FAST, NM_FRAMES, NM_SAME };

struct nm_source {
    /* As configured. */
    struct nm_look look;
    unsigned int n_sizes;
    uint16_t sizes[NM_MAX_SIZES];       /* Without CRC. */
    enum nm_payload payload;
    struct nm_pcap *pcap;
    uint32_t n_flows;
    uint32_t first;
    uint64_t rate;
    uint32_t burst, gap_us, late, window;
    bool past;
    int wait;                           /* -1 for default. */

    /* Made from that. */
    struct nm_template templates[NM_MAX_SIZES];
    struct nm_flow *flows;
    uint8_t *same;              /* NM_SAME: a frame of each size. */
    double tsc_per_frame;

    /* While it runs. */
    bool running;
    uint32_t size_i, flow_i;
    uint32_t burst_left;
    uint64_t next_tsc;                  /* When the next frame is due. */
    uint64_t stop_tsc;                  /* 0 for never. */
    double fraction;
    uint64_t left;                      /* Frames until it stops. */

    uint64_t sink_base;                 /* Sink's count at the start. */

    uint64_t n_sent, n_bytes, n_skipped;
    uint64_t started_tsc, ran_tsc;
};

struct nm_source *nm_source_create(void);
void nm_source_destroy(struct nm_source *);
const char *nm_source_configure(struct nm_dev *, char *args);
void nm_source_start(struct nm_dev *, uint64_t count, uint64_t ms);
void nm_source_stop(struct nm_source *);
void nm_source_rehash(struct nm_dev *);
bool nm_source_any_runs(void);
unsigned int nm_source_run(struct nm_dev *, uint64_t now);

static inline bool nm_source_is_running(const struct nm_source *s)
{
    return __atomic_load_n(&s->running, __ATOMIC_RELAXED);
}

#endif /* nm-source.h */
