#include "proxy/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/key.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock_diag.h"
#include "cache/key_cache.h"
#include "proxy/lane.h"
#include "proxy/req.h"
#include "proxy/server.h"

#define ACCEPTS_PER_TURN 8
#define ACCEPT_PAUSE_MS 100
#define IDLE_ENOUGH_MS 100
#define SILENT_ENOUGH_MS 5000 /* for a new connection, whose client may be slow to send */
#define WARN_EVERY_MS 60000

/* --- lanes ---------------------------------------------------------------------------- */

static void set_listening(struct worker *worker, bool on);

bool worker_is_full(const struct worker *worker)
{
    return atomic_load(&worker->stats.connections) >= worker->server->conns_per_worker;
}

void worker_conn_closed(struct worker *worker)
{
    atomic_fetch_sub_explicit(&worker->stats.connections, 1, memory_order_relaxed);
    if (!worker->listening && !worker->exhausted && !worker_is_full(worker))
        set_listening(worker, true);
}

bool worker_is_time_to_warn(const struct worker *worker, _Atomic uint64_t *last_ms)
{
    uint64_t last = atomic_load(last_ms);

    if (last && worker->loop.now_ms < last + WARN_EVERY_MS)
        return false;
    return atomic_compare_exchange_strong(last_ms, &last, worker->loop.now_ms);
}

static long conns_of_lane(const struct worker *worker)
{
    unsigned long most = worker->server->conns_per_worker;

    return (long)(most < LANE_CONNS ? most : LANE_CONNS);
}

static struct lane *lane_with_room(struct worker *worker, struct err *err)
{
    struct lane *lane;

    for (unsigned i = 0; i < worker->lane_count; i++)
        if (worker->lanes[i]->down.count < LANE_CONNS)
            return worker->lanes[i];
    lane = lane_new(worker, conns_of_lane(worker), err);
    if (!lane)
        return NULL;
    worker->lanes = mem_grow(worker->lanes, (worker->lane_count + 1) * sizeof(struct lane *));
    worker->lanes[worker->lane_count++] = lane;
    return lane;
}

static void run_due_lanes(struct worker *worker)
{
    /* A round of the daemons starts transfers and a round of the pools finishes some, so they make
     * each other due; lanes still due after four rounds wait for the next turn. */
    for (int round = 0; round < 4 && !list_empty(&worker->due); round++) {
        struct list now;
        struct list *node;

        list_init(&now);
        while ((node = list_pop(&worker->due)))
            list_append(&now, node);
        while ((node = list_pop(&now))) {
            struct lane *lane = container_of(node, struct lane, due);

            if (pool_wants_run(&lane->pool))
                pool_run(&lane->pool);
            if (down_wants_run(&lane->down))
                down_run(&lane->down);
        }
    }
}

/* --- new connections ------------------------------------------------------------------ */

/* Ends the connection that has waited longest for its next request, to make room. Its client sees
 * the usual end of an idle connection and reconnects; on a new connection that would be an error.
 */
static void end_idle_conn(struct worker *worker)
{
    struct conn *oldest = NULL;

    for (unsigned i = 0; i < worker->lane_count; i++)
        list_each(node, &worker->lanes[i]->down.conns) {
            struct conn *conn = container_of(node, struct conn, node);

            if (conn_is_idle(conn, conn->served ? IDLE_ENOUGH_MS : SILENT_ENOUGH_MS) &&
                (!oldest || conn->idle_since_ms < oldest->idle_since_ms))
                oldest = conn;
        }
    if (oldest)
        conn_throw_out(oldest);
}

static void on_accept_timer(struct timer *timer)
{
    struct worker *worker = container_of(timer, struct worker, accept_timer);

    if (!worker_is_full(worker)) {
        set_listening(worker, true);
        return;
    }
    end_idle_conn(worker);
    timer_set(&worker->loop.timers, timer, worker->loop.now_ms + ACCEPT_PAUSE_MS);
}

static void take_conn(struct worker *worker, int fd, const struct sockaddr *address, socklen_t len)
{
    struct err err;
    struct lane *lane = lane_with_room(worker, &err);

    if (!lane) {
        log_event(worker->server->log, LOG_ERROR, "%s", err.text);
        close(fd);
        return;
    }
    atomic_fetch_add_explicit(&worker->stats.connections, 1, memory_order_relaxed);
    down_adopt(&lane->down, fd, address, len, (uint64_t)worker_settings(worker)->client_ms);
}

/* Logged at most once a minute: at the limit connections come and go. */
static void warn_full(struct worker *worker)
{
    if (worker_is_time_to_warn(worker, &worker->server->warned_full_ms))
        log_event(worker->server->log, LOG_WARN,
                  "%lu connections are open, the most that the limit of open files allows: new "
                  "ones wait (raise ulimit -n)",
                  server_connections(worker->server));
}

static void on_listener(struct watch *w, uint32_t events)
{
    struct worker *worker = container_of(w, struct listener, watch)->worker;

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !worker_is_full(worker); i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        int fd = accept4(w->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            take_conn(worker, fd, (struct sockaddr *)&address, len);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (worker_is_time_to_warn(worker, &worker->server->warned_full_ms))
                log_event(worker->server->log, LOG_WARN,
                          "no more descriptors: new connections wait (raise ulimit -n)");
            set_listening(worker, false);
            worker->exhausted = true;
            timer_set(&worker->loop.timers, &worker->accept_timer,
                      worker->loop.now_ms + ACCEPT_PAUSE_MS);
        } else if (errno == EINVAL) { /* shut down: the drain's letter is on its way */
            set_listening(worker, false);
        }
        return;
    }
    if (worker_is_full(worker)) {
        warn_full(worker);
        set_listening(worker, false);
        timer_set(&worker->loop.timers, &worker->accept_timer,
                  worker->loop.now_ms + ACCEPT_PAUSE_MS);
    }
}

static void set_listening(struct worker *worker, bool on)
{
    struct err err;

    /* An EPOLLEXCLUSIVE watch cannot be modified (epoll_ctl(2)). */
    if (on && (worker->draining || worker->listening))
        return;
    worker->listening = on;
    if (on)
        worker->exhausted = false;
    for (unsigned i = 0; i < worker->server->listen_count; i++) {
        struct listener *listener = &worker->listeners[i];

        listener->watch.ready = on_listener;
        if (!on)
            loop_unwatch(&worker->loop, &listener->watch);
        else if (loop_watch(&worker->loop, &listener->watch, worker->server->listen_fds[i],
                            EPOLLIN | EPOLLEXCLUSIVE, &err) < 0)
            log_event(worker->server->log, LOG_ERROR, "%s", err.text);
    }
}

/* --- the thread ----------------------------------------------------------------------- */

static void on_mailbox(struct watch *w, uint32_t events)
{
    (void)events;
    mailbox_open(&container_of(w, struct worker, mailbox_watch)->mailbox);
}

/* Connections with an exchange close after it: wants_room() of lane.c. */
static void close_idle(struct down *down)
{
    list_each(node, &down->conns) {
        struct conn *conn = container_of(node, struct conn, node);
        if (!conn->begun)
            conn_throw_out(conn);
    }
}

static void on_drain(struct letter *letter)
{
    struct worker *worker = container_of(letter, struct worker, drain_letter);

    worker->draining = true;
    set_listening(worker, false);
    for (unsigned i = 0; i < worker->lane_count; i++)
        close_idle(&worker->lanes[i]->down);
}

static void on_stop(struct letter *letter)
{
    container_of(letter, struct worker, stop_letter)->stopping = true;
}

static void on_refresh(struct letter *letter)
{
    struct worker *worker = container_of(letter, struct worker, refresh_letter);

    if (worker->store_reader)
        worker->server->caching.store_ops->refresh(worker->store_reader);
}

static _Thread_local const struct worker *here;

struct settings *worker_settings(struct worker *worker)
{
    struct server *server = worker->server;

    if (!settings_renew(&server->settings, &worker->settings))
        return worker->settings;
    fetcher_renew(&worker->fetcher, worker->settings->endpoint);
    keyer_free(take(worker->keyer));
    if (server->caching.on)
        worker->keyer = keyer_new(worker->settings->key_rules,
                                  key_cache_secret(server->caching.key_cache));
    return worker->settings;
}

bool worker_is_here(const struct worker *worker)
{
    return worker == here;
}

static void *run(void *arg)
{
    struct worker *worker = arg;

    here = worker;
    while (!worker->stopping) {
        loop_turn(&worker->loop, list_empty(&worker->due) ? -1 : 0);
        run_due_lanes(worker);
        if (worker->store_reader)
            worker->server->caching.store_ops->rest(worker->store_reader);
        turns_note(&worker->turns, worker->loop.woke_us, clock_mono_us());
    }
    return NULL;
}

static void on_write(void *arg, const char *target)
{
    struct server *server = arg;

    caching_begin_write(&server->caching, target);
}

/* Purges at any status: a 404 is news of the object, too. */
static void on_written(void *arg, const char *target)
{
    struct server *server = arg;

    caching_end_write(&server->caching, target);
}

int worker_init(struct worker *worker, struct server *server, struct err *err)
{
    *worker = (struct worker){.server = server};
    list_init(&worker->due);
    list_init(&worker->spare_reqs);
    str_init(&worker->log_line);
    timer_init(&worker->accept_timer, on_accept_timer);
    letter_init(&worker->drain_letter, on_drain);
    letter_init(&worker->stop_letter, on_stop);
    letter_init(&worker->refresh_letter, on_refresh);
    crypto_random(&worker->id_base, sizeof(worker->id_base));
    if (loop_init(&worker->loop, err) < 0)
        return -1;
    if (mailbox_init(&worker->mailbox, err) < 0)
        return -1;
    worker->mailbox_watch.ready = on_mailbox;
    if (loop_watch(&worker->loop, &worker->mailbox_watch, worker->mailbox.fd, EPOLLIN, err) < 0)
        return -1;
    if (server->has_sock_diag)
        worker->diag = sock_diag_new(err);
    if (server->has_sock_diag && !worker->diag)
        return -1;
    fetcher_init(&worker->fetcher, &worker->loop, &worker->mailbox);
    (void)worker_settings(worker);
    worker->fetcher.budget = &server->caching.budget;
    worker->fetcher.on_write = on_write;
    worker->fetcher.on_written = on_written;
    worker->fetcher.arg = server;
    for (unsigned i = 0; i < server->listen_count; i++) {
        worker->listeners[i].watch.fd = -1;
        worker->listeners[i].worker = worker;
    }
    set_listening(worker, true);
    return 0;
}

int worker_start(struct worker *worker, struct err *err)
{
    errno = pthread_create(&worker->thread, NULL, run, worker);
    if (errno)
        return err_sys(err, "cannot start a worker's thread");
    return 0;
}

void worker_drain(struct worker *worker)
{
    mailbox_post(&worker->mailbox, &worker->drain_letter);
}

void worker_refresh(struct worker *worker)
{
    mailbox_post(&worker->mailbox, &worker->refresh_letter);
}

void worker_stop(struct worker *worker)
{
    mailbox_post(&worker->mailbox, &worker->stop_letter);
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
}

void worker_hang_up(struct worker *worker)
{
    here = worker; /* this thread now opens its letters */
    set_listening(worker, false);
    for (unsigned i = 0; i < worker->lane_count; i++)
        down_release(&worker->lanes[i]->down);
    here = NULL;
}

void worker_release(struct worker *worker)
{
    struct list *node;

    /* The closed clients have abandoned their transfers; those letters are in the box. */
    mailbox_open(&worker->mailbox);
    for (unsigned i = 0; i < worker->lane_count; i++) {
        pool_run(&worker->lanes[i]->pool);
        fetch_cancel_all(&worker->fetcher, &worker->lanes[i]->pool);
        pool_release(&worker->lanes[i]->pool);
        free(worker->lanes[i]);
    }
    free(worker->lanes);
    fetcher_release(&worker->fetcher);
    while ((node = list_pop(&worker->spare_reqs)))
        req_free(container_of(node, struct req, node));
    keyer_free(worker->keyer);
    settings_unref(worker->settings);
    if (worker->store_reader)
        worker->server->caching.store_ops->close_reader(worker->store_reader);
    sock_diag_free(worker->diag);
    str_release(&worker->log_line);
    down_clients_release(&worker->clients);
    mailbox_release(&worker->mailbox);
    loop_release(&worker->loop);
}

const char *worker_hms(struct worker *worker)
{
    if (worker->hms_ms == 0 || worker->loop.now_ms - worker->hms_ms >= 500) {
        clock_hms(worker->hms, sizeof(worker->hms));
        worker->hms_ms = worker->loop.now_ms;
    }
    return worker->hms;
}
