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

/* Gives a fuzzer the files that are its arguments, one after the other, so
 * that it is a test like others and needs no compiler of its own. */

#include "fuzz.h"

static void
run_file(const char *name)
{
    FILE *stream = fopen(name, "rb");
    uint8_t *data = NULL;
    size_t size = 0;
    size_t n;

    if (!stream) {
        perror(name);
        exit(1);
    }
    do {
        data = realloc(data, size + BUFSIZ);
        CHECK(data);
        n = fread(data + size, 1, BUFSIZ, stream);
        size += n;
    } while (n);
    fclose(stream);

    /* So that a sanitizer sees who reads beyond the end. */
    data = realloc(data, size ? size : 1);
    CHECK(data);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int
main(int argc, char *argv[])
{
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        run_file(argv[i]);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
