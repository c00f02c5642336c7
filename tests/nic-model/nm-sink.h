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

#ifndef NM_SINK_H
#define NM_SINK_H 1

/* Where sent frames go
 * ====================
 *
 * Each device has a sink at the far end of its wire, which counts frames.
 * Keys:
 *
 *     verify=1      compare each byte from the IPv4 header on, and look for
 *                   duplicates; frames made by a source of the model, or by
 *                   tests/frames
 *     stream=N      frames of other streams are "foreign" (1)
 *     latency=1     of frames with a time stamp
 *     pcap=FILE     write them all to FILE
 *     wire=DEVICE   and let them arrive at DEVICE
 *
 * Lost frames are those that the source has sent, minus "unique".  Engine
 * only. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define NM_WINDOW 65536         /* Sequence numbers that are remembered. */
#define NM_LAT_SUB 32           /* Buckets per power of two. */
#define NM_LAT_BUCKETS (64 * NM_LAT_SUB)

struct nm_dev;

struct nm_sink {
    bool verify, latency;
    uint16_t stream;
    FILE *pcap;
    bool busy;                  /* There is something to do. */

    uint64_t n_packets, n_bytes;
    uint64_t n_unique;          /* Each of them counted once. */
    uint64_t n_duplicated, n_reordered, n_corrupt, n_foreign;
    uint64_t n_old;             /* Too late to know if a duplicate. */
    uint64_t highest;           /* Sequence number + 1, 0 for none. */
    uint64_t window[NM_WINDOW / 64];

    uint64_t n_lat, lat_sum, lat_min, lat_max;
    uint64_t lat[NM_LAT_BUCKETS];
};

struct nm_sink *nm_sink_create(void);
void nm_sink_destroy(struct nm_sink *);
void nm_sink_reset(struct nm_sink *);
const char *nm_sink_configure(struct nm_dev *, char *args);
void nm_sink_look(struct nm_sink *, const uint8_t *, uint32_t len,
                  uint64_t now);
uint64_t nm_sink_percentile(const struct nm_sink *, double);

#include "nm-dev.h"

static inline void
nm_sink_frame(struct nm_dev *dev, const uint8_t *p, uint32_t len,
              uint64_t now)
{
    struct nm_sink *sink = dev->sink;

    nm_add(&sink->n_packets, 1);
    nm_add(&sink->n_bytes, len);
    if (sink->busy) {
        nm_sink_look(sink, p, len, now);
    } else if (dev->knobs.touch) {
        uint8_t x = 0;

        for (uint32_t i = 0; i < len; i += 64) {
            x ^= *(volatile const uint8_t *) (p + i);
        }
        (void) x;
    } else {
        (void) *(volatile const uint8_t *) p;
    }
}

#endif /* nm-sink.h */
