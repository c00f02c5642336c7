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

/* Copies for conntrack.
 *
 * A twin says how long it is, and whoever believes that would read what was
 * there before if it held less: part of another guest's frame.  So what was
 * not copied into it is zeros, up to the end of its memory.
 *
 * What is not copied is what a tracker that only looks has no use for: the
 * payload of TCP and UDP whose checksum the NIC has found to be right.  For a
 * long frame that is most of the work, and its cache lines stay where the NIC
 * has put them. */

#include <config.h>

#include "border/twin.h"

#include "border/border.h"
#include "compat/compat.h"
#include "flow.h"
#include "ovs-thread.h"
#include "packets.h"
#include "queue/mark.h"
#include "queue/shells.h"
#include "util.h"

/* Room for the frame in a new twin, unless that needs more. */
#define TWIN_SIZE 1600

/* What is in 'mbuf.packet_type', which Open vSwitch does not use, of a twin,
 * but never of a new packet, that may lie where a twin was that is gone. */
#define IS_TWIN UINT32_C(0x7e1f7e1f)

/* The twins of a thread. */
struct iovtee_twin_pool {
    struct dp_packet *twins[NETDEV_MAX_BURST];

    /* Each has room for a frame of so many bytes.  (An mbuf has only 16 bits
     * to say that.) */
    uint32_t room[NETDEV_MAX_BURST];

    /* Behind so many bytes of its frame a twin has nothing but zeros. */
    uint32_t n_dirty[NETDEV_MAX_BURST];
};

static ovsthread_key_t pool_key;

static struct iovtee_twin_pool *pool_get(void);
static void pool_free(void *);
static void pool_renew(struct iovtee_twin_pool *, unsigned int i,
                       uint32_t size);
static struct dp_packet *move_out(struct dp_packet *, ovs_be16 dl_type);
static void twin_make(struct iovtee_twins *, unsigned int k,
                      const struct dp_packet *, ovs_be16 dl_type,
                      bool only_looks);
static void twin_copy(struct iovtee_twins *, unsigned int k,
                      const struct dp_packet *, uint32_t n);
static void twin_complete(const struct iovtee_twins *, unsigned int k);
static void twin_parse(struct dp_packet *twin, ovs_be16 dl_type);
static uint32_t headers_len(const struct dp_packet *, ovs_be16 dl_type);
static bool is_simple(const struct dp_packet *twin, ovs_be16 dl_type,
                      uint32_t n);
static bool reads_payload(ovs_be16 port);
static bool is_unchanged(const struct iovtee_twins *, unsigned int k);
static unsigned int find(const struct iovtee_twins *, unsigned int begin,
                         const struct dp_packet *);
static void replace(struct iovtee_twins *, unsigned int k);

/* Puts twins in the place of the packets in 'batch' that are in guest memory,
 * for somebody who takes packets of L3 protocol 'dl_type'.  If he 'only_looks'
 * then he neither changes packets nor reads the payload of TCP and UDP, save
 * to verify checksums, and on the ports of FTP and TFTP. */
void
iovtee_twins_make(struct iovtee_twins *twins, struct dp_packet_batch *batch,
                  ovs_be16 dl_type, bool only_looks)
{
    struct iovtee_shells *row = NULL;
    struct dp_packet *packet;
    unsigned int n_same = 0;

    twins->pool = pool_get();
    twins->n = 0;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (iovtee_mark_is_set(packet)) {
            struct iovtee_shells *own = iovtee_shells_row(packet);
            unsigned int k = twins->n;

            if (OVS_UNLIKELY(k >= ARRAY_SIZE(twins->originals))) {
                /* Packets in guest memory come in bursts of a NIC's, so that
                 * there are hardly ever more, however long a batch gets. */
                batch->packets[i] = move_out(packet, dl_type);
                continue;
            }
            twins->n++;
            twins->originals[k] = packet;
            iovtee_mark_twin(packet);
            twin_make(twins, k, packet, dl_type, only_looks);
            batch->packets[i] = twins->pool->twins[k];
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
        if (OVS_LIKELY(is_unchanged(twins, k))) {
            memcpy(&original->md, &packet->md,
                   offsetof(struct pkt_metadata, tunnel));
            pkt_metadata_init_conn(&original->md);
            batch->packets[i] = original;
        } else {
            twin_complete(twins, k);
            iovtee_packet_distrust_checksums(packet);
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
    while (begin < twins->n && twins->pool->twins[begin] != packet) {
        begin++;
    }
    return begin;
}

/* Gives twin 'k' away, frees the packet that it is a copy of, and gets another
 * twin for the next time. */
static void
replace(struct iovtee_twins *twins, unsigned int k)
{
    pool_renew(twins->pool, k, TWIN_SIZE);
    iovtee_shells_report(iovtee_shells_row(twins->originals[k]),
                         IOVTEE_BORDER_KEPT, 1);
    dp_packet_delete(twins->originals[k]);
}

/* Has nobody changed twin 'k'?  (If it is the guest that has changed the
 * original, the answer may be wrong, but not to anybody's harm.) */
static bool
is_unchanged(const struct iovtee_twins *twins, unsigned int k)
{
    const struct dp_packet *twin = twins->pool->twins[k];
    const struct dp_packet *original = twins->originals[k];

    return (dp_packet_headroom(twin) == IOVTEE_BORDER_HEADROOM
            && twin->packet_type == original->packet_type
            && dp_packet_size(twin) == dp_packet_size(original)
            && !memcmp(dp_packet_data(twin), dp_packet_data(original),
                       twins->n_copied[k]));
}

/* Frees 'packet', for which there is no twin, and returns a private copy, to
 * be of L3 protocol 'dl_type', that goes on instead. */
static struct dp_packet *
move_out(struct dp_packet *packet, ovs_be16 dl_type)
{
    struct dp_packet *copy = iovtee_border_copy(packet);

    twin_parse(copy, dl_type);
    iovtee_shells_report(iovtee_shells_row(packet), IOVTEE_BORDER_MOVED, 1);
    dp_packet_delete(packet);
    return copy;
}

/* Makes twin 'k' a copy of 'packet', for iovtee_twins_make(). */
static void
twin_make(struct iovtee_twins *twins, unsigned int k,
          const struct dp_packet *packet, ovs_be16 dl_type, bool only_looks)
{
    const bool in_part = only_looks && iovtee_mark_is_checked(packet);
    const uint32_t size = dp_packet_size(packet);
    uint32_t n = in_part ? headers_len(packet, dl_type) : size;

    twin_copy(twins, k, packet, n);
    if (OVS_UNLIKELY(!is_simple(twins->pool->twins[k], dl_type, n))) {
        if (n < size) {
            twin_copy(twins, k, packet, size);
        }
        twin_parse(twins->pool->twins[k], dl_type);
    } else if (in_part) {
        /* There may be no payload to verify it with. */
        iovtee_packet_trust_l4_checksum(twins->pool->twins[k]);
    }
}

/* Makes twin 'k' one of 'packet', of whose bytes it gets the first 'n'. */
static void
twin_copy(struct iovtee_twins *twins, unsigned int k,
          const struct dp_packet *packet, uint32_t n)
{
    const uint32_t size = dp_packet_size(packet);
    struct iovtee_twin_pool *pool = twins->pool;
    struct dp_packet *twin = pool->twins[k];
    uint8_t *data;

    if (OVS_UNLIKELY(pool->room[k] < size)) {
        dp_packet_delete(twin);
        pool_renew(pool, k, size);
        twin = pool->twins[k];
    }
    data = dp_packet_data(twin);
    memcpy(data, dp_packet_data(packet), n);
    if (pool->n_dirty[k] > n) {
        memset(data + n, 0, pool->n_dirty[k] - n);
    }
    pool->n_dirty[k] = n;
    dp_packet_set_size(twin, size);
    iovtee_border_describe(twin, packet);
    twins->n_copied[k] = n;
}

/* Adds to twin 'k', which is not a twin any more, what was not copied. */
static void
twin_complete(const struct iovtee_twins *twins, unsigned int k)
{
    const struct dp_packet *original = twins->originals[k];
    struct dp_packet *twin = twins->pool->twins[k];
    const uint32_t n = dp_packet_size(original) - twins->n_copied[k];

    if (n && n <= dp_packet_size(twin)) {
        memcpy((uint8_t *) dp_packet_tail(twin) - n,
               (const uint8_t *) dp_packet_tail(original) - n, n);
    }
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

/* Returns how many bytes of 'packet', of L3 protocol 'dl_type', seem to be
 * headers, or all if that is not known.  This looks at guest memory, so it is
 * but a guess. */
static uint32_t
headers_len(const struct dp_packet *packet, ovs_be16 dl_type)
{
    const uint32_t size = dp_packet_size(packet);
    const uint8_t *data = dp_packet_data(packet);
    uint32_t n = packet->l4_ofs;
    uint8_t proto;

    if (n + TCP_HEADER_LEN > size || packet->l3_ofs + IP_HEADER_LEN > n) {
        return size;
    }
    proto = (dl_type == htons(ETH_TYPE_IP)
             ? data[packet->l3_ofs + offsetof(struct ip_header, ip_proto)]
             : data[packet->l3_ofs + offsetof(struct ovs_16aligned_ip6_hdr,
                                              ip6_nxt)]);
    if (proto == IPPROTO_UDP) {
        n += UDP_HEADER_LEN;
    } else if (proto == IPPROTO_TCP) {
        n += data[n + offsetof(struct tcp_header, tcp_ctl)] / 16 * 4;
    } else {
        return size;
    }
    return MIN(n, size);
}

/* Does 'twin' have, within its first 'n' bytes, an L3 header of protocol
 * 'dl_type' without options, of a packet that is no fragment, where it says
 * that it has one, and as long as it says?  Then stores the protocol of what
 * is above in '*proto', and its length in '*len'. */
static bool
is_simple_l3(const struct dp_packet *twin, ovs_be16 dl_type, uint32_t n,
             uint8_t *proto, uint32_t *len)
{
    const uint8_t *data = dp_packet_data(twin);
    const uint32_t ofs = twin->l3_ofs;
    uint32_t padded = dp_packet_size(twin) - twin->l4_ofs;

    if (dl_type == htons(ETH_TYPE_IP)) {
        const struct ip_header *ip = (const void *) (data + ofs);

        if (ofs + IP_HEADER_LEN > n || ofs + IP_HEADER_LEN != twin->l4_ofs
            || ip->ip_ihl_ver != IP_IHL_VER(5, 4)
            || IP_IS_FRAGMENT(ip->ip_frag_off)
            || ntohs(ip->ip_tot_len) < IP_HEADER_LEN) {
            return false;
        }
        *proto = ip->ip_proto;
        *len = ntohs(ip->ip_tot_len) - IP_HEADER_LEN;
    } else if (dl_type == htons(ETH_TYPE_IPV6)) {
        const struct ovs_16aligned_ip6_hdr *ip6 = (const void *) (data + ofs);

        if (ofs + IPV6_HEADER_LEN > n
            || ofs + IPV6_HEADER_LEN != twin->l4_ofs) {
            return false;
        }
        *proto = ip6->ip6_nxt;
        *len = ntohs(ip6->ip6_plen);
    } else {
        return false;
    }
    return *len <= padded && padded - *len == twin->l2_pad_size;
}

/* Would 'twin', of L3 protocol 'dl_type', be parsed as it says that it was,
 * and are its first 'n' bytes all that somebody will read who only looks?
 * That can soon be told of TCP and UDP in simple packets, that is, of most. */
static bool
is_simple(const struct dp_packet *twin, ovs_be16 dl_type, uint32_t n)
{
    const struct tcp_header *l4;
    uint32_t len, need;
    uint8_t proto;

    if (!is_simple_l3(twin, dl_type, n, &proto, &len)) {
        return false;
    }
    l4 = dp_packet_l4(twin);
    if (proto == IPPROTO_UDP) {
        need = UDP_HEADER_LEN;
    } else if (proto == IPPROTO_TCP && twin->l4_ofs + TCP_HEADER_LEN <= n) {
        need = MAX(TCP_OFFSET(l4->tcp_ctl) * 4, TCP_HEADER_LEN);
    } else {
        return false;
    }
    return (need <= len && twin->l4_ofs + need <= n
            && !reads_payload(l4->tcp_src) && !reads_payload(l4->tcp_dst));
}

/* Does conntrack read what is sent from or to 'port' of TCP or UDP, even if it
 * was not told to? */
static bool
reads_payload(ovs_be16 port)
{
    enum { FTP = 21, TFTP = 69 };

    return port == htons(FTP) || port == htons(TFTP);
}

/* Makes a new twin 'i' in 'pool', with room for a frame of 'size' bytes. */
static void
pool_renew(struct iovtee_twin_pool *pool, unsigned int i, uint32_t size)
{
    const uint32_t room = MAX(size, TWIN_SIZE);
    const size_t all = (IOVTEE_BORDER_HEADROOM + room
                        + IOVTEE_BORDER_TAILROOM);
    struct dp_packet *twin = dp_packet_new(all);

    memset(dp_packet_data(twin), 0, all);
    dp_packet_reserve(twin, IOVTEE_BORDER_HEADROOM);
    twin->mbuf.packet_type = IS_TWIN;
    pool->twins[i] = twin;
    pool->room[i] = room;
    pool->n_dirty[i] = 0;
}

/* Returns this thread's twins. */
static struct iovtee_twin_pool *
pool_get(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    struct iovtee_twin_pool *pool;

    if (ovsthread_once_start(&once)) {
        ovsthread_key_create(&pool_key, pool_free);
        ovsthread_once_done(&once);
    }

    pool = ovsthread_getspecific(pool_key);
    if (OVS_UNLIKELY(!pool)) {
        pool = xmalloc(sizeof *pool);
        for (int i = 0; i < NETDEV_MAX_BURST; i++) {
            pool_renew(pool, i, TWIN_SIZE);
        }
        ovsthread_setspecific(pool_key, pool);
    }
    return pool;
}

static void
pool_free(void *pool_)
{
    struct iovtee_twin_pool *pool = pool_;

    for (int i = 0; i < NETDEV_MAX_BURST; i++) {
        dp_packet_delete(pool->twins[i]);
    }
    free(pool);
}
