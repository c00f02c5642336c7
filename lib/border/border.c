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

/* Which actions are on the near side, and why.
 *
 * Each of them was read, in Open vSwitch 3.1, with a guest in mind that
 * changes every byte between any two loads.  Output, recirculation, meters
 * and truncation look at no byte of the frame (recirculation ends in flow
 * extraction, which is on the near side itself).  A symmetric hash extracts
 * the flow, and so does an L4 hash of a packet without an RSS hash: the packet
 * gets offsets that are those of another flow, perhaps, than that which the
 * next actions are for, so both are on the far side.  VLAN tags are pushed and
 * popped by moving twelve bytes; whether there is one to pop is asked once.
 * Sets of Ethernet, IPv4, TCP and UDP fields write where flow extraction has
 * found the header, and what they read beforehand goes into a checksum, or
 * into a comparison with what they are about to write.  Sets of other fields
 * walk over headers or options, or compute a checksum over what is there, so
 * they are on the far side. */

#include <config.h>

#include "border/border.h"

#include "compat/compat.h"
#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/packets.h"
#include "packets.h"
#include "queue/mark.h"
#include "queue/shells.h"
#include "util.h"

/* Open vSwitch nests actions less deeply than this. */
#define MAX_DEPTH 16

static bool is_list_far(const struct nlattr *actions, size_t len,
                        bool on_clones, int depth);
static bool is_action_far(const struct nlattr *, bool on_clones);
static bool is_set_far(const struct nlattr *key);
static bool is_nested_far(const struct nlattr *, bool (*is_list)(int type),
                          bool on_clones, int depth);
static bool is_sample_list(int type);
static bool is_check_pkt_len_list(int type);

/* Is there an action among the 'len' bytes of 'actions' that must not see
 * guest memory?  Connection tracking is none: it is diverted on its own. */
bool
iovtee_border_is_far(const struct nlattr *actions, size_t len)
{
    return is_list_far(actions, len, false, 0);
}

/* The same for a list that is executed 'on_clones': these are private, but
 * were not parsed again after they had been made. */
static bool
is_list_far(const struct nlattr *actions, size_t len, bool on_clones,
            int depth)
{
    const struct nlattr *a;
    size_t left;

    if (depth > MAX_DEPTH) {
        return true;
    }
    NL_ATTR_FOR_EACH_UNSAFE (a, left, actions, len) {
        /* What an action contains gets the packets themselves only if no other
         * action needs them. */
        bool last = left <= NLA_ALIGN(a->nla_len);

        if (is_action_far(a, on_clones)
            || (nl_attr_type(a) == OVS_ACTION_ATTR_SAMPLE
                && is_nested_far(a, is_sample_list, on_clones || !last,
                                 depth))
            || (nl_attr_type(a) == OVS_ACTION_ATTR_CLONE
                && is_list_far(nl_attr_get(a), nl_attr_get_size(a),
                               on_clones || !last, depth + 1))
            || (nl_attr_type(a) == OVS_ACTION_ATTR_CHECK_PKT_LEN
                && is_nested_far(a, is_check_pkt_len_list,
                                 on_clones || !last, depth))) {
            return true;
        }
    }
    return false;
}

/* Is 'a' on the far side, apart from what it may contain? */
static bool
is_action_far(const struct nlattr *a, bool on_clones)
{
    switch (nl_attr_type(a)) {
    case OVS_ACTION_ATTR_OUTPUT:
    case OVS_ACTION_ATTR_LB_OUTPUT:
    case OVS_ACTION_ATTR_RECIRC:
    case OVS_ACTION_ATTR_METER:
    case OVS_ACTION_ATTR_TRUNC:
    case OVS_ACTION_ATTR_PUSH_VLAN:
    case OVS_ACTION_ATTR_POP_VLAN:
    case OVS_ACTION_ATTR_CT_CLEAR:
    case OVS_ACTION_ATTR_DROP:
        return false;

    case OVS_ACTION_ATTR_SET:
    case OVS_ACTION_ATTR_SET_MASKED:
        return is_set_far(nl_attr_get(a));

    case OVS_ACTION_ATTR_CT:
        /* conntrack_execute() sees to packets in guest memory. */
        return on_clones;

    case OVS_ACTION_ATTR_USERSPACE:
        /* Parses the packet before anything else, which is all that a clone
         * needs. */
    case OVS_ACTION_ATTR_TUNNEL_PUSH:
        /* Puts headers in front, and asks only for the length of what is
         * behind them and for a checksum over it. */
        return !on_clones;

    case OVS_ACTION_ATTR_SAMPLE:
    case OVS_ACTION_ATTR_CLONE:
    case OVS_ACTION_ATTR_CHECK_PKT_LEN:
        /* By what they contain. */
        return false;

    default:
        return true;
    }
}

/* Is setting 'key' on the far side? */
static bool
is_set_far(const struct nlattr *key)
{
    switch (nl_attr_type(key)) {
    case OVS_KEY_ATTR_ETHERNET:
    case OVS_KEY_ATTR_IPV4:
    case OVS_KEY_ATTR_TCP:
    case OVS_KEY_ATTR_UDP:
        return false;

    case OVS_KEY_ATTR_PRIORITY:
    case OVS_KEY_ATTR_SKB_MARK:
    case OVS_KEY_ATTR_DP_HASH:
    case OVS_KEY_ATTR_RECIRC_ID:
    case OVS_KEY_ATTR_TUNNEL:
        /* Nothing in the frame. */
        return false;

    default:
        return true;
    }
}

/* Does 'a' contain, in an attribute whose type 'is_list', an action on the far
 * side? */
static bool
is_nested_far(const struct nlattr *a, bool (*is_list)(int type),
              bool on_clones, int depth)
{
    const struct nlattr *b;
    size_t left;

    NL_NESTED_FOR_EACH_UNSAFE (b, left, a) {
        if (is_list(nl_attr_type(b))
            && is_list_far(nl_attr_get(b), nl_attr_get_size(b), on_clones,
                           depth + 1)) {
            return true;
        }
    }
    return false;
}

static bool
is_sample_list(int type)
{
    return type == OVS_SAMPLE_ATTR_ACTIONS;
}

static bool
is_check_pkt_len_list(int type)
{
    return (type == OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER
            || type == OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL);
}

/* Do the 'len' bytes of 'actions' nothing with packets but to look their flow
 * up again or to send them, and that only once?  An output that is not the
 * last action is one of a copy, which somebody else would make. */
bool
iovtee_border_only_sends(const struct nlattr *actions, size_t len)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH_UNSAFE (a, left, actions, len) {
        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_OUTPUT:
        case OVS_ACTION_ATTR_LB_OUTPUT:
        case OVS_ACTION_ATTR_RECIRC:
            if (left > NLA_ALIGN(a->nla_len)) {
                return false;
            }
            break;

        case OVS_ACTION_ATTR_METER:
        case OVS_ACTION_ATTR_CT_CLEAR:
        case OVS_ACTION_ATTR_DROP:
            break;

        default:
            return false;
        }
    }
    return true;
}

/* Class of the netdevs that may send read-only packets, or NULL. */
static const struct netdev_class *trusted_class;

/* From now on netdevs of 'class' get to see read-only packets. */
void
iovtee_border_trust(const struct netdev_class *class)
{
    trusted_class = class;
}

bool
iovtee_border_trusts(const struct netdev_class *class)
{
    return class == trusted_class;
}

/* Is any packet of 'batch' in guest memory? */
bool
iovtee_border_any_marked(const struct dp_packet_batch *batch)
{
    const struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (iovtee_mark_is_set(packet)) {
            return true;
        }
    }
    return false;
}

/* Returns a copy of 'packet' in memory of its own.  Its offsets are those of
 * 'packet', so they may not be true any more. */
struct dp_packet *
iovtee_border_copy(const struct dp_packet *packet)
{
    uint32_t size = dp_packet_size(packet);
    struct dp_packet *copy
        = dp_packet_new_with_headroom(size + IOVTEE_BORDER_TAILROOM,
                                      IOVTEE_BORDER_HEADROOM);

    memcpy(dp_packet_put_uninit(copy, size), dp_packet_data(packet), size);
    memset(dp_packet_tail(copy), 0, IOVTEE_BORDER_TAILROOM);
    iovtee_border_describe(copy, packet);
    if (flow_tnl_dst_is_set(&packet->md.tunnel)) {
        copy->md.tunnel = packet->md.tunnel;
    }
    return copy;
}

/* Says of 'copy', which has memory of its own, what is known of 'packet', save
 * for the tunnel that 'packet' may have come through. */
void
iovtee_border_describe(struct dp_packet *copy, const struct dp_packet *packet)
{
    uint32_t mark;

    copy->l2_pad_size = packet->l2_pad_size;
    copy->l2_5_ofs = packet->l2_5_ofs;
    copy->l3_ofs = packet->l3_ofs;
    copy->l4_ofs = packet->l4_ofs;
    copy->cutlen = packet->cutlen;
    copy->packet_type = packet->packet_type;
    memcpy(&copy->md, &packet->md, offsetof(struct pkt_metadata, tunnel));
    copy->md.tunnel.ip_dst = 0;
    copy->md.tunnel.ipv6_dst = in6addr_any;

    /* Conntrack believes that the packet still has the headers of the
     * connection that it found it to be part of. */
    pkt_metadata_init_conn(&copy->md);

    iovtee_packet_copy_offloads(copy, packet);
    if (dp_packet_rss_valid(packet)) {
        dp_packet_set_rss_hash(copy, dp_packet_get_rss_hash(packet));
    }
    if (dp_packet_has_flow_mark(packet, &mark)) {
        dp_packet_set_flow_mark(copy, mark);
    }
}

/* Parses 'copy', which must be private, and says whether it is of the kind
 * that 'flow' is of, that is, whether its L3 header is of the same protocol.
 * (What is above has no such help from the flow, which may match any L4
 * protocol; whoever works on that looks at the length.  But sets of IPv6 and
 * ND fields take it for granted that there is something above.) */
bool
iovtee_border_is_kind(struct dp_packet *copy, const struct flow *flow)
{
    struct flow now;

    flow_extract(copy, &now);
    return (now.dl_type == flow->dl_type
            && !now.nsh.mdtype == !flow->nsh.mdtype
            && (flow->dl_type != htons(ETH_TYPE_IPV6) || !flow->nw_proto
                || copy->l4_ofs != UINT16_MAX));
}

/* Notes that 'packet', which will be dropped, was taken back by the guest. */
void
iovtee_border_refuse(const struct dp_packet *packet)
{
    if (iovtee_mark_is_read_only(packet)) {
        iovtee_mark_fate(&CONST_CAST(struct dp_packet *, packet)->mbuf,
                         IOVTEE_FATE_REFUSED);
    }
}

/* Returns a copy of 'packet', which is in guest memory and matched 'flow', or
 * NULL if the guest has rewritten it into something else, or has taken it
 * back. */
static struct dp_packet *
copy_checked(const struct dp_packet *packet, const struct flow *flow)
{
    struct iovtee_shells *row = iovtee_shells_row(packet);
    struct dp_packet *copy = iovtee_border_copy(packet);

    if (OVS_UNLIKELY(row && iovtee_shells_is_revoked(row))) {
        iovtee_border_refuse(packet);
        dp_packet_delete(copy);
        return NULL;
    }
    if (OVS_LIKELY(iovtee_border_is_kind(copy, flow))) {
        iovtee_shells_report(row, IOVTEE_BORDER_MOVED, 1);
        return copy;
    }
    iovtee_shells_report(row, IOVTEE_BORDER_REWRITTEN, 1);
    dp_packet_delete(copy);
    return NULL;
}

/* Does what the next two functions do. */
static void
move(struct dp_packet_batch *batch, const struct flow *flow, bool all)
{
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t i;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (all ? iovtee_mark_is_set(packet)
            : iovtee_mark_is_read_only(packet)) {
            struct dp_packet *copy = copy_checked(packet, flow);

            dp_packet_delete(packet);
            packet = copy;
        }
        if (packet) {
            iovtee_batch_refill(batch, packet, i);
        }
    }
}

/* Moves the packets of 'batch' that are in guest memory, and that matched
 * 'flow', to private memory.  Takes those out that the guest has rewritten
 * into something else. */
void
iovtee_border_move(struct dp_packet_batch *batch, const struct flow *flow)
{
    move(batch, flow, true);
}

/* The same for those packets alone that are read-only. */
void
iovtee_border_move_read_only(struct dp_packet_batch *batch,
                             const struct flow *flow)
{
    move(batch, flow, false);
}

/* Takes 'packet', which is read-only, and returns a private copy for a port
 * that cannot read it where it is, or NULL if the guest has taken it back. */
struct dp_packet *
iovtee_border_own(struct dp_packet *packet)
{
    struct iovtee_shells *row = iovtee_shells_row(packet);
    struct dp_packet *copy = iovtee_border_copy(packet);

    if (OVS_UNLIKELY(!row || iovtee_shells_is_revoked(row))) {
        iovtee_border_refuse(packet);
        dp_packet_delete(copy);
        copy = NULL;
    } else {
        iovtee_mark_fate(&packet->mbuf, IOVTEE_FATE_PORT);
    }
    dp_packet_delete(packet);
    return copy;
}

/* Does that with all packets of 'batch' that are read-only. */
void
iovtee_border_own_batch(struct dp_packet_batch *batch)
{
    const size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t i;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (iovtee_mark_is_read_only(packet)) {
            packet = iovtee_border_own(packet);
        }
        if (packet) {
            iovtee_batch_refill(batch, packet, i);
        }
    }
}

/* Makes 'dst' a batch of private copies of all packets in 'src', for those who
 * may not keep 'src', without those that the guest has rewritten. */
void
iovtee_border_clone(struct dp_packet_batch *dst,
                    const struct dp_packet_batch *src,
                    const struct flow *flow)
{
    struct dp_packet *packet;

    dp_packet_batch_init(dst);
    dst->trunc = src->trunc;
    DP_PACKET_BATCH_FOR_EACH (i, packet, src) {
        struct dp_packet *copy = (iovtee_mark_is_set(packet)
                                  ? copy_checked(packet, flow)
                                  : dp_packet_clone(packet));

        if (copy) {
            dp_packet_batch_add(dst, copy);
        }
    }
}
