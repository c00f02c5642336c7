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

#include "nm-rss.h"

#include <string.h>

#include "nm-dev.h"

/* Fills 'table' for the NM_RSS_KEY_LEN bytes of 'key'. */
void
nm_rss_build(uint32_t table[NM_RSS_INPUT][256], const uint8_t *key)
{
    for (unsigned int i = 0; i < NM_RSS_INPUT; i++) {
        uint64_t window = 0;

        for (unsigned int j = 0; j < 5; j++) {
            window = window << 8 | key[i + j];
        }
        for (unsigned int b = 0; b < 256; b++) {
            uint32_t hash = 0;

            for (unsigned int bit = 0; bit < 8; bit++) {
                if (b & 0x80 >> bit) {
                    hash ^= window >> (8 - bit);
                }
            }
            table[i][b] = hash;
        }
    }
}

uint32_t
nm_rss_hash(uint32_t (*table)[256], const uint8_t *p, unsigned int n)
{
    uint32_t hash = 0;

    for (unsigned int i = 0; i < n; i++) {
        hash ^= table[i][p[i]];
    }
    return hash;
}

/* Copies what is hashed of the frame of 'len' bytes at 'p' to 'tuple', and
 * returns its length; 0 if the frame is not IP. */
static unsigned int
extract(const uint8_t *p, uint32_t len, uint8_t tuple[NM_RSS_INPUT])
{
    unsigned int ofs = 12, n, l4;
    uint16_t type;
    uint8_t proto;

    while (ofs + 6 <= len) {
        type = p[ofs] << 8 | p[ofs + 1];
        if (type != 0x8100 && type != 0x88a8) {
            break;
        }
        ofs += 4;
    }
    if (ofs + 2 + 20 > len) {
        return 0;
    }
    type = p[ofs] << 8 | p[ofs + 1];
    p += ofs + 2;
    len -= ofs + 2;
    if (type == 0x0800) {
        n = 8;
        memcpy(tuple, p + 12, n);
        proto = p[6] & 0x3f || p[7] ? 0 : p[9];
        l4 = (p[0] & 15) * 4;
    } else if (type == 0x86dd && len >= 40) {
        n = 32;
        memcpy(tuple, p + 8, n);
        proto = p[6];
        l4 = 40;
    } else {
        return 0;
    }
    if ((proto == 6 || proto == 17) && l4 + 4 <= len) {
        memcpy(tuple + n, p + l4, 4);
        n += 4;
    }
    return n;
}

/* Returns the hash of the frame at 'p', and sets NM_RX_RSS in '*flags' if it
 * has one. */
uint32_t
nm_rss_frame(const struct nm_dev *dev, const uint8_t *p, uint32_t len,
             uint16_t *flags)
{
    uint8_t tuple[NM_RSS_INPUT];
    unsigned int n = dev->toeplitz ? extract(p, len, tuple) : 0;

    if (!n) {
        return 0;
    }
    *flags |= NM_RX_RSS;
    return nm_rss_hash(dev->toeplitz, tuple, n);
}
