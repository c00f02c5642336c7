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

#ifndef IOVTEE_NIC_DRIVER_H
#define IOVTEE_NIC_DRIVER_H 1

/* What a NIC's driver does with buffers, as far as it is known: may it be
 * given those of a guest, and how much does it write into one?
 *
 * Called by the main thread, with the NIC's mutex held. */

#include "nic/nic-private.h"

void iovtee_nic_learn(struct iovtee_nic *);
uint32_t iovtee_nic_longest_frame(const struct iovtee_nic *);
uint32_t iovtee_nic_front(const struct iovtee_nic *);

#endif /* nic-driver.h */
