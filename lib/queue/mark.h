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

#ifndef IOVTEE_MARK_H
#define IOVTEE_MARK_H 1

/* Which packets lie in guest memory
 * =================================
 *
 * The guest can rewrite a frame in its own buffer at any time, so Open
 * vSwitch must know which packets those are: lib/border asks.  The mark is one
 * of the mbuf's dynamic flags.  A virtqueue sets it when the NIC has filled a
 * shell; nothing takes it off, as the shell keeps its buffer until it is home.
 * A copy has no mark, since dp_packet_clone() takes over only the flags that
 * Open vSwitch knows.  A packet whose data have moved to an external buffer
 * keeps the mark, which does not count then.
 *
 * What the NIC has found out about checksums is kept in another flag.  Actions
 * must not count on it, see iovtee_rxvq_received(), but lib/border may.
 *
 * A packet that the guest sends from its own buffer is *read-only* besides:
 * the guest has not asked anybody to write there, and may have the frame from
 * a file's page.
 *
 * Thread-safety: all of it, but iovtee_mark_init() comes first. */

#include <stdbool.h>
#include <stdint.h>

#include "compat/compat.h"
#include "dp-packet.h"

/* What lib/border does with packets in guest memory: name in counters, and
 * what it means. */
#define IOVTEE_BORDER_EVENTS                                                \
    EVENT(MOVED, "moved",                                                   \
          "moved to memory of the host for an action")                      \
    EVENT(TWIN, "twins",                                                    \
          "left in place while conntrack or an upcall had a copy")          \
    EVENT(KEPT, "twins_kept",                                               \
          "replaced by the copy, which conntrack had changed or kept")      \
    EVENT(REWRITTEN, "rewritten",                                           \
          "dropped, as the guest made it another kind of frame")

enum iovtee_border_event {
#define EVENT(ENUM, NAME, TEXT) IOVTEE_BORDER_##ENUM,
    IOVTEE_BORDER_EVENTS
#undef EVENT
    IOVTEE_N_BORDER_EVENTS
};

extern uint64_t iovtee_mark_flag__;
extern uint64_t iovtee_mark_sent_flag__;
extern uint64_t iovtee_mark_read_only_flag__;
extern uint64_t iovtee_mark_checked_flag__;

bool iovtee_mark_init(void);

static inline void
iovtee_mark_set(struct rte_mbuf *mbuf)
{
    mbuf->ol_flags |= iovtee_mark_flag__;
    mbuf->packet_type = 0;
}

/* Notes, in marked 'packet', whether the NIC has found the checksum of the
 * transport header to be right, and has Open vSwitch forget it: who changes
 * the packet keeps it right, and does not leave that to others. */
static inline void
iovtee_mark_checksums(struct dp_packet *packet)
{
    if (iovtee_packet_is_l4_csum_good(packet)) {
        packet->mbuf.ol_flags |= iovtee_mark_checked_flag__;
    }
    iovtee_packet_distrust_checksums(packet);
}

/* Is the checksum of the transport header of marked 'packet' right, unless the
 * guest has changed the packet since? */
static inline bool
iovtee_mark_is_checked(const struct dp_packet *packet)
{
    return packet->mbuf.ol_flags & iovtee_mark_checked_flag__;
}

/* Notes that there was another twin (border/twin.h) of 'packet', which is in
 * guest memory, where drivers note what they have received, which Open vSwitch
 * does not ask for. */
static inline void
iovtee_mark_twin(struct dp_packet *packet)
{
    packet->mbuf.packet_type++;
}

/* Returns how many there were since 'packet' was marked. */
static inline uint32_t
iovtee_mark_n_twins(const struct dp_packet *packet)
{
    return packet->mbuf.packet_type;
}

/* Is 'packet' a shell, wherever its bytes are? */
static inline bool
iovtee_mark_is_shell(const struct dp_packet *packet)
{
    return (packet->source == DPBUF_DPDK
            && packet->mbuf.ol_flags & iovtee_mark_flag__);
}

/* Notes that shell 'mbuf' goes to transmit queue 'txq' of DPDK port 'port_id',
 * where DPDK's own "event Tx adapter" notes that.  When a NIC fills the shell
 * again the driver sets all flags anew. */
static inline void
iovtee_mark_sent(struct rte_mbuf *mbuf, uint16_t port_id, uint16_t txq)
{
    mbuf->port = port_id;
    mbuf->hash.txadapter.txq = txq;
    mbuf->ol_flags |= iovtee_mark_sent_flag__;
}

/* The same for one that is read-only, and that is in the burst with number
 * 'burst' of that queue (iovtee_shells_begin_burst()). */
static inline void
iovtee_mark_sent_in(struct rte_mbuf *mbuf, uint16_t port_id, uint16_t txq,
                    uint32_t burst)
{
    iovtee_mark_sent(mbuf, port_id, txq);
    mbuf->hash.txadapter.reserved1 = burst;
}

/* Was shell 'mbuf' sent, and if so, where? */
static inline bool
iovtee_mark_get_sent(const struct rte_mbuf *mbuf, uint16_t *port_id,
                     uint16_t *txq)
{
    *port_id = mbuf->port;
    *txq = mbuf->hash.txadapter.txq;
    return mbuf->ol_flags & iovtee_mark_sent_flag__;
}

/* Are the bytes of 'packet' in guest memory? */
static inline bool
iovtee_mark_is_set(const struct dp_packet *packet)
{
    return (packet->source == DPBUF_DPDK
            && packet->mbuf.ol_flags & iovtee_mark_flag__
            && !(packet->mbuf.ol_flags & RTE_MBUF_F_EXTERNAL));
}

/* What becomes of a read-only packet that no NIC gets. */
enum iovtee_fate {
    IOVTEE_FATE_NONE,           /* Not known, or it is dropped. */
    IOVTEE_FATE_PORT,           /* A port got a private copy. */
    IOVTEE_FATE_GUEST,          /* It was copied into the buffer of a guest. */
    IOVTEE_FATE_REFUSED,        /* Its guest had taken it back. */
};

/* Notes the fate of read-only shell 'mbuf', which is counted when that comes
 * home.  (Whoever stops its queue may look at the same time.) */
static inline void
iovtee_mark_fate(struct rte_mbuf *mbuf, enum iovtee_fate fate)
{
    __atomic_store_n(&mbuf->hash.txadapter.reserved2, fate, __ATOMIC_RELAXED);
}

static inline enum iovtee_fate
iovtee_mark_get_fate(const struct rte_mbuf *mbuf)
{
    return __atomic_load_n(&mbuf->hash.txadapter.reserved2, __ATOMIC_RELAXED);
}

/* Makes the flags of shell 'mbuf' those of a packet in guest memory that
 * nobody may write to. */
static inline void
iovtee_mark_set_read_only(struct rte_mbuf *mbuf)
{
    mbuf->ol_flags = iovtee_mark_flag__ | iovtee_mark_read_only_flag__;
    mbuf->packet_type = 0;
    iovtee_mark_fate(mbuf, IOVTEE_FATE_NONE);
}

/* Are the bytes of 'packet' in guest memory, for nobody to write to? */
static inline bool
iovtee_mark_is_read_only(const struct dp_packet *packet)
{
    return (packet->source == DPBUF_DPDK
            && packet->mbuf.ol_flags & iovtee_mark_read_only_flag__
            && !(packet->mbuf.ol_flags & RTE_MBUF_F_EXTERNAL));
}

#endif /* mark.h */
