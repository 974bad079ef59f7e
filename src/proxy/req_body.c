#include "proxy/req_body.h"

#include "base/mem.h"
#include "client/conn.h"
#include "client/down.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

/* bytes; a body up to this length is held, so that it can be sent again after a kept-alive
 * connection proves dead; a longer body becomes an upload */
#define RESEND_MAX ((int64_t)64 * 1024)
/* bytes; a shorter body costs little more than its connection */
#define HOLD_FREELY ((size_t)4096)

static struct budget *budget_of(const struct req *req)
{
    return &req->worker->server->caching.budget;
}

/* --- an upload ------------------------------------------------------------------------ */

static void on_upload_room(void *arg)
{
    struct req *req = arg;

    req->body.upload_full = false;
    down_wake(req->conn);
}

/* A long body becomes a flight in the other direction: the client fills it, the transfer reads it.
 * The flight keeps the bytes that come before the transfer has joined. */
static void open_upload(struct req *req)
{
    struct flight_filler filler = {.on_room = on_upload_room, .arg = req};
    struct head head;

    head_init(&head);
    req->body.upload = flight_new(true, REQ_AHEAD_HIGH, REQ_AHEAD_LOW);
    flight_set_head(req->body.upload, &head);
    flight_set_filler(req->body.upload, &filler);
    req->cache.class = CACHE_CLASS_NONE;
}

/* The body has proved too long to be held: it becomes an upload. */
static void pass_on(struct req *req)
{
    struct req_body *body = &req->body;

    open_upload(req);
    flight_append(body->upload, body->buf.text, body->buf.len);
    str_release(&body->buf);
    budget_sub(budget_of(req), body->held);
    body->held = 0;
    req_goto(req, STEP_INSPECT);
    down_answer_early(req->conn); /* has the steps run soon */
}

static bool upload_is_open(const struct req *req)
{
    return req->body.upload && body_state(&req->body.upload->body) == BODY_OPEN;
}

void req_body_complete(struct req *req)
{
    if (upload_is_open(req))
        flight_complete(req->body.upload);
}

void req_body_break(struct req *req, const struct err *err)
{
    if (upload_is_open(req))
        flight_break(req->body.upload, err);
}

/* --- holding the body ----------------------------------------------------------------- */

/* True if the budget has room for the whole body. Once bytes have come, the decision stands. */
static bool has_room(const struct req *req)
{
    const struct req_body *body = &req->body;

    return body->length <= 0 || body->bytes > 0 || body->received ||
           budget_has_room(budget_of(req), (size_t)body->length);
}

bool req_body_begin(struct req *req)
{
    struct req_body *body = &req->body;
    bool is_lookup = req->cache.class != CACHE_CLASS_NONE;

    body->buf_max = is_lookup ? req->settings->max_body : RESEND_MAX;
    if (!req->head.is_api)
        return true;
    /* A body of unknown length is held only if its answer may be looked up. */
    if (body->length <= body->buf_max && has_room(req) &&
        (body->length != REQUEST_LENGTH_UNKNOWN || is_lookup))
        return true;
    open_upload(req);
    return false;
}

static bool may_hold(const struct req *req, size_t more)
{
    return req->body.buf.len + more <= HOLD_FREELY || !req->head.is_api ||
           budget_has_room(budget_of(req), more);
}

static void hold(struct req *req, const char *bytes, size_t len)
{
    struct req_body *body = &req->body;

    str_add(&body->buf, bytes, len);
    if (body->buf.cap > HOLD_FREELY && body->buf.cap > body->held) {
        budget_add(budget_of(req), body->buf.cap - body->held);
        body->held = body->buf.cap;
    }
}

size_t req_body_take(struct req *req, const char *bytes, size_t len)
{
    struct req_body *body = &req->body;
    bool is_read = req->step == STEP_READ && !req->err;

    if (body->upload_full)
        return 0;
    body->bytes += len;
    if (is_read && !body->upload && (body->bytes > (uint64_t)body->buf_max || !may_hold(req, len)))
        pass_on(req);
    if (body->upload && !req->err)
        body->upload_full = !flight_append(body->upload, bytes, len);
    else if (is_read)
        hold(req, bytes, len);
    /* else the request is refused: its body is discarded, so that the answer reaches the client */
    return len;
}

bool req_body_is_to_come(const struct req *req)
{
    const struct req_body *body = &req->body;

    return !body->received && body->length != REQUEST_LENGTH_NONE && body->length != 0;
}

void req_body_release(struct req *req)
{
    struct err err = {.code = ERR_UP_BROKEN, .text = "The client left."};

    if (!req->body.received) /* no effect if a framing fault has already broken it */
        req_body_break(req, &err);
    if (req->body.upload)
        flight_set_filler(req->body.upload, NULL);
    flight_unref(take(req->body.upload));
    budget_sub(budget_of(req), req->body.held);
}
