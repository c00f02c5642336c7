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

#ifndef NETDEV_IOVTEE_ROLE_H
#define NETDEV_IOVTEE_ROLE_H 1

/* The two roles of a netdev of type "iovtee"
 * ==========================================
 *
 * netdev-iovtee.c decides, by the options of its first configuration, what a
 * netdev is; netdev-iovtee-nic.c and netdev-iovtee-guest.c are the two kinds.
 * A role is a table of functions like a netdev class.  An operation that the
 * NIC's table does not have goes to the lower netdev. */

#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "smap.h"

struct iovtee_guest_port;
struct iovtee_nic;

/* A NIC port's lower netdev has the port's name and this. */
#define IOVTEE_LOWER_SUFFIX ".dpdk"

struct netdev_iovtee {
    struct netdev up;
    struct ovs_list node;       /* In 'all', netdev-iovtee.c. */

    /* Constant from the first successful configuration on, NULL before. */
    const struct iovtee_role *role;

    /* A sentence for the user about a configuration that is not, or not
     * fully, in effect; NULL if it is.  Main thread only. */
    char *problem;

    /* NIC role. */
    struct ovs_list nic_node;   /* In 'nics', netdev-iovtee-nic.c. */
    struct netdev *lower;       /* Hidden netdev of type "dpdk". */
    struct iovtee_nic *nic;
    struct smap args;           /* Configuration in effect. */
    char *wanted;               /* Device that another port has, or NULL,... */
    unsigned int n_refused;     /* ...and how often it was not to be had. */
    uint64_t lower_change_seq;  /* Last seen. */
    long long int next_look;    /* When to look at, in time_msec(),... */
    char *exposure;             /* ...what the status says of that. */

    /* Guest role. */
    struct iovtee_guest_port *guest;
};

struct netdev_rxq_iovtee {
    struct netdev_rxq up;
    struct netdev_rxq *lower;   /* NIC role only. */
};

struct iovtee_role {
    const char *name;           /* For people. */
    struct netdev_class ops;    /* Those that the role has of its own. */

    int (*open)(struct netdev_iovtee *, const struct smap *, char **errp);
    void (*close)(struct netdev_iovtee *);
    int (*configure)(struct netdev_iovtee *, const struct smap *,
                     char **errp);
    void (*run)(struct netdev_iovtee *);
    void (*wait)(struct netdev_iovtee *);
    void (*show)(struct netdev_iovtee *, struct ds *);
    char *(*check)(struct netdev_iovtee *);
    bool (*dump_pool)(struct netdev_iovtee *, FILE *);

    /* Returns a sentence about what is not in effect for reasons outside of
     * the port's own configuration, or NULL.  The caller frees it. */
    char *(*remark)(const struct netdev_iovtee *);
};

extern const struct iovtee_role netdev_iovtee_nic_role;
extern const struct iovtee_role netdev_iovtee_guest_role;

/* Settings of the whole switch. */
struct netdev_iovtee_global {
    const struct netdev_class *class; /* The one that is registered. */
    char *vhost_sock_dir;       /* Where sockets of servers are. */
};

extern struct netdev_iovtee_global netdev_iovtee_global;

struct netdev_iovtee *netdev_iovtee_cast(const struct netdev *);
/* What netdev_iovtee_foreach() calls for a port. */
typedef void netdev_iovtee_cb(struct netdev_iovtee *, void *aux);

bool netdev_iovtee_foreach(const char *name, netdev_iovtee_cb *, void *aux);
char *netdev_iovtee_problem(const struct netdev_iovtee *);
void netdev_iovtee_set_problem(struct netdev_iovtee *, char *problem);
char *netdev_iovtee_unknown_option(const struct smap *,
                                   const char *const known[], size_t n);
void netdev_iovtee_defer_close(struct netdev *, struct iovtee_nic *);
void netdev_iovtee_close_deferred(void);

#endif /* netdev-iovtee-role.h */
