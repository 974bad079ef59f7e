/* The server: the state that all workers share, and its life from the listening sockets to the
 * drain. Main thread, unless stated otherwise. */
#ifndef PROXY_SERVER_H
#define PROXY_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "proxy/caching.h"
#include "proxy/settings.h"
#include "proxy/worker.h"

struct admin;

struct server {
    struct log *log; /* the caller's */
    struct settings_current settings;
    bool has_sock_diag; /* the kernel names the owner of a loopback socket */
    struct caching caching;
    int listen_fds[LISTENERS_MAX];
    unsigned listen_count;
    unsigned port;
    bool in_terminal; /* standard input was a terminal at the start */
    struct worker *workers;
    unsigned worker_count;
    unsigned started_workers;
    unsigned long conns_per_worker;
    /* Last warning of a worker (monotonic ms): that it is full, that a client speaks TLS. */
    _Atomic uint64_t warned_full_ms, warned_tls_ms;
    int64_t started_s;
    uint64_t started_us;
    struct admin *admin;
    struct job trust_job; /* reads the certificates that upstream connections trust */
};

/* Binds the sockets and plans the workers; serves nothing yet. Raises the limit of open files as
 * far as allowed. Ignores SIGPIPE from then on. -1 with *err. log must outlive the server. */
int server_open(struct server *server, const struct conf *conf, struct log *log, struct err *err);
/* Makes and starts the workers. -1 with *err: call server_close(). */
int server_start(struct server *server, struct err *err);
/* Makes these the current settings; takes the caller's reference. One thread at a time. */
void server_publish(struct server *server, struct settings *settings);
/* The current settings, with a reference for the caller. Any thread. */
struct settings *server_settings(struct server *server);

/* Blocks SIGTERM, SIGINT and SIGHUP for the caller and all threads that it starts: before
 * log_open() and server_open(). */
void server_block_signals(void);
/* Waits for SIGTERM or SIGINT (or SIGHUP if standard input is a terminal), then drains: until all
 * requests have ended, the drain timeout is over, or a second signal comes. Logs the result. SIGHUP
 * without a terminal has *conf, the server's, read again (reload.h). */
void server_wait(struct server *server, struct conf *conf);

void server_close(struct server *server);

/* Totals of all workers. Any thread. */
unsigned long server_in_flight(const struct server *server);
unsigned long server_connections(const struct server *server);

#endif
