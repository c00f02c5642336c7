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

/* Unit tests of guest/hostpool. */

#include <config.h>

#include "guest/hostpool.h"

#include <errno.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp-packet.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "smap.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit-eal.h"

/* Gets a pool for port "vm0", which has one queue. */
static struct rte_mempool *
get_pool(int mtu, int socket_id)
{
    struct iovtee_hostpool_need need = {
        .port = "vm0",
        .mtu = mtu,
        .socket_id = socket_id,
        .n_queues = 1,
    };

    return iovtee_hostpool_get(&need);
}

/* Sets key 'key' of Open vSwitch's other_config to 'value'. */
static void
configure(const char *key, const char *value)
{
    struct smap other_config = SMAP_INITIALIZER(&other_config);

    smap_add(&other_config, key, value);
    iovtee_hostpool_configure(&other_config);
    smap_destroy(&other_config);
}

/* Lets a grace period pass.  There is one thread only. */
static void
grace_period(void)
{
    ovsrcu_quiesce();
}

/* A pool is shared by ports of the same buffer size and node only. */
static void
test_share(void)
{
    struct rte_mempool *a, *b, *c;

    unit_eal_init("512");

    a = get_pool(1500, 0);
    CHECK(a && a->size == 65536);
    CHECK(get_pool(1500, 0) == a);
    CHECK(get_pool(1030, 0) == a);
    CHECK(get_pool(2022, 0) == a); /* 2022 + 26 = 2048. */
    CHECK(iovtee_hostpool_count() == 1);

    b = get_pool(2023, 0);
    CHECK(b && b != a);
    c = get_pool(1500, -1);
    CHECK(c && c != a && c != b);
    CHECK(get_pool(1500, -2) == c);
    CHECK(iovtee_hostpool_count() == 3);

    /* Four references to 'a'. */
    for (int i = 0; i < 4; i++) {
        CHECK(iovtee_hostpool_count() == 3);
        iovtee_hostpool_put(a);
        grace_period();
    }
    CHECK(iovtee_hostpool_count() == 2);
    iovtee_hostpool_put(b);
    iovtee_hostpool_put(c);
    iovtee_hostpool_put(c);
    iovtee_hostpool_put(NULL);
    grace_period();
    CHECK(iovtee_hostpool_count() == 0);
}

/* With per-port-memory each port has a pool of its own, which has room for
 * what NICs may keep of its queues. */
static void
test_own(void)
{
    struct iovtee_hostpool_need need = {
        .port = "vm0",
        .mtu = 1500,
        .n_queues = 2,
        .n_nic = 100000,
    };
    struct rte_mempool *a, *b;

    unit_eal_init("512");
    configure("per-port-memory", "true");

    a = iovtee_hostpool_get(&need);
    CHECK(a && a->size == 2 * 4096 + 16384);
    CHECK(iovtee_hostpool_get(&need) == a);
    need.port = "a-port-whose-name-is-longer-than-that-of-a-mempool";
    need.n_nic = 1000;
    b = iovtee_hostpool_get(&need);
    CHECK(b && b != a && b->size == 1000 + 16384);
    CHECK(iovtee_hostpool_count() == 2);

    /* A port whose MTU changes holds two for a while. */
    need.mtu = 3000;
    a = iovtee_hostpool_get(&need);
    CHECK(a && a != b);
    iovtee_hostpool_put(b);
    grace_period();
    CHECK(iovtee_hostpool_count() == 2);
}

/* A pool that is shared has room for what NICs may keep of all guests. */
static void
test_size(void)
{
    struct iovtee_hostpool_need need = { .port = "vm0", .mtu = 60 };
    struct rte_mempool *mp;

    unit_eal_init("1024");
    for (int i = 0; i < 3; i++) {
        static const unsigned int n_nic[] = { 17 * 2048, 69632, UINT_MAX };
        static const unsigned int size[] = { 65536, 69632 + 16384, 262144 };

        need.n_nic = n_nic[i];
        mp = iovtee_hostpool_get(&need);
        CHECK(mp && mp->size == size[i]);
        iovtee_hostpool_put(mp);
        grace_period();
        CHECK(!iovtee_hostpool_count());
    }
}

/* Data room of the pool that a port with 'mtu' on 'socket_id' gets. */
static int
data_room(int mtu, int socket_id)
{
    struct rte_mempool *mp = get_pool(mtu, socket_id);
    int room;

    CHECK(mp);
    room = rte_pktmbuf_data_room_size(mp);
    iovtee_hostpool_put(mp);
    grace_period();
    return room;
}

/* Ports share the pools that shared-mempool-config lists. */
static void
test_wanted(void)
{
    unit_eal_init("1024");

    configure("shared-mempool-config", "6000:1,3000");
    CHECK(data_room(1500, 0) == 3072 + RTE_PKTMBUF_HEADROOM);
    CHECK(data_room(3000, 0) == 3072 + RTE_PKTMBUF_HEADROOM);
    CHECK(data_room(3100, 0) == 4096 + RTE_PKTMBUF_HEADROOM);
    CHECK(get_pool(1500, 0) == get_pool(3000, 0));
}

/* A list with an error in it is ignored as a whole. */
static void
test_wanted_wrong(void)
{
    unit_eal_init("512");

    configure("shared-mempool-config", "9000,3000:-1");
    CHECK(data_room(1500, 0) == 2048 + RTE_PKTMBUF_HEADROOM);
    configure("shared-mempool-config", "9000,many");
    CHECK(data_room(1500, 0) == 2048 + RTE_PKTMBUF_HEADROOM);

}

/* What Open vSwitch, DPDK and librte_vhost rely on in each element. */
static void
test_layout(void)
{
    struct rte_mempool *mp;
    struct rte_mbuf *m;

    unit_eal_init("256");
    mp = get_pool(1500, 0);
    CHECK(mp);

    for (unsigned int i = 0; i < mp->size; i++) {
        struct dp_packet *p;

        m = rte_pktmbuf_alloc(mp);
        CHECK(m);
        p = CONTAINER_OF(m, struct dp_packet, mbuf);
        CHECK(p->source == DPBUF_DPDK);
        CHECK((char *) m->buf_addr >= (char *) (p + 1));
        CHECK((uintptr_t) rte_pktmbuf_mtod(m, char *) % 64 == 0);
        CHECK(m->data_off == RTE_PKTMBUF_HEADROOM);
        CHECK(m->buf_len == 2048 + RTE_PKTMBUF_HEADROOM);
        CHECK(rte_pktmbuf_tailroom(m) == 2048);

        /* All of it is ours. */
        memset(p->data, 0xff, sizeof p->data);
        memset(m->buf_addr, 0xff, m->buf_len);
    }
    CHECK(!rte_pktmbuf_alloc(mp));
    rte_mempool_audit(mp);
    iovtee_hostpool_put(mp);
}

/* With little memory a pool is smaller; with too little there is none. */
static void
test_short_of_memory(void)
{
    struct rte_mempool *mp;
    unsigned int size;

    unit_eal_init("64");
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);

    mp = get_pool(1500, 0);
    CHECK(mp);
    size = mp->size;
    CHECK(size >= 8192 && size < 65536);

    CHECK(!get_pool(9000, 0) && rte_errno == ENOMEM);
    CHECK(!get_pool(0, 0) && rte_errno == EINVAL);
    CHECK(!get_pool(-1500, 0) && rte_errno == EINVAL);
    CHECK(!get_pool(65000, 0) && rte_errno == EINVAL);
    CHECK(!get_pool(INT_MAX, 0) && rte_errno == EINVAL);
    CHECK(iovtee_hostpool_count() == 1);

    /* The memory of a freed pool can be had again. */
    iovtee_hostpool_put(mp);
    grace_period();
    CHECK(iovtee_hostpool_count() == 0);
    mp = get_pool(1500, 0);
    CHECK(mp && mp->size == 8192);
    iovtee_hostpool_put(mp);
}

/* A pool without references waits for its mbufs, and for a grace period, and
 * may be used again meanwhile. */
static void
test_park(void)
{
    struct rte_mempool *mp;
    struct rte_mbuf *m;

    unit_eal_init("256");
    mp = get_pool(1500, 0);
    CHECK(mp);
    m = rte_pktmbuf_alloc(mp);
    CHECK(m);

    /* An mbuf is under way. */
    iovtee_hostpool_put(mp);
    for (int i = 0; i < 3; i++) {
        iovtee_hostpool_sweep();
        grace_period();
        CHECK(iovtee_hostpool_count() == 1);
    }

    /* Parked pools can be used. */
    CHECK(get_pool(1500, 0) == mp);
    dp_packet_delete(CONTAINER_OF(m, struct dp_packet, mbuf));
    iovtee_hostpool_sweep();
    grace_period();
    CHECK(iovtee_hostpool_count() == 1);

    /* Used again in the grace period, and idle again at its end: it takes
     * another one. */
    iovtee_hostpool_put(mp);
    CHECK(get_pool(1500, 0) == mp);
    iovtee_hostpool_put(mp);
    grace_period();
    CHECK(iovtee_hostpool_count() == 1);
    grace_period();
    CHECK(iovtee_hostpool_count() == 1);
    iovtee_hostpool_sweep();
    CHECK(iovtee_hostpool_count() == 1);

    /* Used again in the grace period, and beyond. */
    CHECK(get_pool(1500, 0) == mp);
    grace_period();
    CHECK(iovtee_hostpool_count() == 1);
    m = rte_pktmbuf_alloc(mp);
    CHECK(m);
    iovtee_hostpool_put(mp);
    rte_pktmbuf_free(m);

    iovtee_hostpool_sweep();
    grace_period();
    CHECK(iovtee_hostpool_count() == 0);
    CHECK(!rte_mempool_lookup("iovtee_2176_0"));
}

/* What an operator sees of a pool. */
static void
test_format(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct rte_mempool *mp;

    unit_eal_init("512");
    mp = get_pool(1500, 0);
    CHECK(mp && get_pool(3000, 0));
    CHECK(rte_pktmbuf_alloc(mp));
    iovtee_hostpool_format(mp, &s);
    CHECK(!strcmp(ds_cstr(&s), "iovtee_2176_0, 65535 of 65536 free, "
                  "shared by 1 port"));

    CHECK(get_pool(1500, 0) == mp);
    ds_clear(&s);
    iovtee_hostpool_format(mp, &s);
    CHECK(!strcmp(ds_cstr(&s), "iovtee_2176_0, 65535 of 65536 free, "
                  "shared by 2 ports"));

    configure("per-port-memory", "true");
    mp = get_pool(1500, 0);
    CHECK(mp);
    ds_clear(&s);
    iovtee_hostpool_format(mp, &s);
    CHECK(!strcmp(ds_cstr(&s), "iovtee0, 16384 of 16384 free, "
                  "of this port only"));
    ds_destroy(&s);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        {"share", test_share},
        {"own", test_own},
        {"size", test_size},
        {"wanted", test_wanted},
        {"wanted-wrong", test_wanted_wrong},
        {"layout", test_layout},
        {"short-of-memory", test_short_of_memory},
        {"park", test_park},
        {"format", test_format},
    };

    set_program_name(argv[0]);
    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
