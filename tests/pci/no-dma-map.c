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

/* To be preloaded into a switch that shall forget to map guest memory for DMA,
 * without noticing: whatever the NIC writes there is a fault. */

#include <stddef.h>
#include <stdint.h>

struct rte_device;

int rte_dev_dma_map(struct rte_device *, void *, uint64_t, size_t);
int rte_vfio_container_dma_unmap(int, uint64_t, uint64_t, uint64_t);

int
rte_dev_dma_map(struct rte_device *dev, void *va, uint64_t iova, size_t size)
{
    (void) dev, (void) va, (void) iova, (void) size;
    return 0;
}

int
rte_vfio_container_dma_unmap(int fd, uint64_t va, uint64_t iova, uint64_t size)
{
    (void) fd, (void) va, (void) iova, (void) size;
    return 0;
}
