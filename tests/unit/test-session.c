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

/* Unit tests of lib/session, with the fake librte_vhost of fake-vhost.h. */

#include <config.h>

#include "session/session.h"

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake-vhost.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "session-fixture.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"


/* Scripts. */

static void
print_status(void)
{
    const struct smap_node **nodes;
    struct smap status = SMAP_INITIALIZER(&status);

    iovtee_session_get_status(session, &status);
    nodes = smap_sort(&status);
    for (size_t i = 0; i < smap_count(&status); i++) {
        printf("  %s=%s\n", nodes[i]->key, nodes[i]->value);
    }
    free(nodes);
    smap_destroy(&status);
    printf("  connected %d, %u queues, node %d, features %"PRIx64"\n",
           iovtee_session_is_connected(session),
           iovtee_session_n_queues(session), iovtee_session_numa_id(session),
           iovtee_session_features(session));
}

static void
print_queue(unsigned int q)
{
    printf("  queue %u: %s\n", q,
           iovtee_session_txq_enabled(session, q) ? "enabled" : "disabled");
}

/* Commands that ask, or do something on our side.  Returns false if 'cmd' is
 * none of them. */
static bool
run_own_command(const char *cmd, unsigned int a, unsigned int b)
{
    if (!strcmp(cmd, "progress")) {
        make_progress(a, b);
    } else if (!strcmp(cmd, "status")) {
        print_status();
    } else if (!strcmp(cmd, "queue")) {
        print_queue(a);
    } else if (!strcmp(cmd, "deaf")) {
        owner.deaf = true;
    } else if (!strcmp(cmd, "logged")) {
        printf("  %u writes logged\n", fake_vhost_n_logged(fe.vid));
    } else if (!strcmp(cmd, "maps")) {
        printf("  %u maps\n", count_maps());
    } else if (!strcmp(cmd, "close-all")) {
        iovtee_session_close_all();
    } else if (!strcmp(cmd, "close")) {
        iovtee_session_close(session);
        session = NULL;
        fe.vid = -1;
    } else {
        return false;
    }
    return true;
}

static bool
run_vring_command(const char *cmd, unsigned int a, unsigned int b, char c)
{
    uint32_t reply;

    if (!strcmp(cmd, "ring")) {
        send_vring_setup(a, b, 0);
        send_vring(FAKE_SET_VRING_ENABLE, a, 1, NULL);
    } else if (!strcmp(cmd, "setup")) {
        send_vring_setup(a, b, 0);
    } else if (!strcmp(cmd, "num")) {
        send_vring(FAKE_SET_VRING_NUM, a, b, NULL);
    } else if (!strcmp(cmd, "base")) {
        send_vring(FAKE_SET_VRING_BASE, a, b, NULL);
    } else if (!strcmp(cmd, "addr")) {
        send_addr(a, b);
    } else if (!strcmp(cmd, "kick")) {
        send_fd(FAKE_SET_VRING_KICK, a, c);
    } else if (!strcmp(cmd, "call")) {
        send_fd(FAKE_SET_VRING_CALL, a, c);
    } else if (!strcmp(cmd, "enable")) {
        send_vring(FAKE_SET_VRING_ENABLE, a, b, NULL);
    } else if (!strcmp(cmd, "get-base")) {
        send_vring(FAKE_GET_VRING_BASE, a, 0, &reply);
        printf("  base of %u is %"PRIu32"\n", a, reply);
    } else {
        return false;
    }
    return true;
}

/* The front-end has sent something that may have ended the connection. */
static void
check_alive(bool alive)
{
    if (!alive) {
        printf("  connection lost\n");
        fe.vid = -1;
    }
}

/* What the front-end does. */
static void
run_command(const char *cmd, unsigned int a, unsigned int b, char c)
{
    if (run_own_command(cmd, a, b) || run_vring_command(cmd, a, b, c)) {
        return;
    }
    if (!strcmp(cmd, "connect")) {
        int vid = fake_vhost_connect("vm.sock");

        if (vid < 0) {
            printf("  refused\n");
        } else {
            fe.vid = vid;
        }
    } else if (!strcmp(cmd, "disconnect")) {
        fake_vhost_disconnect(fe.vid);
        fe.vid = -1;
    } else if (!strcmp(cmd, "mem")) {
        send_mem(a, c, b);
    } else if (!strcmp(cmd, "features")) {
        send_features(FEATURES | 1ULL << a);
    } else if (!strcmp(cmd, "log-all")) {
        check_alive(send_log_all(a));
    } else if (!strcmp(cmd, "log-base")) {
        send_log_base(c, true);
    } else if (!strcmp(cmd, "rarp")) {
        send_rarp(UINT64_C(0x060504030252) + ((uint64_t) a << 48));
    } else if (!strcmp(cmd, "late")) {
        owner.late = a;
    } else if (!strcmp(cmd, "legacy")) {
        send_features(0);
    } else if (!strcmp(cmd, "inflight")) {
        check_alive(send_foreign(FAKE_GET_INFLIGHT_FD, false));
    } else if (!strcmp(cmd, "foreign")) {
        unsigned int n_fds = count_fds();

        check_alive(send_foreign(a, true));
        printf("  %u file descriptors left over\n", count_fds() - n_fds);
    } else if (!strcmp(cmd, "reset-owner")) {
        check_alive(send_vring(FAKE_RESET_OWNER, 0, 0, NULL));
    } else if (!strcmp(cmd, "avail")) {
        set_avail_idx(a, b);
    } else if (!strcmp(cmd, "used")) {
        set_used_idx(a, b);
    } else {
        ovs_fatal(0, "unknown command \"%s\"", cmd);
    }
}

/* Runs the commands on stdin, one a line, and prints each of them before what
 * it makes the owner be told.  At the end nothing may be left behind. */
static void
test_script(void)
{
    unsigned int n_fds;
    char line[128];

    make_guest_memory();
    n_fds = count_fds();
    CHECK(!open_session("vm.sock", false, false));
    while (fgets(line, sizeof line, stdin)) {
        unsigned int a = 0;
        unsigned int b = 0;
        char cmd[32] = "";
        char c = 'p';
        int n;

        n = sscanf(line, "%31s %u %u %c", cmd, &a, &b, &c);
        if (n < 2) {
            sscanf(line, "%*s %c", &c);
        } else if (n < 3) {
            sscanf(line, "%*s %*u %c", &c);
        }
        fputs(line, stdout);
        run_command(cmd, a, b, c);
    }
    iovtee_session_close(session);
    for (size_t i = 0; i < ARRAY_SIZE(owner.rings); i++) {
        CHECK(owner.rings[i].state == STOPPED);
    }
    CHECK(!count_maps());
    CHECK(count_fds() == n_fds);
    printf("%u mismatches\n", fake_vhost_n_mismatches());
}

/* A front-end that sends anything in any order. */

/* Sends something about ring 'i'.  Returns false if the connection is over. */
static bool
random_vring_message(uint32_t i)
{
    uint32_t size = unit_random_below(8) ? 1 << unit_random_below(9) : i;

    switch (unit_random_below(9)) {
    case 0:
        return send_vring(FAKE_SET_VRING_NUM, i, size, NULL);
    case 1:
        return send_vring(FAKE_SET_VRING_BASE, i, unit_random() & 0xffff,
                          NULL);
    case 2:
        return send_addr(i, unit_random_below(4)
                            ? i * VRING_STRIDE
                            : unit_random_below(3 * GUEST_SIZE));
    case 3:
        return send_fd(FAKE_SET_VRING_KICK, i, "ppnu"[unit_random_below(4)]);
    case 4:
        return send_fd(FAKE_SET_VRING_CALL, i, "pfnu"[unit_random_below(4)]);
    case 5:
    case 6:
        return send_vring(FAKE_SET_VRING_ENABLE, i, unit_random_below(4),
                          NULL);
    case 7:
        return send_vring(FAKE_GET_VRING_BASE, i, 0, NULL);
    default:
        return (send_vring_setup(i, 256, unit_random() & 0xffff)
                && (unit_random_below(2)
                    || send_vring(FAKE_SET_VRING_ENABLE, i, 1, NULL)));
    }
}

static void
random_message(void)
{
    uint32_t i = unit_random_below(2 * N_QUEUES);
    bool alive = true;

    switch (unit_random_below(16)) {
    case 0:
        alive = send_mem(1 + unit_random_below(3), "ppppolfu"[
                             unit_random_below(8)], unit_random_below(2));
        break;
    case 1:
        alive = (unit_random_below(8)
                 || send_foreign(unit_random_below(2) ? FAKE_RESET_OWNER
                                 : FAKE_GET_INFLIGHT_FD, false));
        break;
    case 2:
        alive = send_features(unit_random_below(2) ? FEATURES | FAKE_F_MQ : 0);
        break;
    case 3:
        set_used_idx(i, unit_random());
        break;
    case 4:
        make_progress(i, unit_random_below(100));
        break;
    case 5:
        alive = send_log_all(unit_random_below(2));
        break;
    case 6:
        alive = send_log_base("pvofndzs"[unit_random_below(8)],
                              unit_random_below(2));
        break;
    default:
        alive = random_vring_message(i);
        break;
    }
    if (!alive) {
        fe.vid = -1;
    }
}

/* Nothing that a front-end does makes the session tell its owner something
 * impossible, and nothing is left behind. */
static void
test_random(void)
{
    unsigned int n_started[2] = { 0, 0 };
    unsigned int n_fds;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    owner.quiet = true;
    make_guest_memory();
    n_fds = count_fds();
    CHECK(!open_session("vm.sock", false, false));
    for (int i = 0; i < 200000; i++) {
        if (fe.vid < 0) {
            fe.vid = fake_vhost_connect("vm.sock");
            send_features(FEATURES | (unit_random_below(8) ? FAKE_F_MQ : 0));
            send_mem(1, 'p', false);
        } else if (!unit_random_below(1000)) {
            fake_vhost_disconnect(fe.vid);
            fe.vid = -1;
        } else {
            random_message();
        }
        for (size_t j = 0; j < ARRAY_SIZE(owner.rings); j++) {
            CHECK(fe.vid >= 0 || owner.rings[j].state == STOPPED);
            n_started[j & 1] += owner.rings[j].state == RUNNING;
        }
    }
    iovtee_session_close(session);
    CHECK(!count_maps());
    CHECK(count_fds() == n_fds);
    CHECK(n_started[0] > 1000 && n_started[1] > 1000);
}

/* PMD threads and the main thread at work while guests come and go. */

static atomic_bool race_over = false;

static bool
is_race_over(void)
{
    bool over;

    atomic_read_relaxed(&race_over, &over);
    return over;
}

static atomic_uint n_marks = 0;

static void *
race_pmd(void *q_)
{
    unsigned int q = (uintptr_t) q_;

    while (!is_race_over()) {
        unsigned int orig;

        if (mark_ring(2 * q) | mark_ring(2 * q + 1)) {
            atomic_add(&n_marks, 1, &orig);
        }
        sched_yield();
    }
    return NULL;
}

static void *
race_main(void *aux OVS_UNUSED)
{
    while (!is_race_over()) {
        struct smap status = SMAP_INITIALIZER(&status);

        iovtee_session_get_status(session, &status);
        smap_destroy(&status);
        iovtee_session_features(session);
        sched_yield();
    }
    return NULL;
}

/* One life of a guest. */
static void
race_guest(void)
{
    unsigned int before, now;

    atomic_read(&n_marks, &before);
    fe.vid = fake_vhost_connect("vm.sock");
    send_features(FEATURES | FAKE_F_MQ);
    send_mem(1, 'p', false);
    for (uint32_t i = 0; i < 4; i++) {
        send_vring_setup(i, 256, 0);
        send_vring(FAKE_SET_VRING_ENABLE, i, 1, NULL);
    }
    CHECK(iovtee_session_is_connected(session));
    do {
        sched_yield();
        atomic_read(&n_marks, &now);
    } while (now == before);
    for (int i = 0; i < 5; i++) {
        send_fd(FAKE_SET_VRING_CALL, unit_random_below(4), 'p');
        send_log_base("pv"[unit_random_below(2)], false);
        send_log_all(!(i & 1));
        send_mem(1 + unit_random_below(2), 'p', false);
        send_addr(3, 3 * VRING_STRIDE);
        send_vring(FAKE_SET_VRING_ENABLE, 1, i & 1, NULL);
    }
    if (unit_random_below(2)) {
        send_vring(FAKE_GET_VRING_BASE, 0, 0, NULL);
        send_vring(FAKE_GET_VRING_BASE, 1, 0, NULL);
    }
    fake_vhost_disconnect(fe.vid);
}

static void
test_race(void)
{
    pthread_t threads[3];

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    owner.quiet = true;
    make_guest_memory();
    CHECK(!open_session("vm.sock", false, false));
    fake_vhost_has_threads = true;
    CHECK(!pthread_create(&threads[0], NULL, race_pmd, (void *) 0));
    CHECK(!pthread_create(&threads[1], NULL, race_pmd, (void *) 1));
    CHECK(!pthread_create(&threads[2], NULL, race_main, NULL));
    for (int i = 0; i < UNIT_ROUNDS(500); i++) {
        race_guest();
    }
    atomic_store_relaxed(&race_over, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    iovtee_session_close(session);
    CHECK(!count_maps());
}

/* Whoever sees that a guest is connected sees the rest of it, too. */

static atomic_uint n_seen = 0;

static void *
watch(void *aux OVS_UNUSED)
{
    unsigned int n = 0;

    while (!is_race_over()) {
        struct smap status = SMAP_INITIALIZER(&status);

        if (iovtee_session_is_connected(session)) {
            iovtee_session_get_status(session, &status);
            CHECK(!strcmp(smap_get_def(&status, "status", ""), "connected"));
            CHECK(smap_get(&status, "vring_0_size"));
            smap_destroy(&status);
            atomic_store(&n_seen, ++n);
            while (iovtee_session_is_connected(session)) {
                sched_yield();
            }
            atomic_store(&n_seen, ++n);
        }
    }
    return NULL;
}

/* Waits until watch() has seen 'want' changes. */
static void
await_seen(unsigned int want)
{
    unsigned int n;

    for (;;) {
        atomic_read(&n_seen, &n);
        if (n >= want) {
            break;
        }
        sched_yield();
    }
}

static void
test_seen(void)
{
    pthread_t thread;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    owner.quiet = true;
    make_guest_memory();
    CHECK(!open_session("vm.sock", false, false));
    fake_vhost_has_threads = true;
    CHECK(!pthread_create(&thread, NULL, watch, NULL));
    for (unsigned int i = 1; i <= UNIT_ROUNDS(2000); i++) {
        fe.vid = fake_vhost_connect("vm.sock");
        send_features(FEATURES);
        send_mem(1, 'p', false);
        for (uint32_t j = 0; j < 2; j++) {
            send_vring_setup(j, 256, 0);
            send_vring(FAKE_SET_VRING_ENABLE, j, 1, NULL);
        }
        await_seen(2 * i - 1);
        fake_vhost_disconnect(fe.vid);
        await_seen(2 * i);
    }
    atomic_store_relaxed(&race_over, true);
    pthread_join(thread, NULL);
    iovtee_session_close(session);
}

/* Sockets. */

static void
bind_socket(const char *path, bool listening)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    CHECK(fd >= 0 && !bind(fd, (struct sockaddr *) &sun, sizeof sun));
    if (listening) {
        CHECK(!listen(fd, 1));
    } else {
        close(fd);              /* Leaves a stale socket. */
    }
}

static void
open_and_close(const char *path, bool server)
{
    if (!open_session(path, server, false)) {
        printf("%s: ok\n", path);
        iovtee_session_close(session);
    }
}

static void
test_sockets(void)
{
    struct iovtee_session *other;
    char path[109];

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    open_and_close("", false);
    open_and_close(path, false);
    path[sizeof path - 2] = '\0';
    open_and_close(path, false);

    open_and_close("/dev/vduse/vm0", false);

    /* A front-end may make its directory later. */
    open_and_close("nowhere/vm.sock", false);
    open_and_close("nowhere/vm.sock", true);

    bind_socket("stale.sock", false);
    open_and_close("stale.sock", true);
    CHECK(access("stale.sock", F_OK));
    bind_socket("busy.sock", true);
    open_and_close("busy.sock", true);
    CHECK(!access("busy.sock", F_OK));
    CHECK(!mkdir("directory", 0755));
    open_and_close("directory", true);

    CHECK(!open_session("vm.sock", true, false));
    other = session;
    open_and_close("vm.sock", true);
    open_and_close("vm.sock", false);
    CHECK(fake_vhost_connect("vm.sock") >= 0);
    CHECK(fake_vhost_connect("vm.sock") == -1);
    iovtee_session_close(other);
    open_and_close("vm.sock", true);
}

/* What is offered. */
static void
test_offer(void)
{
    for (int i = 0; i < 4; i++) {
        CHECK(!open_session("vm.sock", i & 1, i & 2));
        printf("%s%s: flags %"PRIx64", without %"PRIx64"\n",
               i & 1 ? "server" : "client", i & 2 ? ", tso" : "",
               fake_vhost_flags("vm.sock"), fake_vhost_disabled("vm.sock"));
        iovtee_session_close(session);
    }
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "offer", test_offer },
        { "race", test_race },
        { "random", test_random },
        { "script", test_script },
        { "seen", test_seen },
        { "sockets", test_sockets },
    };

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_OFF);
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
