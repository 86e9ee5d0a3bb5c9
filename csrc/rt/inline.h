/* SPDX-License-Identifier: MIT
 *
 * What lies between the loop of the runner and lua_resume.
 *
 * A coroutine that waits is left by longjmp, and with that the processor loses count of the calls
 * that it is in: it predicts the next returns wrongly, each of which costs more than the call did.
 * So there are as few of them as can be.
 */
#ifndef SUT_RT_INLINE_H
#define SUT_RT_INLINE_H

#define SUT_INLINE inline __attribute__((always_inline))

#endif
