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

#ifndef IOVTEE_NIC_RXQ_H
#define IOVTEE_NIC_RXQ_H 1

/* The receive queues of a NIC: where their buffers come from, receiving, and
 * taking a guest's buffers back from a single one.  iovtee_nic_attach(),
 * iovtee_nic_recv() and iovtee_nic_get_rxq_info() of nic.h are here.
 *
 * Taking back is in two steps, both with the NIC's mutex and the queue's gate
 * held: nic_rxq_revoke(), after which the queue is either without guest
 * buffers or 'stuck', and, as soon as it is not stuck any more,
 * nic_rxq_let_go().  What is done with queues that are stuck is in
 * nic-stop.c. */

#include "nic/nic-private.h"

uint32_t nic_rxq_n_guest(const struct nic_rxq *);
void nic_rxq_revoke(struct nic_rxq *);
void nic_rxq_let_go(struct nic_rxq *);
void nic_rxq_restarted(struct nic_rxq *);
void nic_rxq_destroy(struct nic_rxq *);
int nic_rxqs_set_up(struct iovtee_nic *);

#endif /* nic-rxq.h */
