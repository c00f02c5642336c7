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

#ifndef TESTS_DOUBLEFETCH_DF_H
#define TESTS_DOUBLEFETCH_DF_H 1

/* Guest memory that changes while it is read
 * ==========================================
 *
 * A few pages play the memory of a guest.  A frame lies in them, and code of
 * Open vSwitch works on it.  Each of its loads and stores comes here first:
 * df-tsan.c gets them from code that was compiled to call it, df-trap.c from
 * the processor.
 *
 * A *double fetch* is a load of a byte that the same operation has loaded or
 * stored before.  df_access() notes who did both, and, if asked to mutate,
 * plays a guest that writes in between: the byte gets another value before
 * the load is made.  An access beyond the bounds of the frame ends the
 * program, as do a signal and df_fail().
 *
 * What happens depends on the seed and on the number of the operation only.
 *
 * Usage
 * =====
 *
 *     df_init();
 *     for (n = 0; n < count; n++) {
 *         df_begin("operation", seed, n);
 *         data = df_place(frame, size, headroom, tailroom);
 *         df_watch(true);
 *         ...code of Open vSwitch, with 'data'...
 *         df_unwatch();
 *     }
 *     df_report();
 *
 * One thread only.  Others are not seen. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit status when something was found. */
#define DF_FOUND 3

void df_init(void);
void df_begin(const char *operation, uint64_t seed, uint64_t n);
uint8_t *df_place(const uint8_t *frame, size_t size, size_t headroom,
                  size_t tailroom);
void df_watch(bool mutate);
void df_unwatch(void);

/* What happened since the program was started. */
uint64_t df_n_fetches(void);
uint64_t df_n_double(void);
uint64_t df_n_mutations(void);
void df_report(void);

/* Ends the program with what is wrong, with how to do it again and with what
 * the guest did. */
void df_fail(const char *format, ...)
    __attribute__((__format__(printf, 1, 2), __noreturn__));

/* Numbers that depend on what df_begin() got. */
uint32_t df_random(void);
uint32_t df_below(uint32_t n);
uint8_t df_interesting_byte(void);

/* For the instruments.  An access of 'size' bytes from 'pc' is about to be
 * made; 'size' is 0 if it is not known. */
void df_access(const volatile void *, size_t size, bool write,
               const void *pc);

/* The pages that df_place() uses, and what they are to do when df_watch() and
 * df_unwatch() are called.  'trap' is NULL unless there is such an
 * instrument. */
struct df_trap {
    void (*arm)(void *pages, size_t size);
    void (*disarm)(void *pages, size_t size);
};
extern const struct df_trap *df_trap;
bool df_in_pages(const void *);

#endif /* tests/doublefetch/df.h */
