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


/* Memory of guests that are gone but whose frames are still somewhere, for the
 * main thread. */

#include <config.h>

#include "netdev-iovtee-retired.h"

#include <inttypes.h>

#include "nic/nic-fetch.h"
#include "openvswitch/dynamic-string.h"
#include "queue/rxvq.h"
#include "queue/txvq.h"
#include "util.h"

/* Appends to 's' what there is to say of the 'n' elements of 'queues', and
 * frees that. */
static void
show_queues(struct iovtee_retired *queues, size_t n, struct ds *s)
{
    for (size_t i = 0; i < n; i++) {
        const struct iovtee_retired *r = &queues[i];
        const char *nic = (r->n_sent ? iovtee_nic_name_of_port(r->port_id)
                           : NULL);

        ds_put_format(s, "retired: %s queue %u of %s keeps %"PRIu64" MiB "
                      "of a guest that is gone\n",
                      r->transmit ? "transmit" : "receive", r->q, r->port,
                      r->mem_size >> 20);
        ds_put_format(s, "  for %lld.%03lld s, %"PRIu32" buffers out, of "
                      "which %"PRIu32" sent by NICs",
                      r->age / 1000, r->age % 1000,
                      r->n_out, r->n_sent);
        if (nic) {
            ds_put_format(s, ", one in transmit queue %"PRIu16" of %s",
                          r->txq, nic);
        }
        ds_put_cstr(s, "\n");
    }
    iovtee_retired_free(queues, n);
}

/* Appends to 's' which queues of guests that are gone still hold memory. */
void
netdev_iovtee_show_retired(struct ds *s)
{
    struct iovtee_retired *queues;
    size_t n;

    n = iovtee_rxvq_get_retired(&queues);
    show_queues(queues, n, s);
    n = iovtee_txvq_get_retired(&queues);
    show_queues(queues, n, s);
}

/* Has NICs give back what they have sent of the 'n' elements of 'queues', and
 * frees that. */
static void
fetch(struct iovtee_retired *queues, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (queues[i].n_sent) {
            iovtee_nic_fetch(queues[i].port_id, queues[i].txq, queues[i].age);
        }
    }
    iovtee_retired_free(queues, n);
}

/* Frees the memory of guests that are gone, and has NICs give back what they
 * have sent of it.  Returns how many queues still hold some. */
size_t
netdev_iovtee_fetch_retired(void)
{
    struct iovtee_retired *queues;
    size_t n;

    n = iovtee_rxvq_sweep() + iovtee_txvq_sweep();
    if (OVS_LIKELY(!n)) {
        return 0;
    }
    n = iovtee_rxvq_get_retired(&queues);
    fetch(queues, n);
    n = iovtee_txvq_get_retired(&queues);
    fetch(queues, n);
    return iovtee_rxvq_sweep() + iovtee_txvq_sweep();
}
