/* A worker: one thread, one event loop, and everything of a request from its first byte to its
 * last. Requests never change workers; letters between workers go through mailboxes.
 *
 * A worker's connections are spread over lanes of LANE_CONNS each, a libmicrohttpd daemon and a
 * curl multi handle together. Both do work for each of their connections whenever one of them
 * moves (libmicrohttpd walks the suspended ones, curl looks for an idle one), so what a request
 * costs would grow with all the streams that are open beside it. The first lane with room
 * takes a connection: a quiet server has one lane, and its upstream connections are all shared.
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
    bool exhausted;            /* it stopped because descriptors ran out */
    struct timer accept_timer; /* tries again after descriptors ran out */
    struct down_clients clients;
    struct lane **lanes;
    unsigned lane_count;
    struct list due;
    struct fetcher fetcher;
    bool draining, stopping;
    struct stats stats;
    struct turns turns;
    struct settings *settings; /* the current ones, as far as it has looked: worker_settings() */
    struct keyer *keyer;       /* by these; NULL: nothing is kept */
    struct store_reader *store_reader; /* NULL: not needed so far */
    struct sock_diag *diag;            /* NULL: the kernel does not say whose a socket is */
    struct list spare_reqs;
    unsigned spare_req_count;
    uint32_t id_base, next_id;
    struct str log_line;
    uint64_t hms_ms; /* when hms was made */
    char hms[16];
};

/* The worker accepts from the server's listening sockets. */
int worker_init(struct worker *worker, struct server *server, struct err *err);
int worker_start(struct worker *worker, struct err *err);

/* Any thread. Drain: no new connections, idle ones are closed, the others after their request.
 * Stop: whatever is left is cut, and the thread ends. */
void worker_drain(struct worker *worker);
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);
/* The current settings, which the worker's thread may use until it asks again. */
struct settings *worker_settings(struct worker *worker);
/* Any thread: the store's file was replaced, the worker's reader is to let go of it. */
void worker_refresh(struct worker *worker);
/* After worker_join(), or if never started: first all hang up on their clients, who may read what
 * another worker fetches, then all are released. */
void worker_hang_up(struct worker *worker);
void worker_release(struct worker *worker);

/* A client's connection is closed: there is room for another. The worker's thread. */
void worker_conn_closed(struct worker *worker);
/* Has nobody warned within the last minute? last_ms is shared by all workers, one of which warns.
 */
bool worker_is_time_to_warn(const struct worker *worker, _Atomic uint64_t *last_ms);

/* Has it as many connections as descriptors allow, so that others wait? The worker's thread. */
bool worker_is_full(const struct worker *worker);

/* Is this its thread? */
bool worker_is_here(const struct worker *worker);

/* The wall clock for logs, made at most once a second. The worker's thread. */
const char *worker_hms(struct worker *worker);

#endif
