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

#ifndef NETDEV_IOVTEE_JSON_H
#define NETDEV_IOVTEE_JSON_H 1

/* What "iovtee/show" tells, for programs.  The schema is in
 * iovtee-unixctl.man: members may be added, but keep their names and meaning.
 * For the main thread. */

#include <stdbool.h>

struct ds;

/* Appends to 's' an array with an object for the port called 'name' or, if
 * that is NULL, for every port.  Returns false if there is no such port. */
bool netdev_iovtee_show_json(const char *name, struct ds *s);

#endif /* netdev-iovtee-json.h */
