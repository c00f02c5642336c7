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

#ifndef NM_CHECK_H
#define NM_CHECK_H 1

/* Check mode: does everybody keep to the rules?
 * =============================================
 *
 * From the doorbell to the write-back of its descriptor a buffer is the
 * NIC's.  The model writes only to buffers that it has read from the ring and
 * whose queue is started, by construction.  Buffers may belong to a guest, so
 * no guards can be put around them.  Instead, with knob "check":
 *
 *    - A table holds the room [address, address + longest frame) of each
 *      buffer that is posted, in any queue of any device.  A post of what is
 *      already posted (n_double_post), or of what overlaps it (n_overlap), is
 *      noticed: it would let two frames be written to one place, or one frame
 *      be overwritten while somebody reads it.
 *
 *    - The whole room is poisoned when the descriptor is read.  This lets
 *      memory be written to that the driver had no right to offer, so that
 *      its owner notices: a posted buffer that somebody still reads, or room
 *      that ends in somebody else's buffer.
 *
 *    - The poison must be intact when a frame is about to be written there
 *      (or the queue is stopped), and after the end of the frame when the
 *      descriptor is written back.  Otherwise somebody has written to a
 *      buffer that is the NIC's: n_touched, n_beyond.
 *
 *    - A descriptor with no address or with too little room for the longest
 *      frame is n_bad_desc.
 *
 *    - A frame to be sent must be the same when it is completed as when it
 *      was read: n_tx_changed.  Otherwise its buffer was used again too
 *      early.  Needs late completion to bite (knobs tx_lazy, tx_group).
 *
 * All of these are counted, the first ones are logged, and with check=2 the
 * first one aborts.  Engine only. */

#include <stdint.h>

struct nm_rxq;
struct nm_txq;

void nm_check_posted(struct nm_rxq *, uint32_t i);
void nm_check_fill(struct nm_rxq *, uint32_t i);
void nm_check_done(struct nm_rxq *, uint32_t i);
void nm_check_stop(struct nm_rxq *);
void nm_check_tx_taken(struct nm_txq *, uint32_t i);
void nm_check_tx_done(struct nm_txq *, uint32_t i);

#endif /* nm-check.h */
