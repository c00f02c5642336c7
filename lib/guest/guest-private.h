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

#ifndef IOVTEE_GUEST_PRIVATE_H
#define IOVTEE_GUEST_PRIVATE_H 1

/* What the parts of a guest port offer to each other:
 *
 *    guest.c               the data path, and opening and closing
 *    guest-rings.c         how queues come and go */

#include "guest/guest.h"

/* The running receive queues of a guest. */
struct iovtee_rxvq_map {
    unsigned int n;
    struct iovtee_rxvq *vqs[];  /* One reference each. */
};

/* guest-rescue.c. */
void iovtee_guest_charge__(struct iovtee_guest *);

/* guest-rings.c. */
extern const struct iovtee_session_ops iovtee_guest_session_ops__;

#endif /* guest-private.h */
