/* SPDX-License-Identifier: MIT
 *
 * The libuv loop of a runtime, its own or lent: one timer over all deadlines, one idle handle while
 * something is ready, one async handle that wakes whoever waits for the loop.
 *
 * Steps are made inside callbacks of these handles, whoever runs the loop, or between iterations
 * when sut_loop_run does. `handle->data` stays NULL, for a lent loop's owner may read it.
 */
#ifndef SUT_RT_LOOP_H
#define SUT_RT_LOOP_H

#include "rt/runtime.h"

#include <uv.h>

struct sut_loop;

/* The loop, made when there is none yet. NULL without memory or descriptors, *code says why. */
uv_loop_t *sut_loop_get(struct sut_runtime *rt, int *code);

/* Takes a loop that somebody else owns, in place of the own one. Returns 0 or libuv's code, and
 * nothing is changed then. */
int sut_loop_adopt(struct sut_runtime *rt, uv_loop_t *lent);

/* From now on to wait is to call `wait`, which waits once in the loop that drives the runtime's and
 * returns false when nothing can ever come there. NULL: the runtime waits by itself again. */
void sut_loop_wait_by(struct sut_runtime *rt, bool (*wait)(struct sut_runtime *rt));

/* The async handle, for whoever must wake the loop; NULL while there is no loop. */
uv_async_t *sut_loop_async(struct sut_runtime *rt);

/* Something was armed or made ready: sees to it that whoever runs the loop comes by. Cannot fail.
 * To be called after any input that comes from outside a step. */
void sut_loop_touch(struct sut_runtime *rt);

enum sut_run { SUT_RUN_DONE, SUT_RUN_IDLE, SUT_RUN_FAILED };

/* Runs until `done` says so (DONE), or nothing could ever run again (IDLE). FAILED: no loop could
 * be made, *code says why. Must not be called inside a step or another run of the same runtime. */
enum sut_run sut_loop_run(struct sut_runtime *rt, bool (*done)(void *arg), void *arg, int *code);

/* One pass for a host's loop: waits at most `limit_ns` for something to do. Returns libuv's code.
 */
int sut_loop_step(struct sut_runtime *rt, int64_t limit_ns);

/* Descriptor that becomes readable when a step is due; negative: libuv's code. */
int sut_loop_fd(struct sut_runtime *rt);

/* Nanoseconds until a step is due; SUT_NEVER when nothing is waited for. */
int64_t sut_loop_timeout(struct sut_runtime *rt);

/* Closes the handles, and an own loop; a lent one gets them back in its next iteration. */
void sut_loop_close(struct sut_runtime *rt);

#endif
