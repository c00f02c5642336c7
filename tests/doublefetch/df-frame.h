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

#ifndef TESTS_DOUBLEFETCH_DF_FRAME_H
#define TESTS_DOUBLEFETCH_DF_FRAME_H 1

/* Frames of all kinds
 * ===================
 *
 * df_frame() makes one that depends on df_random() only: mostly a sound one,
 * sometimes one that is cut or that has some bytes changed. */

#include <stddef.h>
#include <stdint.h>

#define DF_FRAME_MAX 512

/* What is behind the Ethernet header and its tags. */
enum df_kind {
    DF_ANY,                     /* One of those below. */
    DF_TCP,
    DF_UDP,
    DF_SCTP,
    DF_ICMP,                    /* An echo request. */
    DF_ICMP_ERROR,              /* About a UDP packet. */
    DF_IP_FRAGMENT,
    DF_IP_OTHER,
    DF_TCP6,
    DF_UDP6,
    DF_SCTP6,
    DF_ICMP6,
    DF_ICMP6_ERROR,
    DF_ND,
    DF_IP6_FRAGMENT,
    DF_IP6_OTHER,
    DF_ARP,
    DF_MPLS,
    DF_NSH,
    DF_SNAP,
    DF_N_KINDS
};

/* Writes a frame of at most DF_FRAME_MAX bytes and returns its length.  A
 * plain one is sound, and has neither tags nor options. */
size_t df_frame(uint8_t *frame, enum df_kind);
size_t df_plain_frame(uint8_t *frame, enum df_kind);

#endif /* tests/doublefetch/df-frame.h */
