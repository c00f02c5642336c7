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

#ifndef NM_TX_H
#define NM_TX_H 1

/* The device's transmit side: reads frames that the driver has posted, hands
 * each to the sink and to the other end of the wire, and completes descriptors
 * when the knobs say so.  Engine only. */

#include <stdint.h>

struct nm_txq;

unsigned int nm_tx_run(struct nm_txq *, uint64_t now);

#endif /* nm-tx.h */
