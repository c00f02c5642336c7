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

/* QoS and ingress policing of a guest port: the users' settings, of which
 * policer.c makes policers.  For the main thread, but for what PMD threads
 * run; see qos.h. */

#include <config.h>

#include "guest/qos.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/vlog.h"
#include "smap.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(iovtee_qos);

/* Burst of ingress policing if the user does not say, in kilobits. */
enum { DEFAULT_BURST = 8000 };

/* Name of the QoS type that each type of policer implements. */
static const char *const type_names[] = {
    [IOVTEE_POLICER_SINGLE] = "egress-policer",
    [IOVTEE_POLICER_TRTCM] = "trtcm-policer",
};

/* Iteration over the queues of a port. */
struct queue_dump {
    uint32_t *ids;              /* Of all of the queues at the beginning. */
    size_t n;                   /* Number of elements in 'ids'. */
    size_t next;                /* Index in 'ids'. */
};

static void set_ingress(struct iovtee_qos *, struct iovtee_policer *);
static void set_egress(struct iovtee_qos *, struct iovtee_policer *);
static struct iovtee_policer *get_egress(const struct iovtee_qos *);
static struct iovtee_policer *get_trtcm(const struct iovtee_qos *);
static void rates_from_smap(enum iovtee_policer_type, const struct smap *,
                            struct iovtee_policer_rates *);
static void rates_to_smap(enum iovtee_policer_type,
                          const struct iovtee_policer_rates *, struct smap *);
static int parse_type(const char *, enum iovtee_policer_type *);

/* Initializes 'qos' for a port of name 'port_name', with nothing
 * configured. */
void
iovtee_qos_init(struct iovtee_qos *qos, const char *port_name)
{
    qos->port_name = xstrdup(port_name);
    qos->policing_rate = 0;
    qos->policing_burst = 0;
    ovsrcu_init(&qos->ingress, NULL);
    ovsrcu_init(&qos->egress, NULL);
}

/* Frees what belongs to 'qos', but not 'qos'. */
void
iovtee_qos_destroy(struct iovtee_qos *qos)
{
    set_ingress(qos, NULL);
    set_egress(qos, NULL);
    free(qos->port_name);
    qos->port_name = NULL;
}

/* Sets the rate and burst of what may come from the guest, in kilobits per
 * second and kilobits.  A 'kbits_rate' of 0 means no limit, and a
 * 'kbits_burst' of 0 the default one.  Returns 0 or a positive errno value. */
int
iovtee_qos_set_policing(struct iovtee_qos *qos, uint32_t kbits_rate,
                        uint32_t kbits_burst)
{
    struct iovtee_policer *policer = NULL;

    if (!kbits_rate) {
        kbits_burst = 0;
    } else if (!kbits_burst) {
        kbits_burst = DEFAULT_BURST;
    }
    if (qos->policing_rate == kbits_rate
        && qos->policing_burst == kbits_burst) {
        /* A new policer would come with a full bucket. */
        return 0;
    }

    if (kbits_rate) {
        struct iovtee_policer_rates rates = {
            .cir = kbits_rate * (1000ULL / 8),
            .cbs = kbits_burst * (1000ULL / 8),
        };
        int error = iovtee_policer_create(IOVTEE_POLICER_SINGLE, &rates,
                                          &policer);

        if (error) {
            VLOG_ERR("%s: could not create meter for ingress policing: %s",
                     qos->port_name, ovs_strerror(error));
            return error;
        }
    }
    set_ingress(qos, policer);
    qos->policing_rate = kbits_rate;
    qos->policing_burst = kbits_burst;
    return 0;
}

/* Adds the names of all QoS types to 'types'. */
int
iovtee_qos_get_types(struct sset *types)
{
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
        sset_add(types, type_names[i]);
    }
    return 0;
}

/* Stores the type of the QoS in effect in '*typep', the empty string if there
 * is none, and adds its configuration to 'details'. */
int
iovtee_qos_get(const struct iovtee_qos *qos, const char **typep,
               struct smap *details)
{
    const struct iovtee_policer *policer = get_egress(qos);

    if (policer) {
        enum iovtee_policer_type type = iovtee_policer_get_type(policer);

        *typep = type_names[type];
        rates_to_smap(type, iovtee_policer_get_rates(policer), details);
    } else {
        *typep = "";
    }
    return 0;
}

/* Makes 'type_name' with the configuration in 'details' the QoS in effect,
 * without queues if that is a change, or turns QoS off if 'type_name' is NULL
 * or empty.  Returns 0 if successful, EOPNOTSUPP if there is no such type, or
 * EINVAL if 'details' has no meaning for it. */
int
iovtee_qos_set(struct iovtee_qos *qos, const char *type_name,
               const struct smap *details)
{
    const struct iovtee_policer *old = get_egress(qos);
    struct iovtee_policer_rates rates;
    enum iovtee_policer_type type;
    struct iovtee_policer *new;
    int error;

    if (!type_name || !type_name[0]) {
        set_egress(qos, NULL);
        return 0;
    }

    error = parse_type(type_name, &type);
    if (!error) {
        rates_from_smap(type, details, &rates);
        if (old && iovtee_policer_get_type(old) == type
            && iovtee_policer_rates_equal(iovtee_policer_get_rates(old),
                                          &rates)) {
            return 0;
        }
        error = iovtee_policer_create(type, &rates, &new);
        if (error) {
            VLOG_ERR("Could not create rte meter for %s", type_name);
        }
    }
    if (error) {
        VLOG_ERR("Failed to set QoS type %s on port %s: %s",
                 type_name, qos->port_name, ovs_strerror(error));
        return error;
    }
    set_egress(qos, new);
    return 0;
}

/* Adds the configuration of queue 'queue_id' to 'details'.  Returns 0 if
 * successful, EOPNOTSUPP if the QoS in effect has no queues, or EINVAL if it
 * has not this one. */
int
iovtee_qos_get_queue(const struct iovtee_qos *qos, uint32_t queue_id,
                     struct smap *details)
{
    const struct iovtee_policer *policer = get_trtcm(qos);
    const struct iovtee_policer_rates *rates;

    if (!policer) {
        return EOPNOTSUPP;
    }
    rates = iovtee_policer_get_queue(policer, queue_id);
    if (!rates) {
        return EINVAL;
    }
    rates_to_smap(IOVTEE_POLICER_TRTCM, rates, details);
    return 0;
}

/* Adds or changes queue 'queue_id' according to 'details'; empty ones mean for
 * queue 0 the configuration of the port.  Returns 0 if successful, EOPNOTSUPP
 * if the QoS in effect has no queues, or EINVAL if 'details' has no
 * meaning. */
int
iovtee_qos_set_queue(struct iovtee_qos *qos, uint32_t queue_id,
                     const struct smap *details)
{
    struct iovtee_policer *policer = get_trtcm(qos);
    struct iovtee_policer_rates rates;
    int error;

    if (!policer) {
        return EOPNOTSUPP;
    }

    if (!queue_id && smap_is_empty(details)) {
        rates = *iovtee_policer_get_rates(policer);
    } else {
        rates_from_smap(IOVTEE_POLICER_TRTCM, details, &rates);
    }
    error = iovtee_policer_set_queue(policer, queue_id, &rates);
    if (error) {
        VLOG_ERR("Failed to set QoS queue %"PRIu32" on port %s: %s",
                 queue_id, qos->port_name, ovs_strerror(error));
    }
    return error;
}

/* Removes queue 'queue_id', if it exists.  Returns 0, or EOPNOTSUPP if the QoS
 * in effect has no queues. */
int
iovtee_qos_delete_queue(struct iovtee_qos *qos, uint32_t queue_id)
{
    struct iovtee_policer *policer = get_trtcm(qos);

    if (!policer) {
        return EOPNOTSUPP;
    }
    iovtee_policer_delete_queue(policer, queue_id);
    return 0;
}

/* Stores the statistics of queue 'queue_id' in '*stats'.  Returns 0 if
 * successful, EOPNOTSUPP if the QoS in effect has no queues, or EINVAL if it
 * has not this one. */
int
iovtee_qos_get_queue_stats(const struct iovtee_qos *qos, uint32_t queue_id,
                           struct netdev_queue_stats *stats)
{
    struct iovtee_policer *policer = get_trtcm(qos);

    return (policer
            ? iovtee_policer_get_queue_stats(policer, queue_id, stats)
            : EOPNOTSUPP);
}

/* Begins an iteration over the queues, which may change meanwhile, and stores
 * its state in '*statep'.  Returns 0, or EOPNOTSUPP if the QoS in effect has
 * no queues. */
int
iovtee_qos_queue_dump_start(const struct iovtee_qos *qos, void **statep)
{
    const struct iovtee_policer *policer = get_trtcm(qos);
    struct queue_dump *dump;

    if (!policer) {
        return EOPNOTSUPP;
    }
    *statep = dump = xzalloc(sizeof *dump);
    dump->n = iovtee_policer_list_queues(policer, &dump->ids);
    return 0;
}

/* Stores the next queue of the iteration 'state' in '*queue_idp' and adds its
 * configuration to 'details'.  Returns 0, or EOF at the end. */
int
iovtee_qos_queue_dump_next(const struct iovtee_qos *qos, void *state,
                           uint32_t *queue_idp, struct smap *details)
{
    struct queue_dump *dump = state;

    while (dump->next < dump->n) {
        uint32_t queue_id = dump->ids[dump->next++];

        if (!iovtee_qos_get_queue(qos, queue_id, details)) {
            *queue_idp = queue_id;
            return 0;
        }
    }
    return EOF;
}

/* Ends the iteration 'state'. */
int
iovtee_qos_queue_dump_done(const struct iovtee_qos *qos OVS_UNUSED,
                           void *state)
{
    struct queue_dump *dump = state;

    free(dump->ids);
    free(dump);
    return 0;
}

/* Makes 'new', which may be NULL, the policer of what comes from the guest. */
static void
set_ingress(struct iovtee_qos *qos, struct iovtee_policer *new)
{
    struct iovtee_policer *old
        = ovsrcu_get_protected(struct iovtee_policer *, &qos->ingress);

    ovsrcu_set(&qos->ingress, new);
    iovtee_policer_retire(old);
}

/* Makes 'new', which may be NULL, the policer of what goes to the guest. */
static void
set_egress(struct iovtee_qos *qos, struct iovtee_policer *new)
{
    struct iovtee_policer *old = get_egress(qos);

    ovsrcu_set(&qos->egress, new);
    iovtee_policer_retire(old);
}

/* Returns the policer of what goes to the guest, or NULL. */
static struct iovtee_policer *
get_egress(const struct iovtee_qos *qos)
{
    return ovsrcu_get_protected(struct iovtee_policer *, &qos->egress);
}

/* Returns the policer of what goes to the guest if that has queues, otherwise
 * NULL. */
static struct iovtee_policer *
get_trtcm(const struct iovtee_qos *qos)
{
    struct iovtee_policer *policer = get_egress(qos);

    return (policer
            && iovtee_policer_get_type(policer) == IOVTEE_POLICER_TRTCM
            ? policer : NULL);
}

/* Reads the options of 'type' from 'details'.  A missing one is 0. */
static void
rates_from_smap(enum iovtee_policer_type type, const struct smap *details,
                struct iovtee_policer_rates *rates)
{
    bool two_rates = type == IOVTEE_POLICER_TRTCM;

    rates->cir = smap_get_ullong(details, "cir", 0);
    rates->cbs = smap_get_ullong(details, "cbs", 0);
    rates->eir = two_rates ? smap_get_ullong(details, "eir", 0) : 0;
    rates->ebs = two_rates ? smap_get_ullong(details, "ebs", 0) : 0;
}

static void
rates_to_smap(enum iovtee_policer_type type,
              const struct iovtee_policer_rates *rates, struct smap *details)
{
    smap_add_format(details, "cir", "%"PRIu64, rates->cir);
    smap_add_format(details, "cbs", "%"PRIu64, rates->cbs);
    if (type == IOVTEE_POLICER_TRTCM) {
        smap_add_format(details, "eir", "%"PRIu64, rates->eir);
        smap_add_format(details, "ebs", "%"PRIu64, rates->ebs);
    }
}

/* Stores in '*type' the type of policer for QoS type 'name'.  Returns 0 or
 * EOPNOTSUPP. */
static int
parse_type(const char *name, enum iovtee_policer_type *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
        if (!strcmp(name, type_names[i])) {
            *type = i;
            return 0;
        }
    }
    return EOPNOTSUPP;
}
