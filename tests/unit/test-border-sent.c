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


/* Unit tests of lib/border: packets that a guest sends from its own buffers,
 * which nobody may write to, and which the guest can take back. */

#include <config.h>

#include "border/border.h"

#include "border-fixture.h"
#include "netdev-provider.h"
#include "netlink.h"
#include "odp-execute.h"
#include "odp-netlink.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "queue/shells.h"

static struct { void *datapath; const struct flow *flow; } aux
    = { NULL, &flow };

static struct iovtee_shells *row;
static unsigned int n_home, n_moved, n_to_port, n_refused;
static uint8_t before[sizeof guest];    /* What is in the guest's memory. */

/* What got to the end of the actions, or to a port. */
static unsigned int n_in_place, n_private;

static void
put(void *aux_ OVS_UNUSED, void *const *objs, unsigned int n)
{
    n_home += n;
    for (unsigned int i = 0; i < n; i++) {
        enum iovtee_fate fate = iovtee_mark_get_fate(objs[i]);

        n_to_port += fate == IOVTEE_FATE_PORT;
        n_refused += fate == IOVTEE_FATE_REFUSED;
    }
}

static void
report(void *aux_ OVS_UNUSED, enum iovtee_border_event event, unsigned int n)
{
    n_moved += event == IOVTEE_BORDER_MOVED ? n : 0;
}

static void
begin(void)
{
    static const struct iovtee_shells_ops ops = { put, report };

    init();
    CHECK(!iovtee_shells_any_read_only());
    row = iovtee_shells_create(N_MBUFS, SOCKET_ID_ANY, &ops, NULL);
    CHECK(row);
    iovtee_shells_set_read_only(row);
    CHECK(iovtee_shells_any_read_only());
}

static void
end(void)
{
    iovtee_shells_destroy(row);
    CHECK(!iovtee_shells_any_read_only());
}

/* Fills 'batch' with 'n' packets that lie in the guest's buffers. */
static void
send_batch(struct dp_packet_batch *batch, unsigned int n)
{
    n_home = n_moved = n_to_port = n_in_place = n_private = n_refused = 0;
    dp_packet_batch_init(batch);
    for (unsigned int i = 0; i < n; i++) {
        struct dp_packet *packet = (void *) (row->first + i * row->step);
        struct dp_packet *frame = dp_packet_new(0);
        struct rte_mbuf *m = &packet->mbuf;
        struct flow f;

        iovtee_flow_compose(frame, &flow, NULL, l7_len);
        memcpy(guest[i], dp_packet_data(frame), dp_packet_size(frame));
        m->buf_addr = guest[i];
        m->buf_len = m->data_len = m->pkt_len = dp_packet_size(frame);
        m->data_off = 0;
        iovtee_mark_set_read_only(m);
        dp_packet_delete(frame);
        iovtee_packet_received(packet);
        pkt_metadata_init(&packet->md, u32_to_odp(1));
        flow_extract(packet, &f);
        CHECK(iovtee_mark_is_read_only(packet) && iovtee_mark_is_set(packet));
        CHECK(iovtee_shells_row(packet) == row);
        dp_packet_batch_add(batch, packet);
    }
    memcpy(before, guest, sizeof guest);
}

static void
look(const struct dp_packet_batch *batch)
{
    const struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        bool in_place = iovtee_mark_is_set(packet);

        CHECK(in_place == is_in_guest(dp_packet_data(packet)));
        n_in_place += in_place;
        n_private += !in_place;
    }
    CHECK(!memcmp(before, guest, sizeof guest));
}

static void
execute(void *dp OVS_UNUSED, struct dp_packet_batch *batch,
        const struct nlattr *a OVS_UNUSED, bool steal)
{
    look(batch);
    dp_packet_delete_batch(batch, steal);
}

/* Runs 'actions' on some packets, which must not touch the guest's memory, and
 * must let them be where they are only if 'in_place'. */
static void
run(const struct ofpbuf *actions, bool in_place)
{
    struct dp_packet_batch batch;

    CHECK(iovtee_border_only_sends(actions->data, actions->size) == in_place);
    send_batch(&batch, 3);
    odp_execute_actions(&aux, &batch, true, actions->data, actions->size,
                        execute);
    CHECK(n_home == 3 && !memcmp(before, guest, sizeof guest));
    CHECK(n_in_place == (in_place ? 3 : 0) && !n_private == in_place);
    CHECK(n_moved == (in_place ? 0 : 3));
}

static void
put_output(struct ofpbuf *actions)
{
    nl_msg_put_u32(actions, OVS_ACTION_ATTR_OUTPUT, 7);
}

/* One output stays in place.  Whatever else there is to do, also what other
 * packets in guest memory stay in place for, gets a copy. */
static void
test_actions(void)
{
    struct ovs_action_push_vlan vlan = { htons(ETH_TYPE_VLAN), htons(5) };
    struct ovs_key_ethernet eth = { .eth_dst = ETH_ADDR_C(2,0,0,0,0,9) };
    struct ovs_action_trunc trunc = { 100 };
    struct ofpbuf actions;
    size_t ofs;

    begin();
    ofpbuf_init(&actions, 0);
    put_output(&actions);
    run(&actions, true);

    ofpbuf_clear(&actions);
    nl_msg_put_u32(&actions, OVS_ACTION_ATTR_RECIRC, 1);
    run(&actions, true);

    ofpbuf_clear(&actions);
    nl_msg_put_flag(&actions, OVS_ACTION_ATTR_CT_CLEAR);
    nl_msg_put_u32(&actions, OVS_ACTION_ATTR_METER, 1);
    put_output(&actions);
    CHECK(iovtee_border_only_sends(actions.data, actions.size));

    /* Two outputs. */
    ofpbuf_clear(&actions);
    put_output(&actions);
    put_output(&actions);
    run(&actions, false);

    /* Changes. */
    ofpbuf_clear(&actions);
    nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_PUSH_VLAN, &vlan,
                      sizeof vlan);
    put_output(&actions);
    run(&actions, false);

    ofpbuf_clear(&actions);
    ofs = nl_msg_start_nested(&actions, OVS_ACTION_ATTR_SET);
    nl_msg_put_unspec(&actions, OVS_KEY_ATTR_ETHERNET, &eth, sizeof eth);
    nl_msg_end_nested(&actions, ofs);
    CHECK(!iovtee_border_is_far(actions.data, actions.size));
    put_output(&actions);
    run(&actions, false);

    ofpbuf_clear(&actions);
    nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_TRUNC, &trunc, sizeof trunc);
    put_output(&actions);
    run(&actions, false);

    /* Some that nobody knows, and conntrack. */
    ofpbuf_clear(&actions);
    ofs = nl_msg_start_nested(&actions, OVS_ACTION_ATTR_CT);
    nl_msg_end_nested(&actions, ofs);
    CHECK(!iovtee_border_only_sends(actions.data, actions.size));
    ofpbuf_clear(&actions);
    nl_msg_put_u32(&actions, 200, 1);
    CHECK(!iovtee_border_only_sends(actions.data, actions.size));
    ofpbuf_uninit(&actions);
    end();
}

/* What was taken back is not even copied. */
static void
test_revoked(void)
{
    struct dp_packet_batch batch, copies;
    struct ofpbuf actions;

    begin();
    ofpbuf_init(&actions, 0);
    put_output(&actions);
    put_output(&actions);
    send_batch(&batch, 3);
    iovtee_shells_revoke(row);
    odp_execute_actions(&aux, &batch, true, actions.data, actions.size,
                        execute);
    CHECK(n_home == 3 && !n_in_place && !n_private && !n_moved);
    CHECK(n_refused == 3);

    iovtee_shells_restore(row);
    send_batch(&batch, 3);
    iovtee_shells_revoke(row);
    iovtee_border_clone(&copies, &batch, &flow);
    CHECK(dp_packet_batch_is_empty(&copies));
    dp_packet_delete_batch(&batch, true);

    iovtee_shells_restore(row);
    send_batch(&batch, 3);
    CHECK(iovtee_shells_pin(row));
    iovtee_shells_unpin(row);
    iovtee_shells_revoke(row);
    CHECK(!iovtee_shells_pin(row) && !iovtee_shells_is_pinned(row));
    dp_packet_delete_batch(&batch, true);
    ofpbuf_uninit(&actions);
    end();
}

static int
port_send(struct netdev *netdev OVS_UNUSED, int qid OVS_UNUSED,
          struct dp_packet_batch *batch, bool concurrent_txq OVS_UNUSED)
{
    look(batch);
    dp_packet_delete_batch(batch, true);
    return 0;
}

/* Only ports of a class that knows about it get to see what is in the guest's
 * memory. */
static void
test_port(void)
{
    const struct netdev_class known = { .type = "known", .send = port_send };
    const struct netdev_class other = { .type = "other", .send = port_send };
    struct netdev netdev = { .name = CONST_CAST(char *, "port0") };
    struct dp_packet_batch batch;

    begin();
    iovtee_border_trust(&known);
    netdev.netdev_class = &known;
    send_batch(&batch, 4);
    CHECK(!netdev_send(&netdev, 0, &batch, false));
    CHECK(n_in_place == 4 && n_home == 4 && !n_to_port);

    netdev.netdev_class = &other;
    send_batch(&batch, 4);
    dp_packet_batch_add(&batch, receive());
    memcpy(before, guest, sizeof guest);
    CHECK(!netdev_send(&netdev, 0, &batch, false));
    CHECK(n_home == 4 && n_to_port == 4);
    CHECK(n_in_place == 1 && n_private == 4);

    send_batch(&batch, 4);
    iovtee_shells_revoke(row);
    CHECK(!netdev_send(&netdev, 0, &batch, false));
    CHECK(n_home == 4 && !n_to_port && !n_private && n_refused == 4);
    end();
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "actions", test_actions },
        { "port", test_port },
        { "revoked", test_revoked },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
