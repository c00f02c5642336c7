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

/* What the compiler calls when it is asked for ThreadSanitizer, and functions
 * of the C library that read or write memory by themselves (by the linker's
 * --wrap).  There is no ThreadSanitizer in this program. */

#include "df.h"

#include <string.h>

#define HERE __builtin_return_address(0)

void __tsan_init(void);
void __tsan_func_entry(void *);
void __tsan_func_exit(void);

void
__tsan_init(void)
{
}

void
__tsan_func_entry(void *caller)
{
    (void) caller;
}

void
__tsan_func_exit(void)
{
}

#define ACCESS(NAME, SIZE, WRITE)                                       \
    void NAME(void *);                                                  \
    void                                                                \
    NAME(void *p)                                                       \
    {                                                                   \
        df_access(p, SIZE, WRITE, HERE);                                \
    }

#define ACCESSES(SIZE)                                                  \
    ACCESS(__tsan_read##SIZE, SIZE, false)                              \
    ACCESS(__tsan_write##SIZE, SIZE, true)                              \
    ACCESS(__tsan_unaligned_read##SIZE, SIZE, false)                    \
    ACCESS(__tsan_unaligned_write##SIZE, SIZE, true)                    \
    ACCESS(__tsan_volatile_read##SIZE, SIZE, false)                     \
    ACCESS(__tsan_volatile_write##SIZE, SIZE, true)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void *, size_t);
void __tsan_write_range(void *, size_t);

void
__tsan_read_range(void *p, size_t size)
{
    df_access(p, size, false, HERE);
}

void
__tsan_write_range(void *p, size_t size)
{
    df_access(p, size, true, HERE);
}

/* Atomic accesses are replaced by calls, so these are to be made, too. */
#define ATOMIC_RMW(BITS, OP)                                            \
    uint##BITS##_t __tsan_atomic##BITS##_##OP(                          \
        volatile uint##BITS##_t *, uint##BITS##_t, int);                \
    uint##BITS##_t                                                      \
    __tsan_atomic##BITS##_##OP(volatile uint##BITS##_t *p,              \
                               uint##BITS##_t value, int order)         \
    {                                                                   \
        (void) order;                                                   \
        df_access(p, BITS / 8, false, HERE);                            \
        return ATOMIC_##OP(p, value, __ATOMIC_SEQ_CST);                 \
    }

#define ATOMIC_exchange __atomic_exchange_n
#define ATOMIC_fetch_add __atomic_fetch_add
#define ATOMIC_fetch_sub __atomic_fetch_sub
#define ATOMIC_fetch_and __atomic_fetch_and
#define ATOMIC_fetch_or __atomic_fetch_or
#define ATOMIC_fetch_xor __atomic_fetch_xor

#define ATOMIC_CAS(BITS, STRENGTH, WEAK)                                \
    int __tsan_atomic##BITS##_compare_exchange_##STRENGTH(              \
        volatile uint##BITS##_t *, uint##BITS##_t *, uint##BITS##_t,    \
        int, int);                                                      \
    int                                                                 \
    __tsan_atomic##BITS##_compare_exchange_##STRENGTH(                  \
        volatile uint##BITS##_t *p, uint##BITS##_t *expected,           \
        uint##BITS##_t value, int success, int failure)                 \
    {                                                                   \
        (void) success;                                                 \
        (void) failure;                                                 \
        df_access(p, BITS / 8, false, HERE);                            \
        return __atomic_compare_exchange_n(p, expected, value, WEAK,    \
                                           __ATOMIC_SEQ_CST,            \
                                           __ATOMIC_SEQ_CST);           \
    }

#define ATOMICS(BITS)                                                   \
    uint##BITS##_t __tsan_atomic##BITS##_load(                          \
        const volatile uint##BITS##_t *, int);                          \
    uint##BITS##_t                                                      \
    __tsan_atomic##BITS##_load(const volatile uint##BITS##_t *p,        \
                               int order)                               \
    {                                                                   \
        (void) order;                                                   \
        df_access(p, BITS / 8, false, HERE);                            \
        return __atomic_load_n(p, __ATOMIC_SEQ_CST);                    \
    }                                                                   \
    void __tsan_atomic##BITS##_store(                                   \
        volatile uint##BITS##_t *, uint##BITS##_t, int);                \
    void                                                                \
    __tsan_atomic##BITS##_store(volatile uint##BITS##_t *p,             \
                                uint##BITS##_t value, int order)        \
    {                                                                   \
        (void) order;                                                   \
        df_access(p, BITS / 8, true, HERE);                             \
        __atomic_store_n(p, value, __ATOMIC_SEQ_CST);                   \
    }                                                                   \
    ATOMIC_RMW(BITS, exchange)                                          \
    ATOMIC_RMW(BITS, fetch_add)                                         \
    ATOMIC_RMW(BITS, fetch_sub)                                         \
    ATOMIC_RMW(BITS, fetch_and)                                         \
    ATOMIC_RMW(BITS, fetch_or)                                          \
    ATOMIC_RMW(BITS, fetch_xor)                                         \
    ATOMIC_CAS(BITS, strong, false)                                     \
    ATOMIC_CAS(BITS, weak, true)

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

void __tsan_atomic_thread_fence(int);

void
__tsan_atomic_thread_fence(int order)
{
    (void) order;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Functions of the C library. */

void *__real_memcpy(void *, const void *, size_t);
void *__wrap_memcpy(void *, const void *, size_t);
void *__real_memmove(void *, const void *, size_t);
void *__wrap_memmove(void *, const void *, size_t);
void *__real_memset(void *, int, size_t);
void *__wrap_memset(void *, int, size_t);
int __real_memcmp(const void *, const void *, size_t);
int __wrap_memcmp(const void *, const void *, size_t);
void *__real_memchr(const void *, int, size_t);
void *__wrap_memchr(const void *, int, size_t);
size_t __real_strlen(const char *);
size_t __wrap_strlen(const char *);
size_t __real_strnlen(const char *, size_t);
size_t __wrap_strnlen(const char *, size_t);

void *
__wrap_memcpy(void *dst, const void *src, size_t n)
{
    df_access(src, n, false, HERE);
    df_access(dst, n, true, HERE);
    return __real_memcpy(dst, src, n);
}

void *
__wrap_memmove(void *dst, const void *src, size_t n)
{
    df_access(src, n, false, HERE);
    df_access(dst, n, true, HERE);
    return __real_memmove(dst, src, n);
}

void *
__wrap_memset(void *dst, int c, size_t n)
{
    df_access(dst, n, true, HERE);
    return __real_memset(dst, c, n);
}

int
__wrap_memcmp(const void *a, const void *b, size_t n)
{
    df_access(a, n, false, HERE);
    df_access(b, n, false, HERE);
    return __real_memcmp(a, b, n);
}

void *
__wrap_memchr(const void *p, int c, size_t n)
{
    df_access(p, n, false, HERE);
    return __real_memchr(p, c, n);
}

/* What clang makes of the former. */
void *__tsan_memcpy(void *, const void *, size_t);
void *__tsan_memmove(void *, const void *, size_t);
void *__tsan_memset(void *, int, size_t);

void *
__tsan_memcpy(void *dst, const void *src, size_t n)
{
    df_access(src, n, false, HERE);
    df_access(dst, n, true, HERE);
    return __real_memcpy(dst, src, n);
}

void *
__tsan_memmove(void *dst, const void *src, size_t n)
{
    df_access(src, n, false, HERE);
    df_access(dst, n, true, HERE);
    return __real_memmove(dst, src, n);
}

void *
__tsan_memset(void *dst, int c, size_t n)
{
    df_access(dst, n, true, HERE);
    return __real_memset(dst, c, n);
}

size_t
__wrap_strlen(const char *s)
{
    size_t n = __real_strlen(s);

    df_access(s, n + 1, false, HERE);
    return n;
}

size_t
__wrap_strnlen(const char *s, size_t max)
{
    size_t n = __real_strnlen(s, max);

    df_access(s, n, false, HERE);
    return n;
}
