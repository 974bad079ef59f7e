/* How long the turns of a worker's loop take, so that anyone can see it: while a turn lasts, every
 * stream of the worker stands still. Written by the worker, read by any thread. */
#ifndef PROXY_TURNS_H
#define PROXY_TURNS_H

#include <stdatomic.h>
#include <stdint.h>

#define TURNS_SLOTS 7U /* of ten seconds each: the last minute, and the one that has begun */

struct turns {
    atomic_uint_least64_t slots[TURNS_SLOTS]; /* number of the ten seconds << 32 | longest, µs */
};

/* Both of clock_mono_us(). */
void turns_note(struct turns *turns, uint64_t began_us, uint64_t ended_us);
/* The longest of the last minute, in µs. */
uint64_t turns_longest_us(const struct turns *turns, uint64_t now_us);

#endif
