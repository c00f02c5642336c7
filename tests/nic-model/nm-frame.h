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

#ifndef NM_FRAME_H
#define NM_FRAME_H 1

/* Frames that are cheap to make and to verify
 * ===========================================
 *
 * A frame is UDP over IPv4.  Its payload is a mark, perhaps a time stamp, and
 * a body:
 *
 *     magic (2)  stream (2)  sequence number (4)  [stamp (8)]  body
 *
 * The body is a piece of one fixed pseudo-random pattern, which begins at a
 * place that the sequence number tells.  So every byte of a frame follows
 * from its number, and what a buffer still held of another frame does not
 * pass, yet making a frame is little more than copying it.  Checksums are
 * right; those of the body come from a table of sums.
 *
 * Uses neither DPDK nor anything else of the model. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NM_MAX_FRAME 9728       /* Longest frame without CRC. */
#define NM_MAX_TAGS 2
#define NM_MAGIC 0x4e4d
#define NM_MAGIC_STAMP 0x4e54   /* With a time stamp. */
#define NM_MARK_LEN 8
#define NM_STAMP_LEN 8
#define NM_HEADS 32             /* Pattern begins at one of so many places. */

/* What frames look like.  Numbers are in host byte order. */
struct nm_look {
    uint8_t dst[6], src[6];
    int n_tags;
    uint16_t tpid[NM_MAX_TAGS], tci[NM_MAX_TAGS];
    uint32_t sip, dip;
    uint16_t sport, dport;
    uint16_t stream;
    bool stamp;
};

/* What distinguishes the frames of a flow.  Network byte order. */
struct nm_flow {
    uint32_t sip;
    uint16_t sport;
    uint32_t rss;               /* Its RSS hash, for the caller. */
};

/* All that frames of one length have in common. */
struct nm_template {
    uint8_t head[64];           /* Headers and mark. */
    uint16_t len;               /* Of the frame. */
    uint16_t ip_ofs;
    uint16_t mark_ofs;
    uint16_t body_ofs;
    bool stamp;
    uint32_t ip_sum, udp_sum;   /* Sums of what is constant. */
};

enum nm_verdict { NM_FOREIGN, NM_GOOD, NM_CORRUPT };

struct nm_found {
    uint16_t stream;
    uint32_t seq;
    bool stamped;
    uint64_t stamp;
};

extern uint8_t nm_pattern[NM_MAX_FRAME + 8 * NM_HEADS];
extern uint32_t nm_pattern_sums[sizeof nm_pattern / 2 + 1];

void nm_frame_init(void);
unsigned int nm_frame_min_len(const struct nm_look *);
void nm_template_init(struct nm_template *, const struct nm_look *,
                      unsigned int len);
enum nm_verdict nm_frame_verify(const uint8_t *, unsigned int len,
                                struct nm_found *);
bool nm_frame_checksums_ok(const uint8_t *, unsigned int len);
unsigned int nm_frame_ip_ofs(const uint8_t *, unsigned int len);

static inline uint16_t
nm_csum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static inline uint32_t
nm_csum_u32(uint32_t x)
{
    return (x & 0xffff) + (x >> 16);
}

/* Where the body of frame 'seq' begins in the pattern. */
static inline unsigned int
nm_body_ofs(uint32_t seq)
{
    return seq % NM_HEADS * 8;
}

/* Returns the sum of the 'len' bytes of the pattern from 'ofs', which is
 * even, as 16-bit words in the machine's byte order (the machine is
 * little-endian). */
static inline uint32_t
nm_body_sum(unsigned int ofs, unsigned int len)
{
    uint32_t sum = (nm_pattern_sums[(ofs + len) / 2]
                    - nm_pattern_sums[ofs / 2]);

    return len & 1 ? sum + nm_pattern[ofs + len - 1] : sum;
}

/* Makes frame 'seq' of 'flow' at 'p': exactly 't->len' bytes are written. */
static inline void
nm_frame_write(uint8_t *p, const struct nm_template *t,
               const struct nm_flow *flow, uint32_t seq, uint64_t stamp)
{
    unsigned int ofs = nm_body_ofs(seq);
    unsigned int body_len = t->len - t->body_ofs;
    uint32_t sum = nm_csum_u32(flow->sip);
    uint32_t seq_be = __builtin_bswap32(seq);
    uint64_t udp_sum;
    uint16_t csum;

    memcpy(p, t->head, t->mark_ofs + 4);
    memcpy(p + t->mark_ofs + 4, &seq_be, 4);
    memcpy(p + t->ip_ofs + 12, &flow->sip, 4);
    memcpy(p + t->ip_ofs + 20, &flow->sport, 2);
    csum = nm_csum_fold(t->ip_sum + sum);
    memcpy(p + t->ip_ofs + 10, &csum, 2);

    udp_sum = (uint64_t) t->udp_sum + sum + flow->sport
              + nm_csum_u32(seq_be) + nm_body_sum(ofs, body_len);
    if (t->stamp) {
        memcpy(p + t->mark_ofs + NM_MARK_LEN, &stamp, NM_STAMP_LEN);
        udp_sum += nm_csum_u32(stamp) + nm_csum_u32(stamp >> 32);
    }
    csum = nm_csum_fold(udp_sum);
    csum = csum ? csum : 0xffff;
    memcpy(p + t->ip_ofs + 26, &csum, 2);
    memcpy(p + t->body_ofs, nm_pattern + ofs, body_len);
}

#endif /* nm-frame.h */
