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


/* Unit tests of lib/tee/reader: which NIC may read what a guest sends. */

#include <config.h>

#include "tee/reader.h"

#include "nic/nic.h"
#include "queue/txvq.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"

#define NONE UINT32_MAX

/* A NIC, and its DPDK port, NONE if it cannot read guest memory. */
struct iovtee_nic {
    uint32_t port_id;
};

static uint32_t lends_to[2];            /* Of each queue, ... */
static const char *whys[2];             /* ...and if to none, why. */

const char *
iovtee_nic_tx_copy_only(const struct iovtee_nic *nic)
{
    return nic->port_id == NONE ? "it is bad" : NULL;
}

uint32_t
iovtee_nic_let_read(struct iovtee_nic *nic,
                    struct iovtee_guestmem *mem OVS_UNUSED)
{
    return nic->port_id;
}

void
iovtee_txvq_lend_to(struct iovtee_txvq *vq, uint32_t port_id,
                    const char *why_not)
{
    lends_to[vq->q] = port_id;
    whys[vq->q] = why_not;
}

/* The peer alone, and only if that is wanted. */
static void
test_sending(void)
{
    static struct iovtee_txvq vqs[2];
    struct iovtee_nic nic = { 1 }, other = { 2 }, bad = { NONE };
    struct iovtee_reader reader = { .enabled = false };

    vqs[1].q = 1;
    lends_to[0] = lends_to[1] = 1000;
    iovtee_reader_settle(&reader, &nic);
    CHECK(lends_to[0] == 1000);         /* There is no queue. */
    iovtee_reader_up(&reader, 0, &vqs[0], &nic);
    CHECK(lends_to[0] == NONE && lends_to[1] == 1000);
    reader.enabled = true;
    iovtee_reader_settle(&reader, &nic);
    CHECK(lends_to[0] == 1);
    iovtee_reader_up(&reader, 1, &vqs[1], &nic);
    CHECK(lends_to[1] == 1);

    iovtee_reader_settle(&reader, &other);
    CHECK(lends_to[0] == 2 && lends_to[1] == 2);
    iovtee_reader_settle(&reader, &bad);
    CHECK(lends_to[0] == NONE && lends_to[1] == NONE);
    CHECK(!strcmp(whys[0], "it is bad"));
    iovtee_reader_settle(&reader, &nic);
    iovtee_reader_settle(&reader, NULL);
    CHECK(lends_to[0] == NONE && lends_to[1] == NONE);
    CHECK(!strcmp(whys[0], "there is no peer"));
    iovtee_reader_settle(&reader, &nic);
    reader.enabled = false;
    iovtee_reader_settle(&reader, &nic);
    CHECK(lends_to[0] == NONE);
    reader.enabled = true;
    iovtee_reader_settle(&reader, &nic);

    /* One that goes is forgotten. */
    iovtee_reader_down(&reader, 0);
    CHECK(lends_to[0] == NONE && lends_to[1] == 1);
    lends_to[0] = 1000;
    iovtee_reader_settle(&reader, &other);
    CHECK(lends_to[0] == 1000 && lends_to[1] == 2);
    iovtee_reader_down(&reader, 0);
    CHECK(lends_to[0] == 1000);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        { "sending", test_sending },
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
