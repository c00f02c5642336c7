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

#ifndef NM_PCAP_H
#define NM_PCAP_H 1

/* Captures of Ethernet frames in libpcap's format, in the machine's byte
 * order: read as a whole, and written. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct nm_pcap {
    uint8_t *data;
    uint32_t n;
    struct nm_pcap_frame {
        uint32_t ofs;
        uint16_t len;
    } *frames;
};

struct nm_pcap *nm_pcap_load(const char *file, const char **error);
void nm_pcap_free(struct nm_pcap *);

FILE *nm_pcap_create(const char *file);
void nm_pcap_write(FILE *, const uint8_t *, uint32_t len, uint64_t usec);

#endif /* nm-pcap.h */
