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

#include "nm-knobs.h"

#include "nm-dev.h"
#include "nm-engine.h"
#include "nm-keys.h"

static void
update(struct nm_dev *dev)
{
    dev->group_tsc = nm_us_to_tsc(dev->knobs.group_us);
    dev->tx_tsc = nm_us_to_tsc(dev->knobs.tx_us);
}

void
nm_knobs_init(struct nm_dev *dev)
{
    static const struct nm_knobs defaults = {
        .group = NM_BURST,
        .group_us = 20,
        .tx_group = NM_BURST,
        .tx_us = 20,
        .tx_ask = 1,
        .tx_stop = 1,
    };

    dev->knobs = defaults;
    update(dev);
}

/* Returns NULL if successful, otherwise what is wrong. */
const char *
nm_knobs_set(struct nm_dev *dev, char *args)
{
    struct nm_knobs *knobs = &dev->knobs;
    uint64_t group = knobs->group, group_us = knobs->group_us;
    uint64_t tx_group = knobs->tx_group, tx_us = knobs->tx_us;
    uint64_t tx_lazy = knobs->tx_lazy, every = knobs->rx_error_every;
    uint64_t flap_ms = knobs->flap_ms, check = knobs->check;
    uint64_t touch = knobs->touch, tx_unit = knobs->tx_unit;
    uint64_t tx_hang = knobs->tx_hang;
    uint64_t tx_ask = knobs->tx_ask, tx_stop = knobs->tx_stop;
    const struct nm_key keys[] = {
        { "group", NM_NUMBER, &group, 4096 },
        { "group_us", NM_NUMBER, &group_us, 10000000 },
        { "tx_group", NM_NUMBER, &tx_group, 4096 },
        { "tx_us", NM_NUMBER, &tx_us, 10000000 },
        { "tx_lazy", NM_NUMBER, &tx_lazy, 1 },
        { "tx_unit", NM_NUMBER, &tx_unit, 4096 },
        { "tx_hang", NM_NUMBER, &tx_hang, 1 },
        { "tx_ask", NM_NUMBER, &tx_ask, 1 },
        { "tx_stop", NM_NUMBER, &tx_stop, 1 },
        { "rx_error_every", NM_NUMBER, &every, UINT32_MAX },
        { "flap_ms", NM_NUMBER, &flap_ms, 1000000 },
        { "check", NM_NUMBER, &check, 2 },
        { "touch", NM_NUMBER, &touch, 1 },
        { NULL, NM_NUMBER, NULL, 0 },
    };
    const char *error = nm_keys_parse(args, keys);

    if (error) {
        return error;
    }
    if (!knobs->check != !check && dev->n_live) {
        for (unsigned int i = 0; i < NM_MAX_QUEUES; i++) {
            if (dev->live_rxqs[i]) {
                return "check cannot change while a queue is started";
            }
        }
    }
    knobs->group = group;
    knobs->group_us = group_us;
    knobs->tx_group = tx_group;
    knobs->tx_us = tx_us;
    knobs->tx_lazy = tx_lazy;
    knobs->tx_unit = tx_unit;
    knobs->tx_hang = tx_hang;
    nm_store(&knobs->tx_ask, tx_ask);
    nm_store(&knobs->tx_stop, tx_stop);
    knobs->rx_error_every = every;
    knobs->flap_ms = flap_ms;
    knobs->check = check;
    knobs->touch = touch;
    update(dev);
    return NULL;
}
