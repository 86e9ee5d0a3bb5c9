/* SPDX-License-Identifier: MIT
 *
 * Where a broken invariant ends.
 */
#include "core/invariant.h"

#include <stdio.h>
#include <stdlib.h>

void sut_invariant_broken(const char *file, int line, const char *what) {
    (void)fprintf(stderr, "sutura: broken invariant at %s:%d: %s\n", file, line, what);
    abort();
}
