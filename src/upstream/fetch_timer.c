/* A fetch's timer: the upstream's time limits, the progress of an upload, and readers that hold
 * others up. */
#include "base/mem.h"
#include "upstream/fetch_internal.h"

/* bytes; a shorter body fits the kernel's send buffer */
#define WATCHED_MIN ((size_t)64 * 1024)
#define LOOKS_PER_SILENCE 8
/* The longest that one reader may hold the others up at a stretch, ms: it has to read about 190 KiB
 * in that time. */
#define LAGGARD_MS 5000

void fetch_set_silence(struct fetch *f)
{
    struct flight_timeouts timeouts = flight_timeouts(f->flight);

    f->attempt.deadline.silence_ms = f->step == FETCH_BODY ? timeouts.within_body
                                                           : timeouts.before_head;
    if (f->attempt.deadline.started_ms < timeouts.asked_ms)
        f->attempt.deadline.started_ms = timeouts.asked_ms;
}

static bool is_watched(const struct fetch *f)
{
    return !f->attempt.answer.done && (f->growing || f->whole.len > WATCHED_MIN);
}

/* Progress of the upload ends a silence. Neither libcurl (a body in memory) nor the kernel (its
 * send buffer) reports progress, so both counters are polled. */
static void note_delivered(struct fetch *f)
{
    int64_t delivered = attempt_delivered(&f->attempt);

    if (delivered > f->delivered)
        attempt_heard(&f->attempt);
    f->delivered = delivered; /* it falls when the request is sent again */
}

void fetch_start_timer(struct fetch *f)
{
    const struct deadline *d = &f->attempt.deadline;
    uint64_t at = deadline_next(d), look;

    if (is_watched(f) && d->silence_ms > 0) {
        look = f->fetcher->loop->now_ms + (uint64_t)d->silence_ms / LOOKS_PER_SILENCE + 1;
        at = look < at ? look : at;
    }
    if (f->held_up_ms && f->held_up_ms + LAGGARD_MS < at)
        at = f->held_up_ms + LAGGARD_MS;
    if (at != UINT64_MAX)
        timer_set(&f->fetcher->loop->timers, &f->timer, at);
}

void fetch_on_timer(struct timer *timer)
{
    struct fetch *f = container_of(timer, struct fetch, timer);
    struct err err;

    if (f->attempt.send_paused || f->attempt.recv_paused)
        attempt_heard(&f->attempt); /* our side pauses, so the upstream is not silent */
    if (is_watched(f))
        note_delivered(f);
    if (f->held_up_ms && f->fetcher->loop->now_ms - f->held_up_ms >= LAGGARD_MS) {
        f->held_up_ms = f->fetcher->loop->now_ms;
        flight_lose_laggards(f->flight);
    }
    fetch_set_silence(f);
    if (deadline_is_over(&f->attempt.deadline, f->fetcher->loop->now_ms, &err))
        fetch_stop(f, &err);
    else
        fetch_start_timer(f);
}
