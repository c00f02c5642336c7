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

#ifndef FRAME_LOOK_H
#define FRAME_LOOK_H 1

/* Test frames
 * ===========
 *
 * A test frame is UDP over IPv4.  Every byte of it follows from its number,
 * from the number of its stream and from a 'struct frame_look', so whoever
 * receives one can build what it must be and compare all of it.
 *
 * frame_look_parse() understands these keys:
 *
 *     src=MAC dst=MAC swap        Ethernet addresses; exchange the two
 *     sip=IP dip=IP ttl=N tos=N   IPv4 header
 *     sport=N dport=N             UDP header
 *     tag=TCI, tag=TPID.TCI       VLAN tag, outermost first; adds one
 *     untagged                    no VLAN tags
 *     skip=N                      N bytes of encapsulation come first
 *     cut=N                       only the first N bytes arrive
 *     none                        no frame shall arrive
 *     share                       any number of frames may arrive, each whole
 */

#include <stdbool.h>
#include <stdint.h>

#define MAX_FRAME 9728          /* Longest frame, without CRC. */
#define MAX_TAGS 4

/* What frames look like at an endpoint. */
struct frame_look {
    uint8_t dst[6], src[6];
    int n_tags;
    uint16_t tpid[MAX_TAGS], tci[MAX_TAGS];
    uint32_t sip, dip;          /* Network byte order. */
    uint16_t sport, dport;
    uint8_t ttl, tos;
    unsigned int skip;          /* Bytes of encapsulation. */
    unsigned int cut;           /* Truncated to this length; 0 for not. */
    bool none;                  /* Nothing arrives. */
    bool share;                 /* Some frames arrive. */
};

/* First bytes of the UDP payload, in network byte order.  Pseudo-random bytes
 * that follow from 'stream' and 'seq' fill the rest. */
struct frame_mark {
    uint32_t magic;
    uint16_t stream;
    uint16_t len;               /* Length of the UDP payload. */
    uint32_t seq;
};

void die(const char *, ...) __attribute__((noreturn, format(printf, 1, 2)));
unsigned long parse_number(const char *what, const char *, unsigned long max);

void frame_look_init(struct frame_look *);
void frame_look_parse(struct frame_look *, const char *key,
                      const char *value);
unsigned int frame_headers_len(const struct frame_look *);
unsigned int frame_build(uint8_t *, const struct frame_look *,
                         uint16_t stream, uint32_t seq, unsigned int payload);
bool frame_find_mark(const uint8_t *, unsigned int len, uint16_t stream,
                     struct frame_mark *);

#endif /* frame-look.h */
