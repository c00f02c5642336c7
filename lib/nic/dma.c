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

/* DPDK wants memory that it did not allocate to be registered, by whole pages,
 * before it is mapped for a device.  All devices that zero-copy is possible
 * with are in VFIO's default container and share its mappings, so memory is
 * mapped once, by way of the first device that wants it.  It is unmapped in
 * the container, as that device may be gone by then. */

#include <config.h>

#include "nic/dma.h"

#include <errno.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_vfio.h>

#include "openvswitch/list.h"
#include "openvswitch/thread.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"
#include "virtio/guestmem.h"

VLOG_DEFINE_THIS_MODULE(iovtee_dma);

/* 'mem' is mapped. */
struct dma_mapping {
    struct ovs_list node;       /* In 'mappings'. */
    struct iovtee_guestmem *mem; /* Not referenced: see release_cb(). */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list mappings OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&mappings);

static struct dma_mapping *find_mapping(const struct iovtee_guestmem *)
    OVS_REQUIRES(mutex);
static int register_mem(struct iovtee_guestmem *) OVS_REQUIRES(mutex);
static void unregister_mem(struct iovtee_guestmem *, size_t n)
    OVS_REQUIRES(mutex);
static int map(struct rte_device *, struct iovtee_guestmem *)
    OVS_REQUIRES(mutex);
static void unmap(struct iovtee_guestmem *, size_t n) OVS_REQUIRES(mutex);
static void release_cb(struct iovtee_guestmem *, void *aux);

/* Makes all of 'mem' accessible to 'dev' at I/O addresses equal to the virtual
 * ones, until 'mem' is freed.  Returns 0 if successful or if it already is,
 * otherwise a positive errno value, in which case nothing is mapped. */
int
iovtee_dma_map(struct rte_device *dev, struct iovtee_guestmem *mem)
{
    int error = 0;

    ovs_mutex_lock(&mutex);
    if (!find_mapping(mem)) {
        error = iovtee_guestmem_is_lost(mem) ? ENXIO : register_mem(mem);
        if (!error) {
            error = map(dev, mem);
        }
        if (!error) {
            struct dma_mapping *mapping = xmalloc(sizeof *mapping);

            mapping->mem = mem;
            ovs_list_push_back(&mappings, &mapping->node);
            iovtee_guestmem_on_release(mem, release_cb, NULL);
        }
    }
    ovs_mutex_unlock(&mutex);
    return error;
}

/* Returns the mapping of 'mem', or NULL. */
static struct dma_mapping *
find_mapping(const struct iovtee_guestmem *mem)
{
    struct dma_mapping *mapping;

    LIST_FOR_EACH (mapping, node, &mappings) {
        if (mapping->mem == mem) {
            return mapping;
        }
    }
    return NULL;
}

/* Stores in '*va' and '*size' the whole pages that region 'i' of 'mem' is in:
 * that much of the file is mapped in any case. */
static void
region_pages(const struct iovtee_guestmem *mem, size_t i, void **va,
             size_t *size)
{
    const struct iovtee_guestmem_mapping *r = iovtee_guestmem_region(mem, i);
    uintptr_t start = (uintptr_t) r->va;

    *va = (void *) ROUND_DOWN(start, r->page_size);
    *size = ROUND_UP(start + r->size, r->page_size) - (uintptr_t) *va;
}

static int
register_mem(struct iovtee_guestmem *mem)
{
    for (size_t i = 0; i < iovtee_guestmem_n_regions(mem); i++) {
        const struct iovtee_guestmem_mapping *r
            = iovtee_guestmem_region(mem, i);
        size_t size;
        void *va;

        region_pages(mem, i, &va, &size);
        if (rte_extmem_register(va, size, NULL, 0, r->page_size) < 0) {
            int error = rte_errno ? rte_errno : EIO;

            unregister_mem(mem, i);
            return error;
        }
    }
    return 0;
}

/* Undoes the registration of the first 'n' regions of 'mem'. */
static void
unregister_mem(struct iovtee_guestmem *mem, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t size;
        void *va;

        region_pages(mem, i, &va, &size);
        if (rte_extmem_unregister(va, size) < 0) {
            VLOG_WARN("guest memory at %p stays registered with DPDK (%s)",
                      va, rte_strerror(rte_errno));
        }
    }
}

/* Maps 'mem', which is registered.  If that fails, undoes the registration. */
static int
map(struct rte_device *dev, struct iovtee_guestmem *mem)
{
    for (size_t i = 0; i < iovtee_guestmem_n_regions(mem); i++) {
        size_t size;
        void *va;

        region_pages(mem, i, &va, &size);
        rte_errno = errno = 0;
        if (rte_dev_dma_map(dev, va, (uintptr_t) va, size) < 0) {
            /* What the kernel said is only in errno. */
            int error = rte_errno ? rte_errno : errno ? errno : EIO;

            unmap(mem, i);
            unregister_mem(mem, iovtee_guestmem_n_regions(mem));
            return error;
        }
    }
    return 0;
}

/* Undoes the mapping of the first 'n' regions of 'mem'.
 *
 * If no device is left in the container then the kernel has undone it, but
 * DPDK would map the same addresses again for the next device, whatever is
 * there then.  It forgets about them if the kernel refuses to unmap and
 * 'rte_errno' is ENODEV, but leaves it to the caller to have that so. */
static void
unmap(struct iovtee_guestmem *mem, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t size;
        void *va;

        region_pages(mem, i, &va, &size);
        rte_errno = ENODEV;
        if (rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD,
                                         (uintptr_t) va, (uintptr_t) va,
                                         size) < 0) {
            VLOG_WARN("guest memory at %p stays mapped for DMA (%s)",
                      va, rte_strerror(rte_errno));
        }
    }
}

/* 'mem' is about to be unmapped. */
static void
release_cb(struct iovtee_guestmem *mem, void *aux OVS_UNUSED)
{
    struct dma_mapping *mapping;

    ovs_mutex_lock(&mutex);
    mapping = find_mapping(mem);
    if (mapping) {
        ovs_list_remove(&mapping->node);
        free(mapping);
        unmap(mem, iovtee_guestmem_n_regions(mem));
        unregister_mem(mem, iovtee_guestmem_n_regions(mem));
    }
    ovs_mutex_unlock(&mutex);
}
