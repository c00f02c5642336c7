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

#ifndef IOVTEE_NOTIFIER_H
#define IOVTEE_NOTIFIER_H 1

/* A way to interrupt a guest
 * ==========================
 *
 * The front-end passes a file descriptor, an eventfd as a rule, and can change
 * what is behind it at any time: a write to it that must not block may block
 * nonetheless.  So nobody holds a lock while he writes:
 *
 *     lock
 *     notifier = iovtee_notifier_ref(queue->notifier);
 *     unlock
 *     iovtee_notifier_raise(notifier);
 *     iovtee_notifier_unref(notifier);
 *
 * The reference keeps the descriptor open meanwhile, should the front-end
 * replace it, so that its number cannot become that of another file.
 *
 * Thread-safety
 * =============
 *
 * All functions may be called from any thread.  They take no lock. */

struct iovtee_notifier;

struct iovtee_notifier *iovtee_notifier_create(int fd);
struct iovtee_notifier *iovtee_notifier_ref(struct iovtee_notifier *);
void iovtee_notifier_unref(struct iovtee_notifier *);
void iovtee_notifier_raise(struct iovtee_notifier *);

#endif /* notifier.h */
