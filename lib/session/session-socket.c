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

/* Whether a socket can be listened on.  For the main thread. */

#include <config.h>

#include "session/session-private.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(iovtee_session_socket);

static int clear_path(const char *path, const struct sockaddr_un *,
                      char **errp);

/* Tries whether librte_vhost will be able to listen at 'path'.  It would not
 * say what is wrong, and unregistering a socket that could not be bound closes
 * a file descriptor that is somebody else's by then.
 *
 * Returns 0 if successful, otherwise a positive errno value and a sentence in
 * '*errp'. */
int
iovtee_session_try_listen__(const char *path, char **errp)
{
    struct sockaddr_un sun;
    int error;
    int fd;

    memset(&sun, 0, sizeof sun);
    sun.sun_family = AF_UNIX;
    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    error = clear_path(path, &sun, errp);
    if (error) {
        return error;
    }

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) &sun, sizeof sun)) {
        error = errno;
        *errp = (error == ENOENT
                 ? xasprintf("the directory of socket %s does not exist",
                             path)
                 : xasprintf("cannot create socket %s (%s)",
                             path, ovs_strerror(error)));
    } else {
        unlink(path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return error;
}


/* Makes way for a listening socket at 'path', in 'sun'.  Returns 0 if
 * successful, otherwise a positive errno value and a sentence in '*errp'. */
static int
clear_path(const char *path, const struct sockaddr_un *sun, char **errp)
{
    struct stat st;
    int error;
    int fd;

    if (lstat(path, &st)) {
        return 0;               /* bind() will tell what is wrong, if any. */
    }
    if (!S_ISSOCK(st.st_mode)) {
        *errp = xasprintf("%s exists and is not a socket", path);
        return EEXIST;
    }

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error = errno;
        *errp = xasprintf("cannot make a socket (%s)", ovs_strerror(error));
        return error;
    }
    error = connect(fd, (const struct sockaddr *) sun, sizeof *sun)
            ? errno : 0;
    close(fd);
    if (error != ECONNREFUSED) {
        *errp = xasprintf("socket %s is in use by another process", path);
        return EADDRINUSE;
    }

    /* A process that is gone has left it behind. */
    if (unlink(path)) {
        error = errno;
        *errp = xasprintf("cannot remove the stale socket %s (%s)",
                          path, ovs_strerror(error));
        return error;
    }
    VLOG_INFO("removed stale socket %s", path);
    return 0;
}
