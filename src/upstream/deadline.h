/* How long a transfer may go on: the longest silence of the upstream, and the longest time for all
 * of it. Pure functions of the monotonic clock's milliseconds. */
#ifndef UPSTREAM_DEADLINE_H
#define UPSTREAM_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct deadline {
    uint64_t started_ms;
    uint64_t heard_ms;  /* the upstream took or gave something */
    int64_t silence_ms; /* 0: for ever */
    int64_t total_ms;   /* the same */
};

/* When to look again; UINT64_MAX: never. */
uint64_t deadline_next(const struct deadline *d);
/* Is it over? Then *err says which of the two. */
bool deadline_is_over(const struct deadline *d, uint64_t now_ms, struct err *err);

#endif
