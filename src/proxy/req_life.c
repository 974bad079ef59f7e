#include "proxy/req.h"

#include <stdlib.h>
#include <string.h>

#include "api/route.h"
#include "api/sdk.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proxy/account.h"
#include "proxy/admin_jobs.h"
#include "proxy/cache_status.h"
#include "client/conn.h"
#include "client/down.h"
#include "proxy/key_job.h"
#include "proxy/load.h"
#include "proxy/req_body.h"
#include "proxy/server.h"
#include "client/inflate.h"
#include "proxy/worker.h"

#define SPARES_MAX 64
#define KEEP_TEXT_MAX 4096 /* bytes; a spare request keeps buffers up to this size */

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
    str_init(&req->head.target);
    str_init(&req->body.buf);
    fields_init(&req->head.fields);
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

static void on_news(struct letter *news)
{
    struct req *req = container_of(news, struct req, answer.news);

    /* A request that waits for the head has sent nothing of the answer: it looks up again. */
    if (req->answer.reader.lost && req->step != STEP_WAIT) {
        conn_reset(req->conn); /* a FIN could be taken for the answer's end */
        conn_throw_out(req->conn);
    } else if (req->body.received) {
        down_wake(req->conn);
    } else {
        down_answer_early(req->conn);
    }
}

struct req *req_new(struct worker *worker, struct conn *conn, const char *target)
{
    struct req *req = take_spare(worker);

    req->conn = conn;
    req->worker = worker;
    req->settings = settings_ref(worker_settings(worker));
    req->step = STEP_CHECK;
    letter_init(&req->answer.news, on_news);
    req->started_us = clock_mono_us();
    write_id(req->id, (uint64_t)worker->id_base << 32 | worker->next_id++);
    str_adds(&req->head.target, target);
    req->head.is_api = route_of(target) == ROUTE_API;
    return req;
}

void req_take_line(struct req *req, const char *method, const char *version)
{
    size_t method_len = strlen(method);

    req->head.method_fits = method_len < sizeof(req->head.method);
    if (req->head.method_fits)
        memcpy(req->head.method, method, method_len + 1);
    req->head.no_chunks = strcmp(version, "HTTP/1.0") == 0;
}

void req_add_field(struct req *req, const struct field *field)
{
    /* A malformed field (RFC 9110), for instance "Content-Length : 5", must not be dropped
     * silently: another reader of this request might accept it. */
    if (!fields_add(&req->head.fields, field->name, field->name_len, field->value,
                    field->value_len))
        req->head.bad_field = true;
}

void req_begin(struct req *req)
{
    req->begun = true;
    atomic_fetch_add_explicit(&req->worker->stats.in_flight, 1, memory_order_relaxed);
}

void req_free(struct req *req)
{
    str_release(&req->head.target);
    str_release(&req->body.buf);
    fields_release(&req->head.fields);
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

/* Fields contain API keys, and bodies prompts: a spare request holds neither. */
static void recycle(struct req *req)
{
    struct worker *worker = req->worker;
    struct str target = req->head.target, whole = req->body.buf;
    struct str text = req->reply.text, origin = req->reply.origin;
    struct fields fields = req->head.fields, own = req->reply.own;

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
    req->head.target = target;
    req->body.buf = whole;
    req->head.fields = fields;
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

enum client_next req_run(struct req *req)
{
    enum req_next next;

    do
        next = req_step(req);
    while (next == REQ_ON);
    return (enum client_next)next;
}

enum client_next req_end_body(struct req *req)
{
    req->body.received = true;
    return req_run(req);
}

struct reply *req_reply(struct req *req)
{
    return &req->reply;
}

/* Replaces the reply by an error; a kept answer stays in the cache. */
void req_replace_reply(struct req *req, size_t head_size)
{
    struct reply_cache cache;
    struct err err;

    err_set(&err, ERR_UP_ANSWER,
            "The upstream's answer has a head of up to %zu bytes, which with the %zu bytes of the "
            "request's head is more than the 24 KiB of a connection.",
            head_size, req->conn->head_bytes);
    fields_clear(&req->reply.own);
    req->reply.object = NULL;
    req->err = err_copy(&err);
    if (req->cache.verdict != VERDICT_MISS)
        req->cache.verdict = VERDICT_BYPASS;
    cache = cache_status_of(req);
    reply_from_err(&req->reply, &err, &cache, req->id);
}

bool req_is_refused(const struct req *req)
{
    return req->err && !req->body.upload;
}

/* Reads the answer's bytes before any inflating. */
static ssize_t read_answer(void *arg, char *buf, size_t max)
{
    struct req *req = arg;
    size_t len = max;

    if (req->answer.object) {
        if (len > req->answer.object->body_len - req->answer.object_read)
            len = req->answer.object->body_len - req->answer.object_read;
        memcpy(buf, req->answer.object->body + req->answer.object_read, len);
        req->answer.object_read += len;
        return len ? (ssize_t)len : CLIENT_READ_END;
    }

    switch (body_read(&req->answer.reader, buf, &len)) {
    case BODY_READ_BYTES:
        return (ssize_t)len;
    case BODY_READ_WAIT:
        return 0;
    case BODY_READ_END:
        return CLIENT_READ_END;
    case BODY_READ_BROKEN:
        break;
    }
    return CLIENT_READ_BROKEN;
}

ssize_t req_read(struct req *req, char *buf, size_t max)
{
    ssize_t n;

    if (req->reply.inflated && !req->answer.inflate)
        req->answer.inflate = inflate_new(read_answer, req);
    n = req->answer.inflate ? inflate_read(req->answer.inflate, buf, max)
                            : read_answer(req, buf, max);
    if (n > 0)
        req->answer.sent += (uint64_t)n;
    req->answer.broken = n == CLIENT_READ_BROKEN;
    return n;
}

void req_on_flight_news(struct body_reader *reader)
{
    struct req *req = container_of(reader, struct req, answer.reader);

    /* Called under the flight's lock, on its filler's thread, which may be another worker's. */
    if (worker_is_here(req->worker))
        on_news(&req->answer.news);
    else
        mailbox_post(&req->worker->mailbox, &req->answer.news);
}

struct index_query req_query(const struct req *req)
{
    return (struct index_query){.key = &req->cache.key,
                                .now_ms = clock_unix_ms(),
                                .ttl_ms = req->settings->ttl_ms,
                                .asks = req->cache.control,
                                .no_coalesce = req->cache.no_coalesce,
                                .api = req->cache.class,
                                .method = req->head.method,
                                .target = req->head.target.text,
                                .model = req->body.facts.model,
                                .key_rules = req->settings->key_rules,
                                .high = REQ_AHEAD_HIGH,
                                .low = REQ_AHEAD_LOW};
}

/* The user's setting, else the SDK's timeout for this request, else the default. */
void req_raise_timeouts(const struct req *req)
{
    const struct endpoint *e = req->settings->endpoint;
    struct sdk_deadline sdk = sdk_deadline_of(req->head.method, req->head.target.text,
                                              &req->head.fields);
    struct flight_timeouts timeouts = {e->silence_ms, e->silence_ms, req->worker->loop.now_ms};

    if (!e->silence_is_set && sdk.head_ms > 0) {
        timeouts.before_head = sdk.head_ms;
        timeouts.within_body = sdk.body_ms;
    }
    flight_raise_timeouts(req->answer.flight, &timeouts);
}

void req_leave_flight(struct req *req)
{
    if (!req->answer.flight)
        return;
    flight_leave(req->answer.flight, &req->answer.reader);
    mailbox_recall(&req->worker->mailbox, &req->answer.news);
    flight_unref(take(req->answer.flight));
}

void req_finish(struct req *req, bool has_answer, bool is_complete)
{
    struct worker *worker = req->worker;

    req_body_release(req);
    if (req->begun) {
        struct exchange exchange = exchange_of(req, has_answer, is_complete);

        account_finish(worker, &exchange);
        atomic_fetch_sub_explicit(&worker->stats.in_flight, 1, memory_order_relaxed);
    }
    req_leave_flight(req);
    admin_job_leave(take(req->answer.admin_job));
    object_unref(take(req->answer.object));
    inflate_free(take(req->answer.inflate));
    key_job_leave(take(req->cache.key_job));
    load_leave(take(req->cache.load));
    settings_unref(take(req->settings));
    recycle(req);
}
