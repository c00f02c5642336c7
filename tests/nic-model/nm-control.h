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

#ifndef NM_CONTROL_H
#define NM_CONTROL_H 1

/* Control of the model at run time
 * ================================
 *
 * A thread of its own serves a Unix stream socket.  Each line is a command,
 * and is answered by one line, "ok", "ok JSON" or "error MESSAGE":
 *
 *     source DEV [KEY=VALUE]...      describe the source anew, see nm-source.h
 *     sink DEV [KEY=VALUE]...        describe the sink anew, see nm-sink.h
 *     knob DEV [KEY=VALUE]...        turn knobs, see nm-knobs.h
 *     start DEV [count=N] [ms=MS]    start the source, perhaps with limits
 *     stop DEV                       stop it
 *     wait DEV [ms=MS]               until it has stopped, and all is done
 *                                    that the device can do alone (10000 ms)
 *     stats DEV                      counters, see nm-report.c
 *     clear DEV                      set the sink's counters to 0
 *     latency DEV                    nanoseconds that the sink has measured
 *     link DEV up|down               plug the cable in or out
 *     reset DEV                      the device fails, and wants a reset
 *     guest NAME [KEY=VALUE]...      play a guest, see nm-guest.h
 *     mode NAME drop|forward|verify  what it does with frames
 *     stats NAME                     its counters
 *     forget NAME                    end it
 *     awake 0|1                      never let the engine sleep
 *     devices                        their names
 *
 * One socket per process; a second device that names one is refused unless it
 * is the same. */

#include <stdbool.h>
#include <stddef.h>

struct nm_dev;
struct nm_guest;

bool nm_control_start(const char *path);
void nm_control_stop(void);

/* nm-command.c: executes the command in 'line', which is modified, and writes
 * the answer, without new-line.  Returns false if there is no answer yet, and
 * the same command is to be executed again a little later. */
bool nm_command(char *line, bool again, char *answer, size_t size);

/* Does what is due from time to time.  Returns how many milliseconds may pass
 * until the next time, -1 for any. */
int nm_command_run(void);

/* nm-report.c: by the engine's thread, or while it waits. */
void nm_report_stats(struct nm_dev *, char *json, size_t size);
void nm_report_latency(struct nm_dev *, char *json, size_t size);
void nm_report_guest(struct nm_guest *, char *json, size_t size);

#endif /* nm-control.h */
