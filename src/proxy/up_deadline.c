#include "proxy/up_deadline.h"

#include "proxy/up_explain.h"

uint64_t up_deadline_next(const struct up_deadline *d)
{
    uint64_t at = UINT64_MAX;

    if (d->total_ms > 0)
        at = d->started_ms + (uint64_t)d->total_ms;
    if (d->silence_ms > 0 && d->heard_ms + (uint64_t)d->silence_ms < at)
        at = d->heard_ms + (uint64_t)d->silence_ms;
    return at;
}

bool up_deadline_is_over(const struct up_deadline *d, uint64_t now_ms, struct err *err)
{
    if (up_deadline_next(d) > now_ms)
        return false;
    if (d->total_ms > 0 && now_ms - d->started_ms >= (uint64_t)d->total_ms)
        up_explain_slow(err, d->total_ms);
    else
        up_explain_silent(err, d->silence_ms);
    return true;
}
