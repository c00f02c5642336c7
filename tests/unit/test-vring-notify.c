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


#include "virtio/vring.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest-driver.h"
#include "unit.h"
#include "vring-fixture.h"

/* Gives 'n' buffers back and prints whether the guest is to be interrupted. */
static bool
give_and_publish(struct fixture *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint16_t head;
        uint32_t len;

        if (!iovtee_vring_take(&f->vr, &head, 1)) {
            while (guest_ring_reap(&f->ring, &head, &len)) {
                continue;
            }
            CHECK(post_simple(f, 1) >= 0);
            guest_ring_expose(&f->ring);
            CHECK(iovtee_vring_take(&f->vr, &head, 1));
        }
        iovtee_vring_give(&f->vr, head, 1);
    }
    return iovtee_vring_publish(&f->vr);
}

static void
test_interrupt_flag(void)
{
    struct fixture f;

    setup(&f, 256, 65535, false);
    printf("nothing new: %d\n", give_and_publish(&f, 0));
    printf("first: %d\n", give_and_publish(&f, 1));
    printf("second: %d\n", give_and_publish(&f, 1));
    guest_ring_disable_interrupts(&f.ring);
    printf("disabled: %d\n", give_and_publish(&f, 3));
    CHECK(guest_ring_enable_interrupts(&f.ring));
    printf("enabled, nothing new: %d\n", give_and_publish(&f, 0));
    printf("enabled: %d\n", give_and_publish(&f, 3));
    teardown(&f);
}

/* The event index, by examples and against its definition, which is: interrupt
 * if the entry that the event index names is among the new ones. */
static void
test_interrupt_event(void)
{
    static const struct {
        uint16_t event;
        uint16_t n;
    } examples[] = {
        /* The used index is 65530 at the start and 65531 before these. */
        { 0, 1 }, { 65532, 1 }, { 65532, 3 }, { 65532, 1 }, { 65535, 0 },
        { 65535, 1 }, { 2, 2 }, { 2, 1 }, { 3, 1 }, { 8, 10 }, { 13, 1 },
    };
    unsigned n_yes = 0, n_no = 0;
    struct fixture f;

    setup(&f, 256, 65530, true);
    guest_ring_set_used_event(&f.ring, 65535);
    printf("nothing new: %d\n", give_and_publish(&f, 0));
    printf("first: %d\n", give_and_publish(&f, 1));
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        uint16_t old = f.vr.used_idx;

        guest_ring_set_used_event(&f.ring, examples[i].event);
        printf("%u+%u, event %u: %d\n", old, examples[i].n,
               examples[i].event, give_and_publish(&f, examples[i].n));
    }

    for (int i = 0; i < 20000; i++) {
        uint16_t old = f.vr.used_idx;
        uint16_t event = old + unit_random_below(600) - 200;
        uint16_t n = unit_random_below(257);
        bool expected = false, result;

        guest_ring_set_used_event(&f.ring, event);
        result = give_and_publish(&f, n);
        for (uint16_t j = 0; j < n; j++) {
            expected = expected || (uint16_t) (old + j) == event;
        }
        CHECK(result == expected);
        n_yes += expected;
        n_no += !expected;
    }
    CHECK(n_yes > 1000 && n_no > 1000);
    teardown(&f);
}

/* What the driver is told of our wish not to be notified. */
static void
test_no_notify(void)
{
    unsigned n, first;
    struct fixture f;

    setup(&f, 4, 65534, false);
    post_simple(&f, 1);
    printf("flag, at first: %d\n", guest_ring_expose(&f.ring));
    iovtee_vring_set_no_notify(&f.vr, true);
    post_simple(&f, 1);
    printf("flag, off: %d\n", guest_ring_expose(&f.ring));
    iovtee_vring_set_no_notify(&f.vr, false);
    post_simple(&f, 1);
    printf("flag, on: %d\n", guest_ring_expose(&f.ring));
    teardown(&f);

    setup(&f, 4, 65534, true);
    iovtee_vring_set_no_notify(&f.vr, true);
    n = first = 0;
    for (unsigned i = 0; i < 4 * 65536; i++) {
        uint16_t head;
        uint32_t len;

        post_simple(&f, 1);
        if (guest_ring_expose(&f.ring)) {
            first = n ? first : i;
            n++;
        }
        CHECK(iovtee_vring_take(&f.vr, &head, 1));
        iovtee_vring_give(&f.vr, head, 1);
        iovtee_vring_publish(&f.vr);
        CHECK(guest_ring_reap(&f.ring, &head, &len));
    }
    printf("event, off: %u in 4 * 65536, the first at %u\n", n, first);
    iovtee_vring_set_no_notify(&f.vr, false);
    post_simple(&f, 1);
    printf("event, on: %d\n", guest_ring_expose(&f.ring));
    teardown(&f);
}


/* Does the interrupt always come?  A guest on another thread goes to sleep, by
 * the rules, whenever it finds nothing.  The device gives it the next buffer
 * when it has seen the last one, which is just when it lies down, and nothing
 * more until it has seen that one.  So one lost interrupt is the end. */

#define N_WAKEUPS 100000

struct sleeper {
    struct fixture f;
    int event_fd;               /* Our interrupt line. */
    unsigned n_reaped;          /* Buffers that the guest has seen. */
    unsigned n_slept;
};

/* Wastes some time, so that two threads meet at ever different places. */
static void
spin_randomly(void)
{
    for (uint32_t i = unit_random_below(1000); i > 0; i--) {
        __asm__ __volatile__("" : : : "memory");
    }
}

static void *
sleeper_main(void *s_)
{
    struct sleeper *s = s_;
    struct guest_ring *ring = &s->f.ring;
    unsigned n = 0;

    while (n < N_WAKEUPS) {
        struct pollfd pfd = { .fd = s->event_fd, .events = POLLIN };
        uint16_t head;
        uint32_t len;
        eventfd_t value;

        while (guest_ring_reap(ring, &head, &len)) {
            CHECK(len == n++);
            post_simple(&s->f, 1);
        }
        guest_ring_disable_interrupts(ring);
        guest_ring_expose(ring);
        __atomic_store_n(&s->n_reaped, n, __ATOMIC_RELEASE);
        spin_randomly();
        if (n == N_WAKEUPS || guest_ring_enable_interrupts(ring)) {
            continue;
        }

        CHECK(poll(&pfd, 1, 20000) == 1);
        CHECK(!eventfd_read(s->event_fd, &value));
        s->n_slept++;
    }
    return NULL;
}

/* Waits until the guest of 's' has seen 'n' buffers, and then a little
 * more. */
static void
wait_for_sleeper(const struct sleeper *s, unsigned n)
{
    unsigned n_spins = 0;

    while (__atomic_load_n(&s->n_reaped, __ATOMIC_ACQUIRE) != n) {
        if (!(++n_spins % 4096)) {
            sched_yield();
        }
    }
    spin_randomly();
}

static void
test_wakeup_mode(bool event_idx)
{
    struct sleeper s = { .event_fd = eventfd(0, EFD_NONBLOCK) };
    unsigned n_interrupts = 0;
    pthread_t thread;

    CHECK(s.event_fd >= 0);
    setup(&s.f, 64, 65500, event_idx);
    while (post_simple(&s.f, 1) >= 0) {
        continue;
    }
    guest_ring_expose(&s.f.ring);
    CHECK(!pthread_create(&thread, NULL, sleeper_main, &s));
    for (unsigned i = 0; i < N_WAKEUPS; i++) {
        uint16_t head;

        wait_for_sleeper(&s, i);
        CHECK(iovtee_vring_take(&s.f.vr, &head, 1) == 1);
        iovtee_vring_give(&s.f.vr, head, i);
        if (iovtee_vring_publish(&s.f.vr)) {
            CHECK(!eventfd_write(s.event_fd, 1));
            n_interrupts++;
        }
    }
    CHECK(!pthread_join(thread, NULL));
    CHECK(s.n_slept && n_interrupts >= s.n_slept);
    close(s.event_fd);
    teardown(&s.f);
    printf("%s: ok\n", event_idx ? "event index" : "flag");
}

static void
test_wakeup(void)
{
    test_wakeup_mode(false);
    test_wakeup_mode(true);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "interrupt-flag", test_interrupt_flag },
        { "interrupt-event", test_interrupt_event },
        { "no-notify", test_no_notify },
        { "wakeup", test_wakeup },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
