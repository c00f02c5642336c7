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

#include "df-ops.h"

#include <sys/mman.h>

#include "df.h"
#include "df-actions.h"
#include "compat/compat.h"
#include "dp-packet.h"
#include "flow.h"
#include "odp-execute.h"
#include "openvswitch/ofpbuf.h"
#include "queue/shift.h"
#include "util.h"

/* A miniflow with room for all fields, at the end of accessible memory. */
struct full_miniflow {
    struct miniflow mf;
    uint64_t buf[FLOW_U64S];
};

static struct full_miniflow *full;

static void
check_ofs(const char *name, uint16_t ofs, uint32_t size)
{
    if (ofs != UINT16_MAX && ofs > size) {
        df_fail("%s is %u, but the packet has %u bytes", name, ofs, size);
    }
}

/* Checks what whoever works with 'packet' relies on. */
static void
check_packet(const struct dp_packet *packet)
{
    uint32_t size = dp_packet_size(packet);
    uint16_t pad = dp_packet_l2_pad_size(packet);

    check_ofs("l2_5_ofs", packet->l2_5_ofs, size);
    check_ofs("l3_ofs", packet->l3_ofs, size);
    check_ofs("l4_ofs", packet->l4_ofs, size);
    if (packet->l4_ofs != UINT16_MAX
        && (packet->l4_ofs < packet->l3_ofs || pad > size - packet->l4_ofs)) {
        df_fail("l3_ofs %u, l4_ofs %u, %u bytes, padding %u",
                packet->l3_ofs, packet->l4_ofs, size, pad);
    }
    if (packet->l3_ofs != UINT16_MAX && pad > size - packet->l3_ofs) {
        df_fail("l3_ofs %u, %u bytes, padding %u", packet->l3_ofs, size, pad);
    }
}

/* Extracts the flow, as the data path does for each packet that it receives
 * or that recirculates. */
void
df_extract(struct dp_packet *packet, struct flow *flow)
{
    miniflow_extract(packet, &full->mf);
    check_packet(packet);
    if (miniflow_n_values(&full->mf) > FLOW_U64S) {
        df_fail("%zu values in a miniflow", miniflow_n_values(&full->mf));
    }
    if (!dp_packet_rss_valid(packet)) {
        dp_packet_set_rss_hash(packet, miniflow_hash_5tuple(&full->mf, 0));
    }
    miniflow_expand(&full->mf, flow);
}

/* Parses 'packet' as the data path does to find a flow by simple match, and
 * sets what such a flow has. */
static void
parse_simply(struct dp_packet *packet, struct flow *flow)
{
    memset(flow, 0, sizeof *flow);
    flow->packet_type = packet->packet_type;
    parse_tcp_flags(packet, &flow->dl_type, &flow->nw_frag,
                    &flow->vlans[0].tci);
    check_packet(packet);
}

/* Does what a data path does, as far as the bytes of the packets go. */
static void
execute(void *dp OVS_UNUSED, struct dp_packet_batch *batch,
        const struct nlattr *a, bool steal OVS_UNUSED)
{
    struct dp_packet_batch copies;
    struct dp_packet *packet;
    uint32_t size = dp_packet_size(batch->packets[0]);
    uint32_t cut = dp_packet_get_cutlen(batch->packets[0]);

    ovs_assert(nl_attr_type(a) == OVS_ACTION_ATTR_OUTPUT);
    dp_packet_batch_clone(&copies, batch);
    dp_packet_batch_reset_cutlen(batch);
    dp_packet_batch_apply_cutlen(&copies);
    DP_PACKET_BATCH_FOR_EACH (i, packet, &copies) {
        if (dp_packet_size(packet) != size - cut) {
            df_fail("%u bytes, less %u, are %u", size, cut,
                    dp_packet_size(packet));
        }
    }
    dp_packet_delete_batch(&copies, true);
}

static void
run_actions(const struct df_op *op, struct dp_packet *packet,
            struct flow *flow)
{
    struct dp_packet_batch batch;
    uint64_t stub[256];
    struct ofpbuf actions;
    size_t n = 0;

    while (op->actions[n]) {
        n++;
    }
    ofpbuf_use_stub(&actions, stub, sizeof stub);
    for (uint32_t i = n ? 1 + df_below(3) : 0; i; i--) {
        if (op->actions[df_below(n)](&actions, flow) == DF_PUT_LAST) {
            break;
        }
    }
    dp_packet_batch_init_packet(&batch, packet);
    odp_execute_actions(NULL, &batch, false, actions.data, actions.size,
                        execute);
    ofpbuf_uninit(&actions);
    check_packet(packet);
}

static void
run_op(const struct df_op *op, struct dp_packet *packet)
{
    struct flow flow;

    if (op->simple) {
        parse_simply(packet, &flow);
    } else {
        df_extract(packet, &flow);
    }
    if (op->run) {
        op->run(packet, &flow);
        return;
    }
    for (uint32_t i = 1 + df_below(3); i; i--) {
        run_actions(op, packet, &flow);
        packet->md.recirc_id++;
        df_extract(packet, &flow);
    }
}

/* What the NIC says about the frame, as far as it is believed. */
static void
set_offloads(struct dp_packet *packet)
{
    if (df_below(2)) {
        packet->mbuf.ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    }
    if (df_below(2)) {
        packet->mbuf.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    }
    iovtee_packet_received(packet);
    iovtee_packet_distrust_checksums(packet);
    if (df_below(2)) {
        dp_packet_set_rss_hash(packet, df_random());
    }
}

/* Runs 'op' once, with a frame that is made for it. */
void
df_op_run(const struct df_op *op, bool mutate)
{
    struct dp_packet *packet = xzalloc(sizeof *packet);
    size_t headroom = ((df_below(2) ? 12 : 10) - IOVTEE_SHIFT_MAX
                       + df_below(IOVTEE_N_SHIFTS) * IOVTEE_SHIFT_STEP);
    uint8_t frame[DF_FRAME_MAX];
    enum df_kind kind = op->kinds[df_below(ARRAY_SIZE(op->kinds))];
    uint8_t *data;
    size_t size;

    if (op->run) {
        size = df_plain_frame(frame, kind);
    } else {
        size = df_frame(frame, df_below(8) ? kind : DF_ANY);
    }
    data = df_place(frame, size, headroom, 0);
    dp_packet_use_stub(packet, data - headroom, headroom + size);
    dp_packet_reserve(packet, headroom);
    dp_packet_set_size(packet, size);
    pkt_metadata_init(&packet->md, u32_to_odp(1));
    set_offloads(packet);

    df_watch(mutate);
    run_op(op, packet);
    df_unwatch();
    if (!op->run) {
        dp_packet_delete(packet);
    }
}

void
df_ops_init(void)
{
    size_t page = get_page_size();
    uint8_t *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ovs_assert(area != MAP_FAILED);
    ovs_assert(!mprotect(area + page, page, PROT_NONE));
    full = ALIGNED_CAST(struct full_miniflow *, area + page - sizeof *full);
    iovtee_odp_execute_init();
}

const struct df_op df_near_ops[] = {
    { .name = "extract" },
    { .name = "set-eth",
      .actions = { df_set_eth } },
    { .name = "set-ipv4",
      .kinds = { DF_TCP, DF_UDP, DF_ICMP, DF_ANY },
      .actions = { df_set_ipv4 } },
    { .name = "set-ipv6",
      .kinds = { DF_TCP6, DF_UDP6, DF_ICMP6, DF_IP6_FRAGMENT },
      .actions = { df_set_ipv6 } },
    { .name = "set-tcp",
      .kinds = { DF_TCP, DF_TCP6 },
      .actions = { df_set_tcp } },
    { .name = "set-udp",
      .kinds = { DF_UDP, DF_UDP6 },
      .actions = { df_set_udp } },
    { .name = "set-sctp",
      .kinds = { DF_SCTP, DF_SCTP6 },
      .actions = { df_set_sctp } },
    { .name = "set-icmp",
      .kinds = { DF_ICMP, DF_ICMP6, DF_ICMP_ERROR, DF_ND },
      .actions = { df_set_icmp } },
    { .name = "set-arp",
      .kinds = { DF_ARP, DF_ARP, DF_ARP, DF_ANY },
      .actions = { df_set_arp } },
    { .name = "vlan",
      .actions = { df_push_vlan, df_pop_vlan } },
    { .name = "pop-eth",
      .actions = { df_pop_eth, df_push_eth } },
    { .name = "output",
      .actions = { df_output, df_truncate } },
    { .name = "hash",
      .actions = { df_hash } },
    { .name = "simple-match", .simple = true,
      .actions = {
          df_set_eth, df_push_vlan, df_pop_vlan, df_output, df_truncate,
          df_hash,
      } },
    { .name = "all-together",
      .actions = {
          df_set_eth, df_set_ipv4, df_set_ipv6, df_set_tcp, df_set_udp,
          df_set_sctp, df_set_icmp, df_set_arp, df_push_vlan, df_pop_vlan,
          df_pop_eth, df_push_eth, df_output, df_truncate, df_hash,
      } },
};
const size_t df_n_near_ops = ARRAY_SIZE(df_near_ops);
