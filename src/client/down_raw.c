#include "client/down_raw.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fields.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/conn.h"
#include "client/down.h"
#include "client/reply.h"

#define FIELD_RECORD_BYTES 80 /* upper bound of libmicrohttpd's record of a field */

size_t down_raw_line_bytes(const char *method, const char *version)
{
    return strlen(method) + strlen(version) + 4;
}

/* libmicrohttpd copies the value of Cookie, and makes a record of each cookie. */
static size_t cookie_bytes(const struct field *field)
{
    size_t bytes = field->value_len + FIELD_RECORD_BYTES;

    for (const char *at = field->value; *at; at++)
        if (*at == ';' || *at == ',')
            bytes += FIELD_RECORD_BYTES;
    return bytes;
}

size_t down_raw_field_bytes(const struct field *field)
{
    size_t bytes = field->name_len + field->value_len + 4 + FIELD_RECORD_BYTES;

    if (str_same_nocase(field->name, field->name_len, STR_LIT("cookie")))
        bytes += cookie_bytes(field);
    return bytes;
}

/* Else libmicrohttpd would close the connection without an answer. */
bool down_raw_fits(const struct conn *conn, size_t head_size)
{
    return conn->head_bytes + head_size <= DOWN_POOL_BYTES;
}

/* libmicrohttpd stores each argument of a query in the connection's pool, and hangs if the pool has
 * no room: it gets an empty query. The text is libmicrohttpd's buffer, which is not read here
 * again. */
void down_raw_empty_query(char *target)
{
    char *mark = strchr(target, '?');

    if (mark)
        mark[1] = '\0';
}

void down_raw_fit(struct conn *conn, struct reply *reply)
{
    size_t size = reply_head_size(reply);

    if (reply->upstream && !down_raw_fits(conn, size))
        conn->down->ops->replace_reply(conn->req, size);
}

/* True if a half-closed client sent a request after the current one. The kernel may hold unread
 * bytes. */
static bool has_next_request(const struct conn *conn)
{
    char byte;

    return conn->served + 1 < conn->framing.requests || !framing_at_start(&conn->framing) ||
           recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool down_raw_is_last(const struct conn *conn, const struct reply *reply)
{
    return reply->close || conn->hung_up || (conn->half_closed && !has_next_request(conn)) ||
           conn->down->ops->wants_room(conn->down);
}

/* The answer goes straight to the socket, which is drained at its end. */
void down_raw_answer(struct conn *conn)
{
    const struct client_ops *ops = conn->down->ops;
    const struct reply *reply = ops->reply(conn->req);
    struct str text = STR_INIT;
    char block[4096];
    ssize_t n;

    reply_write_head(reply, down_reason(reply->status), &text);
    if (reply->kind == REPLY_WHOLE)
        str_add(&text, reply->bytes, reply->len);
    else
        while ((n = ops->read(conn->req, block, sizeof(block))) > 0)
            str_add(&text, block, (size_t)n);
    /* A socket's buffer takes a short answer at once; if not, the client sees a cut. */
    conn->has_answer = send(conn->fd, text.text, text.len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
                       (ssize_t)text.len;
    str_release(&text);
    conn->linger = true;
}

void down_begin_request(struct conn *conn, const char *target)
{
    conn->received = conn->has_answer = false;
    conn->head_bytes = strlen(target);
    conn->req = conn->down->ops->new (conn, target);
}

void down_end_request(struct conn *conn, bool is_complete)
{
    struct req *req = take(conn->req);

    if (req)
        conn->down->ops->finish(req, conn->has_answer, is_complete);
}

void down_framing_fault(struct conn *conn)
{
    if (list_empty(&conn->faulty))
        list_append(&conn->down->faulty, &conn->faulty);
}

void down_raw_served(struct conn *conn)
{
    conn->served++;
    if (conn_framing_fault(conn))
        down_framing_fault(conn);
}

void down_answer_early(struct conn *conn)
{
    struct down *down = conn->down;

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

        if (!conn->req || conn->received || down->ops->run(conn->req) != CLIENT_REPLY)
            continue;
        down_raw_answer(conn);
        /* Keep reading and discarding the body: some clients fail if a connection ends while they
         * write. Step "done" closes it at the body's end. */
    }
}

/* libmicrohttpd may not have read this request: it may have no target. */
static void refuse(struct conn *conn)
{
    const struct client_ops *ops = conn->down->ops;
    bool is_ours = !conn->req;

    if (is_ours)
        down_begin_request(conn, "");
    if (!conn->begun)
        ops->begin(conn->req);
    conn->begun = true;
    if (ops->abort(conn->req) == CLIENT_REPLY)
        down_raw_answer(conn);
    if (is_ours)
        down_end_request(conn, true);
}

void down_raw_refuse_faulty(struct down *down)
{
    struct list *node;

    while ((node = list_pop(&down->faulty))) {
        struct conn *conn = container_of(node, struct conn, faulty);

        /* Complete requests before the fault are answered first. */
        if (!conn_framing_fault(conn))
            continue;
        /* If the request was already refused for this fault, libmicrohttpd answers and closes. */
        if (conn->req && down->ops->is_refused(conn->req))
            continue;
        if (conn->framing.tls)
            down->ops->on_tls(down);
        else if (!conn->req || !conn->has_answer)
            refuse(conn);
        conn_throw_out(conn);
    }
}
