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

/* All guests: their threads, each of which waits at a socket for the switch,
 * and commands. */

#define _GNU_SOURCE

#include "nm-guest.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_log.h>

#include "nm-control.h"
#include "nm-dev.h"
#include "nm-engine.h"
#include "nm-keys.h"
#include "nm-sink.h"
#include "nm-vhost.h"

struct server {
    struct nm_guest guest;      /* What the engine knows of. */
    struct server *next;
    pthread_t thread;
    struct sockaddr_un addr;
    int listener;
    int wake;                   /* eventfd, readable when to stop. */
};

static struct server *servers;

/* The guest's thread. */

static void
do_attach(void *guest_)
{
    struct nm_guest *guest = guest_;

    guest->connected = true;
    guest->n_connected++;
}

static void
do_detach(void *guest_)
{
    struct nm_guest *guest = guest_;

    guest->connected = false;
}

/* Plays the guest for as long as the connection 'fd' lasts. */
static void
serve(struct server *s, int fd)
{
    struct nm_guest *g = &s->guest;
    const struct nm_vhost_config config = {
        .mem_fd = g->mem_fd,
        .mem = g->mem,
        .mem_size = g->mem_size,
        .gpa = NM_GUEST_GPA,
        .mrg = g->mrg,
        .n_rings = 2,
        .rings = { &g->rings[NM_GUEST_RX].v, &g->rings[NM_GUEST_TX].v },
    };
    const char *error = nm_vhost_start(fd, s->wake, &config);
    char byte;

    if (error) {
        nm_log(RTE_LOG_ERR, "%s: %s", g->name, error);
        return;
    }
    nm_engine_call(do_attach, g);
    while (nm_vhost_wait(fd, s->wake, -1)
           && recv(fd, &byte, 1, MSG_DONTWAIT) > 0) {
        continue;
    }
    nm_engine_call(do_detach, g);
}

static void *
server_main(void *s_)
{
    struct server *s = s_;

    while (nm_vhost_wait(s->listener, s->wake, -1)) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0 && nm_guest_make_memory(&s->guest)) {
            serve(s, fd);
            nm_guest_free_memory(&s->guest);
        } else if (fd >= 0) {
            nm_log(RTE_LOG_ERR, "%s: no memory", s->guest.name);
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return NULL;
}

/* Guests come and go. */

static void
do_add(void *guest)
{
    nm_engine_add_guest(guest);
}

static void
do_remove(void *guest)
{
    nm_engine_remove_guest(guest);
}

static struct server *
find(const char *name)
{
    for (struct server *s = servers; s; s = s->next) {
        if (!strcmp(s->guest.name, name)) {
            return s;
        }
    }
    return NULL;
}

/* Frees 's', the thread of which does not run. */
static void
server_free(struct server *s)
{
    if (s->listener >= 0) {
        close(s->listener);
        unlink(s->addr.sun_path);
    }
    if (s->wake >= 0) {
        close(s->wake);
    }
    nm_sink_destroy(s->guest.sink);
    free(s);
}

static void
server_destroy(struct server *s)
{
    const uint64_t one = 1;
    struct server **p = &servers;

    while (*p != s) {
        p = &(*p)->next;
    }
    *p = s->next;
    if (write(s->wake, &one, sizeof one) == sizeof one) {
        pthread_join(s->thread, NULL);
        nm_engine_call(do_remove, &s->guest);
        server_free(s);
    }
}

void
nm_guests_destroy(void)
{
    while (servers) {
        server_destroy(servers);
    }
}

static bool
open_socket(struct server *s, const char *path)
{
    s->addr.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof s->addr.sun_path) {
        return false;
    }
    strcpy(s->addr.sun_path, path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0);
    unlink(path);
    return (s->listener >= 0
            && !bind(s->listener, (struct sockaddr *) &s->addr,
                     sizeof s->addr)
            && !listen(s->listener, 1));
}

static int
start_thread(struct server *s)
{
    sigset_t all, old;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    error = pthread_create(&s->thread, NULL, server_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!error) {
        pthread_setname_np(s->thread, "nicmodel-guest");
    }
    return error;
}

/* Commands. */

/* Fills in 's' as 'args' say, with its socket. */
static const char *
server_init(struct server *s, const char *name, char *args)
{
    uint64_t ring = 256, room = 2048, mrg = 1, huge = 1;
    char *path = NULL;
    const struct nm_key keys[] = {
        { "path", NM_STRING, &path, 0 },
        { "ring", NM_NUMBER, &ring, NM_GUEST_MAX_RING },
        { "room", NM_NUMBER, &room, NM_MAX_FRAME },
        { "mrg", NM_NUMBER, &mrg, 1 },
        { "huge", NM_NUMBER, &huge, 1 },
        { NULL, NM_NUMBER, NULL, 0 },
    };
    const char *error = nm_keys_parse(args, keys);

    s->listener = -1;
    s->wake = eventfd(0, EFD_CLOEXEC);
    s->guest.sink = nm_sink_create();
    if (error) {
        return error;
    } else if (strlen(name) >= sizeof s->guest.name || !path) {
        return "a guest needs a name and a path";
    } else if (ring < 2 || ring & (ring - 1)) {
        return "ring is a power of two";
    } else if (room < 64) {
        return "room is too small";
    } else if (s->wake < 0 || !s->guest.sink || !open_socket(s, path)) {
        return "the socket cannot be made";
    }
    strcpy(s->guest.name, name);
    s->guest.ring = ring;
    s->guest.room = room;
    s->guest.mrg = mrg;
    s->guest.huge = huge;
    return NULL;
}

static const char *
command_guest(const char *name, char *args)
{
    struct server *s;
    const char *error;

    if (find(name) || nm_dev_find(name)) {
        return "there is one of that name";
    }
    s = calloc(1, sizeof *s);
    if (!s) {
        return "out of memory";
    }
    error = server_init(s, name, args);
    if (!error) {
        nm_engine_call(do_add, &s->guest);
        if (start_thread(s)) {
            nm_engine_call(do_remove, &s->guest);
            error = "no thread";
        }
    }
    if (error) {
        server_free(s);
        return error;
    }
    s->next = servers;
    servers = s;
    return NULL;
}

struct mode_change {
    struct nm_guest *guest;
    enum nm_guest_mode mode;
};

static void
do_mode(void *change_)
{
    const struct mode_change *change = change_;

    nm_guest_set_mode(change->guest, change->mode);
}

static const char *
command_mode(struct nm_guest *guest, const char *name)
{
    static const char *const names[] = { "drop", "forward", "verify" };

    for (int i = 0; i < 3; i++) {
        if (!strcmp(name, names[i])) {
            struct mode_change change = { guest, i };

            nm_engine_call(do_mode, &change);
            return NULL;
        }
    }
    return "mode is drop, forward or verify";
}

bool
nm_guests_command(const char *verb, const char *name, char *args,
                  const char **error, char *json, size_t size)
{
    struct server *s = find(name);

    if (!strcmp(verb, "guest")) {
        *error = command_guest(name, args);
    } else if (s && !strcmp(verb, "stats")) {
        nm_report_guest(&s->guest, json, size);
    } else if (s && !strcmp(verb, "mode")) {
        *error = command_mode(&s->guest, args);
    } else if (s && !strcmp(verb, "forget")) {
        server_destroy(s);
    } else {
        return false;
    }
    return true;
}
