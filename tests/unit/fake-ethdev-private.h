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

#ifndef TESTS_FAKE_ETHDEV_PRIVATE_H
#define TESTS_FAKE_ETHDEV_PRIVATE_H 1

/* What fake-ethdev.c, which has the receive queues and the device as a whole,
 * wants of fake-ethdev-tx.c, which has the transmit queues. */

#include "fake-ethdev.h"

struct dp_packet_batch;

void fake_tx_init(const struct fake_driver *, struct fake_counts *);
void fake_tx_set_up(void);
void fake_tx_start(void);
void fake_tx_stop(void);
void fake_tx_close(void);
int fake_tx_send(struct netdev *, int qid, struct dp_packet_batch *,
                 bool concurrent_txq);

#endif /* tests/unit/fake-ethdev-private.h */
