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

/* A list of conditions as text and as JSON.  Main thread.  Next:
 * netdev-iovtee-explain.c, which conditions there are. */

#include <config.h>

#include "iovtee-explanation.h"

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"

static const char *verdict_mark(enum iovtee_verdict);
static const char *verdict_name(enum iovtee_verdict);

void
iovtee_explanation_init(struct iovtee_explanation *e, const char *subject,
                        const char *kind)
{
    *e = (struct iovtee_explanation) {
        .subject = xstrdup(subject),
        .kind = kind,
    };
}

void
iovtee_explanation_destroy(struct iovtee_explanation *e)
{
    for (size_t i = 0; i < e->n; i++) {
        free(e->conditions[i].found);
        free(e->conditions[i].wanted);
        free(e->conditions[i].remedy);
    }
    free(e->conditions);
    free(e->summary);
    free(e->subject);
}

/* Returns a new condition at the end of 'e', which the caller fills in at
 * once: it may move when the next one comes. */
struct iovtee_condition *
iovtee_explanation_add(struct iovtee_explanation *e, const char *name,
                       enum iovtee_verdict verdict)
{
    struct iovtee_condition *c;

    if (e->n >= e->n_allocated) {
        e->conditions = x2nrealloc(e->conditions, &e->n_allocated,
                                   sizeof *e->conditions);
    }
    c = &e->conditions[e->n++];
    *c = (struct iovtee_condition) { .name = name, .verdict = verdict };
    return c;
}

/* Appends 'e' to 's' for people. */
void
iovtee_explanation_format(const struct iovtee_explanation *e, struct ds *s)
{
    ds_put_format(s, "%s: %s%s%s\n", e->subject, e->kind,
                  e->summary ? ", " : "", e->summary ? e->summary : "");
    for (size_t i = 0; i < e->n; i++) {
        const struct iovtee_condition *c = &e->conditions[i];

        ds_put_format(s, "  [%s] %s: %s\n", verdict_mark(c->verdict), c->name,
                      c->found ? c->found : "unknown");
        if (c->wanted && c->verdict != IOVTEE_FULFILLED) {
            ds_put_format(s, "         should be: %s\n", c->wanted);
        }
        if (c->remedy && c->verdict != IOVTEE_FULFILLED) {
            ds_put_format(s, "         try: %s\n", c->remedy);
        }
    }
}

/* Returns 'e' for programs.  The schema is in iovtee-unixctl.man. */
struct json *
iovtee_explanation_to_json(const struct iovtee_explanation *e)
{
    struct json *conditions = json_array_create_empty();
    struct json *json = json_object_create();

    json_object_put_string(json, "subject", e->subject);
    json_object_put_string(json, "kind", e->kind);
    if (e->summary) {
        json_object_put_string(json, "summary", e->summary);
    }
    for (size_t i = 0; i < e->n; i++) {
        const struct iovtee_condition *c = &e->conditions[i];
        struct json *condition = json_object_create();

        json_object_put_string(condition, "name", c->name);
        json_object_put_string(condition, "verdict",
                               verdict_name(c->verdict));
        if (c->found) {
            json_object_put_string(condition, "found", c->found);
        }
        if (c->wanted) {
            json_object_put_string(condition, "wanted", c->wanted);
        }
        if (c->remedy) {
            json_object_put_string(condition, "remedy", c->remedy);
        }
        json_array_add(conditions, condition);
    }
    json_object_put(json, "conditions", conditions);
    return json;
}

static const char *
verdict_mark(enum iovtee_verdict verdict)
{
    return (verdict == IOVTEE_FULFILLED ? " ok "
            : verdict == IOVTEE_UNFULFILLED ? " no "
            : verdict == IOVTEE_IMPROVABLE ? "hint" : " ?? ");
}

static const char *
verdict_name(enum iovtee_verdict verdict)
{
    return (verdict == IOVTEE_FULFILLED ? "fulfilled"
            : verdict == IOVTEE_UNFULFILLED ? "unfulfilled"
            : verdict == IOVTEE_IMPROVABLE ? "improvable" : "unknown");
}
