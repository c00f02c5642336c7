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

#ifndef IOVTEE_DMA_H
#define IOVTEE_DMA_H 1

/* DMA mappings of guest memory
 * ============================
 *
 * A NIC behind an IOMMU reaches guest memory only where it is mapped for the
 * NIC.  A mapping is made once for each map of guest memory, since the NICs
 * share it, and lasts until the map of guest memory is freed, which is when
 * the last buffer in it is home: when the NIC that it was made for goes away,
 * frames in it may still be in the transmit ring of another one.
 *
 * Mapping a large guest takes tens of milliseconds, so this is never done on a
 * PMD thread.
 *
 * Thread-safety
 * =============
 *
 * All functions may be called from any thread.  They serialize on a mutex of
 * their own. */

struct iovtee_guestmem;
struct rte_device;

int iovtee_dma_map(struct rte_device *, struct iovtee_guestmem *);

#endif /* dma.h */
