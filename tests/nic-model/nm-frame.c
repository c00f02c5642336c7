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

#include "nm-frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define ETH_LEN 14
#define TAG_LEN 4
#define IP_LEN 20
#define UDP_LEN 8

uint8_t nm_pattern[NM_MAX_FRAME + 8 * NM_HEADS];
uint32_t nm_pattern_sums[sizeof nm_pattern / 2 + 1];

/* Must be called before anything else here. */
void
nm_frame_init(void)
{
    uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned int i = 0; i < sizeof nm_pattern; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        nm_pattern[i] = x >> 32;
    }
    for (unsigned int i = 0; i < sizeof nm_pattern / 2; i++) {
        nm_pattern_sums[i + 1] = (nm_pattern_sums[i] + nm_pattern[2 * i]
                                  + (nm_pattern[2 * i + 1] << 8));
    }
}

static uint32_t
csum_add(uint32_t sum, const uint8_t *p, unsigned int n)
{
    unsigned int i;

    for (i = 0; i + 1 < n; i += 2) {
        sum += p[i] | p[i + 1] << 8;
    }
    return n & 1 ? sum + p[n - 1] : sum;
}

static uint8_t *
put16(uint8_t *p, uint16_t x)
{
    p[0] = x >> 8;
    p[1] = x;
    return p + 2;
}

static uint8_t *
put32(uint8_t *p, uint32_t x)
{
    return put16(put16(p, x >> 16), x);
}

static unsigned int
get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

/* Returns the length, without CRC, of the shortest frame that looks so. */
unsigned int
nm_frame_min_len(const struct nm_look *look)
{
    return (ETH_LEN + look->n_tags * TAG_LEN + IP_LEN + UDP_LEN + NM_MARK_LEN
            + (look->stamp ? NM_STAMP_LEN : 0));
}

/* Prepares 't' for frames of 'len' bytes, without CRC, that look like
 * 'look'. */
void
nm_template_init(struct nm_template *t, const struct nm_look *look,
                 unsigned int len)
{
    uint8_t *ip, *udp, *p = t->head;
    unsigned int udp_len;

    memset(t, 0, sizeof *t);
    memcpy(p, look->dst, 6);
    memcpy(p + 6, look->src, 6);
    p += 12;
    for (int i = 0; i < look->n_tags; i++) {
        p = put16(put16(p, look->tpid[i]), look->tci[i]);
    }
    ip = put16(p, 0x0800);

    t->len = len;
    t->stamp = look->stamp;
    t->ip_ofs = ip - t->head;
    t->mark_ofs = t->ip_ofs + IP_LEN + UDP_LEN;
    t->body_ofs = (t->mark_ofs + NM_MARK_LEN
                   + (look->stamp ? NM_STAMP_LEN : 0));
    udp_len = len - t->ip_ofs - IP_LEN;

    /* All but what nm_frame_write() stores. */
    ip[0] = 0x45;
    put16(ip + 2, IP_LEN + udp_len);
    put16(ip + 6, 0x4000);
    ip[8] = 64;
    ip[9] = IPPROTO_UDP;
    put32(ip + 16, look->dip);
    t->ip_sum = csum_add(0, ip, IP_LEN);

    udp = ip + IP_LEN;
    put16(udp + 2, look->dport);
    put16(udp + 4, udp_len);
    put16(udp + 8, look->stamp ? NM_MAGIC_STAMP : NM_MAGIC);
    put16(udp + 10, look->stream);
    t->udp_sum = csum_add(htons(IPPROTO_UDP) + htons(udp_len), ip + 16, 4);
    t->udp_sum = csum_add(t->udp_sum, udp, UDP_LEN + NM_MARK_LEN);
}

/* Returns the offset of the IPv4 header in the frame of 'len' bytes at 'p',
 * which is UDP in IPv4 without options or fragments; 0 if it is not. */
unsigned int
nm_frame_ip_ofs(const uint8_t *p, unsigned int len)
{
    unsigned int ofs = 12;

    for (int i = 0; i < 4; i++) {
        if (ofs + 2 + IP_LEN + UDP_LEN > len) {
            return 0;
        }
        if (get16(p + ofs) != 0x8100 && get16(p + ofs) != 0x88a8) {
            break;
        }
        ofs += TAG_LEN;
    }
    if (get16(p + ofs) != 0x0800 || p[ofs + 2] != 0x45
        || p[ofs + 2 + 9] != IPPROTO_UDP) {
        return 0;
    }
    return ofs + 2;
}

/* Are the checksums and lengths of the frame at 'p', for which
 * nm_frame_ip_ofs() is not 0, right? */
bool
nm_frame_checksums_ok(const uint8_t *p, unsigned int len)
{
    const uint8_t *ip = p + nm_frame_ip_ofs(p, len);
    const uint8_t *udp = ip + IP_LEN;
    unsigned int udp_len = get16(udp + 4);
    uint32_t sum;

    if (udp_len < UDP_LEN || get16(ip + 2) != IP_LEN + udp_len
        || (ip - p) + IP_LEN + udp_len > len
        || nm_csum_fold(csum_add(0, ip, IP_LEN))) {
        return false;
    }
    sum = csum_add(htons(IPPROTO_UDP) + htons(udp_len), ip + 12, 8);
    return !nm_csum_fold(csum_add(sum, udp, udp_len));
}

/* Looks at the frame of 'len' bytes at 'p'.  Returns NM_FOREIGN if it has no
 * mark; otherwise fills in '*found', and says whether each byte from the IPv4
 * header on is what it must be, except that addresses, ports and so on may be
 * others if the checksums are right. */
enum nm_verdict
nm_frame_verify(const uint8_t *p, unsigned int len, struct nm_found *found)
{
    unsigned int ip_ofs = nm_frame_ip_ofs(p, len);
    const uint8_t *mark = p + ip_ofs + IP_LEN + UDP_LEN;
    unsigned int body_ofs, ofs, udp_len, body_len;
    uint64_t sum;

    if (!ip_ofs || mark + NM_MARK_LEN > p + len
        || (get16(mark) != NM_MAGIC && get16(mark) != NM_MAGIC_STAMP)) {
        return NM_FOREIGN;
    }
    found->stream = get16(mark + 2);
    found->seq = (uint32_t) get16(mark + 4) << 16 | get16(mark + 6);
    found->stamped = get16(mark) == NM_MAGIC_STAMP;
    body_ofs = mark + NM_MARK_LEN - p;
    if (found->stamped) {
        body_ofs += NM_STAMP_LEN;
        if (body_ofs > len) {
            return NM_CORRUPT;
        }
        memcpy(&found->stamp, p + body_ofs - NM_STAMP_LEN, NM_STAMP_LEN);
    }

    udp_len = get16(mark - 4);
    if (get16(p + ip_ofs + 2) != IP_LEN + udp_len
        || ip_ofs + IP_LEN + udp_len > len
        || ip_ofs + IP_LEN + udp_len < body_ofs
        || nm_csum_fold(csum_add(0, p + ip_ofs, IP_LEN))) {
        return NM_CORRUPT;
    }
    body_len = ip_ofs + IP_LEN + udp_len - body_ofs;
    ofs = nm_body_ofs(found->seq);
    if (memcmp(p + body_ofs, nm_pattern + ofs, body_len)) {
        return NM_CORRUPT;
    }
    sum = csum_add(htons(IPPROTO_UDP) + htons(udp_len), p + ip_ofs + 12,
                   8 + (body_ofs - ip_ofs - IP_LEN));
    sum += nm_body_sum(ofs, body_len);
    return nm_csum_fold(sum) ? NM_CORRUPT : NM_GOOD;
}
