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

#ifndef IOVTEE_NIC_STOP_H
#define IOVTEE_NIC_STOP_H 1

/* Taking guests' buffers back from a NIC, if need be by a restart of the whole
 * device: iovtee_nic_detach() of nic.h, and what the rest of the NIC needs of
 * it.  For callers who hold the NIC's mutex. */

#include "nic/nic-private.h"

void iovtee_nic_detach__(struct iovtee_nic *, const unsigned long *rxqs);
void iovtee_nic_restart(struct iovtee_nic *);
void iovtee_nic_leave_stopped(struct iovtee_nic *);

#endif /* nic-stop.h */
