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

/* nm-ask: asks the NIC model, see nm-control.h for the commands
 * =============================================================
 *
 *     nm-ask SOCKET COMMAND [ARGUMENT...]
 *     nm-ask SOCKET get DEV KEY...     some of what "stats" tells
 *
 * Prints the answer without "ok", and ends with status 1 if it is "error".
 *
 * ctl.py does the same.  The system tests ask often, while the switch and its
 * guests leave little time for a Python to start in. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void die(const char *, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

static void
die(const char *format, ...)
{
    va_list args;

    fputs("nm-ask: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    exit(1);
}

static int
connect_to(const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (strlen(path) >= sizeof sun.sun_path) {
        die("%s: name too long", path);
    }
    strcpy(sun.sun_path, path);
    if (fd < 0 || connect(fd, (struct sockaddr *) &sun, sizeof sun)) {
        die("%s: %m", path);
    }
    return fd;
}

/* Sends the 'n' words at 'words' to 'fd', and returns what follows "ok" in the
 * answer, which is a static buffer. */
static char *
ask(int fd, char *words[], int n)
{
    static char answer[16384];
    FILE *out = fdopen(fd, "w");
    FILE *in = fdopen(dup(fd), "r");

    for (int i = 0; i < n; i++) {
        fprintf(out, "%s%s", i ? " " : "", words[i]);
    }
    putc('\n', out);
    if (fflush(out) || !fgets(answer, sizeof answer, in)) {
        die("the connection was closed");
    }
    answer[strcspn(answer, "\n")] = '\0';
    if (!strncmp(answer, "error ", 6)) {
        die("%s", answer + 6);
    }
    return answer + (answer[2] ? 3 : 2);
}

/* Prints the value of 'key' in 'json', one object of numbers. */
static void
print_value(const char *json, const char *key)
{
    char name[64];
    const char *value;

    snprintf(name, sizeof name, "\"%s\": ", key);
    value = strstr(json, name);
    if (!value) {
        die("no %s in %s", key, json);
    }
    value += strlen(name);
    printf("%.*s", (int) strspn(value, "0123456789"), value);
}

int
main(int argc, char *argv[])
{
    int fd;

    if (argc < 3) {
        die("usage: nm-ask SOCKET COMMAND [ARGUMENT...]");
    }
    fd = connect_to(argv[1]);
    if (!strcmp(argv[2], "get") && argc > 4) {
        char *words[] = { "stats", argv[3] };
        const char *json = ask(fd, words, 2);

        for (int i = 4; i < argc; i++) {
            print_value(json, argv[i]);
            putchar(i < argc - 1 ? ' ' : '\n');
        }
    } else {
        const char *json = ask(fd, argv + 2, argc - 2);

        if (*json) {
            puts(json);
        }
    }
    return 0;
}
