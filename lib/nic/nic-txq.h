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

#ifndef IOVTEE_NIC_TXQ_H
#define IOVTEE_NIC_TXQ_H 1

/* The transmit queues of a NIC: sending, and when the mbufs that were sent
 * come back.  iovtee_nic_send(), iovtee_nic_set_tx_early() and
 * iovtee_nic_tx_early_text() of nic.h are here.
 *
 * For callers who hold the NIC's mutex. */

#include "nic/nic-private.h"

void nic_txqs_resize(struct iovtee_nic *, unsigned int n_txq);
void nic_txqs_destroy(struct iovtee_nic *);
void nic_txqs_learn(struct iovtee_nic *);
bool nic_txqs_want_set_up(struct iovtee_nic *);
int nic_txqs_set_up(struct iovtee_nic *);
bool nic_txqs_can_be_asked(struct iovtee_nic *);
void nic_txq_try_to_ask(struct iovtee_nic *, uint16_t id);
void nic_txq_ask_for_all(struct iovtee_nic *, uint16_t id);
int nic_txq_stop_start(struct iovtee_nic *, uint16_t id);

#endif /* nic-txq.h */
