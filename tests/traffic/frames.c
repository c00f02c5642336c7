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

/* frames: traffic for the system tests
 * ====================================
 *
 * Sends numbered UDP frames and checks, byte for byte, those that arrive.
 * Every byte of a frame follows from its number and from the description of
 * the endpoint, so the receiver builds the frame that it expects and compares
 * all of it; nothing needs to be remembered or transported.
 *
 *     frames send     TX         [OPTION...]
 *     frames recv     RX         [OPTION...]
 *     frames exchange TX RX...   [OPTION...]
 *     frames verify   PCAP...    [OPTION...]
 *     frames hex      TX         [OPTION...]
 *
 * "exchange" sends and receives in one process and keeps a bounded number of
 * frames on the way, so that it finds the speed of the path by itself and
 * counts are exact on a machine of any speed.  The first RX that expects
 * frames is the one that sets the pace.  "hex" prints frames as hexadecimal
 * digits, one per line, and needs no interface.
 *
 * TX and RX have the form [NETNS:]INTERFACE[,KEY[=VALUE]]...; PCAP is a file,
 * also with keys, which frame-look.h lists.  A receiver starts from the
 * description of TX, its own keys change what it expects.
 *
 * Options:
 *
 *     --count=N       frames to send or to wait for (default 1000)
 *     --first=N       number of the first frame (default 0)
 *     --stream=N      another stream: other bytes (default 1)
 *     --size=A[-B]    length as sent, without CRC; A to B in turn
 *     --rate=N        at most N frames per second
 *     --window=N      "exchange": at most N frames on the way (default 128)
 *     --wait=SECONDS  give up if nothing arrives for this long (default 5)
 *     --linger=MS     wait for duplicates after the last frame (default 200)
 *     --brief         leave out what is 0, apart from "sent" and "received"
 *
 * Prints "sent N" and for each receiver "received N lost N duplicated N
 * reordered N corrupt N".  Exits with status 0 if just what was expected
 * arrived, 1 if not, 2 for anything else that fails.  What was wrong with the
 * first corrupt frames goes to stderr. */

#define _GNU_SOURCE

#include "frame-look.h"
#include "frame-socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_RX 8
#define BATCH 32
#define MAX_REPORTS 4           /* Corrupt frames to describe. */

struct endpoint {
    const char *name;
    struct frame_look look;
    int fd;

    /* Statistics of a receiver. */
    uint8_t *seen;              /* One per frame. */
    uint64_t received, duplicated, reordered, corrupt;
    int64_t highest;            /* Highest sequence number so far; -1. */
};

/* Options. */
static uint32_t opt_count = 1000;
static uint32_t opt_first;
static uint16_t opt_stream = 1;
static unsigned int opt_min = 60, opt_max = 60;
static unsigned int opt_rate;
static unsigned int opt_window = 128;
static unsigned int opt_wait = 5;
static unsigned int opt_linger = 200;
static bool opt_brief;

static struct endpoint tx = { .fd = -1 };
static struct endpoint rx[MAX_RX];
static int n_rx;

static uint64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

/* Checking frames. */

static void
report_corrupt(struct endpoint *e, uint32_t seq, const uint8_t *got,
               unsigned int got_len, const uint8_t *want,
               unsigned int want_len)
{
    unsigned int n = got_len < want_len ? got_len : want_len;
    unsigned int i;

    if (e->corrupt++ >= MAX_REPORTS) {
        return;
    }
    for (i = 0; i < n && got[i] == want[i]; i++) {
        continue;
    }
    fprintf(stderr, "%s: frame %u: length %u, expected %u",
            e->name, seq, got_len, want_len);
    if (i < n) {
        fprintf(stderr, "; byte %u is 0x%02x, expected 0x%02x",
                i, got[i], want[i]);
    }
    putc('\n', stderr);
}

/* Takes account of a frame that arrived at 'e'.  Returns true if it is the
 * first copy of a frame that was expected. */
static bool
check_frame(struct endpoint *e, const uint8_t *got, unsigned int len)
{
    static uint8_t want[MAX_FRAME + 64];
    unsigned int want_len;
    struct frame_mark mark;
    uint32_t seq, i;

    got += len >= e->look.skip ? e->look.skip : 0;
    len -= len >= e->look.skip ? e->look.skip : 0;
    if (!frame_find_mark(got, len, opt_stream, &mark)) {
        return false;
    }
    seq = ntohl(mark.seq);
    i = seq - opt_first;
    if (e->look.none || i >= opt_count
        || frame_headers_len(&e->look) + ntohs(mark.len) > MAX_FRAME) {
        report_corrupt(e, seq, got, len, got, 0);
        return false;
    }

    want_len = frame_build(want, &e->look, opt_stream, seq,
                           ntohs(mark.len));
    if (e->look.cut && want_len > e->look.cut) {
        want_len = e->look.cut;
    }
    if (want_len != len || memcmp(want, got, len)) {
        report_corrupt(e, seq, got, len, want, want_len);
        return false;
    }
    if (e->seen[i]) {
        e->duplicated++;
        return false;
    }
    e->seen[i] = 1;
    e->received++;
    e->reordered += (int64_t) i < e->highest;
    e->highest = (int64_t) i > e->highest ? (int64_t) i : e->highest;
    return true;
}

/* Returns the number of frames that 'e' has yet to receive. */
static uint64_t
n_missing(const struct endpoint *e)
{
    return e->look.none || e->look.share ? 0 : opt_count - e->received;
}

/* Prints that 'n' frames were 'what', unless that goes without saying. */
static void
print_count(const char *what, uint64_t n)
{
    if (n || !opt_brief) {
        printf(" %s %"PRIu64, what, n);
    }
}

/* Prints the line for 'e' and returns true if all is well. */
static bool
print_result(const struct endpoint *e)
{
    printf("received %"PRIu64, e->received);
    print_count("lost", n_missing(e));
    print_count("duplicated", e->duplicated);
    print_count("reordered", e->reordered);
    print_count("corrupt", e->corrupt);
    putchar('\n');
    return !n_missing(e) && !e->duplicated && !e->corrupt;
}

/* Builds the 'i'th frame of those to be sent at 'frame' and returns its
 * length. */
static unsigned int
build_tx(uint8_t *frame, uint32_t i)
{
    unsigned int len = opt_min + i % (opt_max - opt_min + 1);

    return frame_build(frame, &tx.look, opt_stream, opt_first + i,
                       len - frame_headers_len(&tx.look));
}

/* Sends 'n' frames, up to BATCH, beginning with the 'i'th. */
static void
send_batch(uint32_t i, unsigned int n)
{
    static uint8_t frames[BATCH][MAX_FRAME];
    struct mmsghdr msgs[BATCH];
    struct iovec iovs[BATCH];
    unsigned int j;

    memset(msgs, 0, sizeof msgs);
    for (j = 0; j < n; j++) {
        iovs[j].iov_base = frames[j];
        iovs[j].iov_len = build_tx(frames[j], i + j);
        msgs[j].msg_hdr.msg_iov = &iovs[j];
        msgs[j].msg_hdr.msg_iovlen = 1;
    }
    for (j = 0; j < n; ) {
        int retval = sendmmsg(tx.fd, msgs + j, n - j, 0);

        if (retval > 0) {
            j += retval;
        } else if (errno == ENOBUFS || errno == EAGAIN) {
            poll(NULL, 0, 1);
        } else if (errno != EINTR) {
            die("%s: send: %s", tx.name, strerror(errno));
        }
    }
}

/* Receives from 'e'.  Returns true if any of it was expected. */
static bool
receive(struct endpoint *e)
{
    static uint8_t frames[BATCH][FRAME_TAG_LEN + MAX_FRAME];
    static uint64_t control[BATCH][16];
    struct mmsghdr msgs[BATCH];
    struct iovec iovs[BATCH];
    bool any = false;
    int n, j;

    memset(msgs, 0, sizeof msgs);
    for (j = 0; j < BATCH; j++) {
        iovs[j].iov_base = frames[j] + FRAME_TAG_LEN;
        iovs[j].iov_len = MAX_FRAME;
        msgs[j].msg_hdr.msg_iov = &iovs[j];
        msgs[j].msg_hdr.msg_iovlen = 1;
        msgs[j].msg_hdr.msg_control = control[j];
        msgs[j].msg_hdr.msg_controllen = sizeof control[j];
    }
    n = recvmmsg(e->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN) {
        die("%s: receive: %s", e->name, strerror(errno));
    }
    for (j = 0; j < n; j++) {
        unsigned int len = msgs[j].msg_len;
        uint8_t *p = frame_socket_restore_tag(&msgs[j].msg_hdr,
                                              frames[j] + FRAME_TAG_LEN, &len);

        any |= check_frame(e, p, len);
    }
    return any;
}

/* Waits up to 'timeout' milliseconds for frames and receives them.  Returns
 * true if any of them was expected. */
static bool
poll_receivers(int timeout)
{
    struct pollfd pfds[MAX_RX];
    bool any = false;
    int i;

    for (i = 0; i < n_rx; i++) {
        pfds[i].fd = rx[i].fd;
        pfds[i].events = POLLIN;
    }
    if (poll(pfds, n_rx, timeout) > 0) {
        for (i = 0; i < n_rx; i++) {
            if (pfds[i].revents) {
                any |= receive(&rx[i]);
            }
        }
    }
    return any;
}

/* Modes. */

/* Returns how many frames may be sent now, after 'sent' of them, limited by
 * the rate and by the window of 'pacer' (if nonnull).  Time that was missed is
 * not made up for. */
static unsigned int
n_sendable(uint32_t sent, const struct endpoint *pacer)
{
    uint64_t n = opt_count - sent;

    if (opt_rate) {
        static uint64_t next;
        uint64_t interval = UINT64_C(1000000000) / opt_rate;
        uint64_t now = now_ns();

        next = MAX(next, now - BATCH * interval);
        n = MIN(next > now ? 0 : (now - next) / interval, MIN(n, BATCH));
        next += n * interval;
    }
    if (pacer) {
        uint64_t out = sent - pacer->received;

        n = out >= opt_window ? 0 : MIN(opt_window - out, n);
    }
    return MIN(n, BATCH);
}

static bool
all_received(void)
{
    int i;

    for (i = 0; i < n_rx; i++) {
        if (n_missing(&rx[i])) {
            return false;
        }
    }
    return true;
}

/* Sends, if 'tx' is open, and receives, until everything is done or nothing
 * arrives for too long. */
static void
run(void)
{
    struct endpoint *pacer = NULL;
    uint64_t last = now_ns();
    uint32_t sent = 0;
    bool sending = tx.fd >= 0;
    int i;

    for (i = n_rx - 1; i >= 0; i--) {
        if (!rx[i].look.none && !rx[i].look.share) {
            pacer = &rx[i];
        }
    }

    for (;;) {
        unsigned int n = sending ? n_sendable(sent, pacer) : 0;

        if (n) {
            send_batch(sent, n);
            sent += n;
            sending = sent < opt_count;
            last = pacer ? last : now_ns();
        }
        if (poll_receivers(n ? 0 : 1)) {
            last = now_ns();
        } else if (!sending && all_received()) {
            break;
        } else if (now_ns() - last > opt_wait * UINT64_C(1000000000)) {
            break;
        }
    }

    if (n_rx) {
        uint64_t end = now_ns() + opt_linger * UINT64_C(1000000);

        while (now_ns() < end) {
            poll_receivers(10);
        }
    }
    if (tx.fd >= 0) {
        printf("sent %"PRIu32"\n", sent);
    }
}

static void
print_hex(void)
{
    static uint8_t frame[MAX_FRAME];
    uint32_t i;

    for (i = 0; i < opt_count; i++) {
        unsigned int len = build_tx(frame, i);
        unsigned int j;

        for (j = 0; j < len; j++) {
            printf("%02x", frame[j]);
        }
        putchar('\n');
    }
}

/* Checks the frames in the file that 'e' names, in libpcap's format. */
static void
verify_pcap(struct endpoint *e)
{
    static uint8_t frame[65536];
    uint32_t header[6], packet[4];
    FILE *stream = fopen(e->name, "rb");

    if (!stream) {
        die("%s: %s", e->name, strerror(errno));
    }
    if (fread(header, sizeof header, 1, stream) != 1
        || (header[0] != 0xa1b2c3d4 && header[0] != 0xa1b23c4d)
        || header[5] != 1) {
        die("%s: not a capture of Ethernet frames in this machine's byte "
            "order", e->name);
    }
    while (fread(packet, sizeof packet, 1, stream) == 1) {
        if (packet[2] > sizeof frame
            || fread(frame, 1, packet[2], stream) != packet[2]) {
            die("%s: damaged file", e->name);
        }
        check_frame(e, frame, packet[2]);
    }
    fclose(stream);
}

/* Command line. */

/* Parses 'spec', INTERFACE[,KEY[=VALUE]]..., into 'e', which starts from
 * 'base'.  Modifies 'spec' and keeps it. */
static void
parse_endpoint(char *spec, const struct frame_look *base, struct endpoint *e)
{
    char *save, *key;

    e->name = strtok_r(spec, ",", &save);
    if (!e->name) {
        die("empty name of an interface");
    }
    e->look = *base;
    e->fd = -1;
    e->highest = -1;
    while ((key = strtok_r(NULL, ",", &save))) {
        char *value = strchr(key, '=');

        if (value) {
            *value++ = '\0';
        }
        frame_look_parse(&e->look, key, value);
    }
    e->seen = calloc(opt_count, 1);
    if (!e->seen) {
        die("out of memory");
    }
}

static void
parse_size(char *s)
{
    char *dash = strchr(s, '-');

    if (dash) {
        *dash = '\0';
    }
    opt_min = parse_number("size", s, MAX_FRAME);
    opt_max = dash ? parse_number("size", dash + 1, MAX_FRAME) : opt_min;
    if (opt_min > opt_max) {
        die("size: %u is more than %u", opt_min, opt_max);
    }
}

static void
parse_options(int argc, char *argv[])
{
    static const struct option options[] = {
        { "count", required_argument, NULL, 'c' },
        { "first", required_argument, NULL, 'f' },
        { "stream", required_argument, NULL, 's' },
        { "size", required_argument, NULL, 'l' },
        { "rate", required_argument, NULL, 'r' },
        { "window", required_argument, NULL, 'w' },
        { "wait", required_argument, NULL, 't' },
        { "linger", required_argument, NULL, 'g' },
        { "brief", no_argument, NULL, 'b' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            opt_count = parse_number("count", optarg, 100000000);
            break;
        case 'f':
            opt_first = parse_number("first", optarg, UINT32_MAX);
            break;
        case 's':
            opt_stream = parse_number("stream", optarg, UINT16_MAX);
            break;
        case 'l':
            parse_size(optarg);
            break;
        case 'r':
            opt_rate = parse_number("rate", optarg, 100000000);
            break;
        case 'w':
            opt_window = parse_number("window", optarg, 1000000);
            break;
        case 't':
            opt_wait = parse_number("wait", optarg, 3600);
            break;
        case 'g':
            opt_linger = parse_number("linger", optarg, 3600000);
            break;
        case 'b':
            opt_brief = true;
            break;
        default:
            exit(2);
        }
    }
}

/* Parses the endpoints in the 'n' strings at 'args' and opens them as mode
 * 'mode' wants them. */
static void
parse_endpoints(const char *mode, int n, char *args[])
{
    bool sends = !strcmp(mode, "send") || !strcmp(mode, "exchange");
    bool receives = !strcmp(mode, "recv") || !strcmp(mode, "exchange");
    bool verifies = !strcmp(mode, "verify");
    bool prints = !strcmp(mode, "hex");
    struct frame_look look;
    int i = 0;

    frame_look_init(&look);
    if (!sends && !receives && !verifies && !prints) {
        die("unknown mode \"%s\"", mode);
    }
    if (n < sends + receives + verifies + prints
        || n > (receives || verifies ? MAX_RX : 1)) {
        die("wrong number of arguments for \"%s\"", mode);
    }
    if (sends || prints) {
        parse_endpoint(args[i++], &look, &tx);
        look = tx.look;
        if (opt_min < frame_headers_len(&look) + sizeof(struct frame_mark)) {
            die("frames of %u bytes are too short", opt_min);
        }
    }
    for (; i < n; i++) {
        parse_endpoint(args[i], &look, &rx[n_rx]);
        if (receives) {
            rx[n_rx].fd = frame_socket_open(rx[n_rx].name, true);
        }
        n_rx++;
    }
    if (sends) {
        tx.fd = frame_socket_open(tx.name, false);
    }
}

int
main(int argc, char *argv[])
{
    bool ok = true;
    int i;

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(argc, argv);
    if (optind >= argc) {
        die("usage: frames send|recv|exchange|verify|hex ENDPOINT... "
            "[OPTION...]");
    }
    parse_endpoints(argv[optind], argc - optind - 1, argv + optind + 1);

    if (!strcmp(argv[optind], "hex")) {
        print_hex();
    } else if (!strcmp(argv[optind], "verify")) {
        for (i = 0; i < n_rx; i++) {
            verify_pcap(&rx[i]);
        }
    } else {
        fprintf(stderr, "frames: ready\n");
        run();
    }

    for (i = 0; i < n_rx; i++) {
        ok &= print_result(&rx[i]);
    }
    return ok ? 0 : 1;
}
