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

#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H 1

/* Frame of a fuzzer
 * =================
 *
 * A fuzzer takes its decisions from the bytes that it is given: what to do
 * next, and with which numbers.  When there are none left, all of them are
 * zeros, and the fuzzer should come to its end.  What must always be true is
 * in a CHECK() of unit.h.
 *
 * LibFuzzer makes up the bytes; fuzz-main.c takes them from files. */

#include <stddef.h>
#include <stdint.h>

#include "unit.h"

/* What remains of the input. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;                /* Bytes. */
};

/* Must be called first, unless there is nothing to do. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns the next number of 'n' bytes, at most 8. */
static inline uint64_t
fuzz_bytes(struct fuzz_input *in, size_t n)
{
    uint64_t value = 0;

    if (n > in->size) {
        n = in->size;
    }
    if (n) {
        memcpy(&value, in->data, n);
        in->data += n;
        in->size -= n;
    }
    return value;
}

static inline uint8_t
fuzz_u8(struct fuzz_input *in)
{
    return fuzz_bytes(in, 1);
}

static inline uint16_t
fuzz_u16(struct fuzz_input *in)
{
    return fuzz_bytes(in, 2);
}

/* Returns one of the numbers from 0 to 'n' - 1, of which there are at most
 * 65536.  Takes no more bytes than are needed. */
static inline uint32_t
fuzz_below(struct fuzz_input *in, uint32_t n)
{
    return (n <= 256 ? fuzz_u8(in) : fuzz_u16(in)) % n;
}

/* Returns a number that is near a power of two or 0, or arbitrary: those that
 * are at the edge of something. */
static inline uint64_t
fuzz_edge(struct fuzz_input *in)
{
    uint8_t kind = fuzz_u8(in);

    if (kind < 192) {
        uint64_t power = UINT64_C(1) << (kind & 63);

        return kind < 64 ? power : kind < 128 ? power - 1 : -power;
    }
    return fuzz_bytes(in, 1 + kind % 8);
}

#endif /* tests/fuzz/fuzz.h */
