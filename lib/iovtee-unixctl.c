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

/* Commands of ovs-appctl: our own (iovtee-unixctl.man), and those of
 * netdev-dpdk that name a port, so that they know ours as well.  The linker
 * sends the registration of the latter here (option --wrap). */

#include <config.h>

#include "iovtee-unixctl.h"

#include <errno.h>
#include <strings.h>

#include "netdev-iovtee-explain.h"
#include "netdev-iovtee-json.h"
#include "netdev-iovtee.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"

/* What netdev-dpdk has registered. */
static unixctl_cb_func *dpdk_set_admin_state;
static unixctl_cb_func *dpdk_get_mempool_info;

void __real_unixctl_command_register(const char *name, const char *usage,
                                     int min_args, int max_args,
                                     unixctl_cb_func *, void *aux);
void __wrap_unixctl_command_register(const char *name, const char *usage,
                                     int min_args, int max_args,
                                     unixctl_cb_func *, void *aux);

/* Appends to 's' what there is to tell of the port called 'name' or, if that
 * is NULL, of all ports.  Returns false if there is no such port. */
typedef bool tell_func(const char *name, bool json, struct ds *s);

/* Replies with what 'tell' tells: "[--json] [port]" is in 'argv'. */
static void
reply_told(struct unixctl_conn *conn, int argc, const char *argv[],
           tell_func *tell)
{
    bool json = argc > 1 && !strcmp(argv[1], "--json");
    const char *name = argc > 1 + json ? argv[1 + json] : NULL;
    struct ds s = DS_EMPTY_INITIALIZER;

    if (argc > 2 && !json) {
        ds_put_format(&s, "usage: %s [--json] [port]", argv[0]);
        unixctl_command_reply_error(conn, ds_cstr(&s));
    } else if (tell(name, json, &s)) {
        unixctl_command_reply(conn, ds_cstr(&s));
    } else {
        ds_put_format(&s, "%s: no such port of type iovtee", name);
        unixctl_command_reply_error(conn, ds_cstr(&s));
    }
    ds_destroy(&s);
}

static bool
tell_ports(const char *name, bool json, struct ds *s)
{
    return (json ? netdev_iovtee_show_json(name, s)
            : netdev_iovtee_show(name, s) || !name);
}

static void
iovtee_show(struct unixctl_conn *conn, int argc, const char *argv[],
            void *aux OVS_UNUSED)
{
    reply_told(conn, argc, argv, tell_ports);
}

static void
iovtee_explain(struct unixctl_conn *conn, int argc, const char *argv[],
               void *aux OVS_UNUSED)
{
    reply_told(conn, argc, argv, netdev_iovtee_explain);
}

static void
iovtee_check(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    char *problems = netdev_iovtee_check();

    if (problems) {
        unixctl_command_reply_error(conn, problems);
    } else {
        unixctl_command_reply(conn, "balanced");
    }
    free(problems);
}

/* Has netdev-dpdk's 'cb' do what 'argv' says.  The name in 'argv[1]', if there
 * is one, may be that of a NIC port of ours. */
static void
call_dpdk(unixctl_cb_func *cb, struct unixctl_conn *conn, int argc,
          const char *argv[])
{
    char *lower = argc > 1 ? netdev_iovtee_lower_name(argv[1]) : NULL;
    const char *args[] = {
        argv[0],
        lower ? lower : argc > 1 ? argv[1] : NULL,
        argc > 2 ? argv[2] : NULL,
        NULL,
    };

    cb(conn, argc, args, NULL);
    free(lower);
}

static void
set_admin_state(struct unixctl_conn *conn, int argc, const char *argv[],
                void *aux OVS_UNUSED)
{
    const char *name = argc > 2 ? argv[1] : NULL;
    bool up = !strcasecmp(argv[argc - 1], "up");
    bool valid = up || !strcasecmp(argv[argc - 1], "down");

    if (valid && netdev_iovtee_set_up(name, up) && name) {
        unixctl_command_reply(conn, "OK");
    } else {
        call_dpdk(dpdk_set_admin_state, conn, argc, argv);
    }
}

static void
get_mempool_info(struct unixctl_conn *conn, int argc, const char *argv[],
                 void *aux OVS_UNUSED)
{
    char *reply = NULL;
    bool found = false;
    size_t size;
    FILE *stream;

    if (argc > 1) {
        stream = open_memstream(&reply, &size);
        if (!stream) {
            unixctl_command_reply_error(conn, ovs_strerror(errno));
            return;
        }
        found = netdev_iovtee_dump_pool(argv[1], stream);
        fclose(stream);
    }
    if (found) {
        unixctl_command_reply(conn, reply);
    } else {
        call_dpdk(dpdk_get_mempool_info, conn, argc, argv);
    }
    free(reply);
}

void
__wrap_unixctl_command_register(const char *name, const char *usage,
                                int min_args, int max_args,
                                unixctl_cb_func *cb, void *aux)
{
    if (!strcmp(name, "netdev-dpdk/set-admin-state")) {
        dpdk_set_admin_state = cb;
        cb = set_admin_state;
    } else if (!strcmp(name, "netdev-dpdk/get-mempool-info")) {
        dpdk_get_mempool_info = cb;
        cb = get_mempool_info;
    }
    __real_unixctl_command_register(name, usage, min_args, max_args, cb, aux);
}

void
iovtee_unixctl_init(void)
{
    unixctl_command_register("iovtee/show", "[--json] [port]", 0, 2,
                             iovtee_show, NULL);
    unixctl_command_register("iovtee/explain", "[--json] [port]", 0, 2,
                             iovtee_explain, NULL);
    unixctl_command_register("iovtee/check", "", 0, 0, iovtee_check, NULL);
}
