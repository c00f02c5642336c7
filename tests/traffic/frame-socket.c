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

#define _GNU_SOURCE

#include "frame-socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame-look.h"

/* Makes the network namespace called 'name' the current one. */
static void
enter_netns(const char *name)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "/run/netns/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        die("%s: %s", path, strerror(errno));
    }
    if (setns(fd, CLONE_NEWNET)) {
        die("%s: setns: %s", path, strerror(errno));
    }
    close(fd);
}

static void
set_receive_options(int fd, int index)
{
    struct packet_mreq mreq = { index, PACKET_MR_PROMISC, 0, { 0 } };
    int size = 256 * 1024 * 1024;
    int one = 1;

    /* The last two are for convenience: kernels and privileges differ. */
    if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one)
        || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING,
                      &one, sizeof one)) {
        die("setsockopt: %s", strerror(errno));
    }
    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof mreq);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
}

int
frame_socket_open(const char *name, bool receive)
{
    const char *colon = strchr(name, ':');
    const char *iface = colon ? colon + 1 : name;
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET,
        .sll_protocol = receive ? htons(ETH_P_ALL) : 0,
    };
    int home = -1;
    int fd;

    if (colon) {
        char *netns = strndup(name, colon - name);

        home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        enter_netns(netns);
        free(netns);
    }

    sll.sll_ifindex = if_nametoindex(iface);
    if (!sll.sll_ifindex) {
        die("%s: no such interface", name);
    }
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("%s: socket: %s", name, strerror(errno));
    }
    if (receive) {
        set_receive_options(fd, sll.sll_ifindex);
    }
    if (bind(fd, (struct sockaddr *) &sll, sizeof sll)) {
        die("%s: bind: %s", name, strerror(errno));
    }

    if (home >= 0) {
        if (setns(home, CLONE_NEWNET)) {
            die("setns: %s", strerror(errno));
        }
        close(home);
    }
    return fd;
}

uint8_t *
frame_socket_restore_tag(struct msghdr *msg, uint8_t *frame,
                         unsigned int *lenp)
{
    struct cmsghdr *cmsg;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        struct tpacket_auxdata aux;

        if (cmsg->cmsg_level != SOL_PACKET
            || cmsg->cmsg_type != PACKET_AUXDATA) {
            continue;
        }
        memcpy(&aux, CMSG_DATA(cmsg), sizeof aux);
        if (aux.tp_status & TP_STATUS_VLAN_VALID && *lenp >= 12) {
            uint16_t tag[2];

            tag[0] = htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID
                           ? aux.tp_vlan_tpid : ETH_P_8021Q);
            tag[1] = htons(aux.tp_vlan_tci);
            memmove(frame - FRAME_TAG_LEN, frame, 12);
            memcpy(frame + 8, tag, FRAME_TAG_LEN);
            *lenp += FRAME_TAG_LEN;
            return frame - FRAME_TAG_LEN;
        }
    }
    return frame;
}
