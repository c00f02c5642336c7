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

/* Commands of ovs-appctl.  See iovtee-unixctl.man. */

#include <config.h>

#include "iovtee-unixctl.h"

#include "netdev-iovtee.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"

static void
iovtee_show(struct unixctl_conn *conn, int argc, const char *argv[],
            void *aux OVS_UNUSED)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    struct ds s = DS_EMPTY_INITIALIZER;

    if (netdev_iovtee_show(name, &s) || !name) {
        unixctl_command_reply(conn, ds_cstr(&s));
    } else {
        ds_put_format(&s, "%s: no such port of type iovtee", name);
        unixctl_command_reply_error(conn, ds_cstr(&s));
    }
    ds_destroy(&s);
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

void
iovtee_unixctl_init(void)
{
    unixctl_command_register("iovtee/show", "[port]", 0, 1, iovtee_show,
                             NULL);
    unixctl_command_register("iovtee/check", "", 0, 0, iovtee_check, NULL);
}
