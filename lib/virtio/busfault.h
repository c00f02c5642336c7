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

#ifndef IOVTEE_BUSFAULT_H
#define IOVTEE_BUSFAULT_H 1

/* Files that shrink
 * =================
 *
 * Whoever shares a file with us can truncate it later, and the kernel sends
 * SIGBUS to the thread that reads or writes a page which the file has lost.
 * Without this module that ends the process, and with it the switch of all
 * other guests.
 *
 * A mapping that is guarded is replaced by zeros, as a whole, at the first
 * such access, which then goes on.  What is written to it is lost.  The
 * mapping's owner learns of it from a flag.  Nobody else's memory is touched:
 * any other SIGBUS, but what a thread has told to expect, goes where it went
 * before iovtee_busfault_init().
 *
 * Whoever handles SIGBUS for himself meanwhile gets these, too.  DPDK does
 * while it takes a hugepage from the kernel.
 *
 * Life cycle
 * ==========
 *
 * iovtee_busfault_init() comes first, while there are no other threads that
 * could change how SIGBUS is handled.  A mapping is guarded after it was made
 * and until before it is unmapped.  It must not be unmapped while any thread
 * uses it, but that goes for each mapping.
 *
 * Threads must not block SIGBUS, or the kernel ends the process.
 *
 * Thread-safety
 * =============
 *
 * Any thread may call anything at any time, but for iovtee_busfault_init().
 *
 * This module is pure: it knows neither DPDK nor Open vSwitch state, and it
 * does not log. */

#include <stdbool.h>
#include <stddef.h>

/* At most this many mappings can be guarded at a time. */
#define IOVTEE_BUSFAULT_MAX 4096

int iovtee_busfault_init(void);
bool iovtee_busfault_guard(void *base, size_t size, bool *lost);
void iovtee_busfault_unguard(void *base);
bool iovtee_busfault_is_guarded(const void *);
void iovtee_busfault_expect(bool expect);

#endif /* busfault.h */
