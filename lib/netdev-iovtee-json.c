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

/* Ports as JSON.  What people read is in netdev-iovtee-guest-stats.c and in
 * netdev-iovtee-nic.c: whoever adds something there adds it here.  For the
 * main thread. */

#include <config.h>

#include "netdev-iovtee-json.h"

#include "netdev-iovtee-guest-stats.h"
#include "nic/nic.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "session/session.h"
#include "tee/tee.h"
#include "util.h"

static struct json *nic_to_json(struct netdev_iovtee *);
static struct json *guest_to_json(struct netdev_iovtee *);

static void
add_port(struct netdev_iovtee *dev, void *array)
{
    json_array_add(array, (dev->role == &netdev_iovtee_nic_role
                           ? nic_to_json(dev) : guest_to_json(dev)));
}

bool
netdev_iovtee_show_json(const char *name, struct ds *s)
{
    struct json *array = json_array_create_empty();
    bool found = netdev_iovtee_foreach(name, add_port, array);

    json_to_ds(array, JSSF_PRETTY | JSSF_SORT, s);
    json_destroy(array);
    return found;
}

/* A counter.  (JSON has no integers beyond 2**53 that everybody reads, and
 * Open vSwitch's none beyond 2**63.) */
static void
put_count(struct json *object, const char *name, uint64_t n)
{
    json_object_put(object, name, json_integer_create(MIN(n, INT64_MAX)));
}

static void
put_bool(struct json *object, const char *name, bool value)
{
    json_object_put(object, name, json_boolean_create(value));
}

/* A string that may be absent.  Takes ownership of 'value'. */
static void
put_string_nocopy(struct json *object, const char *name, char *value)
{
    if (value) {
        json_object_put(object, name, json_string_create_nocopy(value));
    }
}

static struct json *
port_to_json(const struct netdev_iovtee *dev)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "port", netdev_get_name(&dev->up));
    json_object_put_string(json, "role", dev->role->name);
    put_string_nocopy(json, "problem", netdev_iovtee_problem(dev));
    return json;
}

/* NICs. */

static struct json *
rxq_to_json(struct iovtee_nic *nic, unsigned int rxq,
            const struct iovtee_nic_rxq_info *info)
{
    struct json *json = json_object_create();

    put_count(json, "queue", rxq);
    put_count(json, "descriptors", info->n_desc);
    put_string_nocopy(json, "lender", iovtee_tee_rxq_user(nic, rxq));
    put_count(json, "posted_of_guest", info->n_guest);
    put_count(json, "posted_of_host", info->n_host);
    put_count(json, "refills_put_off", info->n_refused);
    put_count(json, "host_buffers_when_dry", info->n_dry);
    put_count(json, "stops", info->n_stops);
    put_count(json, "longest_stop_us", info->longest_stop);
    if (info->n_ring) {
        put_count(json, "guest_ring", info->n_ring);
        put_bool(json, "lending_paused", info->paused);
        put_count(json, "gain_percent", info->percent);
    }
    return json;
}

static struct json *
nic_to_json(struct netdev_iovtee *dev)
{
    const char *copy_only = iovtee_nic_copy_only(dev->nic);
    const char *driver = iovtee_nic_driver(dev->nic);
    struct json *rxqs = json_array_create_empty();
    struct json *json = port_to_json(dev);

    json_object_put_string(json, "device",
                           smap_get_def(&dev->args, "dpdk-devargs", ""));
    if (driver) {
        json_object_put_string(json, "driver", driver);
    }
    json_object_put(json, "numa_node",
                    json_integer_create(iovtee_nic_numa_id(dev->nic)));
    put_bool(json, "zero_copy", !copy_only);
    if (copy_only) {
        json_object_put_string(json, "why_copied", copy_only);
    }
    put_count(json, "max_frame", iovtee_nic_max_frame(dev->nic));
    put_string_nocopy(json, "tx_completion",
                      iovtee_nic_tx_early_text(dev->nic));
    for (unsigned int i = 0; i < iovtee_nic_n_rxq(dev->nic); i++) {
        struct iovtee_nic_rxq_info info;

        if (iovtee_nic_get_rxq_info(dev->nic, i, &info)) {
            json_array_add(rxqs, rxq_to_json(dev->nic, i, &info));
        }
    }
    json_object_put(json, "receive_queues", rxqs);
    return json;
}

/* Guests. */

/* Adds where the buffers of a queue are to 'json'. */
static void
put_buffers(struct json *json, const uint32_t n[IOVTEE_N_PLACES])
{
    struct json *buffers = json_object_create();

    for (int place = 0; place < IOVTEE_N_PLACES; place++) {
        put_count(buffers, iovtee_place_to_string(place), n[place]);
    }
    json_object_put(json, "buffers", buffers);
}

static struct json *
rxvq_to_json(unsigned int q, const struct iovtee_rxvq_info *info)
{
    struct json *json = json_object_create();

    put_count(json, "queue", q);
    json_object_put_string(json, "state",
                           iovtee_rxvq_state_to_string(info->state));
    put_count(json, "ring", info->size);
    put_count(json, "most_lent", info->max_lent);
    put_count(json, "spared", info->n_spared);
    put_count(json, "memory_kb", info->mem_size / 1024);
    json_object_put(json, "numa_node", json_integer_create(info->numa_id));
    put_buffers(json, info->n);
    json_object_put(json, "shift", json_integer_create(info->shift));
    put_count(json, "shift_changes", info->n_shifts);
    if (info->cramped_len) {
        put_count(json, "no_room_to_shift", info->cramped_len);
    }
    if (info->fault != IOVTEE_FAULT_NONE) {
        json_object_put_string(json, "broken",
                               iovtee_vring_fault_text(info->fault));
    }
    return json;
}

static struct json *
txvq_to_json(unsigned int q, const struct iovtee_txvq_info *info)
{
    struct json *json = json_object_create();

    put_count(json, "queue", q);
    json_object_put_string(json, "state",
                           iovtee_txvq_state_to_string(info->state));
    put_count(json, "ring", info->size);
    put_count(json, "waiting", info->n_waiting);
    put_bool(json, "zero_copy", (info->zero_copy && info->has_nic
                                 && !info->logged && !info->paused));
    put_buffers(json, info->n);
    if (info->fault != IOVTEE_FAULT_NONE) {
        json_object_put_string(json, "broken",
                               iovtee_vring_fault_text(info->fault));
    }
    return json;
}

/* Adds the queues of both directions to 'json'. */
static void
put_queues(struct iovtee_guest *guest, struct json *json)
{
    struct json *receive = json_array_create_empty();
    struct json *transmit = json_array_create_empty();

    for (unsigned int q = 0; q < IOVTEE_SESSION_MAX_QUEUES; q++) {
        struct iovtee_rxvq_info rx;
        struct iovtee_txvq_info tx;

        if (iovtee_guest_get_info(guest, q, &rx)) {
            json_array_add(receive, rxvq_to_json(q, &rx));
        }
        if (iovtee_guest_get_tx_info(guest, q, &tx)) {
            json_array_add(transmit, txvq_to_json(q, &tx));
        }
    }
    json_object_put(json, "receive_queues", receive);
    json_object_put(json, "transmit_queues", transmit);
}

/* Adds what was counted of packets to the guest and from it to 'json', in
 * objects "to_guest" and "from_guest". */
static void
put_counters(struct iovtee_guest_port *port, struct json *json)
{
    struct json *dropped_tx = json_object_create();
    struct json *copied_tx = json_object_create();
    struct json *dropped = json_object_create();
    struct json *copied = json_object_create();
    struct json *from = json_object_create();
    struct json *to = json_object_create();
    struct iovtee_txvq_counters tx;
    struct iovtee_rxvq_counters rx;
    struct netdev_stats stats;

    iovtee_guest_port_sum_counters(port, &rx);
    iovtee_guest_port_sum_tx_counters(port, &tx);
    iovtee_ringstats_clear_netdev(&stats);
    iovtee_ringstats_add_netdev_tx(&rx.ring, &stats);
    iovtee_ringstats_add_netdev_rx(&tx.ring, &stats);

    put_count(to, "packets", stats.tx_packets);
    put_count(to, "bytes", stats.tx_bytes);
    put_count(to, "in_place", rx.zero_copied);
    for (int i = 0; i < IOVTEE_N_COPY_REASONS; i++) {
        put_count(copied, iovtee_copy_reason_name(i), rx.copied[i]);
    }
    for (int i = 0; i < IOVTEE_N_DROP_REASONS; i++) {
        put_count(dropped, iovtee_drop_reason_name(i), rx.dropped[i]);
    }
    json_object_put(to, "copied", copied);
    json_object_put(to, "dropped", dropped);
    put_count(to, "exposed", rx.exposed);
    json_object_put(json, "to_guest", to);

    put_count(from, "packets", stats.rx_packets);
    put_count(from, "bytes", stats.rx_bytes);
    put_count(from, "in_place", tx.zero_copied);
    for (int i = 0; i < IOVTEE_N_TX_COPY_REASONS; i++) {
        put_count(copied_tx, iovtee_tx_copy_reason_name(i), tx.copied[i]);
    }
    for (int i = 0; i < IOVTEE_N_TX_DROP_REASONS; i++) {
        put_count(dropped_tx, iovtee_tx_drop_reason_name(i), tx.dropped[i]);
    }
    json_object_put(from, "copied", copied_tx);
    json_object_put(from, "dropped", dropped_tx);
    json_object_put(json, "from_guest", from);
}

static struct json *
guest_to_json(struct netdev_iovtee *dev)
{
    struct iovtee_guest_port *port = dev->guest;
    char *why = iovtee_guest_port_why_copied(port);
    struct json *json = port_to_json(dev);
    struct ds coupled = DS_EMPTY_INITIALIZER;

    json_object_put_string(json, "socket", port->path);
    json_object_put_string(json, "mode", port->server ? "server" : "client");
    put_bool(json, "connected",
             iovtee_session_is_connected(port->guest->session));
    put_string_nocopy(json, "peer", iovtee_tee_peer(port->guest->tee));
    iovtee_tee_format(port->guest->tee, &coupled);
    json_object_put_string(json, "coupled", ds_cstr(&coupled));
    ds_destroy(&coupled);
    put_bool(json, "zero_copy", !why);
    put_string_nocopy(json, "why_copied", why);
    put_queues(port->guest, json);
    put_counters(port, json);
    return json;
}
