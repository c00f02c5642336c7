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

/* Translates what a virtio header asks for into flags of an mbuf, on PMD
 * threads.  Both are private copies, but all of it is what a guest has said:
 * nothing fits anything else before that was checked. */

#include <config.h>

#include "queue/offload.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "compat/compat.h"
#include "csum.h"
#include "util.h"

/* What was found in a frame. */
struct layers {
    uint32_t l2_len;            /* Ethernet header and VLAN tag, bytes. */
    uint32_t l3_len;            /* IP header, bytes. */
    uint32_t l4_len;            /* TCP, UDP or SCTP header, bytes. */
    uint32_t end;               /* Where the IP packet ends in the frame. */
    uint8_t proto;              /* IPPROTO_*. */
    uint64_t ip_flag;           /* RTE_MBUF_F_TX_IPV4 or _IPV6. */
};

/* Finds the header of the transport protocol in the 'len' bytes at 'frame' if
 * there is nothing unusual before it.  Returns true if successful.
 *
 * Whoever gets the frame parses it again, and takes it for granted that he
 * finds a header of the transport protocol if a checksum is asked for.  Open
 * vSwitch aborts if it does not.  So what it does not parse up to there, such
 * as a packet that claims to be longer than the frame, is unusual. */
static bool
parse(const uint8_t *frame, uint32_t len, struct layers *l)
{
    const uint8_t *ip;
    uint16_t type;

    l->l2_len = RTE_ETHER_HDR_LEN;
    if (len < l->l2_len + RTE_VLAN_HLEN) {
        return false;
    }
    type = frame[12] << 8 | frame[13];
    if (type == RTE_ETHER_TYPE_VLAN) {
        type = frame[16] << 8 | frame[17];
        l->l2_len += RTE_VLAN_HLEN;
    }

    ip = frame + l->l2_len;
    if (type == RTE_ETHER_TYPE_IPV4
        && len >= l->l2_len + sizeof(struct rte_ipv4_hdr)) {
        bool is_fragment = (ip[6] << 8 | ip[7]) & (RTE_IPV4_HDR_MF_FLAG
                                                   | RTE_IPV4_HDR_OFFSET_MASK);

        l->l3_len = (ip[0] & 15) * 4;
        l->end = l->l2_len + (ip[2] << 8 | ip[3]);
        l->proto = ip[9];
        l->ip_flag = RTE_MBUF_F_TX_IPV4;
        return (ip[0] >> 4 == 4 && l->l3_len >= sizeof(struct rte_ipv4_hdr)
                && l->end <= len && !is_fragment);
    } else if (type == RTE_ETHER_TYPE_IPV6
               && len >= l->l2_len + sizeof(struct rte_ipv6_hdr)) {
        l->l3_len = sizeof(struct rte_ipv6_hdr);
        l->end = l->l2_len + l->l3_len + (ip[4] << 8 | ip[5]);
        l->proto = ip[6];
        l->ip_flag = RTE_MBUF_F_TX_IPV6;
        return ip[0] >> 4 == 6 && l->end <= len;
    }
    return false;
}

/* Completes 'l' with the length of the transport protocol's header.  Returns
 * true if all of it is in the IP packet in 'frame'. */
static bool
parse_l4(const uint8_t *frame, struct layers *l)
{
    const uint32_t ofs = l->l2_len + l->l3_len;

    switch (l->proto) {
    case IPPROTO_TCP:
        if (l->end < ofs + sizeof(struct rte_tcp_hdr)) {
            return false;
        }
        l->l4_len = (frame[ofs + 12] >> 4) * 4;
        return (l->l4_len >= sizeof(struct rte_tcp_hdr)
                && l->end >= ofs + l->l4_len);

    case IPPROTO_UDP:
        l->l4_len = sizeof(struct rte_udp_hdr);
        return l->end >= ofs + l->l4_len;

    case IPPROTO_SCTP:
        l->l4_len = sizeof(struct rte_sctp_hdr);
        return l->end >= ofs + l->l4_len;

    default:
        return false;
    }
}

/* Returns the flag that asks for the checksum of the protocol of 'l', if that
 * is what a checksum at 'csum_offset' behind its header's begin is, otherwise
 * 0. */
static uint64_t
csum_flag(const struct layers *l, uint16_t csum_offset)
{
    switch (l->proto) {
    case IPPROTO_TCP:
        return (csum_offset == offsetof(struct rte_tcp_hdr, cksum)
                ? RTE_MBUF_F_TX_TCP_CKSUM : 0);
    case IPPROTO_UDP:
        return (csum_offset == offsetof(struct rte_udp_hdr, dgram_cksum)
                ? RTE_MBUF_F_TX_UDP_CKSUM : 0);
    case IPPROTO_SCTP:
        return (csum_offset == offsetof(struct rte_sctp_hdr, cksum)
                ? RTE_MBUF_F_TX_SCTP_CKSUM : 0);
    default:
        return 0;
    }
}

/* Completes the checksum of which the virtio header says where it is.  (In its
 * place is the sum of what else it covers, such as a pseudo header.)  Returns
 * false if it is not in the frame. */
static bool
fill_in_csum(uint8_t *frame, uint32_t len, const struct virtio_net_hdr *hdr)
{
    uint32_t start = hdr->csum_start;
    uint32_t place = start + hdr->csum_offset;
    ovs_be16 sum;

    if (place + sizeof sum > len) {
        return false;
    }

    /* The same number, but 0 would say of UDP that there is none. */
    sum = csum(frame + start, len - start);
    sum = sum ? sum : OVS_BE16_MAX;
    memcpy(frame + place, &sum, sizeof sum);
    return true;
}

/* Has 'm', whose data is in one piece, segmented as 'hdr' says.  Returns false
 * if it cannot be. */
static bool
ask_for_segments(struct rte_mbuf *m, const struct virtio_net_hdr *hdr,
                 const struct layers *l)
{
    uint8_t type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    uint64_t flag;

    if (l->proto == IPPROTO_TCP && (type == VIRTIO_NET_HDR_GSO_TCPV4
                                    || type == VIRTIO_NET_HDR_GSO_TCPV6)) {
        flag = RTE_MBUF_F_TX_TCP_SEG;
    } else if (l->proto == IPPROTO_UDP && type == VIRTIO_NET_HDR_GSO_UDP) {
        flag = RTE_MBUF_F_TX_UDP_SEG;
    } else {
        return false;
    }
    if (!hdr->gso_size) {
        return false;
    }
    iovtee_mbuf_ask(m, flag);
    m->tso_segsz = hdr->gso_size;
    m->l4_len = l->l4_len;
    return true;
}

/* Does what 'hdr' asks for of 'm', a packet in one piece: sets the flags with
 * which others do it, or does it at once if there are none for it.  Returns
 * false if it cannot be done, because the frame is not what 'hdr' says. */
bool
iovtee_offload(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
    bool wants_csum = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
    bool wants_gso = hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE;
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
    uint32_t len = m->data_len;
    uint64_t flag = 0;
    struct layers l;
    bool understood;

    if (OVS_LIKELY(!wants_csum && !wants_gso)) {
        return true;
    }

    understood = parse(frame, len, &l) && parse_l4(frame, &l);
    if (understood && wants_csum
        && hdr->csum_start == l.l2_len + l.l3_len) {
        flag = csum_flag(&l, hdr->csum_offset);
    }
    if (wants_gso) {
        if (!understood || (wants_csum && !flag)
            || !ask_for_segments(m, hdr, &l)) {
            return false;
        }
    } else if (!flag) {
        return fill_in_csum(frame, len, hdr);
    }
    iovtee_mbuf_ask(m, flag | l.ip_flag);
    m->l2_len = l.l2_len;
    m->l3_len = l.l3_len;
    return true;
}
