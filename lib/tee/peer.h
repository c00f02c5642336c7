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

#ifndef IOVTEE_PEER_H
#define IOVTEE_PEER_H 1

/* A peer: which NIC, and which of its receive queues, a guest port asks for
 * =========================================================================
 *
 * Just a value, without threads or life of its own.  Zeroed, it is no NIC at
 * all. */

#include <stdbool.h>
#include <stddef.h>

struct iovtee_peer {
    char *nic;                  /* Name of the NIC port, or NULL for none. */
    char *rxqs;                 /* The claim as the user wrote it, or NULL. */
    unsigned long *claim;       /* Bitmap of IOVTEE_NIC_MAX_RXQS, or NULL for
                                 * all. */
    bool exposes;               /* May other guests have the other queues,
                                 * though nothing sorts frames? */
};

int iovtee_peer_parse(const char *nic, const char *rxqs, bool exposes,
                      struct iovtee_peer *, char **errp);
void iovtee_peer_clone(struct iovtee_peer *dst, const struct iovtee_peer *src);
void iovtee_peer_move(struct iovtee_peer *dst, struct iovtee_peer *src);
void iovtee_peer_destroy(struct iovtee_peer *);

bool iovtee_peer_equals(const struct iovtee_peer *,
                        const struct iovtee_peer *);
bool iovtee_peer_claims(const struct iovtee_peer *, size_t rxq);
bool iovtee_peers_collide(const struct iovtee_peer *,
                          const struct iovtee_peer *, size_t *rxq);

#endif /* peer.h */
