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

/* The driver: devices come and go, and events.  See nm-dev.h. */

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_alarm.h>
#include <rte_kvargs.h>
#include <rte_log.h>
#include <rte_malloc.h>

#include "nm-control.h"
#include "nm-dev.h"
#include "nm-engine.h"
#include "nm-knobs.h"
#include "nm-sink.h"
#include "nm-source.h"

static struct nm_dev *devs[NM_MAX_DEVS];
static unsigned int n_devs;
static pthread_mutex_t nm_mutex = PTHREAD_MUTEX_INITIALIZER;

RTE_LOG_REGISTER(nm_logtype, pmd.net.nicmodel, NOTICE);

void
nm_log(uint32_t level, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rte_log(level, nm_logtype, "nicmodel: %s\n", text);
}

/* List of devices. */

void
nm_lock(void)
{
    pthread_mutex_lock(&nm_mutex);
}

void
nm_unlock(void)
{
    pthread_mutex_unlock(&nm_mutex);
}

struct nm_dev *
nm_dev_by_index(unsigned int i)
{
    return i < n_devs ? devs[i] : NULL;
}

struct nm_dev *
nm_dev_find(const char *name)
{
    for (unsigned int i = 0; i < n_devs; i++) {
        if (!strcmp(devs[i]->name, name)) {
            return devs[i];
        }
    }
    return NULL;
}

/* Events. */

/* EAL's interrupt thread calls this, without any lock of ours, as a NIC's
 * driver would report an event. */
static void
report_event(void *aux)
{
    uintptr_t x = (uintptr_t) aux;
    uint16_t port_id = x >> 8;
    bool known = false;

    nm_lock();
    for (unsigned int i = 0; i < n_devs; i++) {
        known |= devs[i]->port_id == port_id;
    }
    if (known && (x & 0xff) == RTE_ETH_EVENT_INTR_LSC) {
        nm_ops.link_update(&rte_eth_devices[port_id], 0);
    }
    nm_unlock();
    if (known) {
        rte_eth_dev_callback_process(&rte_eth_devices[port_id], x & 0xff,
                                     NULL);
    }
}

static void
event(const struct nm_dev *dev, enum rte_eth_event_type type)
{
    uintptr_t x = (uintptr_t) dev->port_id << 8 | type;

    rte_eal_alarm_set(1, report_event, (void *) x);
}

static void
do_update_link(void *dev_)
{
    struct nm_dev *dev = dev_;

    dev->link = (dev->link_admin
                 && __atomic_load_n(&dev->carrier, __ATOMIC_RELAXED));
}

void
nm_dev_update_link(struct nm_dev *dev)
{
    nm_engine_call(do_update_link, dev);
}

/* Plugs the cable in or out. */
void
nm_dev_set_carrier(struct nm_dev *dev, bool up)
{
    if (__atomic_exchange_n(&dev->carrier, up, __ATOMIC_RELAXED) != up) {
        nm_dev_update_link(dev);
        event(dev, RTE_ETH_EVENT_INTR_LSC);
    }
}

static void
do_hang(void *dev_)
{
    struct nm_dev *dev = dev_;

    dev->hung = true;
}

/* The device does nothing any more until the application has reset it. */
void
nm_dev_want_reset(struct nm_dev *dev)
{
    nm_engine_call(do_hang, dev);
    event(dev, RTE_ETH_EVENT_INTR_RESET);
}

/* Creation and destruction. */

/* Removes 'dev' from the list and from the engine, and frees what it has. */
void
nm_dev_destroy(struct nm_dev *dev)
{
    nm_lock();
    for (unsigned int i = 0; i < n_devs; i++) {
        if (devs[i] == dev) {
            n_devs--;
            memmove(&devs[i], &devs[i + 1], (n_devs - i) * sizeof devs[0]);
            break;
        }
    }
    nm_unlock();
    if (!n_devs) {
        nm_control_stop();
    }
    nm_engine_remove(dev);
    nm_source_destroy(dev->source);
    nm_sink_destroy(dev->sink);
    free(dev->toeplitz);
    dev->source = NULL;
    dev->sink = NULL;
    dev->toeplitz = NULL;
}

struct arguments {
    int cpu;
    char *ctl;
    struct nm_dev *dev;
};

static int
handle_arg(const char *key, const char *value, void *arguments_)
{
    struct arguments *arguments = arguments_;
    char knob[64];

    if (!value) {
        return -EINVAL;
    } else if (!strcmp(key, "engine")) {
        arguments->cpu = atoi(value);
    } else if (!strcmp(key, "ctl")) {
        free(arguments->ctl);
        arguments->ctl = strdup(value);
    } else if (!strcmp(key, "mac")) {
        return rte_ether_unformat_addr(value, &arguments->dev->mac);
    } else {
        snprintf(knob, sizeof knob, "%s=%s", key, value);
        return nm_knobs_set(arguments->dev, knob) ? -EINVAL : 0;
    }
    return 0;
}

/* Applies the devargs of 'vdev'.  Returns 0 or a negative errno value. */
static int
parse_args(struct rte_vdev_device *vdev, struct arguments *arguments)
{
    const char *params = rte_vdev_device_args(vdev);
    struct rte_kvargs *kvlist;
    int error;

    if (!params || !*params) {
        return 0;
    }
    kvlist = rte_kvargs_parse(params, NULL);
    if (!kvlist) {
        return -EINVAL;
    }
    error = rte_kvargs_process(kvlist, NULL, handle_arg, arguments);
    rte_kvargs_free(kvlist);
    return error ? -EINVAL : 0;
}

/* Key of Microsoft's specification of RSS, as most drivers have it. */
static const uint8_t default_key[NM_RSS_KEY_LEN] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static void
do_defaults(void *dev)
{
    char defaults[] = "";

    nm_source_configure(dev, defaults);
}

static int
dev_init(struct nm_dev *dev, struct rte_vdev_device *vdev)
{
    static uint8_t n_created;
    struct arguments arguments = { .cpu = -1, .dev = dev };
    int error;

    snprintf(dev->name, sizeof dev->name, "%s", rte_vdev_device_name(vdev));
    dev->mac = (struct rte_ether_addr) {{ 2, 'n', 'i', 'c', 1, n_created++ }};
    dev->carrier = true;
    memcpy(dev->rss_key, default_key, sizeof default_key);
    nm_knobs_init(dev);
    dev->source = nm_source_create();
    dev->sink = nm_sink_create();
    if (!dev->source || !dev->sink) {
        return -ENOMEM;
    }
    error = parse_args(vdev, &arguments);
    if (!error && !nm_engine_add(dev, arguments.cpu)) {
        error = -EIO;
    }
    if (!error) {
        nm_engine_call(do_defaults, dev);
        nm_lock();
        devs[n_devs++] = dev;
        nm_unlock();
        if (arguments.ctl && !nm_control_start(arguments.ctl)) {
            nm_dev_destroy(dev);
            error = -EADDRNOTAVAIL;
        }
    }
    free(arguments.ctl);
    return error;
}

static int
probe(struct rte_vdev_device *vdev)
{
    struct rte_eth_dev *eth;
    struct nm_dev *dev;
    int error;

    if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
        return -ENOTSUP;
    }
    if (rte_eal_iova_mode() != RTE_IOVA_VA) {
        nm_log(RTE_LOG_ERR, "the engine needs EAL's --iova-mode=va");
        return -ENOTSUP;
    }
    eth = rte_eth_vdev_allocate(vdev, sizeof *dev);
    if (!eth) {
        return -ENOMEM;
    }
    dev = eth->data->dev_private;
    dev->port_id = eth->data->port_id;
    dev->socket_id = rte_socket_id();
    error = dev_init(dev, vdev);
    if (error) {
        nm_source_destroy(dev->source);
        nm_sink_destroy(dev->sink);
        rte_eth_dev_release_port(eth);
        return error;
    }

    eth->data->mac_addrs = &dev->mac;
    eth->data->numa_node = dev->socket_id;
    eth->data->dev_flags |= RTE_ETH_DEV_INTR_LSC;
    eth->data->dev_flags &= ~RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
    eth->dev_ops = &nm_ops;
    eth->rx_pkt_burst = nm_rx_burst;
    eth->tx_pkt_burst = nm_tx_burst;
    eth->rx_queue_count = nm_rx_queue_count;
    eth->rx_descriptor_status = nm_rx_descriptor_status;
    eth->tx_descriptor_status = nm_tx_descriptor_status;
    rte_eth_dev_probing_finish(eth);
    return 0;
}

static int
nm_remove(struct rte_vdev_device *vdev)
{
    struct rte_eth_dev *eth;

    eth = rte_eth_dev_allocated(rte_vdev_device_name(vdev));
    if (eth) {
        nm_dev_close(eth);
        rte_eth_dev_release_port(eth);
    }
    return 0;
}

static struct rte_vdev_driver nm_vdev_driver = {
    .probe = probe,
    .remove = nm_remove,
    .drv_flags = RTE_VDEV_DRV_NEED_IOVA_AS_VA,
};

RTE_PMD_REGISTER_VDEV(net_nicmodel, nm_vdev_driver);
RTE_PMD_REGISTER_PARAM_STRING(net_nicmodel,
                              "engine=<cpu> ctl=<path> mac=<mac> check=<n>");
