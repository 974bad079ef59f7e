#include "proxy/req_body.h"

#include "base/mem.h"
#include "client/conn.h"
#include "client/down.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

/* A body up to this is held, so that it can be sent again when a kept-alive connection proves
 * to be dead; a longer one is passed on as it comes. */
#define RESEND_MAX ((int64_t)64 * 1024)
/* Below this a body costs little more than its connection. */
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

/* A long body becomes a flight of its own, the other way round: the client fills it and the
 * transfer reads it. What comes before the transfer has joined is kept for it. */
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

/* The body has proved too long to be held. */
static void pass_on(struct req *req)
{
    struct req_body *body = &req->body;

    open_upload(req);
    flight_append(body->upload, body->buf.text, body->buf.len);
    str_release(&body->buf);
    budget_sub(budget_of(req), body->held);
    body->held = 0;
    req_goto(req, STEP_INSPECT);
    down_answer_early(req->conn); /* runs the steps, soon */
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

/* --- holding it ----------------------------------------------------------------------- */

/* Is there room for the whole body? One that has begun to come has had its answer. */
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
    /* Of a body of unknown length only what may be stored is worth waiting for. */
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
    /* else: the body of a request that is refused; it is read so that the answer gets through */
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

    if (!req->body.received) /* a fault in its framing has broken it before */
        req_body_break(req, &err);
    if (req->body.upload)
        flight_set_filler(req->body.upload, NULL);
    flight_unref(take(req->body.upload));
    budget_sub(budget_of(req), req->body.held);
}
