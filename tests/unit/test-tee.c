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


/* Unit tests of tee/tee, with NICs that are nothing but names. */

#include <config.h>

#include "tee/tee.h"

#include "bitmap.h"
#include "nic/nic.h"
#include "openvswitch/dynamic-string.h"
#include "queue/rxvq.h"
#include "random.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"

enum { N_NICS = 3, N_RXQS = 4, N_GUESTS = 5, ALL = (1u << N_RXQS) - 1 };

/* A NIC, and the guests' queues that its receive queues are attached to. */
struct iovtee_nic {
    char name[16];
    bool exists;
    unsigned int n_detached;    /* Times that queues were detached. */
    struct iovtee_rxvq *attached[N_RXQS];
};

/* Receive queues of a NIC. */
struct claim {
    int nic;                    /* Of 'nics', or -1 for none. */
    unsigned int rxqs;          /* Bitmap. */
    bool exposes;               /* May it be shared? */
};

/* A guest port with one receive queue. */
struct guest {
    char name[16];
    struct iovtee_tee *tee;
    struct iovtee_rxvq *vq;
    bool running, enabled, held;
    struct claim wanted, had;   /* What was asked for, what it has. */
};

static struct iovtee_nic nics[N_NICS];
static struct guest guests[N_GUESTS];

const char *
iovtee_nic_get_name(const struct iovtee_nic *nic)
{
    return nic->name;
}

unsigned int
iovtee_nic_n_rxq(const struct iovtee_nic *nic OVS_UNUSED)
{
    return N_RXQS;
}

const char *
iovtee_nic_copy_only(const struct iovtee_nic *nic OVS_UNUSED)
{
    return NULL;
}

/* A queue goes from one guest to another only by way of none. */
int
iovtee_nic_attach(struct iovtee_nic *nic, unsigned int id,
                  struct iovtee_rxvq *vq)
{
    CHECK(nic->exists && id < N_RXQS && !nic->attached[id]);
    nic->attached[id] = vq;
    return 0;
}

void
iovtee_nic_detach(struct iovtee_nic *nic, const unsigned long *rxqs)
{
    size_t i;

    CHECK(nic->exists && !bitmap_is_all_zeros(rxqs, IOVTEE_NIC_MAX_RXQS));
    nic->n_detached++;
    BITMAP_FOR_EACH_1 (i, IOVTEE_NIC_MAX_RXQS, rxqs) {
        CHECK(i < N_RXQS && nic->attached[i]);
        nic->attached[i] = NULL;
    }
}

/* Nothing is sent here: see test-reader.c. */
uint32_t
iovtee_nic_let_read(struct iovtee_nic *nic OVS_UNUSED,
                    struct iovtee_guestmem *mem OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

const char *
iovtee_nic_tx_copy_only(const struct iovtee_nic *nic OVS_UNUSED)
{
    OVS_NOT_REACHED();
}

static void
nic_add(int i)
{
    CHECK(!nics[i].exists);
    nics[i].exists = true;
    iovtee_tee_nic_add(&nics[i]);
}

static void
nic_remove(int i)
{
    iovtee_tee_nic_remove(&nics[i]);
    for (int q = 0; q < N_RXQS; q++) {
        CHECK(!nics[i].attached[q]);
    }
    nics[i].exists = false;
}

/* Wants receive queues 'rxqs' of NIC 'nic', which may be shared if 'exposes',
 * for guest 'i', or no peer if 'nic' is -1.  If it is all of them, says so by
 * saying nothing. */
static void
want_so(int i, int nic, unsigned int rxqs, bool exposes)
{
    struct guest *guest = &guests[i];
    const char *peer = nic < 0 ? NULL : nics[nic].name;
    struct ds list = DS_EMPTY_INITIALIZER;
    char *error = NULL;

    guest->wanted = (struct claim) { nic, rxqs, exposes };
    for (unsigned int q = 0; q < N_RXQS; q++) {
        if (rxqs & 1u << q) {
            ds_put_format(&list, "%s%u", list.length ? "," : "", q);
        }
    }
    CHECK(!iovtee_tee_set_peer(guest->tee, peer,
                               rxqs && rxqs != ALL ? ds_cstr(&list) : NULL,
                               exposes, &error));
    CHECK(!error);
    ds_destroy(&list);
}

/* The same for a guest that shares. */
static void
want(int i, int nic, unsigned int rxqs)
{
    want_so(i, nic, rxqs, true);
}

static void
set_running(int i, bool running)
{
    if (running != guests[i].running) {
        guests[i].running = running;
        if (running) {
            iovtee_tee_vq_up(guests[i].tee, 0, guests[i].vq);
        } else {
            iovtee_tee_vq_down(guests[i].tee, 0);
        }
    }
}

static void
guest_add(int i)
{
    struct guest *guest = &guests[i];

    snprintf(guest->name, sizeof guest->name, "vm%d", i);
    guest->tee = iovtee_tee_create(guest->name);
    guest->vq = xzalloc_cacheline(sizeof *guest->vq);
    guest->enabled = true;
    guest->held = false;
    guest->wanted = guest->had = (struct claim) { -1, 0, false };
    set_running(i, true);
    iovtee_tee_begin(guest->tee);
}

static void
guest_remove(int i)
{
    set_running(i, false);
    iovtee_tee_destroy(guests[i].tee);
    free_cacheline(guests[i].vq);
    guests[i].tee = NULL;
}

static void
setup(void)
{
    for (int i = 0; i < N_NICS; i++) {
        snprintf(nics[i].name, sizeof nics[i].name, "nic%d", i);
        nic_add(i);
    }
    for (int i = 0; i < N_GUESTS; i++) {
        guest_add(i);
    }
}

static void
teardown(void)
{
    for (int i = 0; i < N_GUESTS; i++) {
        if (guests[i].tee) {
            guest_remove(i);
        }
    }
    for (int i = 0; i < N_NICS; i++) {
        if (nics[i].exists) {
            nic_remove(i);
        }
    }
}

/* Prints who has which receive queues, and who has something to say. */
static void
print(void)
{
    for (int i = 0; i < N_NICS; i++) {
        printf("%s", nics[i].name);
        for (int q = 0; q < N_RXQS; q++) {
            char *user = iovtee_tee_rxq_user(&nics[i], q);

            printf(" %.3s", user ? user : "-");
            free(user);
        }
        printf("%s", i < N_NICS - 1 ? ", " : "\n");
    }
    for (int i = 0; i < N_GUESTS; i++) {
        char *text = guests[i].tee ? iovtee_tee_check(guests[i].tee) : NULL;

        if (text) {
            printf("%s: %s\n", guests[i].name, text);
        }
        free(text);
    }
}

/* What several guests want. */
static void
test_wait(void)
{
    setup();
    want(0, 0, ALL);
    want(2, 0, ALL);
    want(1, 0, 0x2);
    print();

    printf("Whoever was there first is served first.\n");
    want(0, -1, 0);
    print();

    printf("Who asks for more does not lose what he has.\n");
    want(0, 0, 0x2);
    want(1, 0, 0x6);
    print();
    want(0, 0, 0x1);
    print();

    printf("More than there is: all stays.\n");
    want(0, 0, 0x3);
    print();

    printf("Both go, the last one gets all.\n");
    guest_remove(1);
    print();
    guest_remove(0);
    print();
    teardown();
}

/* What a guest keeps because it cannot have what it wants. */
static void
test_keep(void)
{
    setup();
    want(0, 0, ALL);
    want(1, 1, ALL);
    want(0, 1, ALL);
    print();

    printf("Somebody else wants what is kept.\n");
    want(2, 0, 0x1);
    print();

    printf("Around in a circle.\n");
    want(1, 2, ALL);
    want(2, 0, ALL);
    want(0, 2, ALL);
    want(1, 0, ALL);
    print();
    want(2, 1, ALL);
    print();

    printf("What is kept goes with its NIC.\n");
    nic_remove(2);
    want(0, 2, ALL);
    want(1, 1, ALL);
    print();
    nic_remove(0);
    print();
    nic_add(0);
    print();

    printf("What is wanted comes back.\n");
    nic_add(2);
    print();
    nic_remove(1);
    print();
    nic_add(1);
    print();

    printf("Nobody asks any more for what has gone and comes back.\n");
    nic_remove(2);
    nic_remove(0);
    want(0, 0, ALL);
    nic_add(2);
    print();
    teardown();
}

/* Checks which guests lend buffers to NIC 0. */
static void
check_guests(const char *names)
{
    char *got = iovtee_tee_nic_guests(&nics[0]);

    CHECK(nullable_string_is_equal(got, names));
    free(got);
}

/* Guests share a NIC only if all of them may. */
static void
test_share(void)
{
    setup();
    check_guests(NULL);
    want_so(0, 0, 0x1, false);
    want_so(1, 0, 0x2, false);
    check_guests("vm0");
    print();

    printf("Only one may.\n");
    want_so(1, 0, 0x2, true);
    print();
    want_so(1, 0, 0x2, false);
    want_so(0, 0, 0x1, true);
    print();
    CHECK(!nics[0].n_detached);

    printf("Both may, the third must not.\n");
    want_so(1, 0, 0x2, true);
    want_so(2, 0, 0x4, false);
    check_guests("vm0, vm1");
    print();

    printf("One changes its mind, in vain.\n");
    want_so(0, 0, 0x1, false);
    print();
    CHECK(!nics[0].n_detached);

    printf("When the other has gone it has what it wants.\n");
    want_so(1, -1, 0, false);
    print();
    teardown();
}

/* Starts the receive queues of 'tee' that are set in 'up', of those in 'vqs',
 * and stops the other ones. */
static void
set_queues(struct iovtee_tee *tee, struct iovtee_rxvq *vqs, unsigned int up)
{
    for (unsigned int q = 0; q < N_RXQS; q++) {
        if (up & 1u << q) {
            iovtee_tee_vq_up(tee, q, &vqs[q]);
        } else {
            iovtee_tee_vq_down(tee, q);
        }
    }
}

/* Prints which receive queues of 'tee' are attached, and how often some were
 * detached since the last time. */
static void
print_queues(struct iovtee_tee *tee)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    iovtee_tee_format(tee, &s);
    printf("%s, detached %u times\n", ds_cstr(&s), nics[0].n_detached);
    nics[0].n_detached = 0;
    ds_destroy(&s);
}

/* Several queues of one guest, one by one. */
static void
queues_one_by_one(struct iovtee_tee *tee, struct iovtee_rxvq *vqs)
{
    printf("One by one.\n");
    set_queues(tee, vqs, 0xf);
    print_queues(tee);
    iovtee_tee_vq_down(tee, 1);
    print_queues(tee);
    set_queues(tee, vqs, 0);
    print_queues(tee);
}

/* All at once, while others want something. */
static void
queues_at_once(struct iovtee_tee *tee, struct iovtee_rxvq *vqs)
{
    printf("All at once.\n");
    iovtee_tee_hold(tee);
    set_queues(tee, vqs, 0xf);
    print_queues(tee);
    iovtee_tee_release(tee);
    print_queues(tee);
    iovtee_tee_hold(tee);
    iovtee_tee_vq_down(tee, 0);
    print_queues(tee);

    printf("Meanwhile others want something.\n");
    iovtee_tee_nic_changed(&nics[0]);
    iovtee_tee_set_enabled(tee, true);
    want(0, -1, 0);
    want(0, 0, ALL);
    print_queues(tee);
    set_queues(tee, vqs, 0x6);
    iovtee_tee_release(tee);
    print_queues(tee);
}

/* Some of them at once. */
static void
queues_in_part(struct iovtee_tee *tee, struct iovtee_rxvq *vqs)
{
    printf("One ends and one begins.\n");
    iovtee_tee_hold(tee);
    set_queues(tee, vqs, 0xc);
    iovtee_tee_release(tee);
    print_queues(tee);

    printf("Nothing ends and one begins.\n");
    iovtee_tee_hold(tee);
    iovtee_tee_vq_up(tee, 1, &vqs[1]);
    print_queues(tee);
    iovtee_tee_release(tee);
    print_queues(tee);
}

static void
test_queues(void)
{
    struct iovtee_rxvq *vqs = xzalloc_cacheline(N_RXQS * sizeof *vqs);
    struct iovtee_tee *tee;

    setup();
    tee = guests[0].tee;
    for (unsigned int q = 0; q < N_RXQS; q++) {
        vqs[q].q = q;
    }
    set_running(0, false);
    want(0, 0, ALL);
    queues_one_by_one(tee, vqs);
    queues_at_once(tee, vqs);
    queues_in_part(tee, vqs);

    printf("The NIC goes.\n");
    iovtee_tee_hold(tee);
    nic_remove(0);
    iovtee_tee_vq_down(tee, 1);
    iovtee_tee_release(tee);
    print_queues(tee);
    set_queues(tee, vqs, 0);
    teardown();
    free_cacheline(vqs);
}

/* A port that is not made after all takes nothing from anybody. */
static void
test_begin(void)
{
    struct iovtee_tee *tee;
    char *error = NULL;

    setup();
    want(0, 0, ALL);
    want(1, 1, ALL);
    want(0, 1, ALL);
    tee = iovtee_tee_create("failed");
    CHECK(!iovtee_tee_set_peer(tee, "nic0", NULL, false,
                               &error));
    print();
    iovtee_tee_destroy(tee);
    print();
    teardown();
}

/* Has guest 'i' what was asked for it? */
static bool
is_content(int i)
{
    char *text = iovtee_tee_check(guests[i].tee);
    bool content = !text || strstr(text, "copied until it does");

    free(text);
    return content;
}

static bool
exists(const struct claim *claim)
{
    return claim->nic >= 0 && nics[claim->nic].exists;
}

static bool
collide(const struct claim *a, const struct claim *b)
{
    return (a->nic >= 0 && a->nic == b->nic
            && (a->rxqs & b->rxqs || !a->exposes || !b->exposes));
}

/* Does anybody but guest 'i' who is content have what collides with
 * 'claim'? */
static bool
is_taken(const struct claim *claim, int i)
{
    for (int j = 0; j < N_GUESTS; j++) {
        if (j != i && guests[j].tee && is_content(j)
            && collide(claim, &guests[j].wanted)) {
            return true;
        }
    }
    return false;
}

/* Checks that guest 'i' has what was asked for it or that there is a reason,
 * and that it keeps what it had unless there is a reason.  Updates what it
 * has. */
static void
check_claim(int i)
{
    struct guest *guest = &guests[i];
    char *peer = iovtee_tee_peer(guest->tee);

    if (is_content(i)) {
        CHECK(!is_taken(&guest->wanted, i));
        guest->had = guest->wanted;
    } else if (peer) {
        CHECK(exists(&guest->had) && !is_taken(&guest->had, i));
        CHECK(is_taken(&guest->wanted, i) || !exists(&guest->wanted));
    } else {
        CHECK(is_taken(&guest->wanted, i));
        CHECK(!exists(&guest->had) || is_taken(&guest->had, i));
        guest->had = (struct claim) { -1, 0, false };
    }
    CHECK(nullable_string_is_equal(peer, guest->had.nic < 0 ? NULL
                                   : nics[guest->had.nic].name));
    free(peer);
}

/* Checks that the receive queues that guest 'i' has, and no others, are
 * attached to it, unless there is still something to come. */
static void
check_attached(int i)
{
    const struct guest *guest = &guests[i];

    for (int j = 0; j < N_NICS; j++) {
        for (int q = 0; q < N_RXQS; q++) {
            bool attached = nics[j].attached[q] == guest->vq;
            bool wanted = (guest->running && guest->enabled
                           && guest->had.nic == j && nics[j].exists
                           && guest->had.rxqs >> q & 1);

            CHECK(guest->held ? attached <= wanted : attached == wanted);
        }
    }
}

/* Changes something.  Returns the guest that it was done to, or -1, and stores
 * whether somebody else had what the guest wants now, and wanted it. */
static int
change(bool *was_taken)
{
    struct claim claim = {
        random_range(N_NICS), 1 + random_range(ALL), random_range(4),
    };
    int i = random_range(N_GUESTS);
    int n = claim.nic;

    *was_taken = is_taken(&claim, i);
    if (!guests[i].tee) {
        guest_add(i);
        return i;
    }
    switch (random_range(18)) {
    case 0:
        guest_remove(i);
        return -1;
    case 1:
        set_running(i, !guests[i].running);
        return -1;
    case 2:
        guests[i].enabled = !guests[i].enabled;
        iovtee_tee_set_enabled(guests[i].tee, guests[i].enabled);
        return -1;
    case 3: case 4:
        if (nics[n].exists) {
            nic_remove(n);
        } else {
            nic_add(n);
        }
        return -1;
    case 5:
        want(i, -1, 0);
        return i;
    case 6: case 7:
        guests[i].held = !guests[i].held;
        if (guests[i].held) {
            iovtee_tee_hold(guests[i].tee);
        } else {
            iovtee_tee_release(guests[i].tee);
        }
        return -1;
    default:
        want_so(i, n, claim.rxqs, claim.exposes);
        return i;
    }
}

/* Whatever is changed: what is asked for is had, or there is a reason, and
 * nobody else who has what he asked for loses it. */
static void
test_random(void)
{
    random_set_seed(1);
    setup();
    for (int n = 0; n < 100000; n++) {
        bool was_content[N_GUESTS];
        struct guest *guest;
        bool was_taken;
        int who;

        for (int i = 0; i < N_GUESTS; i++) {
            was_content[i] = guests[i].tee && is_content(i);
        }
        who = change(&was_taken);
        guest = who < 0 ? NULL : &guests[who];
        if (guest && guest->tee && !was_taken && exists(&guest->wanted)) {
            CHECK(is_content(who));
        }
        for (int i = 0; i < N_GUESTS; i++) {
            if (guests[i].tee) {
                CHECK(i == who || !was_content[i] || is_content(i));
                check_claim(i);
                check_attached(i);
            }
        }
    }
    teardown();
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "wait", test_wait },
        { "keep", test_keep },
        { "share", test_share },
        { "queues", test_queues },
        { "begin", test_begin },
        { "random", test_random },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
