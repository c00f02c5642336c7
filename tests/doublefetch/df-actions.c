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

#include <config.h>

#include "df-actions.h"

#include "df.h"
#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

static void
fill(void *p_, size_t n)
{
    uint8_t *p = p_;

    for (size_t i = 0; i < n; i++) {
        p[i] = df_random();
    }
}

/* Each byte is wanted, not wanted, or partly. */
static void
fill_mask(void *p_, size_t n)
{
    uint8_t *p = p_;

    for (size_t i = 0; i < n; i++) {
        p[i] = df_below(4) ? 0xff * df_below(2) : df_random();
    }
}

/* Returns the key, which is followed by its mask. */
static void *
begin_masked(struct ofpbuf *actions, size_t *start, uint16_t attr, size_t n)
{
    uint8_t *key;

    *start = nl_msg_start_nested(actions, OVS_ACTION_ATTR_SET_MASKED);
    key = nl_msg_put_unspec_uninit(actions, attr, 2 * n);
    fill(key, n);
    fill_mask(key + n, n);
    return key;
}

static void
end_masked(struct ofpbuf *actions, size_t start, void *key_, size_t n)
{
    uint8_t *key = key_;

    for (size_t i = 0; i < n; i++) {
        key[i] &= key[n + i];
    }
    nl_msg_end_nested(actions, start);
}

static enum df_put
put_masked(struct ofpbuf *actions, uint16_t attr, size_t n)
{
    size_t start;
    void *key = begin_masked(actions, &start, attr, n);

    end_masked(actions, start, key, n);
    return DF_PUT;
}

enum df_put
df_set_eth(struct ofpbuf *actions, const struct flow *flow)
{
    if (flow->packet_type != htonl(PT_ETH)) {
        return DF_NOT_PUT;
    }
    return put_masked(actions, OVS_KEY_ATTR_ETHERNET,
                      sizeof(struct ovs_key_ethernet));
}

enum df_put
df_set_ipv4(struct ofpbuf *actions, const struct flow *flow)
{
    if (flow->dl_type != htons(ETH_TYPE_IP) || !flow->nw_proto) {
        return DF_NOT_PUT;
    }
    return put_masked(actions, OVS_KEY_ATTR_IPV4, sizeof(struct ovs_key_ipv4));
}

enum df_put
df_set_ipv6(struct ofpbuf *actions, const struct flow *flow)
{
    const size_t n = sizeof(struct ovs_key_ipv6);
    struct ovs_key_ipv6 *key;
    size_t start;

    if (flow->dl_type != htons(ETH_TYPE_IPV6) || !flow->nw_proto) {
        return DF_NOT_PUT;
    }
    key = begin_masked(actions, &start, OVS_KEY_ATTR_IPV6, n);
    key[0].ipv6_label &= htonl(IPV6_LABEL_MASK);
    key[1].ipv6_label &= htonl(IPV6_LABEL_MASK);
    end_masked(actions, start, key, n);
    return DF_PUT;
}

static enum df_put
set_ports(struct ofpbuf *actions, const struct flow *flow, uint8_t proto,
          uint16_t attr, size_t n)
{
    if (!is_ip_any(flow) || flow->nw_proto != proto) {
        return DF_NOT_PUT;
    }
    return put_masked(actions, attr, n);
}

enum df_put
df_set_tcp(struct ofpbuf *actions, const struct flow *flow)
{
    return set_ports(actions, flow, IPPROTO_TCP, OVS_KEY_ATTR_TCP,
                     sizeof(struct ovs_key_tcp));
}

enum df_put
df_set_udp(struct ofpbuf *actions, const struct flow *flow)
{
    return set_ports(actions, flow, IPPROTO_UDP, OVS_KEY_ATTR_UDP,
                     sizeof(struct ovs_key_udp));
}

enum df_put
df_set_sctp(struct ofpbuf *actions, const struct flow *flow)
{
    return set_ports(actions, flow, IPPROTO_SCTP, OVS_KEY_ATTR_SCTP,
                     sizeof(struct ovs_key_sctp));
}

/* This and those for ARP and neighbor discovery are slow path actions. */
enum df_put
df_set_icmp(struct ofpbuf *actions, const struct flow *flow)
{
    size_t start;
    bool v4 = is_icmpv4(flow, NULL);

    if (!v4 && !is_icmpv6(flow, NULL)) {
        return DF_NOT_PUT;
    }
    start = nl_msg_start_nested(actions, OVS_ACTION_ATTR_SET);
    fill(nl_msg_put_unspec_uninit(actions, v4 ? OVS_KEY_ATTR_ICMP
                                              : OVS_KEY_ATTR_ICMPV6,
                                  sizeof(struct ovs_key_icmp)),
         sizeof(struct ovs_key_icmp));
    nl_msg_end_nested(actions, start);
    return DF_PUT;
}

enum df_put
df_set_arp(struct ofpbuf *actions, const struct flow *flow)
{
    if (flow->dl_type != htons(ETH_TYPE_ARP) || !flow->nw_proto) {
        return DF_NOT_PUT;
    }
    return put_masked(actions, OVS_KEY_ATTR_ARP, sizeof(struct ovs_key_arp));
}

enum df_put
df_set_nd(struct ofpbuf *actions, const struct flow *flow)
{
    if (!is_nd(flow, NULL)) {
        return DF_NOT_PUT;
    }
    return put_masked(actions, OVS_KEY_ATTR_ND, sizeof(struct ovs_key_nd));
}

enum df_put
df_set_nd_ext(struct ofpbuf *actions, const struct flow *flow)
{
    if (!is_nd(flow, NULL)) {
        return DF_NOT_PUT;
    }
    return put_masked(actions, OVS_KEY_ATTR_ND_EXTENSIONS,
                      sizeof(struct ovs_key_nd_extensions));
}

enum df_put
df_push_vlan(struct ofpbuf *actions, const struct flow *flow)
{
    struct ovs_action_push_vlan vlan = {
        .vlan_tpid = htons(df_below(2) ? ETH_TYPE_VLAN_8021Q
                                       : ETH_TYPE_VLAN_8021AD),
        .vlan_tci = htons(df_random() | VLAN_CFI),
    };

    if (flow->packet_type != htonl(PT_ETH)) {
        return DF_NOT_PUT;
    }
    nl_msg_put_unspec(actions, OVS_ACTION_ATTR_PUSH_VLAN, &vlan, sizeof vlan);
    return DF_PUT_LAST;
}

enum df_put
df_pop_vlan(struct ofpbuf *actions, const struct flow *flow)
{
    if (flow->packet_type != htonl(PT_ETH) || !flow->vlans[0].tci) {
        return DF_NOT_PUT;
    }
    nl_msg_put_flag(actions, OVS_ACTION_ATTR_POP_VLAN);
    return DF_PUT_LAST;
}

enum df_put
df_push_eth(struct ofpbuf *actions, const struct flow *flow)
{
    struct ovs_action_push_eth eth;

    if (flow->packet_type == htonl(PT_ETH)) {
        return DF_NOT_PUT;
    }
    fill(&eth, sizeof eth);
    nl_msg_put_unspec(actions, OVS_ACTION_ATTR_PUSH_ETH, &eth, sizeof eth);
    return DF_PUT_LAST;
}

enum df_put
df_pop_eth(struct ofpbuf *actions, const struct flow *flow)
{
    /* Frames that are too short have no type. */
    if (flow->packet_type != htonl(PT_ETH) || !flow->dl_type
        || flow->vlans[0].tci) {
        return DF_NOT_PUT;
    }
    nl_msg_put_flag(actions, OVS_ACTION_ATTR_POP_ETH);
    return DF_PUT_LAST;
}

enum df_put
df_push_mpls(struct ofpbuf *actions, const struct flow *flow)
{
    struct ovs_action_push_mpls mpls = {
        .mpls_lse = htonl(df_random()),
        .mpls_ethertype = htons(ETH_TYPE_MPLS),
    };

    if (flow->packet_type != htonl(PT_ETH) || !flow->dl_type) {
        return DF_NOT_PUT;
    }
    nl_msg_put_unspec(actions, OVS_ACTION_ATTR_PUSH_MPLS, &mpls, sizeof mpls);
    return DF_PUT_LAST;
}

enum df_put
df_pop_mpls(struct ofpbuf *actions, const struct flow *flow)
{
    if (flow->packet_type != htonl(PT_ETH) || !eth_type_mpls(flow->dl_type)
        || !flow->mpls_lse[0]) {
        return DF_NOT_PUT;
    }
    nl_msg_put_be16(actions, OVS_ACTION_ATTR_POP_MPLS, htons(ETH_TYPE_IP));
    return DF_PUT_LAST;
}

static void
put_nsh_key(struct ofpbuf *actions)
{
    struct ovs_nsh_key_base base = { .mdtype = NSH_M_TYPE1, .np = NSH_P_IPV4 };
    struct ovs_nsh_key_md1 md1;

    fill(&base.path_hdr, sizeof base.path_hdr);
    fill(&md1, sizeof md1);
    nl_msg_put_unspec(actions, OVS_NSH_KEY_ATTR_BASE, &base, sizeof base);
    nl_msg_put_unspec(actions, OVS_NSH_KEY_ATTR_MD1, &md1, sizeof md1);
}

enum df_put
df_push_nsh(struct ofpbuf *actions, const struct flow *flow)
{
    size_t start;

    if (!flow->dl_type) {
        return DF_NOT_PUT;
    }
    start = nl_msg_start_nested(actions, OVS_ACTION_ATTR_PUSH_NSH);
    put_nsh_key(actions);
    nl_msg_end_nested(actions, start);
    return DF_PUT_LAST;
}

enum df_put
df_pop_nsh(struct ofpbuf *actions, const struct flow *flow)
{
    if (flow->dl_type != htons(ETH_TYPE_NSH) || !flow->nsh.mdtype) {
        return DF_NOT_PUT;
    }
    nl_msg_put_flag(actions, OVS_ACTION_ATTR_POP_NSH);
    return DF_PUT_LAST;
}

enum df_put
df_set_nsh(struct ofpbuf *actions, const struct flow *flow)
{
    size_t set, nsh;

    if (flow->dl_type != htons(ETH_TYPE_NSH) || !flow->nsh.mdtype) {
        return DF_NOT_PUT;
    }
    set = nl_msg_start_nested(actions, OVS_ACTION_ATTR_SET);
    nsh = nl_msg_start_nested(actions, OVS_KEY_ATTR_NSH);
    put_nsh_key(actions);
    nl_msg_end_nested(actions, nsh);
    nl_msg_end_nested(actions, set);
    return DF_PUT;
}

static enum df_put
put_hash(struct ofpbuf *actions, uint32_t algorithm)
{
    struct ovs_action_hash hash = {
        .hash_alg = algorithm,
        .hash_basis = df_random(),
    };

    nl_msg_put_unspec(actions, OVS_ACTION_ATTR_HASH, &hash, sizeof hash);
    return DF_PUT;
}

/* Takes the hash that the packet has got when its flow was extracted.  With a
 * flow by simple match, none that needs what is behind the tags follows. */
enum df_put
df_hash(struct ofpbuf *actions, const struct flow *flow OVS_UNUSED)
{
    return put_hash(actions, OVS_HASH_ALG_L4);
}

/* Extracts the flow anew. */
enum df_put
df_hash_sym(struct ofpbuf *actions, const struct flow *flow OVS_UNUSED)
{
    return put_hash(actions, OVS_HASH_ALG_SYM_L4);
}

/* What happens if a set action follows that. */
enum df_put
df_hash_sym_set(struct ofpbuf *actions, const struct flow *flow)
{
    df_hash_sym(actions, flow);
    return df_below(2) ? df_set_ipv4(actions, flow)
                       : df_set_ipv6(actions, flow);
}

enum df_put
df_output(struct ofpbuf *actions, const struct flow *flow OVS_UNUSED)
{
    nl_msg_put_u32(actions, OVS_ACTION_ATTR_OUTPUT, 1);
    return DF_PUT;
}

enum df_put
df_truncate(struct ofpbuf *actions, const struct flow *flow)
{
    struct ovs_action_trunc trunc = {
        .max_len = ETH_HEADER_LEN + df_below(128),
    };

    nl_msg_put_unspec(actions, OVS_ACTION_ATTR_TRUNC, &trunc, sizeof trunc);
    return df_output(actions, flow);
}
