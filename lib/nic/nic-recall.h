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

#ifndef IOVTEE_NIC_RECALL_H
#define IOVTEE_NIC_RECALL_H 1

/* Getting frames back that were lent to a NIC to be sent
 * ======================================================
 *
 * Most drivers free a sent mbuf when others are sent, so the last ones of a
 * burst stay with the NIC.  Some can be asked for them.  All others have to be
 * made to give them back: by a stop of the transmit queue, for a moment.
 *
 * iovtee_nic_rescue() of nic-fetch.h is here.  For callers who hold the NIC's
 * mutex. */

#include <stdbool.h>
#include <stdint.h>

#include "nic/nic-private.h"

const char *nic_recall_why_not(struct iovtee_nic *);
bool nic_recall_by_stop(struct iovtee_nic *, uint16_t txq);

#endif /* nic-recall.h */
