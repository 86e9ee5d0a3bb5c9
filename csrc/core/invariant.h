/* SPDX-License-Identifier: MIT
 *
 * A promise of the code to itself. A broken one ends the process with a line that says which:
 * going on with a tree that is not what it seems would lose services without a word.
 */
#ifndef SUT_CORE_INVARIANT_H
#define SUT_CORE_INVARIANT_H

/* Prints the broken promise and aborts. */
_Noreturn void sut_invariant_broken(const char *file, int line, const char *what);

#define SUT_INVARIANT(holds, what)                                                                 \
    ((holds) ? (void)0 : sut_invariant_broken(__FILE__, __LINE__, (what)))

#endif
