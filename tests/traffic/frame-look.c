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

#include "frame-look.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETH_LEN 14
#define TAG_LEN 4
#define IP_LEN 20
#define UDP_LEN 8

#define MAGIC 0x494f5654

/* Prints a message and exits with status 2. */
void
die(const char *format, ...)
{
    va_list args;

    fputs("frames: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    exit(2);
}

/* Building frames. */

static uint32_t
csum_add(uint32_t sum, const uint8_t *p, size_t n)
{
    size_t i;

    for (i = 0; i + 1 < n; i += 2) {
        sum += p[i] << 8 | p[i + 1];
    }
    if (n & 1) {
        sum += p[n - 1] << 8;
    }
    return sum;
}

static uint16_t
csum_finish(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}

static uint8_t *
put16(uint8_t *p, uint16_t x)
{
    p[0] = x >> 8;
    p[1] = x;
    return p + 2;
}

/* Fills the 'len' bytes at 'p', the UDP payload of frame 'seq'. */
static void
fill_payload(uint8_t *p, uint16_t stream, uint32_t seq, unsigned int len)
{
    struct frame_mark mark = {
        htonl(MAGIC), htons(stream), htons(len), htonl(seq),
    };
    uint64_t x = ((uint64_t) seq << 16 | stream) * 0x9e3779b97f4a7c15 + 1;
    unsigned int i;

    memcpy(p, &mark, sizeof mark);
    for (i = sizeof mark; i < len; i++) {
        if (!(i & 7)) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        p[i] = x >> (i & 7) * 8;
    }
}

static uint8_t *
fill_ethernet(uint8_t *p, const struct frame_look *look)
{
    int i;

    memcpy(p, look->dst, 6);
    memcpy(p + 6, look->src, 6);
    p += 12;
    for (i = 0; i < look->n_tags; i++) {
        p = put16(put16(p, look->tpid[i]), look->tci[i]);
    }
    return put16(p, ETH_P_IP);
}

/* Builds frame 'seq' of 'stream' with 'payload' bytes of UDP payload at
 * 'frame', as 'look' wants it, and returns its length. */
unsigned int
frame_build(uint8_t *frame, const struct frame_look *look, uint16_t stream,
            uint32_t seq, unsigned int payload)
{
    uint8_t *ip = fill_ethernet(frame, look);
    uint8_t *udp = ip + IP_LEN;
    uint16_t udp_len = UDP_LEN + payload;
    uint32_t sum;
    uint16_t csum;

    memset(ip, 0, IP_LEN + UDP_LEN);
    ip[0] = 0x45;
    ip[1] = look->tos;
    put16(ip + 2, IP_LEN + udp_len);
    put16(ip + 6, 0x4000);      /* Don't fragment. */
    ip[8] = look->ttl;
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, &look->sip, 4);
    memcpy(ip + 16, &look->dip, 4);
    put16(ip + 10, csum_finish(csum_add(0, ip, IP_LEN)));

    put16(udp, look->sport);
    put16(udp + 2, look->dport);
    put16(udp + 4, udp_len);
    fill_payload(udp + UDP_LEN, stream, seq, payload);
    sum = csum_add(IPPROTO_UDP + udp_len, ip + 12, 8);
    csum = csum_finish(csum_add(sum, udp, udp_len));
    put16(udp + 6, csum ? csum : 0xffff);

    return udp + udp_len - frame;
}

/* Returns the length of a frame without UDP payload. */
unsigned int
frame_headers_len(const struct frame_look *look)
{
    return ETH_LEN + look->n_tags * TAG_LEN + IP_LEN + UDP_LEN;
}

/* Looks for the mark of 'stream' in the frame of 'len' bytes at 'p' and stores
 * it in '*mark', in network byte order.  Looks only at what is needed to find
 * it, so that a damaged frame is still recognized as ours.  Returns true if
 * successful. */
bool
frame_find_mark(const uint8_t *p, unsigned int len, uint16_t stream,
                struct frame_mark *mark)
{
    unsigned int ofs = 12;
    int i;

    for (i = 0; i <= MAX_TAGS && ofs + 2 <= len; i++) {
        uint16_t type = p[ofs] << 8 | p[ofs + 1];

        if (type != ETH_P_8021Q && type != ETH_P_8021AD) {
            break;
        }
        ofs += TAG_LEN;
    }
    ofs += 2 + IP_LEN + UDP_LEN;
    if (ofs + sizeof *mark > len) {
        return false;
    }
    memcpy(mark, p + ofs, sizeof *mark);
    return mark->magic == htonl(MAGIC) && mark->stream == htons(stream);
}

/* Parsing. */

/* Initializes 'look' with what the endpoint of the sender has by default. */
void
frame_look_init(struct frame_look *look)
{
    static const struct frame_look initial = {
        .dst = { 0x02, 0, 0, 0, 0, 2 },
        .src = { 0x02, 0, 0, 0, 0, 1 },
        .sport = 1024,
        .dport = 4096,
        .ttl = 64,
    };

    *look = initial;
    look->sip = htonl(0x0a000001);
    look->dip = htonl(0x0a000002);
}

/* Returns the number up to 'max' that 's', the value of 'what', is. */
unsigned long
parse_number(const char *what, const char *s, unsigned long max)
{
    char *tail;
    unsigned long x;

    errno = 0;
    x = s && *s ? strtoul(s, &tail, 0) : 0;
    if (!s || !*s || *tail || errno || x > max) {
        die("%s: \"%s\" is not a number up to %lu", what, s ? s : "", max);
    }
    return x;
}

static void
parse_mac(const char *what, const char *s, uint8_t mac[6])
{
    int n = 0;

    if (!s || sscanf(s, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%n", &mac[0], &mac[1],
                     &mac[2], &mac[3], &mac[4], &mac[5], &n) != 6 || s[n]) {
        die("%s: \"%s\" is not an Ethernet address", what, s ? s : "");
    }
}

static void
parse_ip(const char *what, const char *s, uint32_t *ip)
{
    if (!s || inet_pton(AF_INET, s, ip) != 1) {
        die("%s: \"%s\" is not an IPv4 address", what, s ? s : "");
    }
}

static void
parse_tag(const char *s, struct frame_look *look)
{
    const char *dot = s ? strchr(s, '.') : NULL;
    int i = look->n_tags++;

    if (i >= MAX_TAGS) {
        die("too many tags");
    }
    look->tpid[i] = ETH_P_8021Q;
    if (dot) {
        char *tpid = strndup(s, dot - s);

        look->tpid[i] = parse_number("tag", tpid, UINT16_MAX);
        free(tpid);
    }
    look->tci[i] = parse_number("tag", dot ? dot + 1 : s, UINT16_MAX);
}

static void
swap_macs(struct frame_look *look)
{
    uint8_t mac[6];

    memcpy(mac, look->dst, 6);
    memcpy(look->dst, look->src, 6);
    memcpy(look->src, mac, 6);
}

/* Changes 'look' as 'key', with 'value' if it is nonnull, says. */
void
frame_look_parse(struct frame_look *look, const char *key, const char *value)
{
    if (!strcmp(key, "src")) {
        parse_mac(key, value, look->src);
    } else if (!strcmp(key, "dst")) {
        parse_mac(key, value, look->dst);
    } else if (!strcmp(key, "swap")) {
        swap_macs(look);
    } else if (!strcmp(key, "sip")) {
        parse_ip(key, value, &look->sip);
    } else if (!strcmp(key, "dip")) {
        parse_ip(key, value, &look->dip);
    } else if (!strcmp(key, "sport")) {
        look->sport = parse_number(key, value, UINT16_MAX);
    } else if (!strcmp(key, "dport")) {
        look->dport = parse_number(key, value, UINT16_MAX);
    } else if (!strcmp(key, "ttl")) {
        look->ttl = parse_number(key, value, UINT8_MAX);
    } else if (!strcmp(key, "tos")) {
        look->tos = parse_number(key, value, UINT8_MAX);
    } else if (!strcmp(key, "tag")) {
        parse_tag(value, look);
    } else if (!strcmp(key, "untagged")) {
        look->n_tags = 0;
    } else if (!strcmp(key, "skip")) {
        look->skip = parse_number(key, value, 1024);
    } else if (!strcmp(key, "cut")) {
        look->cut = parse_number(key, value, MAX_FRAME);
    } else if (!strcmp(key, "none")) {
        look->none = true;
    } else if (!strcmp(key, "share")) {
        look->share = true;
    } else {
        die("unknown key \"%s\"", key);
    }
}
