/* The longest turns of a worker's loop: during a turn all other streams of the worker wait. Written
 * by the worker, read by any thread. */
#ifndef PROXY_TURNS_H
#define PROXY_TURNS_H

#include <stdatomic.h>
#include <stdint.h>

#define TURNS_SLOTS 7U /* of ten seconds each: the last minute, and the current slot */

struct turns {
    atomic_uint_least64_t slots[TURNS_SLOTS]; /* slot number << 32 | longest turn, µs */
};

/* Records a turn; both times of clock_mono_us(). */
void turns_note(struct turns *turns, uint64_t began_us, uint64_t ended_us);
/* The longest turn of the last minute, µs. now_us: clock_mono_us(). */
uint64_t turns_longest_us(const struct turns *turns, uint64_t now_us);

#endif
