/* The steps of a request that have to do with the cache: the verdict of the index. A look on disk
 * is req_load.c. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/memo.h"
#include "proxy/conn.h"
#include "proxy/down.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

/* --- the verdict ---------------------------------------------------------------------- */

static void on_flight_news(struct body_reader *reader)
{
    struct req *req = container_of(reader, struct req, reader);

    /* Under the flight's lock, on its filler's thread, which may be another one. */
    if (worker_is_here(req->worker))
        req_on_news(&req->news);
    else
        mailbox_post(&req->worker->mailbox, &req->news);
}

void req_on_news(struct letter *news)
{
    struct req *req = container_of(news, struct req, news);

    /* One that waits for the head has had nothing of the answer: it looks anew. */
    if (req->reader.lost && req->step != STEP_WAIT) {
        conn_reset(req->conn); /* a FIN could be taken for the answer's end */
        conn_throw_out(req->conn);
    } else if (req->received)
        down_wake(req->conn);
    else
        down_answer_early(req->conn);
}

struct index_query req_query(const struct req *req)
{
    return (struct index_query){.key = &req->key,
                                .now_ms = clock_unix_ms(),
                                .ttl_ms = req->settings->ttl_ms,
                                .asks = req->asks,
                                .alone = req->alone,
                                .api = req->api,
                                .method = req->method,
                                .target = req->target.text,
                                .model = req->model,
                                .key_rules = req->settings->key_rules,
                                .high = REQ_AHEAD_HIGH,
                                .low = REQ_AHEAD_LOW};
}

static enum req_next refuse_uncached(struct req *req)
{
    return req_refuse(req, ERR_NOT_CACHED, false,
                      "The request says only-if-cached, and the answer is not in the cache.");
}

static bool may_be_on_disk(const struct req *req)
{
    struct store *store = req->worker->server->caching.store;

    return store && !req->loaded && !req->alone && !req->asks.no_cache &&
           store_may_have(store, &req->key);
}

/* What was asked for twice may be asked for often. */
enum req_next req_hit(struct req *req, struct object *object)
{
    if (req->looked)
        memo_add(req->worker->server->caching.memo, &req->tag, &req->key);
    req->object = object;
    req->verdict = VERDICT_HIT;
    return req_goto(req, STEP_SEND);
}

enum req_next req_step_lookup(struct req *req)
{
    struct index_answer answer;
    struct index_query query;
    bool on_disk;

    if (req->api == CACHE_CLASS_NONE) {
        if (req->asks.only_if_cached)
            return refuse_uncached(req);
        req->flight = index_pass(REQ_AHEAD_HIGH, REQ_AHEAD_LOW, &req->reader, on_flight_news);
        return req_goto(req, STEP_FETCH);
    }
    req->verdict = VERDICT_MISS;
    query = req_query(req);
    on_disk = may_be_on_disk(req);
    query.peek = on_disk || req->asks.only_if_cached || !req->looked;
    switch (index_lookup(req->worker->server->caching.index, &query, &req->reader, on_flight_news,
                         &answer)) {
    case INDEX_HIT:
        return req_hit(req, answer.object);
    case INDEX_JOIN:
        req->flight = answer.flight;
        req->verdict = VERDICT_JOIN;
        req_raise_timeouts(req);
        return req_goto(req, STEP_WAIT);
    case INDEX_MISS:
        req->flight = answer.flight;
        if (req->asks.no_cache)
            req->fwd = FWD_REQUEST;
        else if (answer.stale)
            req->fwd = FWD_STALE;
        return req_goto(req, STEP_FETCH);
    case INDEX_NONE:
        if (on_disk)
            return req_goto(req, STEP_LOAD);
        if (req->asks.only_if_cached)
            return refuse_uncached(req);
        req_parse_body(req); /* the memo knew its key: what is stored has a model as well */
        return req_goto(req, STEP_LOOKUP);
    }
    abort();
}

/* --- what is told --------------------------------------------------------------------- */

/* RFC 9211 section 2, after our name. */
static bool will_be_stored(const struct req *req)
{
    return req->flight && flight_is_kept(req->flight) &&
           index_takes(req->worker->server->caching.index, req->flight->head.length);
}

static const char *cache_status_of(const struct req *req)
{
    static const char *const misses[][2] = {[FWD_MISS] = {"fwd=miss", "fwd=miss; stored"},
                                            [FWD_STALE] = {"fwd=stale", "fwd=stale; stored"},
                                            [FWD_REQUEST] = {"fwd=request", "fwd=request; stored"}};

    switch (req->verdict) {
    case VERDICT_OWN:
    case VERDICT_BYPASS:
        break;
    case VERDICT_MISS:
        return misses[req->fwd][will_be_stored(req)];
    case VERDICT_HIT:
        return "hit";
    case VERDICT_JOIN:
        return "fwd=miss; collapsed";
    }
    return "fwd=bypass";
}

void req_tell_cache(const struct req *req, struct reply_cache *cache)
{
    int64_t ttl_ms;

    *cache = (struct reply_cache){.kind = req->verdict,
                                  .status = cache_status_of(req),
                                  .now_ms = clock_unix_ms(),
                                  .ttl_ms = -1,
                                  .key = req->verdict >= VERDICT_MISS ? &req->key : NULL};
    cache->stored_ms = req->object ? req->object->stored_ms : cache->now_ms;
    ttl_ms = req->object ? index_ttl_ms(req->settings->ttl_ms, req->object->status) : INDEX_FOREVER;
    if (ttl_ms != INDEX_FOREVER)
        cache->ttl_ms = cache->stored_ms + ttl_ms - cache->now_ms;
}
