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
