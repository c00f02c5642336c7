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

/* Copies for conntrack.  Why these are whole: a twin says how long it is, and
 * whoever believed that would read what was there before if it held less. */

#include <config.h>

#include "border/twin.h"

#include "border/border.h"
#include "flow.h"
#include "ovs-thread.h"
#include "packets.h"
#include "queue/shells.h"
#include "util.h"

/* Room for the frame in a new twin, which grows if that is not enough. */
#define TWIN_SIZE 1600

/* What is in 'mbuf.packet_type', which Open vSwitch does not use, of a twin,
 * but never of a new packet, that may lie where a twin was that is gone. */
#define IS_TWIN UINT32_C(0x7e1f7e1f)

static ovsthread_key_t pool_key;

static struct dp_packet **pool_get(void);
static void pool_free(void *);
static struct dp_packet *twin_create(void);
static void twin_parse(struct dp_packet *twin, ovs_be16 dl_type);
static bool is_unchanged(const struct dp_packet *twin,
                         const struct dp_packet *original);
static unsigned int find(const struct iovtee_twins *, unsigned int begin,
                         const struct dp_packet *);
static void replace(struct iovtee_twins *, unsigned int i);

/* Puts twins in the place of the packets in 'batch' that are in guest memory,
 * for somebody who takes packets of L3 protocol 'dl_type'. */
void
iovtee_twins_make(struct iovtee_twins *twins, struct dp_packet_batch *batch,
                  ovs_be16 dl_type)
{
    struct iovtee_shells *row = NULL;
    struct dp_packet *packet;
    unsigned int n_same = 0;

    twins->pool = pool_get();
    twins->n = 0;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (iovtee_mark_is_set(packet)) {
            struct dp_packet *twin = twins->pool[twins->n];
            struct iovtee_shells *own = iovtee_shells_row(packet);

            iovtee_border_fill(twin, packet);
            twin_parse(twin, dl_type);
            twins->originals[twins->n++] = packet;
            batch->packets[i] = twin;
            if (OVS_UNLIKELY(n_same && row != own)) {
                iovtee_shells_report(row, IOVTEE_BORDER_TWIN, n_same);
                n_same = 0;
            }
            row = own;
            n_same++;
        }
    }
    if (n_same) {
        iovtee_shells_report(row, IOVTEE_BORDER_TWIN, n_same);
    }
}

/* Puts the packets for which there are twins back into 'batch', or frees them
 * if their twins go on. */
void
iovtee_twins_settle(struct iovtee_twins *twins, struct dp_packet_batch *batch)
{
    unsigned int next = 0;
    struct dp_packet *packet;

    /* Packets may have gone, or been added at the end, but those that are left
     * are in order. */
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        unsigned int k = find(twins, next, packet);
        struct dp_packet *original;

        if (k >= twins->n) {
            continue;
        }
        for (; next < k; next++) {
            replace(twins, next);
        }
        next = k + 1;
        original = twins->originals[k];
        if (OVS_LIKELY(is_unchanged(packet, original))) {
            memcpy(&original->md, &packet->md,
                   offsetof(struct pkt_metadata, tunnel));
            pkt_metadata_init_conn(&original->md);
            batch->packets[i] = original;
        } else {
            if (flow_tnl_dst_is_set(&original->md.tunnel)) {
                packet->md.tunnel = original->md.tunnel;
            }
            packet->mbuf.packet_type = 0;
            replace(twins, k);
        }
    }
    for (; next < twins->n; next++) {
        replace(twins, next);
    }
}

/* Returns the index of the twin that 'packet' is, which is 'begin' or greater,
 * or the number of twins if it is none. */
static unsigned int
find(const struct iovtee_twins *twins, unsigned int begin,
     const struct dp_packet *packet)
{
    if (packet->mbuf.packet_type != IS_TWIN) {
        return twins->n;
    }
    while (begin < twins->n && twins->pool[begin] != packet) {
        begin++;
    }
    return begin;
}

/* Gives twin 'i' away, frees the packet that it is a copy of, and gets another
 * twin for the next time. */
static void
replace(struct iovtee_twins *twins, unsigned int i)
{
    twins->pool[i] = twin_create();
    iovtee_shells_report(iovtee_shells_row(twins->originals[i]),
                         IOVTEE_BORDER_KEPT, 1);
    dp_packet_delete(twins->originals[i]);
}

/* Has nobody changed 'twin'?  (If it is the guest that has changed
 * 'original', the answer may be wrong, but not to anybody's harm.) */
static bool
is_unchanged(const struct dp_packet *twin, const struct dp_packet *original)
{
    return (dp_packet_headroom(twin) == IOVTEE_BORDER_HEADROOM
            && twin->packet_type == original->packet_type
            && dp_packet_equal(twin, original));
}

/* Gives 'twin' offsets that are true of what is in it, if it is of L3 protocol
 * 'dl_type'.
 *
 * Conntrack believes that there is a header of that protocol at the L3 offset,
 * and cares for nothing below.  Actions before may have pushed a tag that flow
 * extraction would not look behind.  So the packet is parsed from there. */
static void
twin_parse(struct dp_packet *twin, ovs_be16 dl_type)
{
    const ovs_be32 packet_type = twin->packet_type;
    const uint16_t l2_5_ofs = twin->l2_5_ofs;
    const uint16_t l3_ofs = twin->l3_ofs;
    struct {
        struct miniflow mf;
        uint64_t buf[FLOW_U64S];
    } key;

    if (l3_ofs > dp_packet_size(twin)) {
        dp_packet_reset_offsets(twin);
        return;
    }
    twin->packet_type = PACKET_TYPE_BE(OFPHTN_ETHERTYPE, ntohs(dl_type));
    dp_packet_pull(twin, l3_ofs);
    miniflow_extract(twin, &key.mf);
    dp_packet_push_uninit(twin, l3_ofs);
    twin->packet_type = packet_type;
    twin->l2_5_ofs = l2_5_ofs;
    twin->l3_ofs = l3_ofs;
    if (twin->l4_ofs != UINT16_MAX) {
        twin->l4_ofs += l3_ofs;
    }
}

static struct dp_packet *
twin_create(void)
{
    struct dp_packet *twin = dp_packet_new(IOVTEE_BORDER_HEADROOM + TWIN_SIZE
                                           + IOVTEE_BORDER_TAILROOM);

    twin->mbuf.packet_type = IS_TWIN;
    return twin;
}

/* Returns this thread's twins. */
static struct dp_packet **
pool_get(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    struct dp_packet **pool;

    if (ovsthread_once_start(&once)) {
        ovsthread_key_create(&pool_key, pool_free);
        ovsthread_once_done(&once);
    }

    pool = ovsthread_getspecific(pool_key);
    if (OVS_UNLIKELY(!pool)) {
        pool = xmalloc(NETDEV_MAX_BURST * sizeof *pool);
        for (int i = 0; i < NETDEV_MAX_BURST; i++) {
            pool[i] = twin_create();
        }
        ovsthread_setspecific(pool_key, pool);
    }
    return pool;
}

static void
pool_free(void *pool_)
{
    struct dp_packet **pool = pool_;

    for (int i = 0; i < NETDEV_MAX_BURST; i++) {
        dp_packet_delete(pool[i]);
    }
    free(pool);
}
