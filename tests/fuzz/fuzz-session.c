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

/* Fuzzer of the vhost-user session: a front-end that sends anything in any
 * order, with good and bad rings, while others use the session.  The owner in
 * session-fixture.c checks that what it is told is possible, the fake
 * librte_vhost that it would have survived.
 *
 * Linked with --wrap=xnanosleep. */

#include <config.h>

#include "session/session.h"

#include "fake-vhost.h"
#include "openvswitch/vlog.h"
#include "session-fixture.h"
#include "smap.h"
#include "util.h"

/* Open vSwitch has the same. */
#undef ARRAY_SIZE
#include "fuzz.h"

/* What an input may do, so that it ends. */
#define MAX_STEPS 300

static const char path[] = "vm.sock";

static uint32_t last_request;           /* What the front-end sent last. */
static bool frozen;                     /* By iovtee_session_close_all()? */

void __wrap_xnanosleep(uint64_t nanoseconds);

/* The session waits for a thread that there is not. */
void
__wrap_xnanosleep(uint64_t nanoseconds OVS_UNUSED)
{
}

int
LLVMFuzzerInitialize(int *argc OVS_UNUSED, char ***argv)
{
    set_program_name((*argv)[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    make_guest_memory();
    owner.quiet = true;
    CHECK(!open_session(path, false, false));
    iovtee_session_close(session);
    return 0;
}

/* Sends 'msg', and notes it. */
static bool
send_msg(struct fake_message *msg)
{
    last_request = msg->request;
    return fake_vhost_send(fe.vid, msg);
}

/* A table of regions anywhere, though inside the file, because the fake would
 * not survive others. */
static bool
send_any_mem(struct fuzz_input *in)
{
    struct fake_message msg = {
        .request = FAKE_SET_MEM_TABLE,
        .fd = fe.memfd,
        .fail = !(fuzz_u8(in) & 15),
        .need_reply = fuzz_u8(in) & 1,
    };
    uint64_t gpa = GUEST_GPA;

    msg.payload.memory.n = fuzz_below(in, FAKE_MAX_REGIONS + 1);
    for (uint32_t i = 0; i < msg.payload.memory.n; i++) {
        uint8_t how = fuzz_u8(in);
        struct fake_region r = {
            .gpa = how & 1 ? gpa : fuzz_edge(in),
            .size = how & 2 ? GUEST_SIZE : 1 + fuzz_bytes(in, 3),
            .user_va = GUEST_USER_VA + (how & 4 ? i * GUEST_SIZE
                                        : fuzz_bytes(in, 3)),
            .mmap_offset = how & 8 ? GUEST_OFFSET : fuzz_u16(in),
        };

        r.size = MIN(r.size, 4 * GUEST_SIZE);
        msg.payload.memory.regions[i] = r;
        gpa = r.gpa + r.size;
    }
    return send_msg(&msg);
}

static bool
send_any_features(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);

    return send_features(how & 1
                         ? FEATURES | (how & 2 ? FAKE_F_LOG_ALL : 0)
                         : fuzz_edge(in));
}

static bool
send_any_addr(struct fuzz_input *in, uint32_t i)
{
    struct fake_message msg = {
        .request = FAKE_SET_VRING_ADDR,
        .payload.addr = {
            .index = i,
            .desc = GUEST_USER_VA + fuzz_bytes(in, 3),
            .avail = GUEST_USER_VA + fuzz_bytes(in, 3),
            .used = GUEST_USER_VA + fuzz_bytes(in, 3),
        },
        .fd = -1,
    };

    return send_msg(&msg);
}

/* A rare request, or one that librte_vhost does not know or must not see. */
static bool
send_any_request(struct fuzz_input *in)
{
    static const uint32_t known[] = {
        FAKE_RESET_OWNER, FAKE_SET_LOG_BASE, FAKE_GET_INFLIGHT_FD, 22, 28, 32,
        FAKE_SEND_RARP,
    };
    uint32_t i = fuzz_below(in, 2 * ARRAY_SIZE(known));
    struct fake_message msg = {
        .request = i < ARRAY_SIZE(known) ? known[i] : 33 + fuzz_u16(in),
        .payload.u64 = fuzz_edge(in),
        .fd = -1,
        .need_reply = fuzz_u8(in) & 1,
    };

    if (msg.request == FAKE_SET_LOG_BASE) {
        msg.size = sizeof msg.payload.log;
        msg.fd = fe.memfd;
    }
    return send_msg(&msg);
}

/* Sends something about ring 'i'.  Returns false if the connection is over. */
static bool
send_about_vring(struct fuzz_input *in, uint32_t i)
{
    uint32_t size = fuzz_u8(in) & 7 ? 1 << fuzz_below(in, 9) : fuzz_u16(in);

    switch (fuzz_below(in, 8)) {
    case 0:
        last_request = FAKE_SET_VRING_NUM;
        return send_vring(FAKE_SET_VRING_NUM, i, size, NULL);
    case 1:
        last_request = FAKE_SET_VRING_BASE;
        return send_vring(FAKE_SET_VRING_BASE, i, fuzz_u16(in), NULL);
    case 2:
        last_request = FAKE_SET_VRING_ADDR;
        return send_addr(i, i * VRING_STRIDE);
    case 3:
        return send_any_addr(in, i);
    case 4:
        last_request = FAKE_SET_VRING_KICK;
        return send_fd(FAKE_SET_VRING_KICK, i, "ppn"[fuzz_below(in, 3)]);
    case 5:
        last_request = FAKE_SET_VRING_CALL;
        return send_fd(FAKE_SET_VRING_CALL, i, "ppfn"[fuzz_below(in, 4)]);
    case 6:
        last_request = FAKE_SET_VRING_ENABLE;
        return send_vring(FAKE_SET_VRING_ENABLE, i, fuzz_u8(in) & 3, NULL);
    default:
        last_request = FAKE_GET_VRING_BASE;
        return send_vring(FAKE_GET_VRING_BASE, i, 0, NULL);
    }
}

/* What is written to guest memory need not make sense. */
static void
write_memory(struct fuzz_input *in, uint32_t i)
{
    static const uint64_t areas[] = { 0, VRING_AVAIL, VRING_USED };
    uint64_t ofs = (GUEST_OFFSET + i * VRING_STRIDE
                    + areas[fuzz_below(in, ARRAY_SIZE(areas))]);
    uint8_t how = fuzz_u8(in);

    if (how & 1) {
        set_avail_idx(i, fuzz_u16(in));
    } else if (how & 2) {
        set_used_idx(i, fuzz_u16(in));
    } else {
        uint64_t value = fuzz_edge(in);

        memcpy(fe.mem + ofs + fuzz_u8(in), &value, sizeof value);
    }
}

/* The owner uses ring 'i'. */
static void
use_ring(struct fuzz_input *in, unsigned int i)
{
    static struct iovtee_seg segs[IOVTEE_CHAIN_MAX_SEGS];
    struct owner_ring *r = &owner.rings[i];
    struct iovtee_chain chain;
    uint16_t heads[32];
    unsigned int n;

    if (r->state != RUNNING) {
        return;
    }
    n = iovtee_vring_take(&r->vring, heads, fuzz_below(in, 33));
    for (unsigned int k = 0; k < n; k++) {
        iovtee_vring_read_chain(&r->vring, heads[k], segs, ARRAY_SIZE(segs),
                                &chain);
        for (uint32_t j = 0; j < chain.n_segs; j++) {
            if (segs[j].len) {
                segs[j].va[0] = segs[j].va[segs[j].len - 1] = 0x55;
            }
        }
        iovtee_vring_give(&r->vring, heads[k], 1);
    }
    iovtee_vring_publish(&r->vring);
    r->progress = r->vring.used_idx;
}

/* Others use the session. */
static void
use_session(unsigned int q)
{
    struct smap status = SMAP_INITIALIZER(&status);

    CHECK(!iovtee_session_txq_enabled(session, q)
          || iovtee_session_is_connected(session));
    iovtee_session_get_status(session, &status);
    smap_destroy(&status);
    CHECK(iovtee_session_n_queues(session) >= 1);
}

/* The session ends, in either way, and there is a new one. */
static void
reopen(struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);

    if (how & 1) {
        iovtee_session_close_all();
        frozen = true;
    }
    if (how & 2) {
        iovtee_session_close(session);
        fe.vid = -1;
        CHECK(!open_session(path, false, how & 4));
        frozen = false;
    }
}

/* Checks that the owner uses ring 'i' where librte_vhost has it. */
static void
check_ring(uint32_t i)
{
    const struct iovtee_vring_config *config = &owner.rings[i].config;
    volatile uint8_t *ours = iovtee_guestmem_translate(config->mem,
                                                       config->desc_gpa, 1);
    uint32_t size;
    volatile uint8_t *its = fake_vhost_ready_ring(fe.vid, i, &size);

    CHECK(ours && its && size == config->size);

    /* The two are different addresses of one byte. */
    *ours ^= 0xff;
    *its ^= 0x0f;
    CHECK(*ours == *its);
    *ours ^= 0xf0;
}

/* Checks what must be true between any two messages. */
static void
check_invariants(void)
{
    bool running = fe.vid >= 0 && fake_vhost_is_running(fe.vid);

    CHECK(iovtee_session_is_connected(session) == running);
    for (uint32_t i = 0; i < ARRAY_SIZE(owner.rings); i++) {
        const struct owner_ring *r = &owner.rings[i];

        CHECK(r->state == STOPPED || (running && !frozen));

        /* That a descriptor was not replaced is noticed a message later. */
        if (r->state == RUNNING && last_request != FAKE_SET_VRING_KICK
            && last_request != FAKE_SET_VRING_CALL) {
            check_ring(i);
            CHECK(!r->log.mark == !fake_vhost_is_logging(fe.vid));
        }
    }
}

/* Whatever was before, a good guest comes up. */
static void
check_good_guest(uint16_t base)
{
    if (frozen) {
        return;
    }
    if (fe.vid >= 0) {
        fake_vhost_disconnect(fe.vid);
    }
    fe.vid = fake_vhost_connect(path);
    CHECK(fe.vid >= 0);
    CHECK(send_features(FEATURES) && send_mem(1, 'p', false));
    for (uint32_t i = 0; i < 2 * N_QUEUES; i++) {
        set_used_idx(i, base);
        CHECK(send_vring_setup(i, 256, base));
        CHECK(send_vring(FAKE_SET_VRING_ENABLE, i, 1, NULL));
    }
    CHECK(iovtee_session_is_connected(session));
    CHECK(iovtee_session_n_queues(session) == N_QUEUES);
    for (uint32_t i = 0; i < ARRAY_SIZE(owner.rings); i++) {
        CHECK(owner.rings[i].state == RUNNING);
        CHECK(owner.rings[i].config.last_avail == base);
        CHECK(owner.rings[i].config.last_used == base);
        CHECK(iovtee_session_txq_enabled(session, i / 2));
    }
}

static void
step(struct fuzz_input *in)
{
    uint32_t i = fuzz_below(in, 2 * N_QUEUES);
    bool alive = true;

    if (fe.vid < 0) {
        fe.vid = fake_vhost_connect(path);
        CHECK(fe.vid >= 0);
    }
    switch (fuzz_below(in, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        alive = send_about_vring(in, i);
        break;
    case 4:
    case 5:
        last_request = FAKE_SET_VRING_ENABLE;
        alive = (send_vring_setup(i, 256, fuzz_u16(in))
                 && send_vring(FAKE_SET_VRING_ENABLE, i, 1, NULL));
        break;
    case 6:
        last_request = FAKE_SET_MEM_TABLE;
        alive = send_mem(fuzz_below(in, 4), "ppppolf"[fuzz_below(in, 7)],
                         fuzz_u8(in) & 1);
        break;
    case 7:
        alive = send_any_mem(in);
        break;
    case 8:
        last_request = FAKE_SET_FEATURES;
        alive = send_any_features(in);
        break;
    case 9:
        alive = send_any_request(in);
        break;
    case 10:
        write_memory(in, i);
        break;
    case 11:
    case 12:
        use_ring(in, i);
        break;
    case 13:
        use_session(i / 2);
        break;
    case 14:
        CHECK(fake_vhost_connect(path) == -1);
        fake_vhost_disconnect(fe.vid);
        alive = false;
        break;
    case 15:
        reopen(in);
        break;
    }
    if (!alive) {
        fe.vid = -1;
    }
    check_invariants();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned int n_inputs;
    struct fuzz_input in = { data, size };
    unsigned int n_fds = count_fds();
    uint8_t how = fuzz_u8(&in);

    memset(&owner, 0, sizeof owner);
    memset(fe.mem, 0, GUEST_OFFSET + 2 * N_QUEUES * VRING_STRIDE);
    owner.quiet = true;
    owner.deaf = how & 1;
    frozen = false;
    CHECK(!open_session(path, how & 2, how & 4));
    if (how & 8) {
        check_good_guest(fuzz_u16(&in));
    }
    for (int i = 0; i < MAX_STEPS && in.size; i++) {
        step(&in);
    }
    check_good_guest(how << 8);

    iovtee_session_close(session);
    fe.vid = -1;
    for (uint32_t i = 0; i < ARRAY_SIZE(owner.rings); i++) {
        CHECK(owner.rings[i].state == STOPPED);
    }
    CHECK(count_fds() == n_fds);

    /* This takes its time, and what is left behind stays. */
    if (!(n_inputs++ % 64)) {
        CHECK(!count_maps());
    }
    return 0;
}
