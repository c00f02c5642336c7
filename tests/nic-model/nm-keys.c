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

#include "nm-keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
parse_number(const char *s, uint64_t max, uint64_t *value)
{
    char *tail;

    errno = 0;
    *value = strtoull(s, &tail, 0);
    return *s && *s != '-' && !*tail && !errno && *value <= max;
}

static bool
parse_mac(const char *s, uint8_t mac[6])
{
    int n = 0;

    return (sscanf(s, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%n", &mac[0], &mac[1],
                   &mac[2], &mac[3], &mac[4], &mac[5], &n) == 6 && !s[n]);
}

static bool
parse_value(char *s, const struct nm_key *key)
{
    uint32_t ip;

    switch (key->type) {
    case NM_NUMBER:
        return parse_number(s, key->max, key->value);
    case NM_STRING:
        *(char **) key->value = s;
        return true;
    case NM_MAC:
        return parse_mac(s, key->value);
    case NM_IP:
        if (inet_pton(AF_INET, s, &ip) != 1) {
            return false;
        }
        *(uint32_t *) key->value = ntohl(ip);
        return true;
    default:
        return false;
    }
}

/* Parses 'args', which is modified, and stores values as 'keys' say.  Returns
 * NULL if successful, otherwise what is wrong. */
const char *
nm_keys_parse(char *args, const struct nm_key *keys)
{
    static char error[128];
    char *save, *word;

    for (word = strtok_r(args, " \t", &save); word;
         word = strtok_r(NULL, " \t", &save)) {
        char *value = strchr(word, '=');
        const struct nm_key *key = keys;

        if (value) {
            *value++ = '\0';
        }
        while (key->name && strcmp(key->name, word)) {
            key++;
        }
        if (!key->name) {
            snprintf(error, sizeof error, "unknown key %.40s", word);
            return error;
        }
        if (!value || !parse_value(value, key)) {
            snprintf(error, sizeof error, "wrong value of %.40s", word);
            return error;
        }
    }
    return NULL;
}

/* Parses the list of numbers in 's', which is modified.  Returns how many
 * there are, or -1 if it is not a list of up to 'max' numbers. */
int
nm_parse_list(char *s, const char *separators, uint64_t *values, int max)
{
    char *save, *word;
    int n = 0;

    for (word = strtok_r(s, separators, &save); word;
         word = strtok_r(NULL, separators, &save)) {
        if (n >= max || !parse_number(word, UINT32_MAX, &values[n])) {
            return -1;
        }
        n++;
    }
    return n;
}
