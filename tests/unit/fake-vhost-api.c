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

#include "fake-vhost-private.h"


#include "unit.h"

/* The functions of librte_vhost. */

int
rte_vhost_driver_register(const char *path, uint64_t flags)
{
    for (int i = 0; i < MAX_SOCKETS; i++) {
        if (!fake_sockets[i].path) {
            fake_sockets[i] = (struct fake_socket) {
                .path = strdup(path),
                .flags = flags,
            };
            return 0;
        }
    }
    return -1;
}

int
rte_vhost_driver_unregister(const char *path)
{
    struct fake_socket *socket = fake_get_socket(path);

    if (!socket) {
        return -1;
    }
    for (int i = 0; i < MAX_DEVICES; i++) {
        if (fake_devices[i].alive && fake_devices[i].socket == socket) {
            fake_destroy_device(&fake_devices[i]);
            fake_free_device(&fake_devices[i]);
        }
    }
    free(socket->path);
    socket->path = NULL;
    return 0;
}

int
rte_vhost_driver_callback_register(
    const char *path, struct rte_vhost_device_ops const *const ops)
{
    fake_get_socket(path)->ops = ops;
    return 0;
}

int
rte_vhost_driver_disable_features(const char *path, uint64_t features)
{
    fake_get_socket(path)->disabled |= features;
    return 0;
}

int
rte_vhost_driver_enable_features(const char *path, uint64_t features)
{
    struct fake_socket *socket = fake_get_socket(path);

    if (!socket) {
        return -1;
    }
    socket->disabled &= ~features;
    return 0;
}

int
rte_vhost_driver_start(const char *path)
{
    fake_get_socket(path)->started = true;
    return 0;
}

int
rte_vhost_extern_callback_register(
    int vid, struct rte_vhost_user_extern_ops const *const ops,
    void *ctx __attribute__((__unused__)))
{
    fake_get_device(vid)->extern_ops = *ops;
    return 0;
}

int
rte_vhost_get_ifname(int vid, char *buf, size_t len)
{
    snprintf(buf, len, "%s", fake_get_device(vid)->socket->path);
    return 0;
}

int
rte_vhost_get_negotiated_features(int vid, uint64_t *features)
{
    *features = fake_get_device(vid)->features;
    return 0;
}

void
rte_vhost_log_write(int vid, uint64_t addr, uint64_t len)
{
    struct fake_device *dev = fake_get_device(vid);

    CHECK(len && addr + len > addr);
    CHECK(!dev->log_going);
    if (dev->features & FAKE_F_LOG_ALL) {
        dev->n_logged++;
        if (dev->log) {
            __atomic_fetch_or(dev->log, 1, __ATOMIC_RELAXED);
        }
    }
}

int
rte_vhost_get_numa_node(int vid)
{
    fake_get_device(vid);
    return 0;
}

int
rte_vhost_get_mtu(int vid, uint16_t *mtu)
{
    fake_get_device(vid);
    *mtu = 1500;
    return 0;
}

int
rte_vhost_get_log_base(int vid, uint64_t *base, uint64_t *size)
{
    *base = (uintptr_t) fake_get_device(vid)->log;
    *size = FAKE_LOG_SIZE;
    return 0;
}

uint16_t
rte_vhost_get_vring_num(int vid)
{
    return fake_get_device(vid)->n_vrings;
}

int
rte_vhost_get_mem_table(int vid, struct rte_vhost_memory **mem)
{
    struct fake_device *dev = fake_get_device(vid);
    size_t size;

    CHECK(dev->mem);            /* Or the real one would crash. */
    size = (sizeof *dev->mem
            + dev->mem->nregions * sizeof dev->mem->regions[0]);
    *mem = malloc(size);
    memcpy(*mem, dev->mem, size);
    return 0;
}

int
rte_vhost_get_vhost_vring(int vid, uint16_t i, struct rte_vhost_vring *vring)
{
    const struct fake_vring *vr = &fake_get_device(vid)->vrings[i];

    if (!vr->allocated) {
        return -1;
    }
    vring->desc = vr->desc;
    vring->avail = vr->avail;
    vring->used = vr->used;
    vring->callfd = vr->callfd;
    vring->kickfd = vr->kickfd;
    vring->size = vr->size;
    return 0;
}

int
rte_vhost_get_vring_base(int vid, uint16_t i, uint16_t *last_avail,
                         uint16_t *last_used)
{
    const struct fake_vring *vr = &fake_get_device(vid)->vrings[i];

    if (!vr->allocated) {
        return -1;
    }
    *last_avail = vr->last_avail;
    *last_used = vr->last_used;
    return 0;
}

int
rte_vhost_set_vring_base(int vid, uint16_t i, uint16_t last_avail,
                         uint16_t last_used)
{
    struct fake_vring *vr = &fake_get_device(vid)->vrings[i];

    if (!vr->allocated) {
        return -1;
    }
    vr->last_avail = last_avail;
    vr->last_used = last_used;
    return 0;
}

int
rte_vhost_vring_stats_get_names(int vid, uint16_t i,
                                struct rte_vhost_stat_name *names,
                                unsigned int n)
{
    fake_get_device(vid);
    if (names && n >= 2) {
        const char *prefix = i & 1 ? "rx" : "tx";

        snprintf(names[0].name, sizeof names[0].name, "%s_q%d_good_packets",
                 prefix, i / 2);
        snprintf(names[1].name, sizeof names[1].name, "%s_q%d_good_bytes",
                 prefix, i / 2);
    }
    return 2;
}

int
rte_vhost_vring_stats_get(int vid, uint16_t i, struct rte_vhost_stat *stats,
                          unsigned int n)
{
    struct fake_device *dev = fake_get_device(vid);
    bool ok;

    dev->n_asking++;
    fake_yield();
    fake_lock_access();
    ok = dev->alive && i < dev->n_vrings && dev->vrings[i].desc && n >= 2;
    if (ok) {
        stats[0] = (struct rte_vhost_stat) { .id = 0, .value = 7 };
        stats[1] = (struct rte_vhost_stat) { .id = 1, .value = 420 };
    }
    fake_unlock_access();
    dev->n_asking--;
    return ok ? 2 : -1;
}

uint16_t
rte_vhost_dequeue_burst(int vid, uint16_t i,
                        struct rte_mempool *mp __attribute__((__unused__)),
                        struct rte_mbuf **pkts __attribute__((__unused__)),
                        uint16_t n)
{
    struct fake_device *dev = fake_get_device(vid);
    uint16_t n_rx = 0;

    CHECK(i & 1);
    dev->n_dequeuing++;
    fake_n_dequeues++;
    if (!pthread_mutex_trylock(&fake_access_lock)) {
        const struct fake_vring *vr = &dev->vrings[i];

        CHECK(dev->alive);
        if (vr->enabled && vr->desc && vr->avail && vr->used) {
            n_rx = n;
        }
        pthread_mutex_unlock(&fake_access_lock);
    }
    CHECK(dev->alive);
    dev->n_dequeuing--;
    return n_rx;
}
