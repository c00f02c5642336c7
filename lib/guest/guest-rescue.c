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

/* Frames that a guest has lent to a NIC, and that do not come home: how they
 * are found and had back while the guest runs, and what becomes of a guest for
 * whose sake that is done too often.
 *
 * The main thread looks, from time to time.  A PMD thread that polls the guest
 * asks the NIC, but must not stop anything. */

#include <config.h>

#include "guest/guest-private.h"

#include "netdev-provider.h"
#include "nic/nic-fetch.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "tee/tee.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_guest_rescue);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* How often the main thread looks, and for how long nothing of a queue may
 * have come home before something is done about it, in milliseconds. */
#define INTERVAL 100
#define STUCK 100

/* A transmit queue of a NIC, or all of it, was stopped for the sake of
 * 'guest'. */
void
iovtee_guest_charge__(struct iovtee_guest *guest)
{
    long long int until;

    ovs_mutex_lock(&guest->mutex);
    until = iovtee_stop_budget_charge(&guest->stops, time_msec());
    if (until) {
        guest->tx_paused_until = until;
        for (size_t q = 0; q < ARRAY_SIZE(guest->txqs); q++) {
            struct iovtee_txvq *vq
                = ovsrcu_get_protected(struct iovtee_txvq *,
                                       &guest->txqs[q].vq);

            if (vq) {
                iovtee_txvq_pause(vq, until);
            }
        }
    }
    ovs_mutex_unlock(&guest->mutex);

    if (until) {
        VLOG_INFO_RL(&rl, "%s: NICs were stopped %d times in less than %d s "
                     "to get back what the guest has sent; for the next %d s "
                     "that is copied", netdev_get_name(guest->netdev),
                     IOVTEE_STOP_BUDGET, IOVTEE_STOP_BUDGET_MS / 1000,
                     IOVTEE_STOP_BUDGET_MS / 1000);
        netdev_change_seq_changed(guest->netdev);
    }
}

/* Has NICs give back what of 'vq' is stuck. */
static void
rescue(struct iovtee_guest *guest, struct iovtee_txvq *vq, long long int now)
{
    struct iovtee_txvq_places p;
    long long int age = iovtee_txvq_stuck_for(vq, now, &p);
    bool stopped = false, failed = false;

    if (age < STUCK) {
        return;
    }
    for (unsigned int i = 0; i < p.n; i++) {
        enum iovtee_nic_rescue result
            = iovtee_nic_rescue(p.places[i].port_id, p.places[i].txq, now,
                                age);

        stopped |= result == IOVTEE_NIC_RESCUE_DONE;
        failed |= result == IOVTEE_NIC_RESCUE_FAILED;
    }
    if (stopped) {
        iovtee_guest_charge__(guest);
    }
    if (failed) {
        iovtee_tee_set_tx_enabled(guest->tee, true);
    }
}

/* Returns the number of transmit queues of 'guest', and stores references to
 * them in 'vqs', if it lends what it sends, or has not got all of it back
 * since it did. */
static unsigned int
get_lenders(struct iovtee_guest *guest, struct iovtee_txvq *vqs[])
{
    unsigned int n = 0;
    bool any;

    ovs_mutex_lock(&guest->mutex);
    any = guest->tx_zero_copy || !guest->tx_tidy;
    for (size_t q = 0; any && q < ARRAY_SIZE(guest->txqs); q++) {
        struct iovtee_txvq *vq = ovsrcu_get_protected(struct iovtee_txvq *,
                                                      &guest->txqs[q].vq);

        if (vq) {
            vqs[n++] = iovtee_txvq_ref(vq);
        }
    }
    ovs_mutex_unlock(&guest->mutex);
    return n;
}

/* Must be called from time to time by the main thread. */
void
iovtee_guest_run(struct iovtee_guest *guest)
{
    struct iovtee_txvq *vqs[IOVTEE_SESSION_MAX_QUEUES];
    long long int now = time_msec();
    bool tidy = true;
    unsigned int n;

    if (now < guest->next_rescue) {
        return;
    }
    n = get_lenders(guest, vqs);
    for (unsigned int i = 0; i < n; i++) {
        rescue(guest, vqs[i], now);
        tidy &= iovtee_txvq_tidy(vqs[i]);
        iovtee_txvq_unref(vqs[i]);
    }
    guest->tx_tidy = tidy;
    guest->next_rescue = n ? now + INTERVAL : 0;
}

/* Has the main thread wake up when that is due. */
void
iovtee_guest_wait(struct iovtee_guest *guest)
{
    if (guest->next_rescue) {
        poll_timer_wait_until(guest->next_rescue);
    }
}
