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

/* Where in a guest's buffers the NIC of a receive queue is to put frames: see
 * queue/shift.h.
 *
 * Nothing here reads guest memory.  Where a frame began, and where it begins
 * now, is in its shell and in 'bufs', which are private.  A guest that
 * rewrites the tags of its frames can make flows treat them in another way,
 * and so have its own ones copied, but it cannot have anything be written
 * outside of its buffers: vq_lend() puts no frame where it does not fit. */

#include <config.h>

#include "queue/rxvq.h"

#include <rte_mbuf.h>

#include "util.h"

/* Returns by how many bytes a frame is to begin later than right behind the
 * virtio header in buffers that are posted as part of 'loan'. */
int
iovtee_rxvq_aim(const struct iovtee_rxvq *vq, const struct iovtee_loan *loan)
{
    int shift = vq->shift.now;

    return (int) vq->hdr_len + shift >= (int) loan->front ? shift : 0;
}

/* Returns the shift that a frame would have needed that was to begin at
 * 'start' in its buffer, and before which more was pushed than there was room
 * for: at least the least that is more. */
static int
shift_of_pushed(int start)
{
    return start - start % IOVTEE_SHIFT_STEP + IOVTEE_SHIFT_STEP;
}

/* Has 'packet', which is about to be copied, vote for where the NIC should put
 * such frames.  So do frames of the peer in buffers of the host, as there may
 * be no others for now. */
void
iovtee_rxvq_vote(struct iovtee_rxvq *vq, const struct dp_packet *packet)
{
    const struct rte_mbuf *mbuf = &packet->mbuf;
    uint32_t peer_port_id;
    int shift;

    atomic_read_relaxed(&vq->peer_port_id, &peer_port_id);
    if (iovtee_rxvq_is_own(vq, packet)) {
        const struct iovtee_buf *buf
            = &vq->bufs[iovtee_rxvq_head(vq, packet)];
        int start = vq->hdr_len + buf->shift;

        shift = (mbuf->buf_addr == buf->va ? start - mbuf->data_off
                 : shift_of_pushed(start));
    } else if (packet->source == DPBUF_DPDK && mbuf->port == peer_port_id
               && !(mbuf->ol_flags & RTE_MBUF_F_EXTERNAL)) {
        shift = RTE_PKTMBUF_HEADROOM - mbuf->data_off;
    } else {
        return;
    }
    iovtee_shift_vote(&vq->shift, shift);
}
