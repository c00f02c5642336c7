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

#ifndef IOVTEE_EXPLANATION_H
#define IOVTEE_EXPLANATION_H 1

/* Explanation: what has to be so, and what is
 * ===========================================
 *
 * A list of conditions, in the order in which to look at them, each with what
 * was found, what should be and what to do about it, as text for people or as
 * JSON for programs.  It knows nothing of ports:
 *
 *     struct iovtee_explanation e;
 *
 *     iovtee_explanation_init(&e, "vm0", "guest");
 *     c = iovtee_explanation_add(&e, "peer", IOVTEE_UNFULFILLED);
 *     c->found = xstrdup("none");
 *     ...
 *     iovtee_explanation_format(&e, &s);
 *     iovtee_explanation_destroy(&e);
 *
 * For one thread at a time. */

#include <stddef.h>

struct ds;
struct json;

enum iovtee_verdict {
    IOVTEE_FULFILLED,           /* As it should be. */
    IOVTEE_UNFULFILLED,         /* Packets are copied for this reason. */
    IOVTEE_IMPROVABLE,          /* It works, but better is possible. */
    IOVTEE_UNKNOWN,             /* Not to be told yet. */
};

struct iovtee_condition {
    const char *name;           /* Constant, for programs and people. */
    enum iovtee_verdict verdict;
    char *found;                /* What is so... */
    char *wanted;               /* ...what should be, or NULL... */
    char *remedy;               /* ...and the command that mends it, or what to
                                 * do, or NULL. */
};

struct iovtee_explanation {
    char *subject;              /* What is explained: name of a port, or
                                 * "host"... */
    const char *kind;           /* ...and what that is. */
    char *summary;              /* In a few words, or NULL. */
    struct iovtee_condition *conditions;
    size_t n, n_allocated;
};

void iovtee_explanation_init(struct iovtee_explanation *, const char *subject,
                             const char *kind);
void iovtee_explanation_destroy(struct iovtee_explanation *);

struct iovtee_condition *iovtee_explanation_add(struct iovtee_explanation *,
                                                const char *name,
                                                enum iovtee_verdict);

void iovtee_explanation_format(const struct iovtee_explanation *, struct ds *);
struct json *iovtee_explanation_to_json(const struct iovtee_explanation *);

#endif /* iovtee-explanation.h */
