#include "proxy/cache_status.h"

#include "base/clock.h"
#include "cache/index.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

static bool will_be_stored(const struct req *req)
{
    const struct flight *flight = req->answer.flight;

    return flight && flight_is_kept(flight) &&
           index_takes(req->worker->server->caching.index, flight->head.length);
}

/* The parameters of Cache-Status after our name (RFC 9211 section 2). */
static const char *status_of(const struct req *req)
{
    static const char *const misses[][2] = {[FWD_MISS] = {"fwd=miss", "fwd=miss; stored"},
                                            [FWD_STALE] = {"fwd=stale", "fwd=stale; stored"},
                                            [FWD_REQUEST] = {"fwd=request", "fwd=request; stored"}};

    switch (req->cache.verdict) {
    case VERDICT_OWN:
    case VERDICT_BYPASS:
        break;
    case VERDICT_MISS:
        return misses[req->cache.fwd][will_be_stored(req)];
    case VERDICT_HIT:
        return "hit";
    case VERDICT_JOIN:
        return "fwd=miss; collapsed";
    }
    return "fwd=bypass";
}

struct reply_cache cache_status_of(const struct req *req)
{
    const struct object *object = req->answer.object;
    struct reply_cache cache = {.kind = req->cache.verdict,
                                .status = status_of(req),
                                .now_ms = clock_unix_ms(),
                                .ttl_ms = -1,
                                .key = req->cache.verdict >= VERDICT_MISS ? &req->cache.key : NULL};
    int64_t ttl_ms = object ? index_ttl_ms(req->settings->ttl_ms, object->status) : INDEX_FOREVER;

    cache.stored_ms = object ? object->stored_ms : cache.now_ms;
    if (ttl_ms != INDEX_FOREVER)
        cache.ttl_ms = cache.stored_ms + ttl_ms - cache.now_ms;
    return cache;
}
