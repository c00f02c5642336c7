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

#include "nm-control.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nm-dev.h"
#include "nm-engine.h"
#include "nm-guest.h"
#include "nm-keys.h"
#include "nm-knobs.h"
#include "nm-sink.h"
#include "nm-source.h"

/* A call of the engine. */
struct call {
    struct nm_dev *dev;
    char *args;
    const char *error;          /* NULL for success. */
    uint64_t count, ms;
    bool result;
};

static uint64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000) + ts.tv_nsec / 1000000;
}

static void
do_source(void *call_)
{
    struct call *call = call_;

    call->error = nm_source_configure(call->dev, call->args);
}

static void
do_sink(void *call_)
{
    struct call *call = call_;

    call->error = nm_sink_configure(call->dev, call->args);
}

static void
do_knob(void *call_)
{
    struct call *call = call_;

    call->error = nm_knobs_set(call->dev, call->args);
}

static void
do_clear(void *call_)
{
    struct call *call = call_;

    nm_sink_reset(call->dev->sink);
}

static void
do_start(void *call_)
{
    struct call *call = call_;

    if (!call->dev->source->n_sizes) {
        call->error = "the source was not described";
    } else {
        nm_source_start(call->dev, call->count, call->ms);
    }
}

static void
do_stop(void *call_)
{
    struct call *call = call_;

    nm_source_stop(call->dev->source);
}

/* Is there nothing left that the device would do without the driver? */
static void
do_is_quiet(void *call_)
{
    struct call *call = call_;
    const struct nm_dev *dev = call->dev;

    call->result = !dev->source->running;
    for (unsigned int i = 0; i < dev->n_live; i++) {
        const struct nm_rxq *rxq = dev->live_rxqs[i];
        const struct nm_txq *txq = dev->live_txqs[i];

        call->result &= !rxq || rxq->filled == rxq->written;
        call->result &= (!txq || (nm_load(&txq->tail) == txq->taken
                                  && (dev->knobs.tx_lazy || dev->knobs.tx_unit
                                      || txq->completed == txq->taken)));
    }
}

static void
command_start(struct call *call)
{
    const struct nm_key keys[] = {
        { "count", NM_NUMBER, &call->count, UINT64_MAX - 1 },
        { "ms", NM_NUMBER, &call->ms, 86400000 },
        { NULL, NM_NUMBER, NULL, 0 },
    };

    call->error = nm_keys_parse(call->args, keys);
    if (!call->error) {
        nm_engine_call(do_start, call);
    }
}

/* Returns true if there is an answer. */
static bool
command_wait(struct call *call, bool again)
{
    static uint64_t since;
    const struct nm_key keys[] = {
        { "ms", NM_NUMBER, &call->ms, 86400000 },
        { NULL, NM_NUMBER, NULL, 0 },
    };

    if (!again) {
        since = now_ms();
    }
    call->ms = 10000;
    call->error = nm_keys_parse(call->args, keys);
    if (!call->error) {
        nm_engine_call(do_is_quiet, call);
        if (!call->result && now_ms() - since < call->ms) {
            return false;
        }
        call->error = call->result ? NULL : "timeout";
    }
    return true;
}

static void
command_link(struct call *call)
{
    bool up = !strcmp(call->args, "up");

    if (!up && strcmp(call->args, "down")) {
        call->error = "link is up or down";
    } else {
        nm_dev_set_carrier(call->dev, up);
    }
}

/* Executes 'name' for a device.  Returns true if there is an answer. */
static bool
command_dev(const char *name, struct call *call, bool again, char *json,
            size_t size)
{
    if (!strcmp(name, "source")) {
        nm_engine_call(do_source, call);
    } else if (!strcmp(name, "sink")) {
        nm_engine_call(do_sink, call);
    } else if (!strcmp(name, "knob")) {
        nm_engine_call(do_knob, call);
    } else if (!strcmp(name, "clear")) {
        nm_engine_call(do_clear, call);
    } else if (!strcmp(name, "start")) {
        command_start(call);
    } else if (!strcmp(name, "stop")) {
        nm_engine_call(do_stop, call);
    } else if (!strcmp(name, "wait")) {
        return command_wait(call, again);
    } else if (!strcmp(name, "stats")) {
        nm_report_stats(call->dev, json, size);
    } else if (!strcmp(name, "latency")) {
        nm_report_latency(call->dev, json, size);
    } else if (!strcmp(name, "link")) {
        command_link(call);
    } else if (!strcmp(name, "reset")) {
        nm_dev_want_reset(call->dev);
    } else {
        call->error = "unknown command";
    }
    return true;
}

static void
command_devices(char *json, size_t size)
{
    size_t n = snprintf(json, size, "[");

    for (unsigned int i = 0; nm_dev_by_index(i) && n < size; i++) {
        n += snprintf(json + n, size - n, "%s\"%s\"", i ? ", " : "",
                      nm_dev_by_index(i)->name);
    }
    if (n < size) {
        snprintf(json + n, size - n, "]");
    }
}

bool
nm_command(char *line, bool again, char *answer, size_t size)
{
    static char json[8000];
    char *save, empty[1] = "";
    char *name = strtok_r(line, " \t\r", &save);
    char *dev = strtok_r(NULL, " \t\r", &save);
    char *rest = strtok_r(NULL, "\r", &save);
    struct call call = { .args = rest ? rest : empty };
    bool done = true;

    json[0] = '\0';
    nm_lock();
    if (name && !strcmp(name, "devices")) {
        command_devices(json, sizeof json);
    } else if (name && dev && !strcmp(name, "awake")) {
        nm_engine_set_awake(atoi(dev));
    } else if (name && dev
               && nm_guests_command(name, dev, call.args, &call.error, json,
                                    sizeof json)) {
        /* All is said. */
    } else {
        call.dev = dev ? nm_dev_find(dev) : NULL;
        if (!name || !call.dev) {
            call.error = "no such device";
        } else {
            done = command_dev(name, &call, again, json, sizeof json);
        }
    }
    if (done && call.error) {
        snprintf(answer, size, "error %s", call.error);
    } else if (done) {
        snprintf(answer, size, "ok%s%s", json[0] ? " " : "", json);
    }
    nm_unlock();
    return done;
}

/* Lets links flap that shall. */
int
nm_command_run(void)
{
    static uint64_t last[NM_MAX_DEVS];
    uint64_t now = now_ms();
    int timeout = -1;

    nm_lock();
    for (unsigned int i = 0; i < NM_MAX_DEVS && nm_dev_by_index(i); i++) {
        struct nm_dev *dev = nm_dev_by_index(i);
        uint32_t ms = dev->knobs.flap_ms;

        if (ms) {
            if (now - last[i] >= ms) {
                last[i] = now;
                nm_dev_set_carrier(dev, !dev->carrier);
            }
            timeout = timeout < 0 || ms < timeout ? ms : timeout;
        }
    }
    nm_unlock();
    return timeout;
}
