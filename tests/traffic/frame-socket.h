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

#ifndef FRAME_SOCKET_H
#define FRAME_SOCKET_H 1

/* Packet sockets that test frames go through
 * ==========================================
 *
 * What fails ends the program, see die(). */

#include <stdbool.h>
#include <stdint.h>

struct msghdr;

#define FRAME_TAG_LEN 4

/* Opens a packet socket on the interface 'name', [NETNS:]INTERFACE, to receive
 * if 'receive' is true and otherwise to send. */
int frame_socket_open(const char *name, bool receive);

/* The kernel takes the outermost VLAN tag out of a frame.  Puts it back into
 * the '*lenp' bytes at 'frame', which 'msg' describes and before which there
 * are FRAME_TAG_LEN bytes of room.  Returns the new start of the frame. */
uint8_t *frame_socket_restore_tag(struct msghdr *msg, uint8_t *frame,
                                  unsigned int *lenp);

#endif /* frame-socket.h */
