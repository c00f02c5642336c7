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

/* Which session has which socket and which connection, for any thread; and
 * whether a callback is on librte_vhost's own thread. */

#include <config.h>

#include "session/session-private.h"

#include "hash.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "timeval.h"

VLOG_DEFINE_THIS_MODULE(iovtee_session_registry);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Protects the two maps, and the members of sessions that are in them.  No
 * other lock, but the log's, is taken while it is held. */
static struct ovs_mutex sessions_mutex = OVS_MUTEX_INITIALIZER;
static struct hmap by_path OVS_GUARDED_BY(sessions_mutex)
    = HMAP_INITIALIZER(&by_path);
static struct hmap by_vid OVS_GUARDED_BY(sessions_mutex)
    = HMAP_INITIALIZER(&by_vid);

/* Is this thread in librte_vhost on behalf of its caller?  If not,
 * a callback is on librte_vhost's thread. */
DEFINE_STATIC_PER_THREAD_DATA(bool, own_thread, false);

static struct iovtee_session *find_by_path(const char *path)
    OVS_REQUIRES(sessions_mutex);

/* Returns the session that has connection 'vid', or NULL.  For callbacks: the
 * session cannot go away under them. */
struct iovtee_session *
iovtee_session_by_vid__(int vid)
{
    struct iovtee_session *found = NULL;
    struct iovtee_session *s;

    ovs_mutex_lock(&sessions_mutex);
    HMAP_FOR_EACH_WITH_HASH (s, vid_node, hash_int(vid, 0), &by_vid) {
        if (s->vid == vid) {
            found = s;
            break;
        }
    }
    ovs_mutex_unlock(&sessions_mutex);
    return found;
}

/* Gives the new connection 'vid' to its session, which is returned, or NULL if
 * the session has a connection already. */
struct iovtee_session *
iovtee_session_attach__(int vid)
{
    char path[PATH_MAX];
    struct iovtee_session *s;

    if (rte_vhost_get_ifname(vid, path, sizeof path)) {
        return NULL;
    }

    ovs_mutex_lock(&sessions_mutex);
    s = find_by_path(path);
    if (s && s->vid < 0) {
        s->vid = vid;
        hmap_insert(&by_vid, &s->vid_node, hash_int(vid, 0));
    } else if (s) {
        VLOG_WARN_RL(&rl, "%s: refused a second front-end on %s",
                     s->port, s->path);
        s = NULL;
    }
    ovs_mutex_unlock(&sessions_mutex);
    return s;
}

/* Takes the connection of 's', if any, away from it. */
void
iovtee_session_detach__(struct iovtee_session *s)
{
    ovs_mutex_lock(&sessions_mutex);
    if (s->vid >= 0) {
        hmap_remove(&by_vid, &s->vid_node);
        s->vid = -1;
        s->disconnected = time_msec();
    }
    ovs_mutex_unlock(&sessions_mutex);
}

/* Ends a callback.  If it made a thread of librte_vhost's known to RCU, that
 * would wait for it forever. */
void
iovtee_session_rcu_exit__(void)
{
    if (!*own_thread_get() && !ovsrcu_is_quiescent()) {
        ovsrcu_quiesce_start();
    }
}

/* Makes 's' known by its path. */
void
iovtee_session_register__(struct iovtee_session *s)
{
    ovs_mutex_lock(&sessions_mutex);
    hmap_insert(&by_path, &s->path_node, hash_string(s->path, 0));
    ovs_mutex_unlock(&sessions_mutex);
}

/* Undoes iovtee_session_register__(). */
void
iovtee_session_unregister__(struct iovtee_session *s)
{
    ovs_mutex_lock(&sessions_mutex);
    hmap_remove(&by_path, &s->path_node);
    ovs_mutex_unlock(&sessions_mutex);
}

/* Returns the name of the port that has the socket 'path', which the caller
 * frees, or NULL. */
char *
iovtee_session_port_of_path__(const char *path)
{
    struct iovtee_session *s;
    char *port;

    ovs_mutex_lock(&sessions_mutex);
    s = find_by_path(path);
    port = s ? xstrdup(s->port) : NULL;
    ovs_mutex_unlock(&sessions_mutex);
    return port;
}

/* Returns all sessions, the number of which it stores in '*n', in an array
 * that the caller frees. */
struct iovtee_session **
iovtee_session_all__(size_t *n)
{
    struct iovtee_session **sessions, *s;

    *n = 0;
    ovs_mutex_lock(&sessions_mutex);
    sessions = xmalloc(hmap_count(&by_path) * sizeof *sessions + 1);
    HMAP_FOR_EACH (s, path_node, &by_path) {
        sessions[(*n)++] = s;
    }
    ovs_mutex_unlock(&sessions_mutex);
    return sessions;
}

/* Returns time_msec() of the last disconnection of 's'. */
long long int
iovtee_session_disconnected__(const struct iovtee_session *s)
{
    long long int disconnected;

    ovs_mutex_lock(&sessions_mutex);
    disconnected = s->disconnected;
    ovs_mutex_unlock(&sessions_mutex);
    return disconnected;
}

/* Says whether this thread is in librte_vhost on behalf of its caller from now
 * on: then it may stay known to RCU. */
void
iovtee_session_own_thread__(bool own)
{
    *own_thread_get() = own;
}

static struct iovtee_session *
find_by_path(const char *path)
{
    struct iovtee_session *s;

    HMAP_FOR_EACH_WITH_HASH (s, path_node, hash_string(path, 0), &by_path) {
        if (!strcmp(s->path, path)) {
            return s;
        }
    }
    return NULL;
}
