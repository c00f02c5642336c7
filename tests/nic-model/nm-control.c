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

#define _GNU_SOURCE

#include "nm-control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_log.h>

#include "nm-dev.h"
#include "nm-guest.h"

#define MAX_CLIENTS 8
#define LINE_LEN 2048
#define ANSWER_LEN 8192

struct client {
    int fd;                     /* -1 for none. */
    size_t n;                   /* Bytes in 'line'. */
    bool pending;               /* The first line was not answered yet. */
    char line[LINE_LEN];
};

static struct {
    bool exists;
    pthread_t thread;
    struct sockaddr_un addr;
    int listener;
    int wake;                   /* eventfd, readable when to stop. */
    struct client clients[MAX_CLIENTS];
} control;

static void
client_close(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    client->n = 0;
    client->pending = false;
}

/* Executes the first line of 'client', if it is complete.  Returns true if it
 * was answered. */
static bool
client_execute(struct client *client)
{
    char *end = memchr(client->line, '\n', client->n);
    char line[LINE_LEN], answer[ANSWER_LEN];
    size_t len, n;

    if (!end) {
        return false;
    }
    len = end - client->line;
    memcpy(line, client->line, len);
    line[len] = '\0';
    if (!nm_command(line, client->pending, answer, sizeof answer - 1)) {
        client->pending = true;
        return false;
    }
    client->pending = false;
    client->n -= len + 1;
    memmove(client->line, end + 1, client->n);

    n = strlen(answer);
    answer[n++] = '\n';
    if (send(client->fd, answer, n, MSG_NOSIGNAL) != n) {
        client_close(client);
    }
    return client->fd >= 0;
}

static void
client_receive(struct client *client)
{
    ssize_t n = recv(client->fd, client->line + client->n,
                     sizeof client->line - client->n, MSG_DONTWAIT);

    if (n > 0) {
        client->n += n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)
               || client->n == sizeof client->line) {
        client_close(client);
    }
}

static void
accept_client(void)
{
    int fd = accept4(control.listener, NULL, NULL, SOCK_CLOEXEC);

    for (int i = 0; i < MAX_CLIENTS && fd >= 0; i++) {
        if (control.clients[i].fd < 0) {
            control.clients[i].fd = fd;
            fd = -1;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void *
control_main(void *aux)
{
    for (;;) {
        struct pollfd pfds[MAX_CLIENTS + 2] = {
            { .fd = control.wake, .events = POLLIN },
            { .fd = control.listener, .events = POLLIN },
        };
        bool pending = false;
        int timeout;

        for (int i = 0; i < MAX_CLIENTS; i++) {
            struct client *client = &control.clients[i];

            while (client->fd >= 0 && client_execute(client)) {
                continue;
            }
            pfds[i + 2].fd = client->fd;
            pfds[i + 2].events = POLLIN;
            pending |= client->pending;
        }
        timeout = nm_command_run();
        poll(pfds, MAX_CLIENTS + 2, pending ? 1 : timeout);
        if (pfds[0].revents) {
            return aux;
        }
        for (int i = 0; i < MAX_CLIENTS; i++) {
            if (pfds[i + 2].revents) {
                client_receive(&control.clients[i]);
            }
        }
        if (pfds[1].revents) {
            accept_client();
        }
    }
}

static bool
open_socket(const char *path)
{
    control.addr.sun_family = AF_UNIX;
    snprintf(control.addr.sun_path, sizeof control.addr.sun_path, "%s", path);
    control.wake = eventfd(0, EFD_CLOEXEC);
    control.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    if (strlen(path) < sizeof control.addr.sun_path
        && control.wake >= 0 && control.listener >= 0
        && !bind(control.listener, (struct sockaddr *) &control.addr,
                 sizeof control.addr)
        && !listen(control.listener, MAX_CLIENTS)) {
        return true;
    }
    nm_log(RTE_LOG_ERR, "%s: %s", path, strerror(errno));
    close(control.listener);
    close(control.wake);
    return false;
}

/* Serves a socket at 'path'.  Returns true if successful, or if that one is
 * served already. */
bool
nm_control_start(const char *path)
{
    sigset_t all, old;
    int error;

    if (control.exists) {
        return !strcmp(control.addr.sun_path, path);
    }
    if (!open_socket(path)) {
        return false;
    }
    for (int i = 0; i < MAX_CLIENTS; i++) {
        control.clients[i].fd = -1;
        control.clients[i].n = 0;
        control.clients[i].pending = false;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    error = pthread_create(&control.thread, NULL, control_main, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        close(control.listener);
        close(control.wake);
        return false;
    }
    pthread_setname_np(control.thread, "nicmodel-ctl");
    control.exists = true;
    return true;
}

/* Ends the service, if there is one. */
void
nm_control_stop(void)
{
    const uint64_t one = 1;

    if (!control.exists) {
        return;
    }
    if (write(control.wake, &one, sizeof one) != sizeof one) {
        return;
    }
    pthread_join(control.thread, NULL);
    nm_guests_destroy();
    for (int i = 0; i < MAX_CLIENTS; i++) {
        if (control.clients[i].fd >= 0) {
            client_close(&control.clients[i]);
        }
    }
    unlink(control.addr.sun_path);
    close(control.listener);
    close(control.wake);
    control.exists = false;
}
