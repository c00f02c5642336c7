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

/* The mark's bit.  A dynamic flag is one that neither drivers nor Open vSwitch
 * give a meaning to, and that nothing but allocation takes off. */

#include <config.h>

#include "queue/mark.h"

#include <rte_errno.h>
#include <rte_mbuf_dyn.h>

#include "ovs-thread.h"

/* The flag, or 0 before iovtee_mark_init(). */
uint64_t iovtee_mark_flag__;

/* Likewise, of iovtee_mark_sent(). */
uint64_t iovtee_mark_sent_flag__;

/* Likewise, of iovtee_mark_set_read_only(). */
uint64_t iovtee_mark_read_only_flag__;

/* Reserves the flags.  Returns false, with 'rte_errno' set, if there are none:
 * then no packet may be in guest memory. */
bool
iovtee_mark_init(void)
{
    static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
    static const struct rte_mbuf_dynflag flag = {
        .name = "iovtee_in_guest_memory",
    };
    static const struct rte_mbuf_dynflag sent_flag = { .name = "iovtee_sent" };
    static const struct rte_mbuf_dynflag read_only_flag = {
        .name = "iovtee_read_only",
    };
    bool ok;

    ovs_mutex_lock(&mutex);
    if (!iovtee_mark_flag__) {
        int bit = rte_mbuf_dynflag_register(&flag);
        int sent_bit = rte_mbuf_dynflag_register(&sent_flag);
        int read_only_bit = rte_mbuf_dynflag_register(&read_only_flag);

        if (bit >= 0 && sent_bit >= 0 && read_only_bit >= 0) {
            iovtee_mark_sent_flag__ = UINT64_C(1) << sent_bit;
            iovtee_mark_read_only_flag__ = UINT64_C(1) << read_only_bit;
            iovtee_mark_flag__ = UINT64_C(1) << bit;
        }
    }
    ok = iovtee_mark_flag__ != 0;
    ovs_mutex_unlock(&mutex);
    return ok;
}
