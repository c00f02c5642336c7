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

#ifndef IOVTEE_NIC_FETCH_H
#define IOVTEE_NIC_FETCH_H 1

/* Fetching sent frames back from NICs, for the sake of the memory that they
 * lie in: that of a guest that is gone stays mapped until the last one is
 * home, and a NIC that has nothing else to send may keep it for ever.
 *
 * For the main thread only, except as noted. */

#include <stdint.h>

#include "queue/txvq.h"

const char *iovtee_nic_name_of_port(uint16_t port_id);
void iovtee_nic_fetch(uint16_t port_id, uint16_t txq, long long int age);

/* What was done to get frames of a guest back that runs. */
enum iovtee_nic_rescue {
    IOVTEE_NIC_RESCUE_LATER,    /* Nothing that others notice. */
    IOVTEE_NIC_RESCUE_DONE,     /* The queue was stopped. */
    IOVTEE_NIC_RESCUE_FAILED,   /* That is not possible, or of no use: nothing
                                 * must be lent to this NIC any more. */
};

enum iovtee_nic_rescue iovtee_nic_rescue(uint16_t port_id, uint16_t txq,
                                         long long int now,
                                         long long int age);

/* For any thread. */
void iovtee_nic_take_back(uint16_t port_id, uint16_t txq,
                          enum iovtee_txvq_fetch_step);

/* For PMD threads. */
void iovtee_nic_try_to_ask(uint16_t port_id, uint16_t txq);

#endif /* nic-fetch.h */
