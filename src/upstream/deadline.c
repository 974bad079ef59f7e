#include "upstream/deadline.h"

#include "upstream/explain.h"

uint64_t deadline_next(const struct deadline *d)
{
    uint64_t at = UINT64_MAX;

    if (d->total_ms > 0)
        at = d->started_ms + (uint64_t)d->total_ms;
    if (d->silence_ms > 0 && d->heard_ms + (uint64_t)d->silence_ms < at)
        at = d->heard_ms + (uint64_t)d->silence_ms;
    return at;
}

bool deadline_is_over(const struct deadline *d, uint64_t now_ms, struct err *err)
{
    if (deadline_next(d) > now_ms)
        return false;
    if (d->total_ms > 0 && now_ms - d->started_ms >= (uint64_t)d->total_ms)
        explain_slow(err, d->total_ms);
    else
        explain_silent(err, d->silence_ms);
    return true;
}
