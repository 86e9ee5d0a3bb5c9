/* SPDX-License-Identifier: MIT
 *
 * The runtime's source of random numbers (xoshiro256**, seeded by splitmix64): everything random
 * in a runtime with a seed repeats.
 */
#ifndef SUT_RT_RANDOM_H
#define SUT_RT_RANDOM_H

#include <stdint.h>

struct sut_random {
    uint64_t state[4];
};

void sut_random_seed(struct sut_random *random, uint64_t seed);

/* Uniform in [0, 1), 53 bits. */
double sut_random_unit(struct sut_random *random);

#endif
