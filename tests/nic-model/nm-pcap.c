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

#include "nm-pcap.h"

#include <stdlib.h>
#include <string.h>

#include "nm-frame.h"

#define MAGIC_US 0xa1b2c3d4
#define MAGIC_NS 0xa1b23c4d
#define ETHERNET 1

struct file_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, sigfigs, snaplen, network;
};

struct packet_header {
    uint32_t sec, usec, caplen, len;
};

static bool
read_frames(FILE *stream, struct nm_pcap *pcap)
{
    struct packet_header ph;
    uint32_t used = 0, size = 0, n_alloc = 0;

    while (fread(&ph, sizeof ph, 1, stream) == 1) {
        if (ph.caplen > NM_MAX_FRAME || !ph.caplen || used > 1u << 30) {
            return false;
        }
        if (used + ph.caplen > size) {
            size = 2 * size + NM_MAX_FRAME;
            pcap->data = realloc(pcap->data, size);
        }
        if (pcap->n >= n_alloc) {
            n_alloc = 2 * n_alloc + 64;
            pcap->frames = realloc(pcap->frames,
                                   n_alloc * sizeof *pcap->frames);
        }
        if (!pcap->data || !pcap->frames
            || fread(pcap->data + used, ph.caplen, 1, stream) != 1) {
            return false;
        }
        pcap->frames[pcap->n].ofs = used;
        pcap->frames[pcap->n++].len = ph.caplen;
        used += ph.caplen;
    }
    return pcap->n > 0;
}

/* Reads 'file'.  Returns NULL, with the reason in '*error', if that fails. */
struct nm_pcap *
nm_pcap_load(const char *file, const char **error)
{
    FILE *stream = fopen(file, "rb");
    struct nm_pcap *pcap;
    struct file_header fh;

    if (!stream) {
        *error = "the capture cannot be opened";
        return NULL;
    }
    pcap = calloc(1, sizeof *pcap);
    if (!pcap || fread(&fh, sizeof fh, 1, stream) != 1
        || (fh.magic != MAGIC_US && fh.magic != MAGIC_NS)
        || fh.network != ETHERNET || !read_frames(stream, pcap)) {
        *error = "not a capture of Ethernet frames in this byte order";
        nm_pcap_free(pcap);
        pcap = NULL;
    }
    fclose(stream);
    return pcap;
}

void
nm_pcap_free(struct nm_pcap *pcap)
{
    if (pcap) {
        free(pcap->data);
        free(pcap->frames);
        free(pcap);
    }
}

/* Creates 'file'.  Returns NULL if that fails. */
FILE *
nm_pcap_create(const char *file)
{
    const struct file_header fh = {
        MAGIC_US, 2, 4, 0, 0, NM_MAX_FRAME, ETHERNET
    };
    FILE *stream = fopen(file, "wb");

    if (stream && fwrite(&fh, sizeof fh, 1, stream) != 1) {
        fclose(stream);
        stream = NULL;
    }
    return stream;
}

void
nm_pcap_write(FILE *stream, const uint8_t *p, uint32_t len, uint64_t usec)
{
    const struct packet_header ph = {
        usec / 1000000, usec % 1000000, len, len
    };

    fwrite(&ph, sizeof ph, 1, stream);
    fwrite(p, len, 1, stream);
}
