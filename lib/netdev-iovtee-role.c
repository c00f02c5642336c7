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

/* What the two roles have in common.  See netdev-iovtee-role.h. */

#include <config.h>

#include "netdev-iovtee-role.h"

#include <errno.h>

#include "nic/nic.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(netdev_iovtee_role);

struct netdev_iovtee_global netdev_iovtee_global;

/* A lower netdev that is to be closed, and the NIC that its driver may use
 * until then.  A netdev is destroyed under the lock that closing another one
 * takes. */
struct deferred_close {
    struct ovs_list node;       /* In 'deferred'. */
    struct netdev *netdev;
    struct iovtee_nic *nic;
};

static struct ovs_mutex deferred_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list deferred OVS_GUARDED_BY(deferred_mutex)
    = OVS_LIST_INITIALIZER(&deferred);

extern __typeof__(netdev_open) __real_netdev_open, __wrap_netdev_open;

struct netdev_iovtee *
netdev_iovtee_cast(const struct netdev *netdev)
{
    ovs_assert(netdev->netdev_class == netdev_iovtee_global.class);
    return CONTAINER_OF(netdev, struct netdev_iovtee, up);
}

/* Calls 'cb' with 'aux' for the port called 'name' or, if that is NULL, for
 * every port, in the order of their names, save for those that were never
 * configured.  Returns false if there is no port 'name'.  Main thread only. */
bool
netdev_iovtee_foreach(const char *name, netdev_iovtee_cb *cb, void *aux)
{
    struct shash ports = SHASH_INITIALIZER(&ports);
    const struct shash_node **nodes;
    bool found = !name;

    netdev_get_devices(netdev_iovtee_global.class, &ports);
    nodes = shash_sort(&ports);
    for (size_t i = 0; i < shash_count(&ports); i++) {
        struct netdev *netdev = nodes[i]->data;
        struct netdev_iovtee *dev = netdev_iovtee_cast(netdev);

        if (dev->role && (!name || !strcmp(name, netdev_get_name(netdev)))) {
            cb(dev, aux);
            found = true;
        }
        netdev_close(netdev);
    }
    free(nodes);
    shash_destroy(&ports);
    return found;
}

/* Returns what of the configuration of 'dev', which works, is not in effect,
 * or NULL.  The caller frees it. */
char *
netdev_iovtee_problem(const struct netdev_iovtee *dev)
{
    if (dev->problem) {
        return xstrdup(dev->problem);
    }
    return dev->role && dev->role->remark ? dev->role->remark(dev) : NULL;
}

/* Makes 'problem', a sentence that the netdev takes over, what the status says
 * of the configuration of 'dev', which goes on as it is.  NULL if all is
 * well. */
void
netdev_iovtee_set_problem(struct netdev_iovtee *dev, char *problem)
{
    if (!nullable_string_is_equal(problem, dev->problem)) {
        if (problem) {
            VLOG_WARN("%s: %s", netdev_get_name(&dev->up), problem);
        }
        netdev_change_seq_changed(&dev->up);
    }
    free(dev->problem);
    dev->problem = problem;
}

/* Returns a sentence if 'args' has a key that is not among the 'n' in 'known',
 * otherwise NULL.  The caller frees it. */
char *
netdev_iovtee_unknown_option(const struct smap *args,
                             const char *const known[], size_t n)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, args) {
        size_t i = 0;

        while (i < n && strcmp(node->key, known[i])) {
            i++;
        }
        if (i >= n) {
            return xasprintf("option '%s' is not known and has no effect",
                             node->key);
        }
    }
    return NULL;
}

/* Has 'netdev' closed, and then 'nic' destroyed, when that is possible, which
 * is before any other netdev is opened. */
void
netdev_iovtee_defer_close(struct netdev *netdev, struct iovtee_nic *nic)
{
    struct deferred_close *dc = xmalloc(sizeof *dc);

    dc->netdev = netdev;
    dc->nic = nic;
    ovs_mutex_lock(&deferred_mutex);
    ovs_list_push_back(&deferred, &dc->node);
    ovs_mutex_unlock(&deferred_mutex);
}

/* Closes what netdev_iovtee_defer_close() was called for. */
void
netdev_iovtee_close_deferred(void)
{
    struct ovs_list list = OVS_LIST_INITIALIZER(&list);
    struct deferred_close *dc;

    ovs_mutex_lock(&deferred_mutex);
    ovs_list_push_back_all(&list, &deferred);
    ovs_mutex_unlock(&deferred_mutex);

    LIST_FOR_EACH_POP (dc, node, &list) {
        netdev_close(dc->netdev);
        iovtee_nic_destroy(dc->nic);
        free(dc);
    }
}

/* Is there a NIC port that has a lower netdev of name 'name' and 'type'?  All
 * who open such ones are the main thread. */
static bool
is_lower(const char *name, const char *type)
{
    const size_t suffix_len = strlen(IOVTEE_LOWER_SUFFIX);
    const size_t len = strlen(name);
    struct netdev *upper;
    bool found = false;
    char *base;

    if (nullable_string_is_equal(type, "dpdk") && len > suffix_len
        && !strcmp(name + len - suffix_len, IOVTEE_LOWER_SUFFIX)) {
        base = xmemdup0(name, len - suffix_len);
        upper = netdev_from_name(base);
        if (upper && upper->netdev_class == netdev_iovtee_global.class) {
            found = netdev_iovtee_cast(upper)->lower != NULL;
        }
        netdev_close(upper);
        free(base);
    }
    return found;
}

/* Every call of netdev_open() outside of netdev.c comes here, so that a device
 * whose port was just deleted can be opened again at once, whatever the type
 * of its new port is, and that no port shares the device of another one whose
 * lower netdev has its name. */
int
__wrap_netdev_open(const char *name, const char *type,
                   struct netdev **netdevp)
{
    netdev_iovtee_close_deferred();
    if (is_lower(name, type)) {
        *netdevp = NULL;
        return EEXIST;
    }
    return __real_netdev_open(name, type, netdevp);
}
