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

#ifndef IOVTEE_UNIXCTL_H
#define IOVTEE_UNIXCTL_H 1

/* Registers the commands of ovs-appctl that iovtee-unixctl.man describes.  To
 * be called once, by the main thread. */
void iovtee_unixctl_init(void);

#endif /* iovtee-unixctl.h */
