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


#include "virtio/ledger.h"

#include "unit.h"

/* The most obvious ledger that there can be, to compare with. */
#define MAX_SIZE 64

struct model {
    enum iovtee_place place[MAX_SIZE];
    uint64_t n_violations;
};

static void
check_model(const struct iovtee_ledger *ledger, const struct model *model)
{
    uint32_t n[IOVTEE_N_PLACES] = { 0 };

    for (uint32_t i = 0; i < ledger->size; i++) {
        CHECK(iovtee_ledger_place(ledger, i) == model->place[i]);
        n[model->place[i]]++;
    }
    for (int i = 0; i < IOVTEE_N_PLACES; i++) {
        CHECK(ledger->n[i] == n[i]);
    }
    CHECK(ledger->n_violations == model->n_violations);
    CHECK(iovtee_ledger_is_balanced(ledger));
}

static void
print_ledger(const char *title, const struct iovtee_ledger *ledger)
{
    printf("%s:", title);
    for (int i = 0; i < IOVTEE_N_PLACES; i++) {
        printf(" %s=%u", iovtee_place_to_string(i), ledger->n[i]);
    }
    printf(" violations=%u %s\n", (unsigned) ledger->n_violations,
           iovtee_ledger_is_balanced(ledger) ? "balanced" : "NOT BALANCED");
}

/* Walks a few buffers through their lives. */
static void
test_life(void)
{
    struct iovtee_ledger ledger;

    iovtee_ledger_init(&ledger, 4);
    print_ledger("new", &ledger);

    CHECK(iovtee_ledger_move(&ledger, 0, IOVTEE_GUEST, IOVTEE_IDLE));
    CHECK(iovtee_ledger_move(&ledger, 3, IOVTEE_GUEST, IOVTEE_IDLE));
    print_ledger("taken", &ledger);
    CHECK(iovtee_ledger_move(&ledger, 0, IOVTEE_IDLE, IOVTEE_NIC));
    CHECK(iovtee_ledger_move(&ledger, 3, IOVTEE_IDLE, IOVTEE_NIC));
    print_ledger("posted", &ledger);
    CHECK(iovtee_ledger_move(&ledger, 3, IOVTEE_NIC, IOVTEE_SWITCH));
    print_ledger("received", &ledger);
    CHECK(iovtee_ledger_move(&ledger, 3, IOVTEE_SWITCH, IOVTEE_GUEST));
    CHECK(iovtee_ledger_move(&ledger, 0, IOVTEE_NIC, IOVTEE_IDLE));
    print_ledger("given, handed back", &ledger);
    CHECK(iovtee_ledger_move(&ledger, 0, IOVTEE_IDLE, IOVTEE_GUEST));
    print_ledger("at home", &ledger);

    iovtee_ledger_destroy(&ledger);
    iovtee_ledger_destroy(&ledger);
    iovtee_ledger_destroy(NULL);
}

/* Refused moves change nothing, and are counted. */
static void
test_violations(void)
{
    struct iovtee_ledger ledger;

    iovtee_ledger_init(&ledger, 2);
    CHECK(!iovtee_ledger_move(&ledger, 0, IOVTEE_IDLE, IOVTEE_NIC));
    print_ledger("posted, never taken", &ledger);
    CHECK(iovtee_ledger_move(&ledger, 0, IOVTEE_GUEST, IOVTEE_IDLE));
    CHECK(!iovtee_ledger_move(&ledger, 0, IOVTEE_GUEST, IOVTEE_IDLE));
    print_ledger("taken twice", &ledger);
    CHECK(iovtee_ledger_move(&ledger, 0, IOVTEE_IDLE, IOVTEE_GUEST));
    CHECK(!iovtee_ledger_move(&ledger, 0, IOVTEE_SWITCH, IOVTEE_GUEST));
    print_ledger("given twice", &ledger);

    /* A ledger that was tampered with shows. */
    ledger.n[IOVTEE_NIC]++;
    print_ledger("wrong count", &ledger);
    ledger.n[IOVTEE_NIC]--;
    ledger.place[1] = IOVTEE_N_PLACES;
    print_ledger("wrong place", &ledger);
    iovtee_ledger_destroy(&ledger);
}

/* Compares with the model after every one of many random moves, sensible and
 * other ones, for rings of a few sizes. */
static void
test_random(void)
{
    static const uint32_t sizes[] = { 1, 2, 16, MAX_SIZE };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct model model = { .n_violations = 0 };
        struct iovtee_ledger ledger;
        unsigned n_moves = 0;

        iovtee_ledger_init(&ledger, sizes[i]);
        for (int j = 0; j < 20000; j++) {
            uint16_t head = unit_random_below(sizes[i]);
            enum iovtee_place from = unit_random_below(IOVTEE_N_PLACES);
            enum iovtee_place to = unit_random_below(IOVTEE_N_PLACES);
            bool ok = model.place[head] == from;

            CHECK(iovtee_ledger_move(&ledger, head, from, to) == ok);
            if (ok) {
                model.place[head] = to;
                n_moves++;
            } else {
                model.n_violations++;
            }
            check_model(&ledger, &model);
        }

        /* All kinds of moves were tried. */
        CHECK(n_moves > 4000 && model.n_violations > 10000);
        iovtee_ledger_destroy(&ledger);
        printf("size %u: ok\n", sizes[i]);
    }
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "life", test_life },
        { "violations", test_violations },
        { "random", test_random },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
