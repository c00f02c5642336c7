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

#ifndef TESTS_DOUBLEFETCH_DF_OPS_H
#define TESTS_DOUBLEFETCH_DF_OPS_H 1

/* What Open vSwitch does with a frame in guest memory
 * ===================================================
 *
 * An operation extracts the flow of a frame, as is done when it is received,
 * makes of that flow the actions that the switch could have for it, executes
 * them, and extracts the flow again, as after recirculation; up to four times.
 * After each step the packet's offsets must be within its length.  For flows
 * that Open vSwitch finds by "simple match" it parses less of the frame.
 *
 * A near operation is one that Open vSwitch's code may do in guest memory.  A
 * far one is not known to be safe there, and one to be found is known not to
 * be. */

#include <stdbool.h>
#include <stddef.h>

#include "df-frame.h"

struct dp_packet;
struct flow;
struct ofpbuf;

/* What became of an action. */
enum df_put {
    DF_NOT_PUT,                 /* The switch has no such one for the flow. */
    DF_PUT,
    DF_PUT_LAST                 /* The flow is no longer that of the packet. */
};
typedef enum df_put df_put_action(struct ofpbuf *, const struct flow *);

struct df_op {
    const char *name;
    enum df_kind kinds[4];      /* Of most frames. */
    df_put_action *actions[18]; /* One or some of them. */
    bool simple;                /* For a flow by simple match. */

    /* What is done instead with a plain frame, and what there is to
     * prepare. */
    void (*start)(void);
    void (*run)(struct dp_packet *, struct flow *);
};

extern const struct df_op df_near_ops[];
extern const size_t df_n_near_ops;
extern const struct df_op df_found_ops[];
extern const size_t df_n_found_ops;
extern const struct df_op df_far_ops[];
extern const size_t df_n_far_ops;

void df_ops_init(void);
void df_op_run(const struct df_op *, bool mutate);

/* For those that have a run() of their own. */
void df_extract(struct dp_packet *, struct flow *);

#endif /* tests/doublefetch/df-ops.h */
