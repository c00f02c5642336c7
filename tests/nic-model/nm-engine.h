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

#ifndef NM_ENGINE_H
#define NM_ENGINE_H 1

/* The engine: the hardware of all devices
 * =======================================
 *
 * One thread of its own, not known to EAL, that exists while there are
 * devices.  It reads and writes frames only through the addresses that the
 * driver has posted.  It also plays guests, see nm-guest.h.  Whenever there
 * was nothing to do it yields its processor, which it may have to share with
 * guests that are processes.
 *
 * nm_engine_call() runs a function between two rounds of this thread.  That is
 * how everybody else changes what belongs to the engine, and why none of that
 * needs another lock.  In particular, a queue that nm_engine_rxq_stop() has
 * stopped is not written to any more. */

#include <stdbool.h>
#include <stdint.h>

struct nm_dev;
struct nm_guest;
struct nm_rxq;
struct nm_txq;

/* Devices in the order of their appearance; the engine's. */
bool nm_engine_add(struct nm_dev *, int cpu);
void nm_engine_remove(struct nm_dev *);
void nm_engine_call(void (*)(void *), void *);

/* Guests that it plays; by nm_engine_call(). */
void nm_engine_add_guest(struct nm_guest *);
void nm_engine_remove_guest(struct nm_guest *);

void nm_engine_rxq_start(struct nm_rxq *);
void nm_engine_rxq_stop(struct nm_rxq *);
void nm_engine_txq_start(struct nm_txq *);
void nm_engine_txq_stop(struct nm_txq *);

uint64_t nm_us_to_tsc(uint64_t us);

/* How often the engine did something, and how often not. */
void nm_engine_get_rounds(uint64_t *busy, uint64_t *idle);

/* Stays awake when there is nothing to do for long.  Default is to sleep a
 * little then, 50 us at a time. */
void nm_engine_set_awake(bool);

#endif /* nm-engine.h */
