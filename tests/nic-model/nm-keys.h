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

#ifndef NM_KEYS_H
#define NM_KEYS_H 1

/* Parsing of "KEY=VALUE KEY=VALUE..." */

#include <stdint.h>

enum nm_key_type {
    NM_NUMBER,                  /* uint64_t, up to 'max'. */
    NM_STRING,                  /* char *, which points into the text. */
    NM_MAC,                     /* uint8_t[6] */
    NM_IP,                      /* uint32_t, host byte order. */
};

struct nm_key {
    const char *name;           /* NULL for the end. */
    enum nm_key_type type;
    void *value;
    uint64_t max;
};

const char *nm_keys_parse(char *args, const struct nm_key *);
int nm_parse_list(char *s, const char *separators, uint64_t *values, int max);

#endif /* nm-keys.h */
