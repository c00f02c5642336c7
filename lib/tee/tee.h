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

#ifndef IOVTEE_TEE_H
#define IOVTEE_TEE_H 1

/* The tee: which guest lends its buffers to which NIC
 * ===================================================
 *
 * A registry of the NICs and of the guest ports, both by name, and of the
 * peer that each guest port asks for.  Whenever something comes, goes or
 * changes, the guest's running receive queues are coupled with the peer's
 * receive queues, and with those alone that the guest port claims:
 *
 *      claimed receive queue of the NIC, in order:     0   1   2   3
 *                                                      |   |   |   |
 *      running receive queue of the guest:             0   1   0   1
 *
 * What the user wants and what is in effect are kept apart.  A peer that does
 * not exist, or that serves another guest, is waited for; meanwhile a peer
 * that was in effect stays so, unless it goes or somebody else wants it.
 *
 * The peer is also the NIC that may read what the guest sends where it is, if
 * the user wants that, by whichever of its transmit queues.
 *
 * Threads
 * =======
 *
 * Everything serializes on one mutex.  iovtee_tee_hold(),
 * iovtee_tee_release(), iovtee_tee_vq_up(), iovtee_tee_vq_down(),
 * iovtee_tee_tx_up() and iovtee_tee_tx_down() are called by vhost threads, the
 * rest by the main thread, never with a lock of OVS's or DPDK's ports held
 * that a vhost thread could want. */

#include <stdbool.h>
#include <stddef.h>

struct ds;
struct iovtee_nic;
struct iovtee_tee;
struct iovtee_rxvq;
struct iovtee_txvq;

/* A guest port.  'name' is copied. */
struct iovtee_tee *iovtee_tee_create(const char *name);
void iovtee_tee_begin(struct iovtee_tee *);
void iovtee_tee_destroy(struct iovtee_tee *);

/* What the user wants. */
int iovtee_tee_set_peer(struct iovtee_tee *, const char *peer,
                        const char *rxqs, bool exposes, char **errp);
void iovtee_tee_set_enabled(struct iovtee_tee *, bool enabled);
void iovtee_tee_set_tx_enabled(struct iovtee_tee *, bool enabled);
char *iovtee_tee_check(struct iovtee_tee *);
char *iovtee_tee_peer(struct iovtee_tee *);
char *iovtee_tee_status(struct iovtee_tee *);
void iovtee_tee_format(struct iovtee_tee *, struct ds *);

/* What comes and goes. */
void iovtee_tee_nic_add(struct iovtee_nic *);
void iovtee_tee_nic_changed(struct iovtee_nic *);
void iovtee_tee_nic_remove(struct iovtee_nic *);
void iovtee_tee_hold(struct iovtee_tee *);
void iovtee_tee_release(struct iovtee_tee *);
void iovtee_tee_vq_up(struct iovtee_tee *, unsigned int q,
                      struct iovtee_rxvq *);
void iovtee_tee_vq_down(struct iovtee_tee *, unsigned int q);
void iovtee_tee_tx_up(struct iovtee_tee *, unsigned int q,
                      struct iovtee_txvq *);
void iovtee_tee_tx_down(struct iovtee_tee *, unsigned int q);

/* For people: the guest that receive queue 'rxq' of NIC 'nic' is coupled with,
 * or NULL.  The caller frees it. */
char *iovtee_tee_nic_guests(const struct iovtee_nic *);
char *iovtee_tee_rxq_user(const struct iovtee_nic *, unsigned int rxq);

#endif /* tee.h */
