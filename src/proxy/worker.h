/* A worker: one thread and one event loop, which serve a request from its first byte to its last.
 * Requests never change workers; letters between workers go through mailboxes.
 *
 * A worker's connections are spread over lanes of LANE_CONNS each, a libmicrohttpd daemon and a
 * curl multi handle together. Both do work for each of their connections whenever one of them
 * advances (libmicrohttpd walks the suspended connections, libcurl searches its connections for an
 * idle one), so the cost of a request would grow with all open streams. The first lane with room
 * takes a connection: a quiet server has one lane, and shares all its upstream connections.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/str.h"
#include "client/down_recv.h"
#include "proxy/stats.h"
#include "proxy/turns.h"
#include "upstream/fetch.h"

#define LISTENERS_MAX 16

struct keyer;
struct server;
struct sock_diag;
struct store_reader;
struct worker;

struct listener {
    struct watch watch;
    struct worker *worker;
};

struct worker {
    struct server *server;
    pthread_t thread;
    struct loop loop;
    struct mailbox mailbox;
    struct watch mailbox_watch;
    struct letter drain_letter, stop_letter, refresh_letter;
    struct listener listeners[LISTENERS_MAX];
    bool listening;
    bool exhausted;            /* accepting stopped because descriptors ran out */
    struct timer accept_timer; /* accepts again after a pause */
    struct down_clients clients;
    struct lane **lanes;
    unsigned lane_count;
    struct list due;
    struct fetcher fetcher;
    bool draining, stopping;
    struct stats stats;
    struct turns turns;
    struct settings *settings;         /* with a reference; see worker_settings() */
    struct keyer *keyer;               /* by `settings`; NULL: the cache is off */
    struct store_reader *store_reader; /* NULL: not opened so far */
    struct sock_diag *diag;            /* NULL: the kernel does not name a socket's owner */
    struct list spare_reqs;
    unsigned spare_req_count;
    uint32_t id_base, next_id;
    struct str log_line;
    uint64_t hms_ms; /* when hms was made, monotonic */
    char hms[16];
};

/* Prepares a worker that accepts from the server's listening sockets; starts its thread. -1 with
 * *err. Main thread. */
int worker_init(struct worker *worker, struct server *server, struct err *err);
int worker_start(struct worker *worker, struct err *err);

/* Any thread. Drain: accepts no new connections, closes idle connections, and the others after
 * their request. Stop: the thread ends; worker_hang_up() cuts the rest. */
void worker_drain(struct worker *worker);
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);
/* The current settings, valid on the worker's thread until its next call. */
struct settings *worker_settings(struct worker *worker);
/* Any thread. The store's file was replaced: the worker's reader will release it. */
void worker_refresh(struct worker *worker);
/* After worker_join(): first hang up all workers, whose clients may read flights that another
 * worker fetches, then release all. */
void worker_hang_up(struct worker *worker);
void worker_release(struct worker *worker);

/* A client's connection was closed, so there is room for another. The worker's thread. */
void worker_conn_closed(struct worker *worker);
/* True if no worker has warned within the last minute; then *last_ms (monotonic, shared by all
 * workers) is updated, so only one of them warns. The worker's thread.
 */
bool worker_is_time_to_warn(const struct worker *worker, _Atomic uint64_t *last_ms);

/* True if it has as many connections as descriptors allow, and others wait. The worker's thread. */
bool worker_is_full(const struct worker *worker);

/* True on the worker's thread. */
bool worker_is_here(const struct worker *worker);

/* The wall clock for logs, valid until the next call; renewed after 500 ms. The worker's thread. */
const char *worker_hms(struct worker *worker);

#endif
