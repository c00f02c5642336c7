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


#ifndef IOVTEE_READER_H
#define IOVTEE_READER_H 1

/* Which NIC may read what a guest sends where it is
 * =================================================
 *
 * The running transmit queues of a guest.  For each of them the NIC, if there
 * is one and the user wants that, is told to the queue, once the guest's
 * memory is mapped for it.
 *
 * Thread-safety: none, the owner serializes access.  A queue is taken out
 * before it goes. */

#include <stdbool.h>

#include "session/session.h"

struct iovtee_nic;
struct iovtee_txvq;

struct iovtee_reader {
    bool enabled;               /* Does the user want that? */
    struct iovtee_txvq *vqs[IOVTEE_SESSION_MAX_QUEUES];
};

void iovtee_reader_settle(struct iovtee_reader *, struct iovtee_nic *);
void iovtee_reader_up(struct iovtee_reader *, unsigned int q,
                      struct iovtee_txvq *, struct iovtee_nic *);
void iovtee_reader_down(struct iovtee_reader *, unsigned int q);

#endif /* reader.h */
