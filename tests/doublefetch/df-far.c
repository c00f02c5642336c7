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

/* Operations that must not be done in guest memory: some of them show that
 * this instrument finds what it is for. */

#include <config.h>

#include "df-ops.h"

#include "compat/compat.h"
#include "conntrack.h"
#include "df.h"
#include "df-actions.h"
#include "dp-packet.h"
#include "flow.h"
#include "timeval.h"
#include "util.h"

static struct conntrack *ct;

static void
start_conntrack(void)
{
    ct = conntrack_init();
}

static void
track(struct dp_packet *packet, const struct flow *flow, bool commit,
      const struct nat_action_info_t *nat)
{
    const ovs_be16 tp_src OVS_UNUSED = flow->tp_src;
    const ovs_be16 tp_dst OVS_UNUSED = flow->tp_dst;
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    conntrack_execute(ct, &batch, flow->dl_type, false, commit, 0, NULL, NULL,
                      IOVTEE_CT_PORTS_ARGS NULL, nat, time_msec(), 0);
    dp_packet_delete_batch(&batch, true);
}

/* Makes a connection whose destination is translated, with a packet in private
 * memory. */
static void
start_nat(void)
{
    const struct nat_action_info_t nat = {
        .min_addr.ipv4 = htonl(0x0a000009),
        .max_addr.ipv4 = htonl(0x0a000009),
        .nat_action = NAT_ACTION_DST,
    };
    struct dp_packet *packet = dp_packet_new(DF_FRAME_MAX);
    struct flow flow;

    start_conntrack();
    dp_packet_set_size(packet, df_plain_frame(dp_packet_data(packet), DF_UDP));
    pkt_metadata_init(&packet->md, u32_to_odp(1));
    flow_extract(packet, &flow);
    track(packet, &flow, true, &nat);
}

/* ct(table=1) */
static void
run_ct(struct dp_packet *packet, struct flow *flow)
{
    track(packet, flow, false, NULL);
}

/* ct(commit,table=1) */
static void
run_ct_commit(struct dp_packet *packet, struct flow *flow)
{
    track(packet, flow, true, NULL);
}

/* ct(nat,table=1) */
static void
run_ct_nat(struct dp_packet *packet, struct flow *flow)
{
    static const struct nat_action_info_t nat;

    track(packet, flow, false, &nat);
}

/* These must be found. */
const struct df_op df_found_ops[] = {
    { .name = "ct-ipv6-fragment", .kinds = { DF_IP6_FRAGMENT,
        DF_IP6_FRAGMENT, DF_IP6_FRAGMENT, DF_IP6_FRAGMENT },
      .start = start_conntrack, .run = run_ct },
    { .name = "ct-icmp", .kinds = { DF_ICMP, DF_ICMP, DF_ICMP, DF_ICMP },
      .start = start_conntrack, .run = run_ct },
    { .name = "ct-nat-icmp-error", .kinds = { DF_ICMP_ERROR, DF_ICMP_ERROR,
        DF_ICMP_ERROR, DF_ICMP_ERROR },
      .start = start_nat, .run = run_ct_nat },
    { .name = "hash-sym-set", .kinds = { DF_UDP, DF_MPLS, DF_UDP6 },
      .actions = { df_hash_sym_set } },
};
const size_t df_n_found_ops = ARRAY_SIZE(df_found_ops);

/* Of these it is only known that nobody has shown them to be safe. */
const struct df_op df_far_ops[] = {
    { .name = "ct-tcp", .kinds = { DF_TCP, DF_TCP6, DF_TCP, DF_TCP6 },
      .start = start_conntrack, .run = run_ct_commit },
    { .name = "ct-udp", .kinds = { DF_UDP, DF_UDP6, DF_UDP, DF_UDP6 },
      .start = start_conntrack, .run = run_ct_commit },
    { .name = "ct-ipv4-fragment", .kinds = { DF_IP_FRAGMENT, DF_IP_FRAGMENT,
        DF_IP_FRAGMENT, DF_IP_FRAGMENT },
      .start = start_conntrack, .run = run_ct },
    { .name = "hash-sym", .actions = { df_hash_sym } },
    { .name = "set-nd", .kinds = { DF_ND, DF_ND, DF_ND, DF_ND },
      .actions = { df_set_nd } },
    { .name = "set-nd-extensions", .kinds = { DF_ND, DF_ND, DF_ND, DF_ND },
      .actions = { df_set_nd_ext } },
    { .name = "push-mpls", .kinds = { DF_MPLS, DF_UDP, DF_UDP6, DF_ANY },
      .actions = { df_push_mpls } },
    { .name = "pop-mpls", .kinds = { DF_MPLS, DF_MPLS, DF_MPLS, DF_MPLS },
      .actions = { df_pop_mpls } },
    { .name = "push-nsh", .kinds = { DF_NSH, DF_UDP, DF_UDP6, DF_ANY },
      .actions = { df_push_nsh } },
    { .name = "pop-nsh", .kinds = { DF_NSH, DF_NSH, DF_NSH, DF_NSH },
      .actions = { df_pop_nsh } },
    { .name = "set-nsh", .kinds = { DF_NSH, DF_NSH, DF_NSH, DF_NSH },
      .actions = { df_set_nsh } },
};
const size_t df_n_far_ops = ARRAY_SIZE(df_far_ops);
