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
#include "util.h"

/* The flag, or 0 before iovtee_mark_init(). */
uint64_t iovtee_mark_flag__;

/* Likewise, of iovtee_mark_sent(). */
uint64_t iovtee_mark_sent_flag__;

/* Likewise, of iovtee_mark_set_read_only(). */
uint64_t iovtee_mark_read_only_flag__;

/* Likewise, of iovtee_mark_checksums(). */
uint64_t iovtee_mark_checked_flag__;

/* Reserves a flag.  Returns false, with 'rte_errno' set, if there is none. */
static bool
reserve(const char *name, uint64_t *flag)
{
    struct rte_mbuf_dynflag dynflag = { .flags = 0 };
    int bit;

    ovs_strlcpy(dynflag.name, name, sizeof dynflag.name);
    bit = rte_mbuf_dynflag_register(&dynflag);
    if (bit < 0) {
        return false;
    }
    *flag = UINT64_C(1) << bit;
    return true;
}

/* Reserves the flags.  Returns false, with 'rte_errno' set, if there are none:
 * then no packet may be in guest memory. */
bool
iovtee_mark_init(void)
{
    static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
    bool ok;

    ovs_mutex_lock(&mutex);
    if (!iovtee_mark_flag__) {
        uint64_t mark;

        if (reserve("iovtee_in_guest_memory", &mark)
            && reserve("iovtee_sent", &iovtee_mark_sent_flag__)
            && reserve("iovtee_read_only", &iovtee_mark_read_only_flag__)
            && reserve("iovtee_checked", &iovtee_mark_checked_flag__)) {
            iovtee_mark_flag__ = mark;
        }
    }
    ok = iovtee_mark_flag__ != 0;
    ovs_mutex_unlock(&mutex);
    return ok;
}
