/* Time limits of a transfer: the upstream's longest silence, and the total. Pure functions of the
 * monotonic clock in ms. */
#ifndef UPSTREAM_DEADLINE_H
#define UPSTREAM_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct deadline {
    uint64_t started_ms;
    uint64_t heard_ms;  /* start of the upstream's current silence */
    int64_t silence_ms; /* 0: no limit */
    int64_t total_ms;   /* 0: no limit */
};

/* Time of the next check, monotonic ms; UINT64_MAX: no limit is set. */
uint64_t deadline_next(const struct deadline *d);
/* True once a limit has passed: *err then says which. */
bool deadline_is_over(const struct deadline *d, uint64_t now_ms, struct err *err);

#endif
