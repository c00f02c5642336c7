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

/* Unit tests of queue/ringstats. */

#include <config.h>

#include "queue/ringstats.h"

#include <inttypes.h>

#include "openvswitch/netdev.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"

/* Ethernet headers as far as they matter. */
static const uint8_t unicast[6] = {0x02, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t multicast[6] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t no_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};

static void
print(const char *name, uint64_t value, void *aux OVS_UNUSED)
{
    printf("%s: %"PRIu64"\n", name, value);
}

static void
print_nonzero(const char *name, uint64_t value, void *aux)
{
    if (value) {
        print(name, value, aux);
    }
}

/* Prints all of the counters of a ring that nothing went through. */
static void
test_names(void)
{
    struct iovtee_ringstats stats;

    memset(&stats, 0, sizeof stats);
    iovtee_ringstats_foreach(&stats, "tx_q3_", print, NULL);
}

/* Prints the name of a counter of a size's bin, if it is not 0. */
static void
print_bin(const char *name, uint64_t value, void *aux)
{
    if (value && strstr(name, "size")) {
        printf("%"PRIu32" %s\n", *(uint32_t *) aux, name);
    }
}

/* Prints in which bin frames of the sizes next to each boundary are. */
static void
test_boundaries(void)
{
    static const uint32_t sizes[] = {
        1, 14, 31, 32, 59, 60, 63, 64, 65, 127, 128, 255, 256, 511, 512, 1023,
        1024, 1514, 1518, 1519, 1522, 1523, 2047, 2048, 4095, 4096, 9018,
        65535, 65536, UINT32_MAX
    };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct iovtee_ringstats stats;
        uint32_t size = sizes[i];

        memset(&stats, 0, sizeof stats);
        iovtee_ringstats_count(&stats, unicast, size);
        iovtee_ringstats_foreach(&stats, "tx_q0_", print_bin, &size);
    }
}

/* Counter of 'struct netdev_stats' that a frame of 'len' bytes to a guest
 * belongs to, the slow way. */
static uint64_t *
netdev_tx_bin(struct netdev_stats *s, uint32_t len)
{
    return (len <= 64 ? &s->tx_1_to_64_packets
            : len <= 127 ? &s->tx_65_to_127_packets
            : len <= 255 ? &s->tx_128_to_255_packets
            : len <= 511 ? &s->tx_256_to_511_packets
            : len <= 1023 ? &s->tx_512_to_1023_packets
            : len <= 1518 ? &s->tx_1024_to_1522_packets
            : &s->tx_1523_to_max_packets);
}

/* The same for a frame from a guest. */
static uint64_t *
netdev_rx_bin(struct netdev_stats *s, uint32_t len)
{
    return (len < 64 ? &s->rx_undersized_errors
            : len <= 64 ? &s->rx_1_to_64_packets
            : len <= 127 ? &s->rx_65_to_127_packets
            : len <= 255 ? &s->rx_128_to_255_packets
            : len <= 511 ? &s->rx_256_to_511_packets
            : len <= 1023 ? &s->rx_512_to_1023_packets
            : len <= 1518 ? &s->rx_1024_to_1522_packets
            : &s->rx_1523_to_max_packets);
}

/* Counts frames of random sizes and kinds on two rings of each direction, and
 * compares the netdev's statistics with what they should be. */
static void
test_netdev(void)
{
    static const uint8_t *const headers[]
        = {unicast, multicast, broadcast, no_broadcast};
    struct netdev_stats expected, actual;
    struct iovtee_ringstats rings[4];

    memset(rings, 0, sizeof rings);
    memset(&expected, 0xff, sizeof expected);
    iovtee_ringstats_clear_netdev(&expected);
    for (int i = 0; i < 200000; i++) {
        uint32_t len = 1 + unit_random_below(1u << unit_random_below(17));
        const uint8_t *header = headers[unit_random_below(4)];
        uint32_t ring = unit_random_below(4);
        bool rx = ring & 1;

        iovtee_ringstats_count(&rings[ring], header, len);
        *(rx ? &expected.rx_packets : &expected.tx_packets) += 1;
        *(rx ? &expected.rx_bytes : &expected.tx_bytes) += len;
        *(rx ? netdev_rx_bin : netdev_tx_bin)(&expected, len) += 1;
        if (header[0] & 1) {
            /* Less than six bytes cannot be anybody's address. */
            if (header == broadcast && len >= 6) {
                *(rx ? &expected.rx_broadcast_packets
                  : &expected.tx_broadcast_packets) += 1;
            } else {
                *(rx ? &expected.multicast
                  : &expected.tx_multicast_packets) += 1;
            }
        }
    }

    memset(&actual, 0xff, sizeof actual);
    iovtee_ringstats_clear_netdev(&actual);
    iovtee_ringstats_add_netdev_tx(&rings[0], &actual);
    iovtee_ringstats_add_netdev_tx(&rings[2], &actual);
    iovtee_ringstats_add_netdev_rx(&rings[1], &actual);
    iovtee_ringstats_add_netdev_rx(&rings[3], &actual);
    CHECK(!memcmp(&actual, &expected, sizeof actual));
    CHECK(actual.rx_packets + actual.tx_packets == 200000);
    CHECK(actual.tx_dropped == UINT64_MAX);
    CHECK(actual.rx_dropped == UINT64_MAX);
}

/* Prints the counters after one frame of each kind and an interrupt. */
static void
test_kinds(void)
{
    struct iovtee_ringstats stats;

    memset(&stats, 0, sizeof stats);
    iovtee_ringstats_count(&stats, unicast, 60);
    iovtee_ringstats_count(&stats, multicast, 100);
    iovtee_ringstats_count(&stats, no_broadcast, 64);
    iovtee_ringstats_count(&stats, broadcast, 1000);
    iovtee_ringstats_count_notification(&stats);
    iovtee_ringstats_foreach(&stats, "tx_q12_", print_nonzero, NULL);
}

int
main(int argc, char *argv[])
{
    static const struct unit_command commands[] = {
        {"names", test_names},
        {"boundaries", test_boundaries},
        {"kinds", test_kinds},
        {"netdev", test_netdev},
    };

    return unit_main(argc, argv, commands, ARRAY_SIZE(commands));
}
