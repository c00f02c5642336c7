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

#ifndef IOVTEE_BORDER_H
#define IOVTEE_BORDER_H 1

/* The border between guest memory and private memory
 * ===================================================
 *
 * A guest can rewrite a frame in its buffer while Open vSwitch looks at it.
 * Code that reads a byte twice, and counts on having seen the same, can be
 * made to crash by that.  Such code must not get to see guest memory:
 *
 *    - The *near side* of the border has what was shown not to mind: flow
 *      extraction, output, recirculation, and the actions in the table in
 *      border.c.
 *
 *    - Everything else, actions that are not known yet included, is on the
 *      *far side*.  A packet is moved to private memory before the first
 *      action of a list with such an action, and the guest's buffer goes home
 *      at once.
 *
 *    - Conntrack and upcalls get to see a copy, too, but the packet itself
 *      stays where it is: see border/twin.h.
 *
 * Packets that a guest sends from its own buffers are *read-only*
 * (queue/mark.h).  They stay there only as long as nothing is done but to find
 * a flow and to send them once, to a port that knows about them.  Before any
 * other action, and for any other port, they are moved.
 *
 * A copy can differ from what flow extraction saw a moment ago, as the guest
 * may have been faster.  So each copy is parsed anew, which gives it offsets
 * that are true.  If it is of another kind than the flow that it matched
 * (iovtee_border_is_kind()), it is dropped: the actions of that flow count on
 * headers that are not there any more.
 *
 * Where the linker diverts Open vSwitch's calls to is in border/diverted.c.
 * Other programs, such as tests, use what is here.
 *
 * Threads
 * =======
 *
 * Any.  No lock is taken, except those of a virtqueue whose buffer goes
 * home. */

#include <stdbool.h>
#include <stddef.h>

#include "dp-packet.h"
#include "openvswitch/types.h"

struct flow;
struct netdev_class;
struct nlattr;

/* Bytes around a private copy.  Headers can be pushed into those before it;
 * those behind it are zeros, for readers that are a little careless. */
#define IOVTEE_BORDER_HEADROOM 128
#define IOVTEE_BORDER_TAILROOM 64

bool iovtee_border_is_far(const struct nlattr *actions, size_t len);
bool iovtee_border_only_sends(const struct nlattr *actions, size_t len);
bool iovtee_border_any_marked(const struct dp_packet_batch *);
struct dp_packet *iovtee_border_copy(const struct dp_packet *);
void iovtee_border_describe(struct dp_packet *copy, const struct dp_packet *);
bool iovtee_border_is_kind(struct dp_packet *, const struct flow *);
void iovtee_border_move(struct dp_packet_batch *, const struct flow *);
void iovtee_border_move_read_only(struct dp_packet_batch *,
                                  const struct flow *);
struct dp_packet *iovtee_border_own(struct dp_packet *);
void iovtee_border_refuse(const struct dp_packet *);
void iovtee_border_own_batch(struct dp_packet_batch *);
void iovtee_border_trust(const struct netdev_class *);
bool iovtee_border_trusts(const struct netdev_class *);
void iovtee_border_clone(struct dp_packet_batch *dst,
                         const struct dp_packet_batch *src,
                         const struct flow *);

#endif /* border.h */
