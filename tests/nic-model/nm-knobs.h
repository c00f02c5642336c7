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

#ifndef NM_KNOBS_H
#define NM_KNOBS_H 1

/* What can be changed while a device runs:
 *
 *     group=N           frames per write-back (32)
 *     group_us=US       a smaller group is written back after this (20)
 *     tx_group=N        sent descriptors per completion (32)
 *     tx_us=US          fewer are completed after this (20)
 *     tx_lazy=1         only completed once more frames are to be sent
 *     tx_unit=N         completed in whole units of N only, however long that
 *                       takes, as with "tx_rs_thresh" of Intel's drivers
 *     tx_hang=1         takes no more frames that are to be sent
 *     tx_ask=0          the driver has no rte_eth_tx_done_cleanup()
 *     tx_stop=0         nor can it stop a single transmit queue
 *     rx_error_every=N  each so manieth frame has a bad CRC
 *     flap_ms=MS        link goes down, and up, each so often
 *     check=1|2         check mode, see nm-check.h
 *     touch=1           frames that are sent are read as a whole
 *
 * The functions run while the engine waits, or before it knows of the
 * device. */

struct nm_dev;

void nm_knobs_init(struct nm_dev *);
const char *nm_knobs_set(struct nm_dev *, char *args);

#endif /* nm-knobs.h */
