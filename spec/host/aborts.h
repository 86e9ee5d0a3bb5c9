/* SPDX-License-Identifier: MIT
 *
 * Whose abort it is. libuv aborts where it has no way to say that something failed: that is known
 * by the first frame on the stack that is neither the C library's nor the host's own.
 */
#ifndef SUT_HOST_ABORTS_H
#define SUT_HOST_ABORTS_H

#include <dlfcn.h>
#include <execinfo.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* What a host ends with when libuv has aborted. */
enum { ABORTED_BY_LIBUV = 30 };

enum { MOST_FRAMES = 32 };

static inline void show_stack(void) {
    void *frames[MOST_FRAMES];
    backtrace_symbols_fd(frames, backtrace(frames, MOST_FRAMES), STDERR_FILENO);
}

/* In a handler of SIGABRT. */
static inline bool is_abort_of_libuv(void) {
    void *frames[MOST_FRAMES];
    int count = backtrace(frames, MOST_FRAMES);
    Dl_info info;
    for (int i = 0; i < count; i++) {
        if (!dladdr(frames[i], &info) || !strstr(info.dli_fname, ".so")) continue;
        if (strstr(info.dli_fname, "/libc.so")) continue;
        return strstr(info.dli_fname, "/libuv.so") != NULL;
    }
    return false;
}

/* The first call of backtrace loads what it needs: not in a handler, please. */
static inline void prepare_for_aborts(void) {
    void *frames[MOST_FRAMES];
    (void)backtrace(frames, MOST_FRAMES);
}

#endif
