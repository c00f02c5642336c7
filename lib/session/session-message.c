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

/* What comes with a message of vhost-user: the memory table and files.  For
 * librte_vhost's thread. */

#include <config.h>

#include "session/session-message.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>


#include "compat/dpdk.h"
#include "util.h"

/* librte_vhost does not close the file descriptors of a message that a handler
 * of its user's has refused, and leaves one open of a memory table that it
 * cannot map.  A front-end could take all of the process's.  So we close those
 * of each message that we refuse, and refuse tables that cannot be mapped.
 *
 * Nothing in librte_vhost's interface says where they are.  They follow the
 * largest message that it knows: eight, of which -1 are none, and how many
 * there are.  It promises not to change that carelessly. */
#define MSG_FDS IOVTEE_VHOST_MSG_SIZE
#define MSG_MAX_FDS 8

/* What follows the message. */
struct msg_fds {
    int fds[MSG_MAX_FDS];
    int n;
};

/* Copies what follows 'msg' to '*mf'.  Returns false if it does not look like
 * file descriptors. */
static bool
get_fds(const uint8_t *msg, struct msg_fds *mf)
{
    memcpy(mf, msg + MSG_FDS, sizeof *mf);
    for (int i = 0; i < MSG_MAX_FDS; i++) {
        if (mf->fds[i] < -1 || (mf->fds[i] >= 0) > (i < mf->n)) {
            return false;
        }
    }
    return mf->n >= 0 && mf->n <= MSG_MAX_FDS;
}

/* Closes the file descriptors of 'msg', which librte_vhost is not going to
 * handle.  Returns false if they are not where they should be. */
bool
session_message_close_fds__(uint8_t *msg)
{
    const struct msg_fds none = {
        .fds = { -1, -1, -1, -1, -1, -1, -1, -1 },
    };
    struct msg_fds mf;

    if (!get_fds(msg, &mf)) {
        return false;
    }
    for (int i = 0; i < mf.n; i++) {
        if (mf.fds[i] >= 0) {
            close(mf.fds[i]);
        }
    }
    memcpy(msg + MSG_FDS, &none, sizeof none);
    return true;
}

/* Can 'size' bytes of file 'fd', from its beginning on, be mapped as
 * librte_vhost does?
 *
 * A process that has all of its memory locked (mlockall()) takes memory for a
 * mapping when it is made.  So this one cannot be accessed until it is not
 * locked any more. */
static bool
can_map(int fd, uint64_t size)
{
    bool ok;
    void *p;

    p = mmap(NULL, size, PROT_NONE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        return false;
    }
    ok = !munlock(p, size) && !mprotect(p, size, PROT_READ | PROT_WRITE);
    munmap(p, size);
    return ok;
}

/* Is file 'fd' in memory?  Whoever touches a page of another may have to wait
 * for a disk or for a server, and a PMD thread must not. */
static bool
is_in_memory(int fd)
{
    struct statfs fs;

    return !fstatfs(fd, &fs) && (fs.f_type == TMPFS_MAGIC
                                 || fs.f_type == HUGETLBFS_MAGIC
                                 || fs.f_type == RAMFS_MAGIC);
}

/* Returns the memory that this machine has, swap included, in bytes. */
static uint64_t
machine_memory(void)
{
    struct sysinfo info;

    return (sysinfo(&info) ? UINT64_MAX
            : ((uint64_t) info.totalram + info.totalswap) * info.mem_unit);
}

/* Returns what is wrong with region 'r' in file 'fd', NULL if nothing is.
 * '*budget' is how many bytes may still be mapped.
 *
 * A file may be sparse, and as large as its owner says; but all of it is
 * mapped for us, and for NICs all of it is made present.  Honest guests do not
 * have more than the machine, nor more than the user says. */
static const char *
check_region(const struct msg_mem_region *r, int fd, uint64_t *budget)
{
    uint64_t size = r->mmap_offset + r->size;
    struct stat st;

    if (r->mmap_offset >= -r->size) {
        return "a region passes the end of the address space";
    }
    if (fstat(fd, &st)) {
        return "a region has no file";
    }
    if (!is_in_memory(fd)) {
        return "a region's file is neither on hugetlbfs nor on tmpfs";
    }
    if (size > *budget) {
        return "the regions are larger than guest-memory-max, or than this "
               "machine's memory";
    }
    *budget -= size;

    /* As librte_vhost rounds it. */
    size = ROUND_UP(size, (uint64_t) st.st_blksize);
    if (!size || !can_map(fd, size)) {
        return "a region cannot be mapped";
    }
    return NULL;
}

/* Returns what is wrong with the memory table in 'msg', of which 'max' bytes
 * are allowed, NULL if nothing is or if librte_vhost will refuse it in good
 * order. */
const char *
session_message_check_table__(const uint8_t *msg, uint64_t max)
{
    uint64_t budget = MIN(max, machine_memory());
    const char *problem = NULL;
    struct msg_fds mf;
    uint32_t n;

    memcpy(&n, msg + MSG_MEM_N, sizeof n);
    if (!get_fds(msg, &mf) || mf.n != n) {
        return NULL;
    }
    for (uint32_t i = 0; i < n && !problem; i++) {
        struct msg_mem_region r;

        memcpy(&r, msg + MSG_MEM_REGIONS + i * sizeof r, sizeof r);
        problem = check_region(&r, mf.fds[i], &budget);
    }
    return problem;
}

/* Returns what is wrong with the bitmap of writes in 'msg', NULL if nothing
 * is.  What librte_vhost would refuse is wrong, and so is an offset, which it
 * applies twice. */
const char *
session_message_check_log__(const uint8_t *msg)
{
    uint64_t size, offset;
    struct msg_fds mf;
    struct stat st;
    uint32_t len;

    memcpy(&len, msg + MSG_SIZE, sizeof len);
    memcpy(&size, msg + MSG_LOG_SIZE, sizeof size);
    memcpy(&offset, msg + MSG_LOG_OFFSET, sizeof offset);
    if (len != MSG_LOG_LEN) {
        return "the message has a wrong size";
    }
    if (offset) {
        return "the bitmap does not begin its file";
    }
    if (!get_fds(msg, &mf)) {
        return NULL;
    }
    if (mf.n != 1 || fstat(mf.fds[0], &st)) {
        return "there is no file";
    }
    size = ROUND_UP(size, (uint64_t) st.st_blksize);
    if (!size || !can_map(mf.fds[0], size)) {
        return "the file cannot be mapped";
    }
    return NULL;
}
