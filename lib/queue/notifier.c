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

#include <config.h>

#include "queue/notifier.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ovs-atomic.h"
#include "util.h"

struct iovtee_notifier {
    struct ovs_refcount ref_cnt;
    int fd;                     /* Ours. */
};

/* Returns a notifier with one reference that writes to a duplicate of 'fd',
 * which stays the caller's, or NULL if 'fd' is negative or there are no
 * descriptors left. */
struct iovtee_notifier *
iovtee_notifier_create(int fd)
{
    struct iovtee_notifier *notifier;
    int flags;

    fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd < 0) {
        return NULL;
    }

    /* A guest cannot be allowed to make us wait.  But the front-end shares
     * this flag with us, and can clear it again. */
    flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }

    notifier = xmalloc(sizeof *notifier);
    ovs_refcount_init(&notifier->ref_cnt);
    notifier->fd = fd;
    return notifier;
}

struct iovtee_notifier *
iovtee_notifier_ref(struct iovtee_notifier *notifier)
{
    if (notifier) {
        ovs_refcount_ref(&notifier->ref_cnt);
    }
    return notifier;
}

/* Drops a reference, and closes the descriptor with the last one.  Accepts
 * NULL. */
void
iovtee_notifier_unref(struct iovtee_notifier *notifier)
{
    if (notifier && ovs_refcount_unref(&notifier->ref_cnt) == 1) {
        close(notifier->fd);
        free(notifier);
    }
}

/* Interrupts the guest.  Does nothing if 'notifier' is NULL.  Can block if the
 * front-end wants it to, so the caller must hold no lock. */
void
iovtee_notifier_raise(struct iovtee_notifier *notifier)
{
    if (notifier) {
        eventfd_write(notifier->fd, 1);
    }
}
