#include "proxy/req.h"

#include <stdlib.h>
#include <string.h>

#include "api/route.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proxy/account.h"
#include "proxy/admin_jobs.h"
#include "proxy/conn.h"
#include "proxy/down.h"
#include "proxy/server.h"
#include "proxy/unpack.h"
#include "proxy/worker.h"

#define SPARES_MAX 64
#define KEEP_TEXT_MAX 4096 /* a spare request keeps buffers up to this size */

static struct req *take_spare(struct worker *worker)
{
    struct list *node = list_pop(&worker->spare_reqs);
    struct req *req;

    if (node) {
        worker->spare_req_count--;
        return container_of(node, struct req, node);
    }
    req = mem_zero(sizeof(*req));
    list_init(&req->node);
    str_init(&req->target);
    str_init(&req->whole);
    fields_init(&req->fields);
    reply_init(&req->reply);
    return req;
}

/* "req_" and 16 hexadecimal digits */
static void write_id(char *id, uint64_t number)
{
    memcpy(id, STR_LIT("req_"));
    for (int i = 0; i < 16; i++)
        id[4 + i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    id[20] = '\0';
}

struct req *req_new(struct worker *worker, struct conn *conn, const char *target)
{
    struct req *req = take_spare(worker);

    req->conn = conn;
    req->worker = worker;
    req->settings = settings_ref(worker_settings(worker));
    req->step = STEP_ROUTE;
    letter_init(&req->news, req_on_news);
    req->started_us = clock_mono_us();
    write_id(req->id, (uint64_t)worker->id_base << 32 | worker->next_id++);
    str_adds(&req->target, target);
    req->is_api = route_of(target) == ROUTE_API;
    return req;
}

void req_take_line(struct req *req, const char *method, const char *version)
{
    size_t method_len = strlen(method);

    req->method_fits = method_len < sizeof(req->method);
    if (req->method_fits)
        memcpy(req->method, method, method_len + 1);
    req->head_size = method_len + req->target.len + strlen(version) + 4;
    req->no_chunks = strcmp(version, "HTTP/1.0") == 0;
}

void req_add_field(struct req *req, const struct field *field)
{
    req->head_size += field->name_len + field->value_len + 4;
    /* What is no field by RFC 9110 must not be dropped: another reader of this request might take
     * it for one, "Content-Length : 5" among them. */
    if (!fields_add(&req->fields, field->name, field->name_len, field->value, field->value_len))
        req->bad_field = true;
}

void req_begin(struct req *req)
{
    req->begun = true;
    atomic_fetch_add_explicit(&req->worker->stats.in_flight, 1, memory_order_relaxed);
}

void req_free(struct req *req)
{
    str_release(&req->target);
    str_release(&req->whole);
    fields_release(&req->fields);
    reply_release(&req->reply);
    free(req);
}

static void clear_text(struct str *s)
{
    if (s->cap > KEEP_TEXT_MAX)
        str_release(s);
    else
        str_clear(s);
}

/* Fields hold keys and bodies hold prompts: a spare request holds neither. */
static void recycle(struct req *req)
{
    struct worker *worker = req->worker;
    struct str target = req->target, whole = req->whole;
    struct str text = req->reply.text, origin = req->reply.origin;
    struct fields fields = req->fields, own = req->reply.own;

    mem_wipe(fields.bytes.text, fields.bytes.cap);
    clear_text(&target);
    clear_text(&whole);
    clear_text(&text);
    clear_text(&origin);
    clear_text(&fields.bytes);
    fields_clear(&fields);
    fields_clear(&own);
    free(req->err);
    mem_clear(req, sizeof(*req));
    req->target = target;
    req->whole = whole;
    req->fields = fields;
    req->reply.text = text;
    req->reply.origin = origin;
    req->reply.own = own;
    list_init(&req->node);
    if (worker->spare_req_count >= SPARES_MAX) {
        req_free(req);
        return;
    }
    list_append(&worker->spare_reqs, &req->node);
    worker->spare_req_count++;
}

enum req_next req_run(struct req *req)
{
    enum req_next next;

    do
        next = req_step(req);
    while (next == REQ_ON);
    return next;
}

/* Below this a body costs little more than its connection. */
#define HOLD_FREELY ((size_t)KEEP_TEXT_MAX)

static bool may_hold(const struct req *req, size_t more)
{
    return req->whole.len + more <= HOLD_FREELY || !req->is_api ||
           budget_has_room(&req->worker->server->caching.budget, more);
}

static void hold(struct req *req, const char *bytes, size_t len)
{
    str_add(&req->whole, bytes, len);
    if (req->whole.cap > HOLD_FREELY && req->whole.cap > req->held) {
        budget_add(&req->worker->server->caching.budget, req->whole.cap - req->held);
        req->held = req->whole.cap;
    }
}

size_t req_take(struct req *req, const char *bytes, size_t len)
{
    if (req->upload_full)
        return 0;
    req->body_bytes += len;
    if (req->step == STEP_READ && !req->err && !req->upload &&
        (req->body_bytes > (uint64_t)req->whole_max || !may_hold(req, len)))
        req_pass_body_on(req);
    if (req->upload && !req->err)
        req->upload_full = !flight_append(req->upload, bytes, len);
    else if (req->step == STEP_READ && !req->err)
        hold(req, bytes, len);
    /* else: the body of a request that is refused; it is read so that the answer gets through */
    return len;
}

/* The answer's bytes as they came. */
static ssize_t read_answer(void *arg, char *buf, size_t max)
{
    struct req *req = arg;
    size_t len = max;

    if (req->object) {
        if (len > req->object->body_len - req->object_read)
            len = req->object->body_len - req->object_read;
        memcpy(buf, req->object->body + req->object_read, len);
        req->object_read += len;
        return len ? (ssize_t)len : REQ_READ_END;
    }

    switch (body_read(&req->reader, buf, &len)) {
    case BODY_READ_BYTES:
        return (ssize_t)len;
    case BODY_READ_WAIT:
        return 0;
    case BODY_READ_END:
        return REQ_READ_END;
    case BODY_READ_BROKEN:
        break;
    }
    return REQ_READ_BROKEN;
}

ssize_t req_read(struct req *req, char *buf, size_t max)
{
    ssize_t n;

    if (req->reply.unpacked && !req->unpack)
        req->unpack = unpack_new(read_answer, req);
    n = req->unpack ? unpack_read(req->unpack, buf, max) : read_answer(req, buf, max);
    if (n > 0)
        req->sent += (uint64_t)n;
    req->broken = n == REQ_READ_BROKEN;
    return n;
}

bool req_ends_connection(const struct req *req)
{
    const struct conn *conn = req->conn;

    return req->reply.close || conn->hung_up ||
           (conn->half_closed && conn->served + 1 >= conn->framing.requests) || /* none waits */
           req->worker->draining || worker_is_full(req->worker);
}

/* Of no use any more: the reader leaves, and nothing will be heard from it. */
void req_leave_flight(struct req *req)
{
    if (!req->flight)
        return;
    flight_leave(req->flight, &req->reader);
    mailbox_recall(&req->worker->mailbox, &req->news);
    flight_unref(take(req->flight));
}

void req_finish(struct req *req, bool whole)
{
    struct worker *worker = req->worker;

    /* A fault in its framing has broken it before. */
    if (req->upload && !req->received && body_state(&req->upload->body) == BODY_OPEN) {
        struct err err = {.code = ERR_UP_BROKEN, .text = "The client left."};
        flight_break(req->upload, &err);
    }
    if (req->begun) {
        struct exchange exchange = exchange_of(req, whole);

        account_finish(worker, &exchange);
        atomic_fetch_sub_explicit(&worker->stats.in_flight, 1, memory_order_relaxed);
    }
    if (req->upload)
        flight_set_filler(req->upload, NULL);
    flight_unref(take(req->upload));
    req_leave_flight(req);
    admin_job_leave(take(req->job));
    object_unref(take(req->object));
    unpack_free(take(req->unpack));
    req_leave_job(req);
    req_leave_load(req);
    budget_sub(&worker->server->caching.budget, req->held);
    settings_unref(take(req->settings));
    recycle(req);
}
