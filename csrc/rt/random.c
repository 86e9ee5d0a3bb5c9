/* SPDX-License-Identifier: MIT
 *
 * The generator xoshiro256** of Blackman and Vigna. Its state must never be all zero: splitmix64,
 * which never gives 0 twice in a row, fills it from any seed.
 */
#include "rt/random.h"

static uint64_t splitmix(uint64_t *seed) {
    uint64_t mixed = *seed += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

static uint64_t rotate_left(uint64_t bits, int count) {
    return bits << count | bits >> (64 - count);
}

static uint64_t next_bits(uint64_t state[4]) {
    uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

void sut_random_seed(struct sut_random *random, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix(&seed);
}

double sut_random_unit(struct sut_random *random) {
    return (double)(next_bits(random->state) >> 11) * 0x1p-53;
}
