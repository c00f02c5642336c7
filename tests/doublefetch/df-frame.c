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

#include "df-frame.h"

#include <stdbool.h>
#include <string.h>

#include "df.h"

/* What is being written. */
struct writer {
    uint8_t *start;
    size_t n;
    bool plain;                 /* Nothing that is left to chance. */
};

static uint8_t *
put(struct writer *w, const void *bytes, size_t n)
{
    uint8_t *p = w->start + w->n;

    memcpy(p, bytes, n);
    w->n += n;
    return p;
}

#define PUT(WRITER, ...)                                                \
    put(WRITER, (const uint8_t[]) { __VA_ARGS__ },                      \
        sizeof (const uint8_t[]) { __VA_ARGS__ })

static void
put_random(struct writer *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        w->start[w->n++] = df_random();
    }
}

static void
set_be16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value;
}

/* A number from 0 to 'n' - 1, or 0 in a plain frame. */
static uint32_t
some(const struct writer *w, uint32_t n)
{
    return w->plain ? 0 : df_below(n);
}

static uint16_t
checksum(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}

static void
put_l4(struct writer *w, uint8_t proto)
{
    size_t start = w->n;
    size_t options = 4 * some(w, 5);

    switch (proto) {
    case 6:
        PUT(w, 0x03, 0xe8, 0x07, 0xd0, 0, 0, 0, 1, 0, 0, 0, 0,
            (5 + options / 4) << 4, 0x02, 0x20, 0, 0x12, 0x34, 0, 0);
        put_random(w, options);
        break;
    case 17:
        PUT(w, 0x03, 0xe8, 0x07, 0xd0, 0, 0x1a, 0, some(w, 2));
        break;
    case 132:
        PUT(w, 0x03, 0xe8, 0x07, 0xd0, 0, 0, 0, 1, 0x12, 0x34, 0x56, 0x78);
        break;
    case 1:
        PUT(w, 8, 0, 0xf7, 0xfd, 0, 1, 0, 1);
        break;
    case 58:
        PUT(w, 128, 0, 0x12, 0x34, 0, 1, 0, 1);
        break;
    default:
        PUT(w, 0x11, 0, 0, 0, 224, 0, 0, 1);
        break;
    }
    put_random(w, 18 + some(w, 40));
    if (proto == 1) {
        set_be16(w->start + start + 2, 0);
        set_be16(w->start + start + 2,
                 checksum(w->start + start, w->n - start));
    }
}

/* Begins an IPv4 packet and returns its header, for end_ip(). */
static uint8_t *
begin_ip(struct writer *w, uint8_t proto, bool answer)
{
    size_t options = some(w, 4) == 1 ? 4 * df_below(11) : 0;
    uint8_t *ip = PUT(w, 0x45 + options / 4, 0, 0, 0, 0, 1, 0x40, 0, 64,
                      proto, 0, 0, 10, 0, 0, 1 + answer, 10, 0, 0,
                      2 - answer);

    put_random(w, options);
    return ip;
}

static void
end_ip(struct writer *w, uint8_t *ip)
{
    set_be16(ip + 2, w->start + w->n - ip);
    set_be16(ip + 10, 0);
    set_be16(ip + 10, checksum(ip, (ip[0] & 0xf) * 4));
}

static void
put_ip(struct writer *w, uint8_t proto)
{
    uint8_t *ip = begin_ip(w, proto, false);

    put_l4(w, proto);
    end_ip(w, ip);
}

static void
put_ip_fragment(struct writer *w)
{
    static const uint8_t protos[] = { 17, 6, 1 };
    uint8_t *ip = begin_ip(w, protos[some(w, 3)], false);

    put_l4(w, ip[9]);
    ip[6] = some(w, 2) ? 0 : 0x20;
    ip[7] = some(w, 2) ? 3 : 0;
    end_ip(w, ip);
}

static void
put_icmp_error(struct writer *w)
{
    uint8_t *ip = begin_ip(w, 1, false);
    uint8_t *icmp = PUT(w, 3, 3, 0, 0, 0, 0, 0, 0);
    uint8_t *inner = begin_ip(w, 17, true);

    PUT(w, 0x07, 0xd0, 0x03, 0xe8, 0, 0x1a, 0, 0);
    end_ip(w, inner);
    set_be16(inner + 2, 46);
    set_be16(inner + 10, 0);
    set_be16(inner + 10, checksum(inner, (inner[0] & 0xf) * 4));
    set_be16(icmp + 2, checksum(icmp, w->start + w->n - icmp));
    end_ip(w, ip);
}

static void
put_extension(struct writer *w, uint8_t kind, uint8_t next)
{
    size_t n = some(w, 3);

    switch (kind) {
    case 44:
        PUT(w, next, 0, 0, some(w, 2) ? some(w, 2) : 0x41, 0, 0, 0x12, 0x34);
        break;
    case 51:
        PUT(w, next, n, 0, 0, 0, 0, 0, 1);
        put_random(w, n * 4);
        break;
    default:
        PUT(w, next, n, 0, some(w, 2), 1, 0, 0, 0);
        put_random(w, n * 8);
        break;
    }
}

/* Begins an IPv6 packet whose last header is 'proto' and that has an extension
 * header 'extension' before it, unless that is 0, and perhaps others. */
static uint8_t *
begin_ip6(struct writer *w, uint8_t proto, uint8_t extension)
{
    static const uint8_t kinds[] = { 0, 43, 60, 51, 44 };
    uint8_t chain[4];
    size_t n = 0;
    uint8_t *ip;

    for (size_t i = some(w, 2) ? 0 : some(w, 4); i; i--) {
        chain[n++] = kinds[df_below(5)];
    }
    if (extension) {
        chain[n++] = extension;
    }
    ip = PUT(w, 0x60, 0, 0, 0, 0, 0, n ? chain[0] : proto, 64,
             0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
             0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
    for (size_t i = 0; i < n; i++) {
        put_extension(w, chain[i], i + 1 < n ? chain[i + 1] : proto);
    }
    return ip;
}

static void
end_ip6(struct writer *w, uint8_t *ip)
{
    set_be16(ip + 4, w->start + w->n - ip - 40);
}

static void
put_ip6(struct writer *w, uint8_t proto, uint8_t extension)
{
    uint8_t *ip = begin_ip6(w, proto, extension);

    if (proto != 59) {
        put_l4(w, proto);
    }
    end_ip6(w, ip);
}

static void
put_icmp6_error(struct writer *w)
{
    uint8_t *ip = begin_ip6(w, 58, 0);
    uint8_t *inner;

    PUT(w, 1, 4, 0x12, 0x34, 0, 0, 0, 0);
    inner = begin_ip6(w, 17, 0);
    put_l4(w, 17);
    end_ip6(w, inner);
    end_ip6(w, ip);
}

static void
put_nd(struct writer *w)
{
    uint8_t *ip = begin_ip6(w, 58, 0);

    ip[7] = 255;
    PUT(w, 135 + some(w, 2), 0, 0x12, 0x34, 0x60, 0, 0, 0);
    PUT(w, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
    for (uint32_t i = some(w, 4); i; i--) {
        uint8_t n = 1 + (some(w, 4) ? 0 : some(w, 3));

        PUT(w, 1 + some(w, 3), n, 2, 0, 0, 0, 0, 1);
        put_random(w, (n - 1) * 8);
    }
    end_ip6(w, ip);
}

static void
put_arp(struct writer *w)
{
    PUT(w, 0, 1, 8, 0, 6, 4, 0, 1 + some(w, 2), 2, 0, 0, 0, 0, 1, 10, 0, 0, 1,
        0, 0, 0, 0, 0, 0, 10, 0, 0, 2);
    put_random(w, some(w, 19));
}

static void
put_mpls(struct writer *w)
{
    for (uint32_t i = some(w, 5); i; i--) {
        PUT(w, 0, 1, 0, 64);
    }
    PUT(w, 0, 1, 1, 64);
    put_ip(w, 17);
}

static void
put_nsh(struct writer *w)
{
    PUT(w, 0x0f, 0xc6, 1, 1, 0, 0, 1, 255);
    put_random(w, 16);
    put_ip(w, 17);
}

static void
put_kind(struct writer *w, enum df_kind kind)
{
    switch (kind) {
    case DF_TCP: put_ip(w, 6); break;
    case DF_UDP: put_ip(w, 17); break;
    case DF_SCTP: put_ip(w, 132); break;
    case DF_ICMP: put_ip(w, 1); break;
    case DF_ICMP_ERROR: put_icmp_error(w); break;
    case DF_IP_FRAGMENT: put_ip_fragment(w); break;
    case DF_IP_OTHER: put_ip(w, some(w, 2) ? 47 : 2); break;
    case DF_TCP6: put_ip6(w, 6, 0); break;
    case DF_UDP6: put_ip6(w, 17, 0); break;
    case DF_SCTP6: put_ip6(w, 132, 0); break;
    case DF_ICMP6: put_ip6(w, 58, 0); break;
    case DF_ICMP6_ERROR: put_icmp6_error(w); break;
    case DF_ND: put_nd(w); break;
    case DF_IP6_FRAGMENT: put_ip6(w, 17, 44); break;
    case DF_IP6_OTHER: put_ip6(w, some(w, 2) ? 59 : 89, 0); break;
    case DF_ARP: put_arp(w); break;
    case DF_MPLS: put_mpls(w); break;
    case DF_NSH: put_nsh(w); break;
    case DF_SNAP:
        PUT(w, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0);
        put_ip(w, 17);
        break;
    case DF_ANY:
    case DF_N_KINDS:
        break;
    }
}

static uint16_t
kind_type(enum df_kind kind)
{
    return (kind <= DF_IP_OTHER ? 0x0800
            : kind <= DF_IP6_OTHER ? 0x86dd
            : kind == DF_ARP ? 0x0806
            : kind == DF_MPLS ? 0x8847
            : kind == DF_NSH ? 0x894f : 60);
}

static size_t
frame_of(struct writer *w, enum df_kind kind)
{
    uint8_t *type;

    PUT(w, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1);
    for (uint32_t i = some(w, 2) ? some(w, 4) : 0; i; i--) {
        PUT(w, i > 1 ? 0x88 : 0x81, i > 1 ? 0xa8 : 0, 0, 5);
    }
    type = PUT(w, 0, 0);
    set_be16(type, kind_type(kind));
    put_kind(w, kind);
    return w->n;
}

size_t
df_frame(uint8_t *frame, enum df_kind kind)
{
    struct writer w = { frame, 0, false };
    size_t n = frame_of(&w, kind ? kind : 1 + df_below(DF_N_KINDS - 1));

    /* Padding, or something missing. */
    switch (df_below(8)) {
    case 0:
        put_random(&w, df_below(20));
        n = w.n;
        break;
    case 1:
        /* No NIC hands up less than an Ethernet header. */
        n = 14 + df_below(n + 1 - 14);
        break;
    }
    for (uint32_t i = df_below(4) ? 0 : df_below(4); i; i--) {
        frame[df_below(df_below(2) ? n : n < 64 ? n : 64)]
            = df_interesting_byte();
    }
    return n;
}

size_t
df_plain_frame(uint8_t *frame, enum df_kind kind)
{
    struct writer w = { frame, 0, true };

    return frame_of(&w, kind);
}
