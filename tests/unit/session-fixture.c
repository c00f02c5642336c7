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

#include "session-fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fatal-signal.h"
#include "util.h"
#include "virtio/busfault.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "unit.h"

struct owner owner = { .mutex = PTHREAD_MUTEX_INITIALIZER };
struct front_end fe = { .vid = -1 };
struct iovtee_session *session;

static void OVS_PRINTF_FORMAT(1, 2)
say(const char *format, ...)
{
    va_list args;

    if (!owner.quiet) {
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        fflush(stdout);
    }
}

/* The owner. */

/* Returns what tells 'fd' from others. */
static const char *
name_fd(int fd)
{
    static char name[16];
    struct stat st;

    if (fd < 0) {
        return "none";
    }
    CHECK(!fstat(fd, &st));
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    snprintf(name, sizeof name, "%s", S_ISFIFO(st.st_mode) ? "pipe" : "event");
    return name;
}

/* Returns what to call ring 'i'. */
static const char *
name_ring(unsigned int i)
{
    static char name[16];

    CHECK(i < ARRAY_SIZE(owner.rings));
    snprintf(name, sizeof name, "%s%u", iovtee_ring_is_rx(i) ? "" : "tx ",
             i / 2);
    return name;
}

static void
lock_rings(void)
{
    CHECK(!pthread_mutex_lock(&owner.mutex));
}

static void
unlock_rings(void)
{
    CHECK(!pthread_mutex_unlock(&owner.mutex));
}

static void
rings_begin(void *aux)
{
    struct owner *o = aux;

    CHECK(!o->begun);
    o->begun = true;
    o->touched = o->drained = o->ended = 0;
}

static void
rings_end(void *aux)
{
    struct owner *o = aux;

    CHECK(o->begun);
    CHECK(!(o->ended & ~o->drained));
    o->begun = false;
    if (o->touched & (o->touched - 1)) {
        say("  all at once\n");
    }
}

static void
ring_start(void *aux, unsigned int i, const struct iovtee_ring_setup *ring)
{
    const struct iovtee_vring_config *c = &ring->vring;
    struct owner *o = aux;
    struct owner_ring *r = &o->rings[i];

    CHECK(i < ARRAY_SIZE(o->rings));
    o->touched |= 1u << i;
    lock_rings();
    CHECK(r->state != RUNNING);
    if (r->state == SUSPENDED) {
        CHECK(c->mem == r->config.mem && c->desc_gpa == r->config.desc_gpa
              && c->avail_gpa == r->config.avail_gpa
              && c->used_gpa == r->config.used_gpa
              && c->size == r->config.size);
        say("  start %s again, interrupt %s%s\n", name_ring(i),
            name_fd(ring->callfd), ring->log.mark ? ", logged" : "");
    } else {
        r->config = *c;
        r->config.transmit = !iovtee_ring_is_rx(i);
        r->progress = c->last_used;
        CHECK(!iovtee_vring_init(&r->vring, &r->config));
        say("  start %s: size %"PRIu32" at %"PRIu16"/%"PRIu16
            ", areas %"PRIx64" %"PRIx64" %"PRIx64", header %u%s%s"
            ", interrupt %s%s\n",
            name_ring(i), c->size, c->last_avail, c->last_used, c->desc_gpa,
            c->avail_gpa, c->used_gpa, ring->hdr_len,
            c->event_idx ? ", event index" : "",
            c->indirect ? ", indirect" : "", name_fd(ring->callfd),
            ring->log.mark ? ", logged" : "");
    }
    CHECK(!(ring->features & FAKE_F_LOG_ALL));
    r->log = ring->log;
    iovtee_vring_set_log(&r->vring, &r->log);
    r->state = RUNNING;
    unlock_rings();
}

static void *
mark_late(void *r_)
{
    const struct owner_ring *r = r_;

    r->log.mark(r->log.aux, r->config.used_gpa, 4);
    return NULL;
}

static void
ring_drain(void *aux, unsigned int i)
{
    struct owner *o = aux;

    CHECK(i < ARRAY_SIZE(o->rings));
    CHECK(o->begun && !o->ended && o->rings[i].state == RUNNING);
    o->drained |= 1u << i;
}

static void
ring_stop(void *aux, unsigned int i, bool final, uint16_t *last_avail,
          uint16_t *last_used)
{
    struct owner *o = aux;
    struct owner_ring *r = &o->rings[i];

    CHECK(i < ARRAY_SIZE(o->rings));
    o->touched |= 1u << i;
    lock_rings();
    CHECK(r->state == RUNNING || (final && r->state == SUSPENDED));
    if (o->begun && r->state == RUNNING) {
        o->ended |= 1u << i;
    }
    if (o->late && r->log.mark) {
        pthread_t thread;

        CHECK(!pthread_create(&thread, NULL, mark_late, r));
        CHECK(!pthread_join(thread, NULL));
    }
    if (final) {
        say("  stop %s at %"PRIu16"\n", name_ring(i), r->progress);
        if (!o->deaf) {
            *last_avail = *last_used = r->progress;
        }
        iovtee_vring_destroy(&r->vring);
        r->state = STOPPED;
    } else {
        say("  suspend %s\n", name_ring(i));
        r->state = SUSPENDED;
    }
    unlock_rings();
}

static void
ring_callfd(void *aux, unsigned int i, int callfd)
{
    struct owner *o = aux;

    CHECK(o->rings[i].state == RUNNING);
    say("  interrupt %s: %s\n", name_ring(i), name_fd(callfd));
}

static void
announce(void *aux OVS_UNUSED, const uint8_t mac[6])
{
    say("  announce %02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2],
        mac[3], mac[4], mac[5]);
}

static void
changed(void *aux)
{
    struct owner *o = aux;

    o->n_changed++;
    say("  changed\n");
}

static const struct iovtee_session_ops ops = {
    .rings_begin = rings_begin,
    .rings_end = rings_end,
    .ring_start = ring_start,
    .ring_drain = ring_drain,
    .ring_stop = ring_stop,
    .ring_callfd = ring_callfd,
    .announce = announce,
    .changed = changed,
};

/* The owner takes 'n' buffers of ring 'i', if it runs, and gives them back. */
void
make_progress(unsigned int i, uint16_t n)
{
    struct owner_ring *r = &owner.rings[i];

    if (r->state == RUNNING) {
        uint16_t *used_idx = iovtee_guestmem_translate(
            r->config.mem, r->config.used_gpa + 2, sizeof *used_idx);

        r->progress += n;
        *used_idx = r->progress;
        if (r->log.mark) {
            r->log.mark(r->log.aux, r->config.used_gpa, 4);
        }
    }
}

/* The owner, on any thread, says that it has written to ring 'i', if it runs
 * and somebody wants to know.  Returns whether it runs. */
bool
mark_ring(unsigned int i)
{
    const struct owner_ring *r = &owner.rings[i];
    bool running;

    lock_rings();
    running = r->state == RUNNING;
    if (running && r->log.mark) {
        r->log.mark(r->log.aux, r->config.used_gpa, 4);
    }
    unlock_rings();
    return running;
}

int
open_session(const char *path, bool server, bool tso)
{
    struct iovtee_session_config config = {
        .port = "vm0",
        .path = path,
        .server = server,
        .tso = tso,
        .max_memory = UINT64_MAX,
        .ops = &ops,
        .aux = &owner,
    };
    char *err;
    int error;

    error = iovtee_session_open(&config, &session, &err);
    CHECK(!error == !err && !error == !!session);
    if (error) {
        printf("%s: %s\n", ovs_strerror(error), err);
        free(err);
    }
    return error;
}

/* The front-end. */

bool
send_vring(uint32_t request, uint32_t index, uint32_t num, uint32_t *reply)
{
    struct fake_message msg = {
        .request = request,
        .payload.state = { index, num },
        .fd = -1,
    };
    bool alive = fake_vhost_send(fe.vid, &msg);

    if (reply) {
        *reply = msg.payload.state.num;
    }
    return alive;
}

/* Sends 'request', which is none that we understand, with as many file
 * descriptors as there can be. */
bool
send_foreign(uint32_t request, bool need_reply)
{
    struct fake_message msg = {
        .request = request,
        .fd = fe.memfd,
        .n_fds = FAKE_MAX_REGIONS,
        .need_reply = need_reply,
    };

    return fake_vhost_send(fe.vid, &msg);
}

bool
send_addr(uint32_t index, uint64_t ofs)
{
    struct fake_message msg = {
        .request = FAKE_SET_VRING_ADDR,
        .payload.addr = {
            .index = index,
            .desc = GUEST_USER_VA + ofs,
            .avail = GUEST_USER_VA + ofs + VRING_AVAIL,
            .used = GUEST_USER_VA + ofs + VRING_USED,
        },
        .fd = -1,
    };
    return fake_vhost_send(fe.vid, &msg);
}

/* 'kind' says what file: 'p' is a pipe, 'f' a regular file, 'n' none, and 'u'
 * one that librte_vhost cannot use, of which it tells the front-end. */
bool
send_fd(uint32_t request, uint32_t index, char kind)
{
    struct fake_message msg = {
        .request = request,
        .payload.u64 = index | (kind == 'n' ? 0x100 : 0),
        .fd = -1,
        .fail = kind == 'u',
        .need_reply = kind == 'u',
    };
    int fds[2] = { -1, -1 };
    bool alive;

    if (kind == 'p') {
        CHECK(!pipe(fds));
    } else if (kind == 'f' || kind == 'u') {
        fds[0] = open("/dev/null", O_RDONLY);
        fds[1] = memfd_create("file", 0);
    }
    msg.fd = fds[1];
    alive = fake_vhost_send(fe.vid, &msg);
    close(fds[0]);
    close(fds[1]);
    return alive;
}

/* Begins or ends the log of writes, without changing other features. */
bool
send_log_all(bool log)
{
    return send_features((fe.features & ~FAKE_F_LOG_ALL)
                         | (log ? FAKE_F_LOG_ALL : 0));
}

/* Passes a bitmap, which does not begin its file if 'kind' is 'o', vanishes
 * from it if it is 'v', and which librte_vhost finds wrong if it is 'f', or
 * for a reason that can be seen before: if it is 'n' there is no file, if it
 * is 'd' one that cannot be mapped, with 'z' the bitmap has no bit, and with
 * 's' the message is too short. */
bool
send_log_base(char kind, bool need_reply)
{
    struct fake_message msg = {
        .request = FAKE_SET_LOG_BASE,
        .size = kind == 's' ? 8 : sizeof msg.payload.log,
        .payload.log = {
            .size = kind == 'v' ? 4095 : kind == 'z' ? 0 : 4096,
            .offset = kind == 'o' ? 4096 : 0,
        },
        .fail = kind == 'f',
        .need_reply = need_reply,
    };
    int other = kind == 'd' ? open("/", O_RDONLY) : -1;
    bool alive;

    msg.fd = kind == 'n' ? -1 : kind == 'd' ? other : fe.memfd;
    alive = fake_vhost_send(fe.vid, &msg);
    if (other >= 0) {
        close(other);
    }
    return alive;
}

/* Wants the guest to be announced, as one whose address is 'mac'. */
bool
send_rarp(uint64_t mac)
{
    struct fake_message msg = {
        .request = FAKE_SEND_RARP,
        .payload.u64 = mac,
        .fd = -1,
    };

    return fake_vhost_send(fe.vid, &msg);
}

bool
send_features(uint64_t features)
{
    struct fake_message msg = {
        .request = FAKE_SET_FEATURES,
        .payload.u64 = features,
        .fd = -1,
    };

    fe.features = features;
    return fake_vhost_send(fe.vid, &msg);
}

/* Sends a memory table of 'n' regions.  They overlap if 'kind' is 'o', pass
 * the end of the file if it is 'l' and that of any file if it is 'u', and
 * librte_vhost fails if it is 'f'. */
bool
send_mem(uint32_t n, char kind, bool need_reply)
{
    struct fake_message msg = {
        .request = FAKE_SET_MEM_TABLE,
        .fd = fe.memfd,
        .fail = kind == 'f',
        .need_reply = need_reply,
    };

    msg.payload.memory.n = n;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t ofs = i * GUEST_SIZE;

        msg.payload.memory.regions[i] = (struct fake_region) {
            .gpa = GUEST_GPA + (kind == 'o' ? 0 : i * GUEST_HOLE + ofs),
            .size = GUEST_SIZE + (kind == 'l' ? 16 * GUEST_SIZE : 0),
            .user_va = GUEST_USER_VA + ofs + (kind == 'u' ? GUEST_OFFSET : 0),
            .mmap_offset = kind == 'u' ? INT64_MAX : GUEST_OFFSET + ofs,
        };
    }
    return fake_vhost_send(fe.vid, &msg);
}

/* Brings ring 'index' up, but for SET_VRING_ENABLE. */
bool
send_vring_setup(uint32_t index, uint32_t size, uint16_t base)
{
    return (send_vring(FAKE_SET_VRING_NUM, index, size, NULL)
            && send_vring(FAKE_SET_VRING_BASE, index, base, NULL)
            && send_addr(index, index * VRING_STRIDE)
            && send_fd(FAKE_SET_VRING_KICK, index, 'p')
            && send_fd(FAKE_SET_VRING_CALL, index, 'p'));
}

void
set_used_idx(uint32_t index, uint16_t idx)
{
    memcpy(fe.mem + GUEST_OFFSET + index * VRING_STRIDE + VRING_USED + 2,
           &idx, sizeof idx);
}

void
set_avail_idx(uint32_t index, uint16_t idx)
{
    memcpy(fe.mem + GUEST_OFFSET + index * VRING_STRIDE + VRING_AVAIL + 2,
           &idx, sizeof idx);
}

void
make_guest_memory(void)
{
    size_t size = GUEST_OFFSET + FAKE_MAX_REGIONS * GUEST_SIZE;

    fe.memfd = memfd_create("guest", 0);
    CHECK(fe.memfd >= 0 && !ftruncate(fe.memfd, size));
    fe.mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fe.memfd,
                  0);
    CHECK(fe.mem != MAP_FAILED);

    /* Open vSwitch's library opens files of its own when it is first used. */
    CHECK(!iovtee_busfault_init());
    fatal_signal_init();
}

unsigned int
count_fds(void)
{
    unsigned int n = 0;
    DIR *dir = opendir("/proc/self/fd");

    CHECK(dir);
    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* Returns how often the guest's memory is mapped, other than by ourselves. */
unsigned int
count_maps(void)
{
    FILE *stream = fopen("/proc/self/maps", "r");
    unsigned int n = 0;
    char line[512];

    CHECK(stream);
    while (fgets(line, sizeof line, stream)) {
        n += strstr(line, "memfd:guest") != NULL;
    }
    fclose(stream);
    return n - 1;
}
