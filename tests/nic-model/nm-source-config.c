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

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "frame-look.h"
#include "nm-dev.h"
#include "nm-keys.h"
#include "nm-source.h"

#define CRC_LEN 4
#define MIN_SIZE 64             /* Of Ethernet, with CRC. */
#define MAX_FLOWS 4000000
#define PORTS 16384             /* Source ports before the next address. */

static const uint16_t imix[] = {
    64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594,
};

/* Fills in 's->sizes' from 'list', and prepares what depends on it. */
static const char *
set_sizes(struct nm_source *s, char *list)
{
    uint64_t sizes[NM_MAX_SIZES] = { 64 };
    struct frame_look look;
    unsigned int min;
    int n = 1;

    if (list && !strcmp(list, "imix")) {
        n = sizeof imix / sizeof imix[0];
        for (int i = 0; i < n; i++) {
            sizes[i] = imix[i];
        }
    } else if (list) {
        n = nm_parse_list(list, ",", sizes, NM_MAX_SIZES);
    }
    if (n < 1) {
        return "size is \"imix\" or a list of up to 64 lengths";
    }

    min = nm_frame_min_len(&s->look);
    if (s->payload == NM_FRAMES) {
        frame_look_init(&look);
        look.n_tags = s->look.n_tags;
        min = frame_headers_len(&look) + sizeof(struct frame_mark);
    }
    s->n_sizes = n;
    for (int i = 0; i < n; i++) {
        if (sizes[i] < MIN_SIZE || sizes[i] < min + CRC_LEN
            || sizes[i] > NM_MAX_FRAME + CRC_LEN) {
            return "size is too small for what is in the frame, or too large";
        }
        s->sizes[i] = sizes[i] - CRC_LEN;
        nm_template_init(&s->templates[i], &s->look, s->sizes[i]);
    }
    return NULL;
}

static const char *
set_tags(struct nm_source *s, char *list)
{
    uint64_t tcis[NM_MAX_TAGS];
    int n = list ? nm_parse_list(list, ",", tcis, NM_MAX_TAGS) : 0;

    if (n < 0) {
        return "vlan is a list of one or two tags";
    }
    s->look.n_tags = n;
    for (int i = 0; i < n; i++) {
        s->look.tpid[i] = n == 2 && !i ? 0x88a8 : 0x8100;
        s->look.tci[i] = tcis[i];
    }
    return NULL;
}

static const char *
set_flows(struct nm_source *s)
{
    s->flows = malloc(s->n_flows * sizeof *s->flows);
    if (!s->flows) {
        s->n_flows = 0;
        return "out of memory";
    }
    for (uint32_t i = 0; i < s->n_flows; i++) {
        s->flows[i].sip = __builtin_bswap32(s->look.sip + i / PORTS);
        s->flows[i].sport = __builtin_bswap16(s->look.sport + i % PORTS);
    }
    return NULL;
}

/* Makes the frames that are sent again and again. */
static const char *
set_same(struct nm_source *s)
{
    if (s->payload != NM_SAME) {
        return s->past ? "past is for payload=same" : NULL;
    } else if (s->n_flows != 1 || s->look.stamp) {
        return "frames of several flows, or with a stamp, are not the same";
    }
    s->same = malloc(s->n_sizes * NM_MAX_FRAME);
    if (!s->same) {
        return "out of memory";
    }
    for (unsigned int i = 0; i < s->n_sizes; i++) {
        nm_frame_write(s->same + i * NM_MAX_FRAME, &s->templates[i],
                       s->flows, s->first, 0);
    }
    return NULL;
}

/* Returns NULL if 'name', which may be NULL, is a payload. */
static const char *
set_payload(struct nm_source *s, const char *name)
{
    static const char *const names[] = { "fast", "frames", "same" };

    for (int i = 0; i < 3; i++) {
        if (!name || !strcmp(name, names[i])) {
            s->payload = i;
            return NULL;
        }
    }
    return "payload is fast, frames or same";
}

static void
set_defaults(struct nm_source *s)
{
    static const struct nm_look look = {
        .dst = { 2, 0, 0, 0, 0, 2 },
        .src = { 2, 0, 0, 0, 0, 1 },
        .sip = 0x0a000001,
        .dip = 0x0a000002,
        .sport = 1024,
        .dport = 4096,
        .stream = 1,
    };

    nm_source_stop(s);
    nm_pcap_free(s->pcap);
    free(s->flows);
    free(s->same);
    memset(s, 0, sizeof *s);
    s->look = look;
}

/* Describes the source of 'dev' anew; it stops if it runs.  Returns NULL if
 * successful, otherwise what is wrong. */
const char *
nm_source_configure(struct nm_dev *dev, char *args)
{
    struct nm_source *s = dev->source;
    uint64_t flows = 1, stream = 1, first = 0, stamp = 0, sport = 1024;
    uint64_t dport = 4096, rate = 0, burst = 0, gap = 0, late = 256;
    uint64_t wait = UINT64_MAX, window = 0, past = 0;
    char *size = NULL, *pcap = NULL, *payload = NULL, *vlan = NULL;
    const struct nm_key keys[] = {
        { "size", NM_STRING, &size, 0 },
        { "pcap", NM_STRING, &pcap, 0 },
        { "payload", NM_STRING, &payload, 0 },
        { "flows", NM_NUMBER, &flows, MAX_FLOWS },
        { "vlan", NM_STRING, &vlan, 0 },
        { "stream", NM_NUMBER, &stream, UINT16_MAX },
        { "first", NM_NUMBER, &first, UINT32_MAX },
        { "stamp", NM_NUMBER, &stamp, 1 },
        { "dst", NM_MAC, s->look.dst, 0 },
        { "src", NM_MAC, s->look.src, 0 },
        { "sip", NM_IP, &s->look.sip, 0 },
        { "dip", NM_IP, &s->look.dip, 0 },
        { "sport", NM_NUMBER, &sport, UINT16_MAX },
        { "dport", NM_NUMBER, &dport, UINT16_MAX },
        { "rate", NM_NUMBER, &rate, 1000000000 },
        { "burst", NM_NUMBER, &burst, 1000000 },
        { "gap", NM_NUMBER, &gap, 10000000 },
        { "wait", NM_NUMBER, &wait, 1 },
        { "window", NM_NUMBER, &window, UINT32_MAX },
        { "late", NM_NUMBER, &late, UINT32_MAX },
        { "past", NM_NUMBER, &past, 1 },
        { NULL, NM_NUMBER, NULL, 0 },
    };
    const char *error;

    set_defaults(s);
    error = nm_keys_parse(args, keys);
    s->look.stream = stream;
    s->look.stamp = stamp;
    s->look.sport = sport;
    s->look.dport = dport;
    s->n_flows = flows ? flows : 1;
    s->first = first;
    s->rate = rate;
    s->burst = burst;
    s->gap_us = gap;
    s->late = late;
    s->window = window;
    s->past = past;
    s->wait = wait == UINT64_MAX ? !rate : wait;
    s->tsc_per_frame = rate ? (double) rte_get_tsc_hz() / rate : 0;
    error = error ? error : set_payload(s, payload);
    error = error ? error : set_tags(s, vlan);
    error = error ? error : set_sizes(s, size);
    error = error ? error : set_flows(s);
    error = error ? error : set_same(s);
    if (!error && pcap) {
        s->pcap = nm_pcap_load(pcap, &error);
    }
    nm_source_rehash(dev);
    return error;
}
