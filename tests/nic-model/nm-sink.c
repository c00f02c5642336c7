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

#include "nm-sink.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "frame-look.h"
#include "nm-frame.h"
#include "nm-keys.h"
#include "nm-pcap.h"

struct nm_sink *
nm_sink_create(void)
{
    struct nm_sink *sink = calloc(1, sizeof *sink);

    if (sink) {
        sink->stream = 1;
    }
    return sink;
}

void
nm_sink_destroy(struct nm_sink *sink)
{
    if (sink) {
        if (sink->pcap) {
            fclose(sink->pcap);
        }
        free(sink);
    }
}

/* Forgets what was counted. */
void
nm_sink_reset(struct nm_sink *sink)
{
    size_t ofs = offsetof(struct nm_sink, n_packets);

    memset((char *) sink + ofs, 0, sizeof *sink - ofs);
}

/* Takes account of number 'seq'. */
static void
saw(struct nm_sink *sink, uint64_t seq)
{
    uint64_t *word = &sink->window[seq % NM_WINDOW / 64];
    uint64_t bit = UINT64_C(1) << seq % 64;

    if (seq >= sink->highest) {
        uint64_t i = sink->highest;

        if (seq - i >= NM_WINDOW) {
            memset(sink->window, 0, sizeof sink->window);
            i = seq;
        }
        for (; i < seq; i++) {
            sink->window[i % NM_WINDOW / 64] &= ~(UINT64_C(1) << i % 64);
        }
        sink->highest = seq + 1;
        *word |= bit;
        sink->n_unique++;
    } else if (sink->highest - seq > NM_WINDOW) {
        sink->n_old++;
    } else if (*word & bit) {
        sink->n_duplicated++;
    } else {
        *word |= bit;
        sink->n_unique++;
        sink->n_reordered++;
    }
}

/* Like nm_frame_verify() for frames that tests/frames has made. */
static enum nm_verdict
verify_slow(const struct nm_sink *sink, const uint8_t *p, uint32_t len,
            struct nm_found *found)
{
    static uint8_t want[MAX_FRAME + 64];
    unsigned int ip_ofs = nm_frame_ip_ofs(p, len);
    struct frame_mark mark;
    struct frame_look look;
    unsigned int headers;

    if (!ip_ofs || !frame_find_mark(p, len, sink->stream, &mark)) {
        return NM_FOREIGN;
    }
    found->stream = sink->stream;
    found->seq = ntohl(mark.seq);
    found->stamped = false;
    frame_look_init(&look);
    headers = frame_headers_len(&look);
    if (!nm_frame_checksums_ok(p, len) || ip_ofs + 28 + ntohs(mark.len) > len
        || headers + ntohs(mark.len) > MAX_FRAME) {
        return NM_CORRUPT;
    }
    frame_build(want, &look, sink->stream, found->seq, ntohs(mark.len));
    return (memcmp(want + headers, p + ip_ofs + 28, ntohs(mark.len))
            ? NM_CORRUPT : NM_GOOD);
}

static void
measure(struct nm_sink *sink, uint64_t tsc)
{
    unsigned int i = tsc;

    if (tsc >= NM_LAT_SUB) {
        unsigned int shift = 63 - __builtin_clzll(tsc) - 5;

        i = (shift + 1) * NM_LAT_SUB + (tsc >> shift) - NM_LAT_SUB;
    }
    sink->lat[i]++;
    sink->lat_sum += tsc;
    if (!sink->n_lat++ || tsc < sink->lat_min) {
        sink->lat_min = tsc;
    }
    if (tsc > sink->lat_max) {
        sink->lat_max = tsc;
    }
}

/* Looks at a frame as configured. */
void
nm_sink_look(struct nm_sink *sink, const uint8_t *p, uint32_t len,
             uint64_t now)
{
    struct nm_found found;

    if (sink->pcap) {
        nm_pcap_write(sink->pcap, p, len, now * 1000000 / rte_get_tsc_hz());
    }
    if (sink->verify || sink->latency) {
        enum nm_verdict verdict = nm_frame_verify(p, len, &found);

        if (verdict == NM_FOREIGN && sink->verify) {
            verdict = verify_slow(sink, p, len, &found);
        }
        if (verdict == NM_FOREIGN || found.stream != sink->stream) {
            sink->n_foreign++;
        } else if (verdict == NM_CORRUPT) {
            sink->n_corrupt++;
        } else {
            saw(sink, found.seq);
            if (sink->latency && found.stamped && now >= found.stamp) {
                measure(sink, now - found.stamp);
            }
        }
    }
}

/* Returns the latency in cycles that 'share' of all frames do not exceed, to
 * 3 %. */
uint64_t
nm_sink_percentile(const struct nm_sink *sink, double share)
{
    uint64_t n = 0;

    for (unsigned int i = 0; i < NM_LAT_BUCKETS; i++) {
        n += sink->lat[i];
        if (sink->lat[i] && n >= share * sink->n_lat) {
            if (i < NM_LAT_SUB) {
                return i;
            }
            return ((uint64_t) (i % NM_LAT_SUB + NM_LAT_SUB + 1)
                    << (i / NM_LAT_SUB - 1)) - 1;
        }
    }
    return 0;
}

/* Configures the sink of 'dev' anew.  Returns NULL if successful, otherwise
 * what is wrong. */
const char *
nm_sink_configure(struct nm_dev *dev, char *args)
{
    struct nm_sink *sink = dev->sink;
    uint64_t verify = 0, latency = 0, stream = 1;
    const char *error = NULL;
    struct nm_dev *wire = NULL;
    char *pcap = NULL, *wire_name = NULL;
    const struct nm_key keys[] = {
        { "verify", NM_NUMBER, &verify, 1 },
        { "latency", NM_NUMBER, &latency, 1 },
        { "stream", NM_NUMBER, &stream, UINT16_MAX },
        { "pcap", NM_STRING, &pcap, 0 },
        { "wire", NM_STRING, &wire_name, 0 },
        { NULL, NM_NUMBER, NULL, 0 },
    };

    error = nm_keys_parse(args, keys);
    if (!error && wire_name) {
        wire = nm_dev_find(wire_name);
        error = wire ? NULL : "no such device at the end of the wire";
    }
    if (error) {
        return error;
    }
    if (sink->pcap) {
        fclose(sink->pcap);
        sink->pcap = NULL;
    }
    if (pcap) {
        sink->pcap = nm_pcap_create(pcap);
        if (!sink->pcap) {
            error = "the capture cannot be created";
        }
    }
    sink->verify = verify;
    sink->latency = latency;
    sink->stream = stream;
    sink->busy = verify || latency || sink->pcap;
    dev->wire = wire;
    nm_sink_reset(sink);
    return error;
}
