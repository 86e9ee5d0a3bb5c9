/* SPDX-License-Identifier: MIT
 *
 * Variables of one thread, in a module that is loaded at run time and reads some of them in a
 * signal handler. With glibc they lie in the thread's static block, for which it keeps some room:
 * reading them calls nothing, and so cannot allocate. Other C libraries may refuse that.
 */
#ifndef SUT_RT_THREAD_LOCAL_H
#define SUT_RT_THREAD_LOCAL_H

#include <limits.h> /* says whose C library this is */

#ifdef __GLIBC__
#define SUT_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define SUT_THREAD_LOCAL _Thread_local
#endif

#endif
