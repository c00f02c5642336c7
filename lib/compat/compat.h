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

#ifndef IOVTEE_COMPAT_H
#define IOVTEE_COMPAT_H 1

/* Versions of Open vSwitch and DPDK
 * =================================
 *
 * What differs between the versions that "configure" accepts.  Nobody else
 * compares versions ("make check" sees to that): others ask for a feature by
 * the name that it has here, or call a function below, which does the same for
 * all versions.  When a version is not supported any more, this is where to
 * delete it.
 *
 * IOVTEE_OVS, 305 for Open vSwitch 3.5, comes from "configure".  DPDK tells
 * its version itself; what goes by that is in compat/dpdk.h.
 *
 * Thread-safety: whoever has a packet may pass it to these functions. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "compat/dpdk.h"
#include "dp-packet.h"
#include "packets.h"

#ifndef IOVTEE_OVS
#error "IOVTEE_OVS is not defined."
#endif

/* Has a netdev class these operations? */
#define IOVTEE_HAS_GET_SPEED (IOVTEE_OVS >= 302)
#define IOVTEE_HAS_GET_DUPLEX (IOVTEE_OVS >= 307)

/* Has netdev-dpdk the option "rx-steering"? */
#define IOVTEE_HAS_RX_STEERING (IOVTEE_OVS >= 302)

/* Do vhost-user ports offer checksum offload to the guest whether userspace
 * TSO is on or not?  Then packets ask for checksums that are still to be
 * computed, and only what a netdev claims to be able to do is left to it. */
#define IOVTEE_CSUM_ALWAYS (IOVTEE_OVS >= 302)

/* Is what a packet asks for, and what is known of its checksums, in a member
 * of struct dp_packet, and not in the flags of its mbuf? */
#define IOVTEE_OWN_OFFLOADS (IOVTEE_OVS >= 306)

/* May a batch have more than NETDEV_MAX_BURST packets? */
#define IOVTEE_LONG_BATCHES (IOVTEE_OVS >= 400)

/* The parameters of conntrack_execute() that only some versions have. */
#if IOVTEE_OVS < 305
#define IOVTEE_CT_PORTS_PARAMS ovs_be16 tp_src, ovs_be16 tp_dst,
#define IOVTEE_CT_PORTS_ARGS tp_src, tp_dst,
#else
#define IOVTEE_CT_PORTS_PARAMS
#define IOVTEE_CT_PORTS_ARGS
#endif

/* Does dp_packet_resize() move a packet of DPDK's that is to grow by itself,
 * and not by a patch of ours?  It takes up to so many bytes more. */
#define IOVTEE_HAS_RESIZE (IOVTEE_OVS >= 400)
enum { IOVTEE_RESIZE_EXTRA = IOVTEE_HAS_RESIZE ? 64 : 0 };

/* flow_compose(), with right checksums.  Only tests make packets. */
#if IOVTEE_OVS < 305
#define iovtee_flow_compose(PACKET, FLOW, L7, L7_LEN)   \
    flow_compose(PACKET, FLOW, L7, L7_LEN)
#else
#define iovtee_flow_compose(PACKET, FLOW, L7, L7_LEN)   \
    flow_compose(PACKET, FLOW, L7, L7_LEN, false)
#endif

/* odp_execute_init(), where there is something to choose. */
#if IOVTEE_OVS < 400
#define iovtee_odp_execute_init() odp_execute_init()
#else
#define iovtee_odp_execute_init() ((void) 0)
#endif

/* What a guest port can do if userspace TSO is on.  A virtio header has no
 * place for the checksum of an IP header, nor for one that is not the
 * Internet's, as SCTP's.  Before IOVTEE_CSUM_ALWAYS no packet asks for the
 * former, and those that ask for the latter are lost if it is not claimed. */
#define IOVTEE_TSO_OL_FLAGS                                             \
    (NETDEV_TX_OFFLOAD_TCP_TSO | NETDEV_TX_OFFLOAD_TCP_CKSUM            \
     | NETDEV_TX_OFFLOAD_UDP_CKSUM                                      \
     | (IOVTEE_CSUM_ALWAYS ? 0 : (NETDEV_TX_OFFLOAD_SCTP_CKSUM          \
                                  | NETDEV_TX_OFFLOAD_IPV4_CKSUM)))

/* Puts 'packet' back into 'batch', at 'i', in a loop that is a
 * DP_PACKET_BATCH_REFILL_FOR_EACH(i, ..., packet, batch). */
static inline void
iovtee_batch_refill(struct dp_packet_batch *batch, struct dp_packet *packet,
                    size_t i OVS_UNUSED)
{
#if IOVTEE_LONG_BATCHES
    dp_packet_batch_add(batch, packet);
#else
    dp_packet_batch_refill(batch, packet, i);
#endif
}

/* Frees what 'batch', without its packets, has taken of memory to grow. */
static inline void
iovtee_batch_destroy(struct dp_packet_batch *batch OVS_UNUSED)
{
#if IOVTEE_LONG_BATCHES
    dp_packet_batch_destroy(batch);
#endif
}

/* Has 'mbuf', which a guest has sent, ask for what the flags in 'tx_flags',
 * RTE_MBUF_F_TX_*, mean.  What iovtee_packet_received() makes of that is what
 * is made of packets of a stock vhost-user port. */
static inline void
iovtee_mbuf_ask(struct rte_mbuf *mbuf, uint64_t tx_flags)
{
#if IOVTEE_OWN_OFFLOADS
    /* Into how much it is to be segmented is in 'tso_segsz' alone.  Segments
     * have new checksums. */
    if (tx_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG
                    | RTE_MBUF_F_TX_UDP_SEG)) {
        mbuf->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
    }
#else
    mbuf->ol_flags |= tx_flags;
#endif
}

/* Tells Open vSwitch what the flags of the mbuf say of 'packet', which has
 * just been received, by netdev-dpdk's own way. */
static inline void
iovtee_packet_received(struct dp_packet *packet)
{
    dp_packet_reset_cutlen(packet);
    packet->packet_type = htonl(PT_ETH);
#if IOVTEE_OWN_OFFLOADS
    packet->has_hash = packet->mbuf.ol_flags & RTE_MBUF_F_RX_RSS_HASH;
    packet->has_mark = packet->mbuf.ol_flags & RTE_MBUF_F_RX_FDIR_ID;
    packet->offloads = packet->mbuf.ol_flags & (RTE_MBUF_F_RX_IP_CKSUM_MASK
                                                | RTE_MBUF_F_RX_L4_CKSUM_MASK);
#endif
}

/* Does that for all packets of 'batch'. */
static inline void
iovtee_batch_received(struct dp_packet_batch *batch)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        iovtee_packet_received(packet);
    }
}

/* Forgets that somebody has found the checksums of 'packet' to be right.  Who
 * changes it then has to keep them so, and does not leave that to others. */
static inline void
iovtee_packet_distrust_checksums(struct dp_packet *packet)
{
#if IOVTEE_OWN_OFFLOADS
    packet->offloads &= ~(DP_PACKET_OL_IP_CKSUM_GOOD
                          | DP_PACKET_OL_L4_CKSUM_GOOD);
#elif IOVTEE_CSUM_ALWAYS
    packet->mbuf.ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_GOOD
                               | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
#else
    /* There is nothing that could be left to others. */
    (void) packet;
#endif
}

/* Says that the checksum of the transport header of 'packet' is right. */
static inline void
iovtee_packet_trust_l4_checksum(struct dp_packet *packet)
{
#if IOVTEE_OWN_OFFLOADS
    packet->offloads = ((packet->offloads & ~DP_PACKET_OL_L4_CKSUM_MASK)
                        | DP_PACKET_OL_L4_CKSUM_GOOD);
#else
    packet->mbuf.ol_flags = ((packet->mbuf.ol_flags
                              & ~RTE_MBUF_F_RX_L4_CKSUM_MASK)
                             | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
#endif
}

/* Has somebody found the IP header's checksum of 'packet' to be right? */
static inline bool
iovtee_packet_is_ip_csum_good(const struct dp_packet *packet)
{
#if IOVTEE_OWN_OFFLOADS
    return packet->offloads & DP_PACKET_OL_IP_CKSUM_GOOD;
#else
    return packet->mbuf.ol_flags & RTE_MBUF_F_RX_IP_CKSUM_GOOD;
#endif
}

/* The same for the checksum of the transport header. */
static inline bool
iovtee_packet_is_l4_csum_good(const struct dp_packet *packet)
{
#if IOVTEE_OWN_OFFLOADS
    return dp_packet_l4_checksum_good(packet);
#else
    return ((packet->mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK)
            == RTE_MBUF_F_RX_L4_CKSUM_GOOD);
#endif
}

/* Copies what 'src' asks for, and what is known of its checksums, to 'dst'. */
static inline void
iovtee_packet_copy_offloads(struct dp_packet *dst,
                            const struct dp_packet *src)
{
#if IOVTEE_OWN_OFFLOADS
    dst->offloads = src->offloads;
    dst->mbuf.tso_segsz = src->mbuf.tso_segsz;
    dst->inner_l3_ofs = src->inner_l3_ofs;
    dst->inner_l4_ofs = src->inner_l4_ofs;
#else
    *dp_packet_ol_flags_ptr(dst) = (*dp_packet_ol_flags_ptr(src)
                                    & DP_PACKET_OL_SUPPORTED_MASK);
#if IOVTEE_CSUM_ALWAYS
    dst->inner_l3_ofs = src->inner_l3_ofs;
    dst->inner_l4_ofs = src->inner_l4_ofs;
#endif
#endif
}

/* Is 'packet' to be segmented by who gets it? */
static inline bool
iovtee_packet_is_tso(const struct dp_packet *packet)
{
#if IOVTEE_OWN_OFFLOADS
    return packet->mbuf.tso_segsz != 0;
#else
    return packet->mbuf.ol_flags & RTE_MBUF_F_TX_TCP_SEG;
#endif
}

/* Does 'packet' ask for the checksum of a transport header? */
static inline bool
iovtee_packet_asks_csum(const struct dp_packet *packet)
{
#if IOVTEE_OWN_OFFLOADS
    return (dp_packet_l4_checksum_partial(packet)
            || dp_packet_inner_l4_checksum_partial(packet));
#else
    return (packet->mbuf.ol_flags
            & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)) != 0;
#endif
}

/* Where a checksum is that a packet asks for. */
struct iovtee_csum {
    uint16_t l3_ofs;            /* Of the IP header that goes with it. */
    uint16_t start;             /* Where the transport header begins. */
    uint16_t offset;            /* Of the checksum in that. */
    uint8_t proto;              /* IPPROTO_*. */
};

/* Stores in '*csum' where the checksum is that 'packet' asks for.  Returns
 * false if there is no telling. */
static inline bool
iovtee_packet_get_csum(const struct dp_packet *packet,
                       struct iovtee_csum *csum)
{
    bool inner, is_udp, is_sctp;

#if IOVTEE_OWN_OFFLOADS
    inner = dp_packet_inner_l4_checksum_partial(packet);
    is_udp = (inner ? dp_packet_inner_l4_proto_udp(packet)
              : dp_packet_l4_proto_udp(packet));
    is_sctp = (inner ? dp_packet_inner_l4_proto_sctp(packet)
               : dp_packet_l4_proto_sctp(packet));
#else
    const uint64_t l4 = packet->mbuf.ol_flags & RTE_MBUF_F_TX_L4_MASK;

    inner = packet->mbuf.ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK;
    is_udp = l4 == RTE_MBUF_F_TX_UDP_CKSUM;
    is_sctp = l4 == RTE_MBUF_F_TX_SCTP_CKSUM;
#endif
#if IOVTEE_CSUM_ALWAYS
    csum->l3_ofs = inner ? packet->inner_l3_ofs : packet->l3_ofs;
    csum->start = inner ? packet->inner_l4_ofs : packet->l4_ofs;
#else
    csum->l3_ofs = packet->l3_ofs;
    csum->start = inner ? UINT16_MAX : packet->l4_ofs;
#endif
    csum->offset = (is_udp ? offsetof(struct udp_header, udp_csum)
                    : is_sctp ? offsetof(struct sctp_header, sctp_csum)
                    : offsetof(struct tcp_header, tcp_csum));
    csum->proto = is_udp ? IPPROTO_UDP : is_sctp ? IPPROTO_SCTP : IPPROTO_TCP;
    return csum->l3_ofs != UINT16_MAX && csum->start != UINT16_MAX;
}

/* Has 'packet', which asks for nothing and whose headers are where its offsets
 * say, ask for the checksum of its transport header, which is of protocol
 * 'proto', and to be segmented into 'segsz' bytes of data each, unless that is
 * 0. */
static inline void
iovtee_packet_ask_csum(struct dp_packet *packet, uint8_t proto,
                       uint16_t segsz)
{
    packet->mbuf.tso_segsz = segsz;
#if IOVTEE_OWN_OFFLOADS
    dp_packet_l4_checksum_set_partial(packet);
    if (proto == IPPROTO_UDP) {
        dp_packet_l4_proto_set_udp(packet);
    } else if (proto == IPPROTO_SCTP) {
        dp_packet_l4_proto_set_sctp(packet);
    } else {
        dp_packet_l4_proto_set_tcp(packet);
    }
#else
    packet->mbuf.ol_flags |= (proto == IPPROTO_UDP ? RTE_MBUF_F_TX_UDP_CKSUM
                              : proto == IPPROTO_SCTP
                              ? RTE_MBUF_F_TX_SCTP_CKSUM
                              : RTE_MBUF_F_TX_TCP_CKSUM);
    if (segsz) {
        packet->mbuf.ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    }
#endif
}

#endif /* compat.h */
