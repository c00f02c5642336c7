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

#ifndef NM_RSS_H
#define NM_RSS_H 1

/* Toeplitz hash over addresses and ports, by tables of one byte each, as
 * receive side scaling wants it. */

#include <stdint.h>

struct nm_dev;

#define NM_RSS_INPUT 36         /* IPv6 addresses and ports. */

void nm_rss_build(uint32_t table[NM_RSS_INPUT][256], const uint8_t *key);
uint32_t nm_rss_hash(uint32_t (*table)[256], const uint8_t *, unsigned int);
uint32_t nm_rss_frame(const struct nm_dev *, const uint8_t *, uint32_t len,
                      uint16_t *flags);

#endif /* nm-rss.h */
