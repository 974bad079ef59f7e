/* The steps of a request: the program's main path, in one file.
 *
 *   check ► guard ► dispatch ► read ► inspect ► key ► lookup ┬ miss ─► fetch ┐
 *                                                     ▲  ▲   ├ join ────────┴► wait ► send ► done
 *                                                     │  │   ├ hit ─────────────────► send
 *                                                     │  └───┴ perhaps on disk: load ─► send
 *                                                     └ its flight failed, or is not shared: wait
 *
 *   guard ► preflight ► done       read ► admin ► done       any of them ► fail ► done
 *
 *   check      validate the framing and the target
 *   guard      admit the client's user, the host and the page
 *   dispatch   find the route of the target, and the request's cache class
 *   read       hold the body, or pass it on as an upload
 *   inspect    inspect the body of a request for the cache, once for all later steps
 *   key        make its cache key
 *   lookup     ask the index: hit, join or miss
 *   load       read the store first
 *   fetch      ask the upstream
 *   wait       until the answer has a head
 *   send       send the answer to the client
 *
 * Each step does one thing and names the next. A step that parks runs again when the connection is
 * woken. req_goto() is the one place where the step changes; --log-level trace logs it.
 */
#include "proxy/req.h"

#include <stdlib.h>

#include "api/route.h"
#include "base/header.h"
#include "base/mem.h"
#include "cache/key_cache.h"
#include "client/conn.h"
#include "proxy/admin.h"
#include "proxy/cache_status.h"
#include "proxy/guard.h"
#include "proxy/key_job.h"
#include "proxy/lane.h"
#include "proxy/load.h"
#include "proxy/peer.h"
#include "proxy/req_body.h"
#include "proxy/server.h"
#include "proxy/worker.h"

/* The body of a refused request is read up to this length (bytes), so that the client, which is
 * still sending, sees the answer. */
#define SWALLOW_MAX ((int64_t)1024 * 1024)
/* A body or answer up to this size (bytes) is processed in a turn of the loop; a job processes
 * longer ones. */
#define INSPECT_INLINE_MAX ((size_t)1024 * 1024) /* half a millisecond or more */

static struct caching *caching_of(const struct req *req)
{
    return &req->worker->server->caching;
}

enum req_next req_goto(struct req *req, enum step step)
{
    if (req->settings->log_level >= LOG_TRACE)
        log_event(req->worker->server->log, LOG_TRACE, "%s %s -> %s", req->id,
                  req_step_name(req->step), req_step_name(step));
    req->step = step;
    return REQ_ON;
}

/* req->reply is ready. */
static enum req_next reply(struct req *req)
{
    req_goto(req, STEP_DONE);
    return REQ_REPLY;
}

static enum req_next fail(struct req *req, const struct err *err)
{
    req->err = err_copy(err);
    return req_goto(req, STEP_FAIL);
}

static enum req_next refuse(struct req *req, const struct refusal *refusal)
{
    if (refusal->field)
        fields_adds(&req->reply.own, refusal->field, refusal->value);
    req->close = refusal->close;
    return fail(req, &refusal->err);
}

/* --- check ---------------------------------------------------------------------------- */

/* Checks that the request has one unambiguous length (RFC 9112 section 6.3): anything else allows
 * request smuggling. Sets body.length. */
static const char *length_fault(struct req *req)
{
    const char *encoding = NULL, *length = NULL;
    unsigned long long bytes;

    fields_each(h, &req->head.fields) {
        if (str_same_nocase(h.name, h.name_len, STR_LIT("transfer-encoding"))) {
            if (encoding)
                return "The request has two Transfer-Encoding fields.";
            encoding = h.value;
        } else if (str_same_nocase(h.name, h.name_len, STR_LIT("content-length"))) {
            if (length)
                return "The request has two Content-Length fields.";
            length = h.value;
        }
    }
    req->body.length = REQUEST_LENGTH_NONE;
    if (encoding && length)
        return "The request has both Content-Length and Transfer-Encoding.";
    if (encoding && !str_is_nocase(encoding, "chunked"))
        return "The request has a Transfer-Encoding other than chunked.";
    if (encoding)
        req->body.length = REQUEST_LENGTH_UNKNOWN;
    if (length && (!str_to_u64(length, strlen(length), &bytes) || bytes > INT64_MAX))
        return "The request has a Content-Length that is no number.";
    if (length)
        req->body.length = (int64_t)bytes;
    return NULL;
}

/* Checks the head and fills in the body's length. Returns the fault, or NULL. */
static const char *head_fault(struct req *req)
{
    const struct req_head *head = &req->head;
    const char *fault;

    if (!head->method_fits || !field_is_token(head->method, strlen(head->method)) ||
        strcmp(head->method, "CONNECT") == 0)
        return "The request's method is not one that can be served here.";
    if (head->bad_field)
        return "The request has a header field with a blank or another wrong character in its "
               "name or value.";
    fault = length_fault(req);
    if (fault)
        return fault;
    if (req->body.length == REQUEST_LENGTH_UNKNOWN && !req->conn->framed)
        return "The request is chunked, which this build cannot check: send a Content-Length.";
    fault = route_target_fault(head->target.text);
    if (fault)
        return fault;
    if (strcmp(head->method, "HEAD") == 0 && req->body.length != REQUEST_LENGTH_NONE &&
        req->body.length != 0)
        return "A HEAD request with a body cannot be passed on.";
    return NULL;
}

static enum req_next refuse_head(struct req *req, enum err_code code, const char *fault)
{
    struct refusal refusal = {.close = true};

    err_set(&refusal.err, code, "%s", fault);
    return refuse(req, &refusal);
}

static enum req_next step_check(struct req *req)
{
    const char *fault = conn_framing_fault(req->conn);

    if (fault)
        return refuse_head(req, conn_framing_error(req->conn), fault);
    if (req->conn->head_bytes > DOWN_REQUEST_BYTES)
        return refuse_head(req, ERR_HEAD_TOO_LARGE,
                           "The request's head is too large: its lines, 80 bytes for each field, "
                           "and the cookies once more may have 20 KiB together.");
    fault = head_fault(req);
    if (!fault)
        return req_goto(req, STEP_GUARD);
    /* Our own upstream connection, with this proxy as its HTTP proxy, has an absolute target, which
     * is not served. */
    if (peer_is_self(req->conn))
        return refuse_head(req, ERR_LOOP, PEER_LOOP_TEXT);
    return refuse_head(req, ERR_BAD_REQUEST, fault);
}

/* --- guard ---------------------------------------------------------------------------- */

/* The request of a browser before a page's request (WHATWG Fetch section 3.2.2). */
static bool is_preflight(const struct req *req)
{
    return strcmp(req->head.method, "OPTIONS") == 0 &&
           fields_get(&req->head.fields, "access-control-request-method");
}

static enum req_next step_guard(struct req *req)
{
    const char *cors;
    struct err err;

    /* The peer first: a looping request has the Host of --upstream, which is not ours. */
    if (peer_check(req->conn, req->worker->diag, req->settings, &err) < 0)
        return fail(req, &err);
    if (guard_check(&req->settings->guard, &req->head.fields, &cors, &err) < 0)
        return fail(req, &err);
    if (cors)
        reply_allow_origin(&req->reply, cors);
    return req_goto(req, cors && is_preflight(req) ? STEP_PREFLIGHT : STEP_DISPATCH);
}

static enum req_next step_preflight(struct req *req)
{
    struct reply_cache cache = cache_status_of(req);

    reply_preflight(&req->reply, &req->head.fields, req->head.is_api ? &cache : NULL, req->id);
    return reply(req);
}

/* --- dispatch ------------------------------------------------------------------------- */

/* Reads the request's Cache-Control, and decides whether the request may use the cache. */
static void classify(struct req *req)
{
    struct req_cache *cache = &req->cache;

    if (!caching_of(req)->on || req->settings->ttl_ms == 0)
        return;
    cache_control_of(&req->head.fields, &cache->control);
    if (!cache->control.no_store)
        cache->class = cache_class_of(req->head.method, req->head.target.text, &req->head.fields);
}

static enum req_next step_dispatch(struct req *req)
{
    if (route_of(req->head.target.text) == ROUTE_NONE)
        return refuse(
            req, &(struct refusal){.err = {ERR_NOT_FOUND, "Unknown URL: this proxy serves /v1 and "
                                                          "below, /health, /stats and /cache."}});
    if (req->head.is_api && header_wants_websocket(&req->head.fields))
        return refuse(req,
                      &(struct refusal){.err = {ERR_UPGRADE,
                                                "This proxy does not carry WebSockets: send the "
                                                "request over HTTP, which works, or connect to the "
                                                "upstream directly."},
                                        .close = true,
                                        .field = "Upgrade", /* RFC 9110 section 15.5.22 */
                                        .value = "websocket"});
    if (req->head.is_api)
        classify(req);
    return req_goto(req, STEP_READ);
}

/* --- read ----------------------------------------------------------------------------- */

static enum req_next step_read(struct req *req)
{
    if (!req_body_begin(req))
        return req_goto(req, STEP_INSPECT);
    if (!req->head.is_api &&
        (req->body.length == REQUEST_LENGTH_UNKNOWN || req->body.length > req->body.buf_max))
        return refuse(
            req, &(struct refusal){.err = {ERR_BAD_REQUEST, "This request takes no such body."},
                                   .close = true});
    if (req_body_is_to_come(req))
        return REQ_MORE;
    if (req->body.length == REQUEST_LENGTH_UNKNOWN)
        req->body.length = (int64_t)req->body.buf.len; /* now known */
    return req_goto(req, req->head.is_api ? STEP_INSPECT : STEP_ADMIN);
}

/* --- inspect, key --------------------------------------------------------------------- */

static struct key_request key_request_of(const struct req *req)
{
    return (struct key_request){.method = req->head.method,
                                .target = req->head.target.text,
                                .fields = &req->head.fields,
                                .body = req->body.length > 0 ? req->body.buf.text : NULL,
                                .body_len = req->body.buf.len};
}

/* A request in the key cache, equal byte for byte, needs no inspection of its body. */
static void inspect(struct req *req)
{
    struct req_cache *cache = &req->cache;
    struct key_request request = key_request_of(req);

    keyer_fingerprint(req->worker->keyer, &request, &cache->fingerprint);
    cache->key_was_remembered = cache->has_key = key_cache_find(
        caching_of(req)->key_cache, &cache->fingerprint, &cache->key, &req->body.facts);
    if (!cache->has_key)
        policy_inspect_body(cache->class, req->body.buf.text, req->body.buf.len, &req->body.facts);
}

static enum req_next step_inspect(struct req *req)
{
    req->cache.verdict = VERDICT_BYPASS;
    if (req->cache.class == CACHE_CLASS_NONE)
        return req_goto(req, STEP_KEY);
    if (req->cache.key_job && !key_job_is_done(req->cache.key_job))
        return REQ_PARK;
    if (req->cache.key_job) {
        key_job_finish(req);
        return req_goto(req, STEP_KEY);
    }
    /* The worker's keyer uses the current settings, which may be newer than the request's. */
    if (req->body.buf.len > INSPECT_INLINE_MAX || req->settings != req->worker->settings) {
        key_job_start(req);
        return REQ_PARK;
    }
    inspect(req);
    return req_goto(req, STEP_KEY);
}

static enum req_next step_key(struct req *req)
{
    struct key_request request;

    if (req->body.facts.is_stateful)
        req->cache.class = CACHE_CLASS_NONE;
    if (req->cache.class != CACHE_CLASS_NONE && !req->cache.has_key) {
        request = key_request_of(req);
        keyer_key(req->worker->keyer, &request, &req->cache.key);
    }
    return req_goto(req, STEP_LOOKUP);
}

/* --- lookup, load --------------------------------------------------------------------- */

static enum req_next refuse_uncached(struct req *req)
{
    return refuse(
        req, &(struct refusal){.err = {ERR_NOT_CACHED, "The request says only-if-cached, and the "
                                                       "answer is not in the cache."}});
}

static bool may_be_on_disk(const struct req *req)
{
    const struct req_cache *cache = &req->cache;
    const struct caching *caching = caching_of(req);

    return caching->store && !cache->disk_was_read && !cache->no_coalesce &&
           !cache->control.no_cache && caching->store_ops->may_have(caching->store, &cache->key);
}

/* Takes the reference. A request repeated once is likely to be repeated often: remember its key. */
static enum req_next hit(struct req *req, struct object *object)
{
    struct req_cache *cache = &req->cache;

    if (!cache->key_was_remembered)
        key_cache_add(caching_of(req)->key_cache, &cache->fingerprint, &cache->key,
                      &req->body.facts);
    req->answer.object = object;
    cache->verdict = VERDICT_HIT;
    return req_goto(req, STEP_SEND);
}

static enum req_next bypass(struct req *req)
{
    if (req->cache.control.only_if_cached)
        return refuse_uncached(req);
    req->answer.flight = index_pass(REQ_AHEAD_HIGH, REQ_AHEAD_LOW, &req->answer.reader,
                                    req_on_flight_news);
    return req_goto(req, STEP_FETCH);
}

static enum req_next step_lookup(struct req *req)
{
    struct req_cache *cache = &req->cache;
    struct index_answer answer;
    struct index_query query;
    bool on_disk;

    if (cache->class == CACHE_CLASS_NONE)
        return bypass(req);
    cache->verdict = VERDICT_MISS;
    query = req_query(req);
    on_disk = may_be_on_disk(req);
    query.peek = on_disk || cache->control.only_if_cached;
    switch (index_lookup(caching_of(req)->index, &query, &req->answer.reader, req_on_flight_news,
                         &answer)) {
    case INDEX_HIT:
        return hit(req, answer.object);
    case INDEX_JOIN:
        req->answer.flight = answer.flight;
        cache->verdict = VERDICT_JOIN;
        req_raise_timeouts(req);
        return req_goto(req, STEP_WAIT);
    case INDEX_MISS:
        req->answer.flight = answer.flight;
        if (cache->control.no_cache)
            cache->fwd = FWD_REQUEST;
        else if (answer.stale)
            cache->fwd = FWD_STALE;
        return req_goto(req, STEP_FETCH);
    case INDEX_NONE:
        return on_disk ? req_goto(req, STEP_LOAD) : refuse_uncached(req);
    }
    abort();
}

static enum req_next step_load(struct req *req)
{
    struct object *object;
    bool stale;

    if (!req->cache.load)
        load_start(req);
    if (!load_is_over(req->cache.load))
        return REQ_PARK;
    req->cache.disk_was_read = true;
    object = load_finish(req, &stale);
    if (object)
        return hit(req, object);
    if (stale)
        req->cache.fwd = FWD_STALE;
    return req_goto(req, STEP_LOOKUP); /* another request may have begun to fetch it */
}

/* --- fetch, wait ---------------------------------------------------------------------- */

static enum req_next step_fetch(struct req *req)
{
    struct fetch_request order = {.endpoint = req->settings->endpoint,
                                  .method = req->head.method,
                                  .target = req->head.target.text,
                                  .fields = &req->head.fields,
                                  .length = req->body.length,
                                  .whole = &req->body.buf,
                                  .held = &req->body.held,
                                  .growing = req->body.upload,
                                  .finish = req->settings->finish,
                                  .forwarded = {req->conn->address, req->id}};

    req_raise_timeouts(req);
    /* One entry serves every client: it is fetched in an encoding that every client can be given.
     */
    if (req->cache.class != CACHE_CLASS_NONE && fields_get(&req->head.fields, "accept-encoding"))
        order.encodings = header_accepts_gzip(&req->head.fields) ? "gzip" : "identity";
    req->answer.fetched = true;
    fetch_start(&req->worker->fetcher, &lane_of_conn(req->conn)->pool, &order, req->answer.flight);
    return req_goto(req, STEP_WAIT);
}

static enum req_next step_wait(struct req *req)
{
    struct req_answer *answer = &req->answer;

    /* The answer may come before the request's body is complete (e.g. 413). A complete answer is
     * sent at once, and the rest of the body is not needed any more. */
    if (req->body.upload && !req->body.received && flight_is_open(answer->flight, &answer->reader))
        return REQ_MORE;
    if (req->body.received)
        req_body_complete(req);
    switch (flight_poll(answer->flight, &answer->reader)) {
    case FLIGHT_WAITING:
        return REQ_PARK;
    case FLIGHT_GROWING:
        return req_goto(req, STEP_SEND);
    case FLIGHT_FAILED:
        if (req->cache.verdict != VERDICT_JOIN)
            return fail(req, answer->flight->err);
        break;
    case FLIGHT_EXCLUSIVE:
        break;
    }
    req_leave_flight(req);
    req->cache.no_coalesce = true;
    return req_goto(req, STEP_LOOKUP);
}

/* --- send ----------------------------------------------------------------------------- */

/* True if the answer is gzip and the client does not accept that. Only answers that may be shared
 * are inflated. */
static bool must_inflate(const struct req *req, const struct fields *answer)
{
    return req->cache.class != CACHE_CLASS_NONE && fields_get(answer, "content-encoding") &&
           policy_is_gzip(answer) && !header_accepts_gzip(&req->head.fields);
}

static void reply_from_answer(struct req *req, bool head_only)
{
    struct reply_cache cache = cache_status_of(req);
    struct object *object = req->answer.object;
    struct flight *flight = req->answer.flight;

    if (object)
        reply_from_object(&req->reply, object, must_inflate(req, &object->fields), &cache, req->id);
    else
        reply_from_flight(&req->reply, flight,
                          (head_only ? REPLY_HEAD_ONLY : 0) |
                              (must_inflate(req, &flight->head.fields) ? REPLY_INFLATED : 0),
                          &cache, req->id);
}

static enum req_next step_send(struct req *req)
{
    bool head_only = strcmp(req->head.method, "HEAD") == 0;

    reply_from_answer(req, head_only);
    if (req->reply.kind == REPLY_READ) {
        /* For HEAD libmicrohttpd 0.9.75 would send the last chunk of a body after the head. */
        if ((req->head.no_chunks || head_only) && req->reply.length < 0)
            req->reply.until_close = true;
        fields_wipe(&req->head.fields); /* a stream may last long; the fields contain an API key */
    }
    return reply(req);
}

/* --- answers of the proxy's own ------------------------------------------------------- */

static enum req_next step_admin(struct req *req)
{
    struct refusal refusal = {.close = false};

    switch (admin_answer(req, &refusal)) {
    case ADMIN_WAITS:
        return REQ_PARK;
    case ADMIN_REFUSED:
        return refuse(req, &refusal);
    case ADMIN_ANSWERED:
        break;
    }
    return reply(req);
}

static enum req_next step_fail(struct req *req)
{
    struct reply_cache cache;
    bool is_to_come = req_body_is_to_come(req);

    if (is_to_come &&
        (req->body.length == REQUEST_LENGTH_UNKNOWN || req->body.length > SWALLOW_MAX))
        req->close = true;
    if (is_to_come && !req->close)
        return REQ_MORE;
    cache = cache_status_of(req);
    /* After a framing fault the target may be unknown: it may have been under /v1. */
    reply_from_err(&req->reply, req->err,
                   !*req->head.target.text || req->head.is_api ? &cache : NULL, req->id);
    req->reply.close = req->close;
    return reply(req);
}

static enum req_next step_done(struct req *req)
{
    (void)req;
    return REQ_CLOSE; /* after an early answer: the body's end closes the connection */
}

/* --- the machine ---------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum req_next (*run)(struct req *);
} steps[] = {
    [STEP_CHECK] = {"check", step_check},
    [STEP_GUARD] = {"guard", step_guard},
    [STEP_PREFLIGHT] = {"preflight", step_preflight},
    [STEP_DISPATCH] = {"dispatch", step_dispatch},
    [STEP_READ] = {"read", step_read},
    [STEP_INSPECT] = {"inspect", step_inspect},
    [STEP_KEY] = {"key", step_key},
    [STEP_LOOKUP] = {"lookup", step_lookup},
    [STEP_LOAD] = {"load", step_load},
    [STEP_FETCH] = {"fetch", step_fetch},
    [STEP_WAIT] = {"wait", step_wait},
    [STEP_SEND] = {"send", step_send},
    [STEP_ADMIN] = {"admin", step_admin},
    [STEP_FAIL] = {"fail", step_fail},
    [STEP_DONE] = {"done", step_done},
};

const char *req_step_name(enum step step)
{
    return steps[step].name;
}

enum req_next req_step(struct req *req)
{
    return steps[req->step].run(req);
}

enum client_next req_abort(struct req *req)
{
    struct err err;

    if (req->step == STEP_DONE)
        return CLIENT_CLOSE;
    err_set(&err, conn_framing_error(req->conn), "%s", req->conn->framing.fault);
    req_body_break(req, &err);
    req_leave_flight(req);
    req->close = true;
    free(take(req->err));
    fail(req, &err);
    return req_run(req);
}
