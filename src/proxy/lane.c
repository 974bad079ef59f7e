#include "proxy/lane.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "proxy/req.h"
#include "proxy/req_body.h"
#include "proxy/server.h"
#include "proxy/worker.h"

static struct lane *lane_of(struct down *down)
{
    return container_of(down, struct lane, down);
}

struct lane *lane_of_conn(const struct conn *conn)
{
    return lane_of(conn->down);
}

static void mark_due(struct lane *lane)
{
    if (list_empty(&lane->due))
        list_append(&lane->worker->due, &lane->due);
}

static void on_pool_due(void *arg)
{
    mark_due(arg);
}

/* --- functions of client_ops --------------------------------------------------------- */

static void on_down_due(struct down *down)
{
    mark_due(lane_of(down));
}

static void on_closed(struct down *down)
{
    worker_conn_closed(lane_of(down)->worker);
}

static struct req *new_request(struct conn *conn, const char *target)
{
    return req_new(lane_of_conn(conn)->worker, conn, target);
}

static void charge(struct conn *conn, struct object *object, size_t bytes)
{
    index_charge(lane_of_conn(conn)->worker->server->caching.index, object, bytes);
}

static bool wants_room(struct down *down)
{
    const struct worker *worker = lane_of(down)->worker;

    return worker->draining || worker_is_full(worker);
}

static void on_tls(struct down *down)
{
    struct worker *worker = lane_of(down)->worker;

    if (worker_is_time_to_warn(worker, &worker->server->warned_tls_ms))
        log_event(worker->server->log, LOG_WARN,
                  "a client speaks TLS to this plain port: use http://localhost:%u in its base URL",
                  worker->server->port);
}

static const struct client_ops client_ops = {
    .new = new_request,
    .take_line = req_take_line,
    .add_field = req_add_field,
    .begin = req_begin,
    .run = req_run,
    .take_body = req_body_take,
    .end_body = req_end_body,
    .reply = req_reply,
    .read = req_read,
    .replace_reply = req_replace_reply,
    .abort = req_abort,
    .is_refused = req_is_refused,
    .finish = req_finish,
    .charge = charge,
    .wants_room = wants_room,
    .on_tls = on_tls,
    .on_due = on_down_due,
    .on_closed = on_closed,
};

struct lane *lane_new(struct worker *worker, long upstream_conns, struct err *err)
{
    const struct down_config config = {
        .ops = &client_ops,
        .loop = &worker->loop,
        .clients = &worker->clients,
        .diag = worker->diag,
        /* Above LANE_CONNS: libmicrohttpd counts a closed connection until its next run. */
        .most = 2 * LANE_CONNS,
    };
    struct lane *lane = mem_zero(sizeof(*lane));

    lane->worker = worker;
    list_init(&lane->due);
    if (down_init(&lane->down, &config, err) < 0) {
        free(lane);
        return NULL;
    }
    pool_init(&lane->pool, &worker->fetcher.sockets, upstream_conns, on_pool_due, lane);
    return lane;
}
