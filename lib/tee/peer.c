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

/* What a user asks for as peer: a NIC, and some of its receive queues.  For
 * the main thread.  Next: tee.c, which decides who gets what he asked for. */

#include <config.h>

#include "tee/peer.h"

#include <errno.h>
#include <string.h>

#include "bitmap.h"
#include "nic/nic.h"
#include "util.h"

/* Initializes '*peer' with NIC port 'nic', NULL for none, and those of its
 * receive queues that are listed in 'rxqs', NULL for all.  'exposes' says
 * whether the NIC may be shared with guests that are let, too.
 *
 * Returns 0 if successful.  Otherwise returns a positive errno value, stores a
 * sentence in '*errp', which the caller frees, and there is nothing to
 * destroy. */
int
iovtee_peer_parse(const char *nic, const char *rxqs, bool exposes,
                  struct iovtee_peer *peer, char **errp)
{
    char *copy, *next, *token;
    int error = 0;

    memset(peer, 0, sizeof *peer);
    if (!rxqs) {
        peer->nic = nullable_xstrdup(nic);
        peer->exposes = nic && exposes;
        return 0;
    }
    if (!nic) {
        *errp = xstrdup("peer-rxq is of no use without peer");
        return EINVAL;
    }

    peer->claim = bitmap_allocate(IOVTEE_NIC_MAX_RXQS);
    next = copy = xstrdup(rxqs);
    while ((token = strsep(&next, ",")) && !error) {
        unsigned int rxq;

        if (!str_to_uint(token, 10, &rxq) || rxq >= IOVTEE_NIC_MAX_RXQS) {
            *errp = xasprintf("peer-rxq '%s' is not a comma-separated list of "
                              "receive queues", rxqs);
            error = EINVAL;
        } else {
            bitmap_set1(peer->claim, rxq);
        }
    }
    free(copy);
    if (error) {
        iovtee_peer_destroy(peer);
    } else {
        peer->nic = xstrdup(nic);
        peer->rxqs = xstrdup(rxqs);
        peer->exposes = exposes;
    }
    return error;
}

void
iovtee_peer_clone(struct iovtee_peer *dst, const struct iovtee_peer *src)
{
    dst->nic = nullable_xstrdup(src->nic);
    dst->rxqs = nullable_xstrdup(src->rxqs);
    dst->exposes = src->exposes;
    dst->claim = (src->claim
                  ? bitmap_clone(src->claim, IOVTEE_NIC_MAX_RXQS) : NULL);
}

/* Moves '*src' to '*dst', of which the old value is destroyed. */
void
iovtee_peer_move(struct iovtee_peer *dst, struct iovtee_peer *src)
{
    iovtee_peer_destroy(dst);
    *dst = *src;
    memset(src, 0, sizeof *src);
}

/* Destroys '*peer', which is no NIC at all from then on. */
void
iovtee_peer_destroy(struct iovtee_peer *peer)
{
    free(peer->nic);
    free(peer->rxqs);
    bitmap_free(peer->claim);
    memset(peer, 0, sizeof *peer);
}

/* Did the user say the same? */
bool
iovtee_peer_equals(const struct iovtee_peer *a, const struct iovtee_peer *b)
{
    return nullable_string_is_equal(a->nic, b->nic)
           && nullable_string_is_equal(a->rxqs, b->rxqs)
           && a->exposes == b->exposes;
}

bool
iovtee_peer_claims(const struct iovtee_peer *peer, size_t rxq)
{
    return peer->nic && (!peer->claim || bitmap_is_set(peer->claim, rxq));
}

/* Returns true if not both can be had.  Stores a receive queue in '*rxq' that
 * both claim or, if there is none, SIZE_MAX: they would share a NIC of which
 * nothing sorts the frames by destination, so that each guest could read
 * frames of the other, and not both are meant to. */
bool
iovtee_peers_collide(const struct iovtee_peer *a, const struct iovtee_peer *b,
                     size_t *rxq)
{
    if (!a->nic || !nullable_string_is_equal(a->nic, b->nic)) {
        return false;
    }
    for (size_t i = 0; i < IOVTEE_NIC_MAX_RXQS; i++) {
        if (iovtee_peer_claims(a, i) && iovtee_peer_claims(b, i)) {
            *rxq = i;
            return true;
        }
    }
    *rxq = SIZE_MAX;
    return !(a->exposes && b->exposes);
}
