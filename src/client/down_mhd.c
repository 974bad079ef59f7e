#include "client/down.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/header.h"
#include "base/mem.h"
#include "client/down_raw.h"
#include "client/down_recv.h"
#include "client/reply.h"

#define POLLS_MAX 16
#define POLL_MS 1
/* Estimate of the bytes that libmicrohttpd allocates for a ready-made answer. */
#define READY_BYTES 1000U
#define READY_FIELD_BYTES 160U
#define BLOCK_BYTES ((size_t)16 * 1024) /* to read a body that is not chunked */

static struct conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

void down_mark_due(struct down *down)
{
    down->due = true;
    down->ops->on_due(down);
}

/* --- waiting --------------------------------------------------------------------------
 *
 * Suspending a connection costs libmicrohttpd four system calls. Most answers come within a few
 * turns of the loop, so a waiting request is polled first: its connection stays active, and
 * libmicrohttpd calls the handler again at each run, which counts the calls. After POLLS_MAX calls
 * without news the connection is suspended, and costs nothing any more. */

static void park(struct conn *conn)
{
    conn->parked = true;
    MHD_suspend_connection(conn->mhd);
}

static void start_polling(struct conn *conn)
{
    conn->polling = true;
    conn->polls = 0;
    conn->down->polling++;
}

static void stop_polling(struct conn *conn)
{
    conn->polling = false;
    conn->down->polling--;
}

static enum MHD_Result poll_again(struct conn *conn)
{
    if (++conn->polls >= POLLS_MAX) {
        stop_polling(conn);
        park(conn);
    }
    return MHD_YES;
}

void down_wake(struct conn *conn)
{
    if (conn->polling)
        stop_polling(conn);
    else if (conn->parked)
        MHD_resume_connection(conn->mhd);
    else
        return;
    conn->parked = false;
    down_mark_due(conn->down);
}

/* --- answering ------------------------------------------------------------------------ */

/* libmicrohttpd frees a connection whose reader ended with an error only at an event of its socket,
 * which does not come if suspension took the socket out of the epoll set, or once all older
 * connections have ended. Connections with a timeout of their own are checked in each run. */
static void free_in_next_run(struct conn *conn)
{
    MHD_set_connection_option(conn->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1U);
    down_mark_due(conn->down);
}

static ssize_t on_read(void *arg, uint64_t at, char *buf, size_t max)
{
    struct conn *conn = arg;
    ssize_t n = conn->down->ops->read(conn->req, buf, max);

    (void)at;
    if (n > 0) {
        conn->down->moved = true;
        return n;
    }
    if (n == CLIENT_READ_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == CLIENT_READ_BROKEN || conn->hung_up) {
        if (conn->until_close)
            conn_reset(conn);
        free_in_next_run(conn);
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    park(conn);
    return 0;
}

static struct MHD_Response *response_of(struct conn *conn, const struct reply *reply)
{
    struct MHD_Response *response;

    if (reply->kind == REPLY_WHOLE)
        return MHD_create_response_from_buffer(reply->len, (void *)(uintptr_t)reply->bytes,
                                               MHD_RESPMEM_PERSISTENT);
    response = MHD_create_response_from_callback(
        reply->length >= 0 ? (uint64_t)reply->length : MHD_SIZE_UNKNOWN,
        /* Chunks are made in the connection's pool and need no block. */
        reply->length >= 0 || reply->until_close ? BLOCK_BYTES : 1, on_read, conn, NULL);
    /* Also for a 304 without a length, which would be announced as chunked. */
    if (response && (reply->until_close || (reply->status == 304 && reply->length < 0)))
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

static void add_fields(struct MHD_Response *response, const struct reply *reply,
                       const struct fields *fields)
{
    if (!fields)
        return;
    fields_each(h, fields) {
        if (fields != &reply->own && !reply_passes(reply, &h))
            continue;
        /* libmicrohttpd rejects an empty value; a blank means the same on the wire. */
        MHD_add_response_header(response, h.name, h.value_len ? h.value : " ");
    }
}

static struct MHD_Response *complete_response_of(struct conn *conn, const struct reply *reply)
{
    struct MHD_Response *response = response_of(conn, reply);

    if (!response)
        return NULL;
    add_fields(response, reply, reply->upstream);
    add_fields(response, reply, &reply->own);
    return response;
}

/* --- replays: an object's ready-made answer, valid while its Age is ------------------- */

static void free_ready(void *ready)
{
    MHD_destroy_response(ready);
}

/* The request's reference keeps the object, and so its bytes, until libmicrohttpd has sent them. */
static enum MHD_Result queue_ready(struct conn *conn, struct reply *reply)
{
    struct object *object = reply->object;
    int64_t second = reply->cache.now_ms / 1000;
    enum MHD_Result result = MHD_NO;
    bool first;

    pthread_mutex_lock(&object->ready_lock);
    first = !object->ready;
    if (!object->ready || object->ready_second != second) {
        if (object->ready)
            MHD_destroy_response(object->ready);
        reply_finish_object(reply);
        object->ready = complete_response_of(conn, reply);
        object->ready_second = second;
        object->free_ready = free_ready;
    }
    if (object->ready)
        result = MHD_queue_response(conn->mhd, reply->status, object->ready);
    pthread_mutex_unlock(&object->ready_lock);
    if (first)
        conn->down->ops->charge(conn, object,
                                READY_BYTES + object->fields.count * READY_FIELD_BYTES);
    return result;
}

static bool is_ready_made(const struct conn *conn, const struct reply *reply)
{
    return reply_is_ready_made(reply) && !down_raw_is_last(conn, reply) &&
           down_raw_fits(conn, reply_head_size_with(&reply->object->fields));
}

static enum MHD_Result queue(struct conn *conn, struct reply *reply)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (is_ready_made(conn, reply))
        return queue_ready(conn, reply);
    if (reply->object)
        reply_finish_object(reply);
    down_raw_fit(conn, reply);
    if (!down_raw_fits(conn, reply_head_size(reply))) {
        down_raw_answer(conn);
        return MHD_NO;
    }
    response = complete_response_of(conn, reply);
    if (!response)
        return MHD_NO;
    if (down_raw_is_last(conn, reply))
        MHD_add_response_header(response, "Connection", "close");
    if (reply->length < 0) /* the response has a copy, and a stream may last for hours */
        fields_release(&reply->own);
    result = MHD_queue_response(conn->mhd, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(struct conn *conn)
{
    struct reply *reply = conn->down->ops->reply(conn->req);
    enum MHD_Result result;

    conn->linger = !conn->received;
    result = queue(conn, reply);
    conn->has_answer |= result == MHD_YES;
    conn->until_close = reply->until_close;
    conn->down->moved = true; /* it is sent in the next run */
    conn_expect_nothing(conn);
    return result;
}

/* --- requests ------------------------------------------------------------------------- */

static enum MHD_Result add_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    const struct field field = {
        .name = name, .name_len = name_len, .value = value ? value : "", .value_len = value_len};
    struct conn *conn = arg;

    (void)kind;
    conn->head_bytes += down_raw_field_bytes(&field);
    conn->announces_body |= header_announces_body(&field);
    conn->down->ops->add_field(conn->req, &field);
    return MHD_YES;
}

static enum MHD_Result act(struct conn *conn, enum client_next next)
{
    switch (next) {
    case CLIENT_MORE:
        conn_expect_body(conn);
        return MHD_YES;
    case CLIENT_PARK:
        if (conn->hung_up)
            return MHD_NO;
        conn_expect_nothing(conn);
        if (conn->received)
            start_polling(conn);
        else
            park(conn); /* libmicrohttpd holds bytes of its body */
        return MHD_YES;
    case CLIENT_REPLY:
        return answer(conn);
    case CLIENT_CLOSE:
        break;
    }
    return MHD_NO;
}

static enum MHD_Result take_head(struct conn *conn, const char *method, const char *version)
{
    const struct client_ops *ops = conn->down->ops;

    conn->begun = true;
    conn->announces_body = false;
    conn->head_bytes += down_raw_line_bytes(method, version);
    ops->take_line(conn->req, method, version);
    MHD_get_connection_values_n(conn->mhd, MHD_HEADER_KIND, add_field, conn);
    ops->begin(conn->req);
    /* An answer queued in this first call ends the connection, because libmicrohttpd takes it for a
     * refusal of the body. Without a body the next call is the last. */
    return conn->announces_body ? act(conn, ops->run(conn->req)) : MHD_YES;
}

static enum MHD_Result take_body(struct conn *conn, const char *bytes, size_t *size)
{
    size_t taken = conn->hung_up ? 0 : conn->down->ops->take_body(conn->req, bytes, *size);

    *size -= taken;
    conn->down->moved = true;
    if (conn->busy) /* the request was parked and continues */
        conn_expect_body(conn);
    conn_got_body(conn, taken);
    return *size > 0 ? act(conn, CLIENT_PARK) : MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **context)
{
    struct conn *conn = conn_of(mhd);
    const struct client_ops *ops = conn->down->ops;

    (void)arg;
    (void)url;
    if (!*context)
        return MHD_NO;
    if (conn->polling)
        return poll_again(conn);
    if (!conn->begun)
        return take_head(conn, method, version);
    if (*size > 0)
        return take_body(conn, bytes, size);
    if (conn->received)
        return act(conn, ops->run(conn->req));
    conn->received = true;
    return act(conn, ops->end_body(conn->req));
}

/* Called with the request line as it came, before libmicrohttpd decodes and cuts it. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
    struct conn *conn = conn_of(mhd);

    (void)arg;
    down_begin_request(conn, target ? target : "");
    conn_expect_head_end(conn);
    if (target)
        down_raw_empty_query((char *)(uintptr_t)target);
    return conn->req;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct conn *conn = conn_of(mhd);

    (void)arg;
    if (conn->polling)
        stop_polling(conn);
    if (conn->until_close && how != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        conn_reset(conn);
    *context = NULL;
    conn->begun = conn->until_close = false;
    down_raw_served(conn);
    conn_expect_head(conn);
    down_end_request(conn, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

/* --- connections ---------------------------------------------------------------------- */

static void on_connection(void *arg, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct down *down = arg;
    struct conn *conn;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        conn = take(down->arriving);
        conn->mhd = mhd;
        *socket_context = conn;
        list_append(&down->conns, &conn->node);
        down->count++;
        return;
    }
    conn = *socket_context;
    *socket_context = NULL;
    down_clients_remove(down->clients, conn);
    conn_close(conn);
    down->count--;
    down->ops->on_closed(down);
}

void down_adopt(struct down *down, int fd, const struct sockaddr *address, socklen_t len,
                uint64_t client_ms)
{
    struct conn *conn = conn_new(down->loop, fd, address, client_ms, down_wake);

    conn->down = down;
    conn->diag = down->diag;
    down_clients_add(down->clients, conn);
    down->arriving = conn;
    /* MHD_add_connection() closes the descriptor if it fails. */
    if (MHD_add_connection(down->mhd, fd, address, len) != MHD_YES && down->arriving) {
        down_clients_remove(down->clients, conn);
        conn_close(take(down->arriving));
    }
    down_mark_due(down);
}

/* --- the daemon ----------------------------------------------------------------------- */

/* Keeps the target as written: libmicrohttpd would decode it in place. */
static size_t keep_escapes(void *arg, struct MHD_Connection *mhd, char *s)
{
    (void)arg;
    (void)mhd;
    return strlen(s);
}

static void on_again(struct timer *timer)
{
    down_mark_due(container_of(timer, struct down, again));
}

static void on_ready(struct watch *w, uint32_t events)
{
    (void)events;
    down_mark_due(container_of(w, struct down, watch));
}

int down_init(struct down *down, const struct down_config *config, struct err *err)
{
    const union MHD_DaemonInfo *info;

    *down = (struct down){
        .loop = config->loop, .ops = config->ops, .clients = config->clients, .diag = config->diag};
    list_init(&down->conns);
    list_init(&down->early);
    list_init(&down->faulty);
    timer_init(&down->again, on_again);
    down->mhd = MHD_start_daemon(
        (unsigned)MHD_USE_EPOLL | (unsigned)MHD_ALLOW_SUSPEND_RESUME |
            (unsigned)MHD_USE_NO_LISTEN_SOCKET,
        0, NULL, NULL, on_request, down, MHD_OPTION_URI_LOG_CALLBACK, on_target, down,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        down, MHD_OPTION_NOTIFY_CONNECTION, on_connection, down, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        DOWN_POOL_BYTES, MHD_OPTION_CONNECTION_LIMIT, config->most, MHD_OPTION_CONNECTION_TIMEOUT,
        0U, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (!down->mhd)
        return err_set(err, ERR_SYSTEM,
                       "libmicrohttpd does not start: raise the limit of open "
                       "files (ulimit -n)");
    down->watch.ready = on_ready;
    info = MHD_get_daemon_info(down->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || info->epoll_fd < 0 ||
        loop_watch(config->loop, &down->watch, info->epoll_fd, EPOLLIN, err) < 0) {
        MHD_stop_daemon(down->mhd);
        return err_set(err, ERR_SYSTEM, "this libmicrohttpd has no epoll: install one that has");
    }
    return 0;
}

bool down_wants_run(const struct down *down)
{
    return down->due;
}

void down_run(struct down *down)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    down->due = false;
    down->moved = false;
    down_raw_answer_early(down);
    down_recv_observe(down->clients);
    MHD_run(down->mhd);
    down_recv_observe(NULL);
    down_raw_refuse_faulty(down);
    /* A wait of 0: there is work that epoll will not report. With polling connections it is always
     * 0: then run again at once only if this run made progress, else after POLL_MS. */
    if (MHD_get_timeout(down->mhd, &wait_ms) != MHD_YES || wait_ms != 0)
        return;
    if (down->polling == 0 || down->moved)
        down_mark_due(down);
    else if (!timer_is_set(&down->again))
        timer_set(&down->loop->timers, &down->again, down->loop->now_ms + POLL_MS);
}

void down_release(struct down *down)
{
    /* libmicrohttpd aborts at a suspended connection: wake all, to be closed. */
    for (int i = 0; i < 10 && !list_empty(&down->conns); i++) {
        list_each(node, &down->conns)
            conn_throw_out(container_of(node, struct conn, node));
        MHD_run(down->mhd);
    }
    loop_unwatch(down->loop, &down->watch);
    timer_cancel(&down->loop->timers, &down->again);
    MHD_stop_daemon(down->mhd);
    down->mhd = NULL;
}

const char *down_reason(unsigned status)
{
    return MHD_get_reason_phrase_for(status);
}

const char *down_version(void)
{
    return MHD_get_version();
}
