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

/* Where Open vSwitch's code crosses the border: the linker diverts these calls
 * (vswitchd/automake.mk), and there are no others by which a packet gets to
 * where its bytes are interpreted.  The functions are in other objects than
 * their callers, or the linker could not. */

#include <config.h>

#include "border/border.h"

#include "border/twin.h"
#include "compat/compat.h"
#include "conntrack.h"
#include "dpif.h"
#include "netdev-provider.h"
#include "odp-execute.h"
#include "openvswitch/ofp-print.h"
#include "queue/mark.h"
#include "queue/shells.h"
#include "util.h"

/* These have the types of what they stand for, so a version of Open vSwitch
 * with other parameters does not compile. */
extern __typeof__(odp_execute_actions)
    __real_odp_execute_actions, __wrap_odp_execute_actions;
extern __typeof__(conntrack_execute)
    __real_conntrack_execute, __wrap_conntrack_execute;
extern __typeof__(dpif_register_upcall_cb)
    __real_dpif_register_upcall_cb, __wrap_dpif_register_upcall_cb;
extern __typeof__(netdev_send)
    __real_netdev_send, __wrap_netdev_send;
extern __typeof__(ofp_dp_packet_to_string)
    __real_ofp_dp_packet_to_string, __wrap_ofp_dp_packet_to_string;

/* What 'dp' of odp_execute_actions() points to: dpif-netdev.c begins a
 * structure of its own like this.  So does the other caller, dpif.c, in some
 * versions, but its packets are ofproto's, which are never in guest memory. */
struct execute_aux {
    void *datapath;
    const struct flow *flow;    /* What the packets matched. */
};

/* Where upcalls of user space datapaths really go.  It is the same function
 * for all of them. */
static upcall_callback *real_upcall;

/* Executes actions on private copies of 'batch', which the caller keeps, so
 * that it cannot be moved, neither here nor in conntrack. */
static void
execute_on_copies(void *dp, struct dp_packet_batch *batch,
                  const struct nlattr *actions, size_t len, odp_execute_cb cb)
{
    const struct execute_aux *aux = dp;
    struct dp_packet_batch copies;

    iovtee_border_clone(&copies, batch, aux->flow);
    dp_packet_batch_reset_cutlen(batch);
    if (!dp_packet_batch_is_empty(&copies)) {
        __real_odp_execute_actions(dp, &copies, true, actions, len, cb);
    }
    iovtee_batch_destroy(&copies);
}

/* Executes actions.  If there is one on the far side then packets in guest
 * memory move before the first one, and read-only ones do unless they are just
 * to be sent. */
void
__wrap_odp_execute_actions(void *dp, struct dp_packet_batch *batch,
                           bool steal, const struct nlattr *actions,
                           size_t len, odp_execute_cb cb)
{
    if (OVS_UNLIKELY(!steal || iovtee_border_is_far(actions, len))
        && iovtee_border_any_marked(batch)) {
        const struct execute_aux *aux = dp;

        if (!steal) {
            execute_on_copies(dp, batch, actions, len, cb);
            return;
        }
        iovtee_border_move(batch, aux->flow);
        if (dp_packet_batch_is_empty(batch)) {
            return;
        }
    } else if (OVS_UNLIKELY(iovtee_shells_any_read_only())
               && !iovtee_border_only_sends(actions, len)) {
        const struct execute_aux *aux = dp;

        iovtee_border_move_read_only(batch, aux->flow);
        if (dp_packet_batch_is_empty(batch)) {
            return;
        }
    }
    __real_odp_execute_actions(dp, batch, steal, actions, len, cb);
}

/* Sends packets through conntrack, which gets twins of those in guest
 * memory. */
int
__wrap_conntrack_execute(struct conntrack *ct, struct dp_packet_batch *batch,
                         ovs_be16 dl_type, bool force, bool commit,
                         uint16_t zone, const uint32_t *setmark,
                         const struct ovs_key_ct_labels *setlabel,
                         IOVTEE_CT_PORTS_PARAMS const char *helper,
                         const struct nat_action_info_t *nat_action_info,
                         long long now, uint32_t tp_id)
{
    bool any = iovtee_border_any_marked(batch);
    struct iovtee_twins twins;
    int error;

    if (any) {
        iovtee_twins_make(&twins, batch, dl_type,
                          !nat_action_info && !helper);
    }
    error = __real_conntrack_execute(ct, batch, dl_type, force, commit, zone,
                                     setmark, setlabel,
                                     IOVTEE_CT_PORTS_ARGS helper,
                                     nat_action_info, now, tp_id);
    if (any) {
        iovtee_twins_settle(&twins, batch);
    }
    return error;
}

/* Sends packets to a port.  Only those of our own class know what to do with
 * read-only ones, for which others get copies. */
int
__wrap_netdev_send(struct netdev *netdev, int qid,
                   struct dp_packet_batch *batch, bool concurrent_txq)
{
    if (OVS_UNLIKELY(iovtee_shells_any_read_only())
        && !iovtee_border_trusts(netdev->netdev_class)) {
        iovtee_border_own_batch(batch);
        if (dp_packet_batch_is_empty(batch)) {
            return 0;
        }
    }
    return __real_netdev_send(netdev, qid, batch, concurrent_txq);
}

/* Passes a packet that missed, or that is for the slow path or the controller,
 * on to ofproto, which reads all kinds of headers.  The packet stays what and
 * where it is, so ofproto gets a copy. */
static int
diverted_upcall(const struct dp_packet *packet, const struct flow *flow,
                ovs_u128 *ufid, unsigned pmd_id, enum dpif_upcall_type type,
                const struct nlattr *userdata, struct ofpbuf *actions,
                struct flow_wildcards *wc, struct ofpbuf *put_actions,
                void *aux)
{
    struct iovtee_shells *row;
    struct dp_packet *copy;
    int error;

    if (OVS_LIKELY(!iovtee_mark_is_set(packet))) {
        return real_upcall(packet, flow, ufid, pmd_id, type, userdata,
                           actions, wc, put_actions, aux);
    }

    copy = iovtee_border_copy(packet);
    row = iovtee_shells_row(packet);
    if (OVS_UNLIKELY(row && iovtee_shells_is_revoked(row))) {
        /* The datapath drops it. */
        iovtee_border_refuse(packet);
        error = EINVAL;
    } else if (iovtee_border_is_kind(copy, flow)) {
        iovtee_shells_report(row, IOVTEE_BORDER_TWIN, 1);
        error = real_upcall(copy, flow, ufid, pmd_id, type, userdata, actions,
                            wc, put_actions, aux);
    } else {
        /* Likewise. */
        iovtee_shells_report(row, IOVTEE_BORDER_REWRITTEN, 1);
        error = EINVAL;
    }
    dp_packet_delete(copy);
    return error;
}

void
__wrap_dpif_register_upcall_cb(struct dpif *dpif, upcall_callback *cb,
                               void *aux)
{
    if (cb) {
        ovs_assert(!real_upcall || real_upcall == cb);
        real_upcall = cb;
        cb = diverted_upcall;
    }
    __real_dpif_register_upcall_cb(dpif, cb, aux);
}

/* Formats a packet, for messages that are off unless somebody debugs. */
char *
__wrap_ofp_dp_packet_to_string(const struct dp_packet *packet)
{
    struct dp_packet *copy;
    char *s;

    if (!iovtee_mark_is_set(packet)) {
        return __real_ofp_dp_packet_to_string(packet);
    }
    copy = iovtee_border_copy(packet);
    s = __real_ofp_dp_packet_to_string(copy);
    dp_packet_delete(copy);
    return s;
}
