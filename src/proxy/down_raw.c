#include "proxy/down_raw.h"

#include <sys/socket.h>

#include "base/mem.h"
#include "base/str.h"
#include "proxy/cache_status.h"
#include "proxy/conn.h"
#include "proxy/down.h"
#include "proxy/req.h"
#include "proxy/worker.h"

#define FIELD_RECORD_BYTES 80 /* libmicrohttpd's record of a field, from above */

/* The answer's head has to fit beside the request's, or the connection would be closed without
 * a word. */
bool down_raw_fits(const struct req *req, size_t head_size)
{
    return req->head.size + req->head.fields.count * FIELD_RECORD_BYTES + head_size <=
           DOWN_POOL_BYTES;
}

void down_raw_fit(struct req *req)
{
    struct reply_cache cache;
    struct err err;

    if (!req->reply.upstream || down_raw_fits(req, reply_head_size(&req->reply)))
        return;
    err_set(&err, ERR_UP_ANSWER,
            "The upstream's answer has %zu bytes of header fields: too many to pass on.",
            reply_head_size(&req->reply));
    fields_clear(&req->reply.own);
    req->reply.object = NULL;
    req->cache.verdict = VERDICT_BYPASS; /* the client gets nothing of what is, or may be, kept */
    cache = cache_status_of(req);
    reply_from_err(&req->reply, &err, &cache, req->id);
}

/* Nothing was sent for this request yet: the answer goes straight to the socket, which closes. */
void down_raw_answer(struct conn *conn)
{
    struct req *req = conn->req;
    struct reply *reply = &req->reply;
    struct str text = STR_INIT;
    char block[4096];
    ssize_t n;

    reply_write_head(reply, down_reason(reply->status), &text);
    if (reply->kind == REPLY_WHOLE)
        str_add(&text, reply->bytes, reply->len);
    else
        while ((n = req_read(req, block, sizeof(block))) > 0)
            str_add(&text, block, (size_t)n);
    /* A socket's buffer takes so little whole; if not, the client sees that it was cut. */
    req->answer.replied = send(conn->fd, text.text, text.len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
                          (ssize_t)text.len;
    str_release(&text);
    conn->linger = true;
}

void down_framing_fault(struct conn *conn)
{
    if (list_empty(&conn->faulty))
        list_append(&conn->lane->down.faulty, &conn->faulty);
}

void down_raw_served(struct conn *conn)
{
    conn->served++;
    if (conn_framing_fault(conn))
        down_framing_fault(conn);
}

void down_answer_early(struct conn *conn)
{
    struct down *down = &conn->lane->down;

    if (!list_empty(&conn->early))
        return;
    list_append(&down->early, &conn->early);
    down_mark_due(down);
}

void down_raw_answer_early(struct down *down)
{
    struct list *node;

    while ((node = list_pop(&down->early))) {
        struct conn *conn = container_of(node, struct conn, early);

        if (!conn->req || conn->req->body.received || req_run(conn->req) != REQ_REPLY)
            continue;
        down_raw_answer(conn);
        /* It goes on reading (and swallowing) the body: some clients are taken aback by a
         * connection that ends while they write. At the body's end step "done" closes it. */
    }
}

/* libmicrohttpd has not read so far: the request may not even have a target. */
static void refuse(struct conn *conn)
{
    bool is_ours = !conn->req;
    struct req *req = conn->req;

    if (is_ours)
        req = conn->req = req_new(conn->lane->worker, conn, "");
    if (!conn->begun)
        req_begin(req);
    conn->begun = true;
    if (req_abort(req) == REQ_REPLY)
        down_raw_answer(conn);
    if (is_ours) {
        conn->req = NULL;
        req_finish(req, true);
    }
}

void down_raw_refuse_faulty(struct down *down)
{
    struct list *node;

    while ((node = list_pop(&down->faulty))) {
        struct conn *conn = container_of(node, struct conn, faulty);
        const struct req *req = conn->req;

        /* Whole requests that came before the fault are answered first. */
        if (!conn_framing_fault(conn))
            continue;
        /* One that was refused for this already is answered by libmicrohttpd, which closes. */
        if (req && req->err && !req->body.upload)
            continue;
        if (conn->framing.tls)
            worker_warn_tls(conn->lane->worker);
        else if (!req || !req->answer.replied)
            refuse(conn);
        conn_throw_out(conn);
    }
}
