/* The steps of a request: this file reads as the story of the program.
 *
 *   route ─► admit ─► read ─► key ─► lookup ─► fetch ─► wait ─► send ─► done
 *     │        │       │              │ ▲ ▲                │       ▲       ▲
 *     │        │       │              │ │ └─ not for us ───┘       │       │
 *     │        │       │              ├─┴─ load ─── hit ───────────┤       │
 *     │        │       │              └──── hit ───────────────────┘       │
 *     │        │       └─► admin ──────────────────────────────────────────┤
 *     └────────┴─► fail ───────────────────────────────────────────────────┘
 *
 * Each step does one thing and names the next; req_goto() is the one place where it changes.
 */
#include "proxy/req.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/route.h"
#include "api/sdk.h"
#include "base/mem.h"
#include "proxy/admin.h"
#include "proxy/conn.h"
#include "proxy/guard.h"
#include "proxy/down.h"
#include "base/header.h"
#include "proxy/server.h"
#include "proxy/worker.h"

/* A body up to this is held, so that it can be sent again when a kept-alive connection proves
 * to be dead; a longer one is passed on as it comes. */
#define WHOLE_MAX ((int64_t)64 * 1024)
/* The body of a request that is refused is read up to this, so that the client, which is still
 * sending, gets to see the answer. */
#define SWALLOW_MAX ((int64_t)1024 * 1024)

enum req_next req_goto(struct req *req, enum step step)
{
    req->step = step;
    return REQ_ON;
}

static enum req_next fail(struct req *req, const struct err *err)
{
    req->err = err_copy(err);
    return req_goto(req, STEP_FAIL);
}

enum req_next req_refuse(struct req *req, enum err_code code, bool close, const char *text)
{
    struct err err;

    err_set(&err, code, "%s", text);
    req->close = close;
    return fail(req, &err);
}

/* Whether the request has one well-known length (RFC 9112 section 6.3). Anything else is how
 * requests are smuggled past proxies. */
static const char *framing_fault(struct req *req)
{
    const char *encoding = NULL, *length = NULL;
    unsigned long long bytes;

    fields_each(h, &req->fields) {
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
    req->length = REQUEST_LENGTH_NONE;
    if (encoding && length)
        return "The request has both Content-Length and Transfer-Encoding.";
    if (encoding && !str_is_nocase(encoding, "chunked"))
        return "The request has a Transfer-Encoding other than chunked.";
    if (encoding)
        req->length = REQUEST_LENGTH_UNKNOWN;
    if (length && (!str_to_u64(length, strlen(length), &bytes) || bytes > INT64_MAX))
        return "The request has a Content-Length that is no number.";
    if (length)
        req->length = (int64_t)bytes;
    return NULL;
}

static enum req_next step_route(struct req *req)
{
    const char *fault = conn_framing_fault(req->conn);

    if (fault)
        return req_refuse(req, conn_framing_error(req->conn), true, fault);
    if (!req->method_fits || !field_is_token(req->method, strlen(req->method)) ||
        strcmp(req->method, "CONNECT") == 0)
        fault = "The request's method is not one that can be served here.";
    if (!fault && req->bad_field)
        fault = "The request has a header field with a blank or another wrong character in its "
                "name or value.";
    if (!fault)
        fault = framing_fault(req);
    if (!fault && req->length == REQUEST_LENGTH_UNKNOWN && !req->conn->framed)
        fault = "The request is chunked, which this build cannot check: send a Content-Length.";
    if (!fault)
        fault = route_target_fault(req->target.text);
    if (!fault && strcmp(req->method, "HEAD") == 0 && req->length != REQUEST_LENGTH_NONE &&
        req->length != 0)
        fault = "A HEAD request with a body cannot be passed on.";
    /* As an HTTP proxy it is asked in a form that it does not serve. */
    if (fault && peer_is_self(req->conn))
        return req_refuse(req, ERR_LOOP, true, PEER_LOOP_TEXT);
    if (fault)
        return req_refuse(req, ERR_BAD_REQUEST, true, fault);
    return req_goto(req, STEP_ADMIT);
}

/* WHATWG Fetch section 3.2.2: what a browser asks before a page's request. */
static bool is_preflight(const struct req *req)
{
    return strcmp(req->method, "OPTIONS") == 0 &&
           fields_get(&req->fields, "access-control-request-method");
}

static enum req_next step_preflight(struct req *req)
{
    struct reply_cache cache;

    req_tell_cache(req, &cache);
    reply_preflight(&req->reply, &req->fields, req->is_api ? &cache : NULL, req->id);
    req->step = STEP_DONE;
    return REQ_REPLY;
}

static enum req_next step_admit(struct req *req)
{
    enum route route = route_of(req->target.text);
    const char *cors;
    struct err err;

    /* The peer first: a loop comes with the Host that --upstream has, which is not ours. */
    if (peer_check(req->conn, req->worker->diag, req->settings, &err) < 0)
        return fail(req, &err);
    if (guard_check(&req->settings->guard, &req->fields, &cors, &err) < 0)
        return fail(req, &err);
    if (cors)
        reply_allow_origin(&req->reply, cors);
    if (cors && is_preflight(req))
        return req_goto(req, STEP_PREFLIGHT);
    if (route == ROUTE_NONE)
        return req_refuse(
            req, ERR_NOT_FOUND, false,
            "Unknown URL: this proxy serves /v1 and below, /health, /stats and /cache.");
    if (route == ROUTE_API && header_wants_websocket(&req->fields)) {
        fields_adds(&req->reply.own, "Upgrade", "websocket"); /* RFC 9110 section 15.5.22 */
        return req_refuse(req, ERR_UPGRADE, true,
                          "This proxy does not carry WebSockets: send the request over HTTP, which "
                          "works, or connect to the upstream directly.");
    }
    if (route == ROUTE_API && req->worker->server->caching.on && req->settings->ttl_ms > 0) {
        cache_control_of(&req->fields, &req->asks);
        if (!req->asks.no_store)
            req->api = cache_class_of(req->method, req->target.text, &req->fields);
    }
    return req_goto(req, STEP_READ);
}

static void on_upload_room(void *arg)
{
    struct req *req = arg;

    req->upload_full = false;
    down_wake(req->conn);
}

/* A long body becomes a flight of its own, the other way round: the client fills it and the
 * transfer reads it. What comes before the transfer has joined is kept for it. */
static void open_upload(struct req *req)
{
    struct flight_filler filler = {.on_room = on_upload_room, .arg = req};
    struct head head;

    head_init(&head);
    req->upload = flight_new(true, REQ_AHEAD_HIGH, REQ_AHEAD_LOW);
    flight_set_head(req->upload, &head);
    flight_set_filler(req->upload, &filler);
}

void req_pass_body_on(struct req *req)
{
    open_upload(req);
    flight_append(req->upload, req->whole.text, req->whole.len);
    str_release(&req->whole);
    budget_sub(&req->worker->server->caching.budget, req->held);
    req->held = 0;
    req->api = CACHE_CLASS_NONE;
    req->step = STEP_KEY;
    down_answer_early(req->conn); /* runs the steps, soon */
}

/* Is there room for the whole body? One that has begun to come has had its answer. */
static bool may_hold(const struct req *req)
{
    return req->length <= 0 || req->body_bytes > 0 || req->received ||
           budget_has_room(&req->worker->server->caching.budget, (size_t)req->length);
}

static enum req_next step_read(struct req *req)
{
    req->whole_max = WHOLE_MAX;
    if (req->api != CACHE_CLASS_NONE)
        req->whole_max = req->settings->max_body;
    if (!req->is_api && (req->length == REQUEST_LENGTH_UNKNOWN || req->length > WHOLE_MAX))
        return req_refuse(req, ERR_BAD_REQUEST, true, "This request takes no such body.");
    /* Of a body of unknown length only what may be stored is worth waiting for. */
    if (req->length > req->whole_max || (req->is_api && !may_hold(req)) ||
        (req->length == REQUEST_LENGTH_UNKNOWN && req->whole_max == WHOLE_MAX)) {
        open_upload(req);
        req->api = CACHE_CLASS_NONE;
        return req_goto(req, STEP_KEY);
    }
    if (!req->received && req->length != REQUEST_LENGTH_NONE && req->length != 0)
        return REQ_MORE;
    if (req->length == REQUEST_LENGTH_UNKNOWN)
        req->length = (int64_t)req->whole.len; /* it is known now */
    return req_goto(req, req->is_api ? STEP_KEY : STEP_ADMIN);
}

/* What the user set holds; else what is usual for such a request; else the default. */
void req_raise_timeouts(const struct req *req)
{
    const struct endpoint *e = req->settings->endpoint;
    struct sdk_deadline sdk = sdk_deadline_of(req->method, req->target.text, &req->fields);
    struct flight_timeouts timeouts = {e->silence_ms, e->silence_ms, req->worker->loop.now_ms};

    if (!e->silence_is_set && sdk.head_ms > 0) {
        timeouts.before_head = sdk.head_ms;
        timeouts.within_body = sdk.body_ms;
    }
    flight_raise_timeouts(req->flight, &timeouts);
}

static enum req_next step_fetch(struct req *req)
{
    struct fetch_request order = {.endpoint = req->settings->endpoint,
                                  .method = req->method,
                                  .target = req->target.text,
                                  .fields = &req->fields,
                                  .length = req->length,
                                  .whole = &req->whole,
                                  .held = &req->held,
                                  .growing = req->upload,
                                  .forwarded = {req->conn->address, req->id}};

    req_raise_timeouts(req);
    order.finish = req->settings->finish;
    /* One entry serves every client: it is kept in a form that all can be given. */
    if (req->api != CACHE_CLASS_NONE && fields_get(&req->fields, "accept-encoding"))
        order.encodings = header_accepts_gzip(&req->fields) ? "gzip" : "identity";
    req->fetched = true;
    fetch_start(&req->worker->fetcher, &req->conn->lane->pool, &order, req->flight);
    return req_goto(req, STEP_WAIT);
}

static enum req_next step_wait(struct req *req)
{
    /* An answer may come before the request is whole (413, say). Once it is whole itself it is
     * given at once; what the client still sends is not wanted any more. */
    if (req->upload && !req->received && flight_is_open(req->flight, &req->reader))
        return REQ_MORE;
    if (req->upload && req->received && body_state(&req->upload->body) == BODY_OPEN)
        flight_complete(req->upload);
    switch (flight_look(req->flight, &req->reader)) {
    case FLIGHT_WAITING:
        return REQ_PARK;
    case FLIGHT_GROWING:
        return req_goto(req, STEP_SEND);
    case FLIGHT_FAILED:
        if (req->verdict != VERDICT_JOIN)
            return fail(req, req->flight->err);
        break;
    case FLIGHT_EXCLUSIVE:
        break;
    }
    req_leave_flight(req);
    req->alone = true;
    return req_goto(req, STEP_LOOKUP);
}

/* Of what may be shared a client gets the form that it takes. */
static bool must_unpack(const struct req *req, const struct fields *answer)
{
    const char *encoding = NULL;

    if (req->api != CACHE_CLASS_NONE)
        encoding = fields_get(answer, "content-encoding");
    return encoding && (str_is_nocase(encoding, "gzip") || str_is_nocase(encoding, "x-gzip")) &&
           !header_accepts_gzip(&req->fields);
}

static enum req_next step_send(struct req *req)
{
    struct reply_cache cache;

    req_tell_cache(req, &cache);
    if (req->object)
        reply_from_object(&req->reply, req->object, must_unpack(req, &req->object->fields), &cache);
    else
        reply_from_flight(&req->reply, req->flight, strcmp(req->method, "HEAD") == 0,
                          must_unpack(req, &req->flight->head.fields), &cache, req->id);
    if (req->no_chunks && req->reply.kind == REPLY_READ && req->reply.length < 0 &&
        strcmp(req->method, "HEAD") != 0)
        req->reply.until_close = true;
    if (req->reply.kind == REPLY_READ)
        fields_wipe(&req->fields); /* a stream may be open for long, and these hold a key */
    req->step = STEP_DONE;
    return REQ_REPLY;
}

static enum req_next step_admin(struct req *req)
{
    struct err err;

    switch (admin_answer(req, &err)) {
    case ADMIN_WAITS:
        return REQ_PARK;
    case ADMIN_REFUSED:
        return fail(req, &err);
    case ADMIN_ANSWERED:
        break;
    }
    req->step = STEP_DONE;
    return REQ_REPLY;
}

static enum req_next step_fail(struct req *req)
{
    struct reply_cache cache;
    bool body_to_come = !req->received && req->length != REQUEST_LENGTH_NONE && req->length != 0;

    if (body_to_come && (req->length == REQUEST_LENGTH_UNKNOWN || req->length > SWALLOW_MAX))
        req->close = true;
    if (body_to_come && !req->close)
        return REQ_MORE;
    req_tell_cache(req, &cache);
    /* Where the framing is at fault the target may not be known: it may have been one of /v1. */
    reply_from_err(&req->reply, req->err, !*req->target.text || req->is_api ? &cache : NULL,
                   req->id);
    req->reply.close = req->close;
    req->step = STEP_DONE;
    return REQ_REPLY;
}

static enum req_next step_done(struct req *req)
{
    (void)req;
    return REQ_CLOSE; /* called again after it answered: libmicrohttpd never does that */
}

static const struct {
    const char *name;
    enum req_next (*run)(struct req *);
} steps[] = {
    [STEP_ROUTE] = {"route", step_route},
    [STEP_ADMIT] = {"admit", step_admit},
    [STEP_READ] = {"read", step_read},
    [STEP_KEY] = {"key", req_step_key},
    [STEP_LOOKUP] = {"lookup", req_step_lookup},
    [STEP_LOAD] = {"load", req_step_load},
    [STEP_FETCH] = {"fetch", step_fetch},
    [STEP_WAIT] = {"wait", step_wait},
    [STEP_PREFLIGHT] = {"preflight", step_preflight},
    [STEP_SEND] = {"send", step_send},
    [STEP_ADMIN] = {"admin", step_admin},
    [STEP_FAIL] = {"fail", step_fail},
    [STEP_DONE] = {"done", step_done},
};

const char *req_step_name(enum step step)
{
    return steps[step].name;
}

enum req_next req_abort(struct req *req)
{
    struct err err;

    if (req->step == STEP_DONE)
        return REQ_CLOSE;
    err_set(&err, conn_framing_error(req->conn), "%s", req->conn->framing.fault);
    if (req->upload && body_state(&req->upload->body) == BODY_OPEN)
        flight_break(req->upload, &err);
    req_leave_flight(req);
    req->close = true;
    free(take(req->err));
    fail(req, &err);
    return req_run(req);
}

enum req_next req_step(struct req *req)
{
    return steps[req->step].run(req);
}
