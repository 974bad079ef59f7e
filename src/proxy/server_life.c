#include "proxy/server.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/process.h"
#include "base/sock_diag.h"
#include "proxy/admin.h"
#include "proxy/descriptors.h"
#include "proxy/reload.h"
#include "proxy/settings.h"

#define WORKERS_AUTO_MAX 4
#define DRAIN_LOOK_MS 20

/* --- listening ------------------------------------------------------------------------ */

struct listening {
    struct server *server;
    const struct conf *conf;
    struct err *err;
    int result;
};

static int add_listener(struct server *server, const char *address, struct err *err)
{
    int fd;

    for (unsigned i = 0; i < server->listen_count; i++)
        switch (net_overlap(server->listen_fds[i], address)) {
        case NET_COVERED:
            return 0;
        case NET_COVERS:
            return err_set(
                err, ERR_USAGE,
                "%s stands for all addresses of its kind: name it before the others, or alone",
                address);
        case NET_APART:
            break;
        }
    if (server->listen_count == LISTENERS_MAX)
        return err_set(err, ERR_USAGE, "more than %d addresses", LISTENERS_MAX);
    fd = net_listen(address, &server->port, err);
    if (fd < 0)
        return fd;
    server->listen_fds[server->listen_count++] = fd;
    return 0;
}

/* Clients differ in whether they try ::1 or 127.0.0.1: listens on both, on one port. A machine
 * without IPv6 (or without IPv4) has one only. */
static int listen_on_localhost(struct server *server, struct err *err)
{
    bool any_port = server->port == 0;
    int v4, v6;

    for (int tries = 0;; tries++) {
        unsigned before = server->listen_count;

        v4 = add_listener(server, "127.0.0.1", err);
        if (v4 == -1)
            return -1;
        v6 = add_listener(server, "::1", err);
        if (v6 != -1 || !any_port || tries == 10)
            break;
        /* The port that was free on 127.0.0.1 is taken on ::1: try another port. */
        while (server->listen_count > before)
            close(server->listen_fds[--server->listen_count]);
        server->port = 0;
    }
    if (v6 == -1)
        return -1;
    if (v4 == NET_NO_FAMILY && v6 == NET_NO_FAMILY)
        return err_set(err, ERR_SYSTEM, "this machine has no loopback address: bring up lo");
    return 0;
}

static void listen_on(void *arg, const char *address)
{
    struct listening *l = arg;

    if (l->result < 0)
        return;
    if (strcmp(address, "localhost") == 0) {
        l->result = listen_on_localhost(l->server, l->err);
        return;
    }
    if (!net_is_loopback_text(address) && !conf_number(l->conf, OPT_ALLOW_REMOTE)) {
        struct err probe;
        unsigned port = 0;
        int fd = net_listen(address, &port, &probe);

        if (fd >= 0)
            close(fd);
        if (fd >= 0 || probe.code != ERR_USAGE)
            err_set(l->err, ERR_USAGE,
                    "%s is not loopback, so others could use this proxy: add --allow-remote if "
                    "that is meant",
                    address);
        else
            *l->err = probe;
        l->result = -1;
        return;
    }
    l->result = add_listener(l->server, address, l->err);
    if (l->result == NET_NO_FAMILY)
        l->result = err_set(l->err, ERR_SYSTEM, "this machine has no addresses like %s", address);
}

/* Finds out whether the kernel names the user of a loopback client. */
static void look_for_sock_diag(struct server *server, const struct settings *settings)
{
    struct err why;
    struct sock_diag *probe = sock_diag_new(&why);

    server->has_sock_diag = probe != NULL;
    sock_diag_free(probe);
    if (!probe && !settings->users.all)
        log_event(server->log, LOG_WARN,
                  "%s: every user of this machine can use this proxy (--allow-users all says that "
                  "this is meant)",
                  why.text);
}

static int open_listeners(struct server *server, const struct conf *conf, struct err *err)
{
    struct listening l = {.server = server, .conf = conf, .err = err};

    server->port = (unsigned)conf_number(conf, OPT_PORT);
    conf_each_item(conf, OPT_LISTEN, listen_on, &l);
    if (l.result < 0 && err->code == ERR_USAGE)
        err_wrap(err, "%s", conf->value[OPT_LISTEN].place);
    if (l.result < 0)
        return -1;
    if (server->listen_count == 0)
        return err_set(err, ERR_USAGE, "--listen names no address: use localhost");
    return 0;
}

/* --- opening and closing -------------------------------------------------------------- */

static unsigned count_workers(const struct conf *conf)
{
    int64_t given = conf_number(conf, OPT_WORKERS);
    cpu_set_t cpus;
    int cores;

    if (given)
        return (unsigned)given;
    /* The cores that this process may use, which taskset and containers restrict. */
    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
        return 1;
    cores = CPU_COUNT(&cpus);
    return (unsigned)(cores < WORKERS_AUTO_MAX ? cores : WORKERS_AUTO_MAX);
}

int server_open(struct server *server, const struct conf *conf, struct log *log, struct err *err)
{
    struct settings *settings = NULL;
    struct descriptors plan;
    const char *missing;

    *server = (struct server){.log = log};
    settings_current_init(&server->settings);
    server->started_s = clock_unix_s();
    server->started_us = clock_mono_us();
    server->in_terminal = isatty(STDIN_FILENO) == 1; /* it may be closed later */
    process_ignore_signal(SIGPIPE);
    process_forbid_core_files(); /* requests contain API keys */
    missing = pool_global_init();
    if (missing)
        return err_set(err, ERR_SYSTEM, "%s", missing);
    if (open_listeners(server, conf, err) == 0)
        settings = settings_new(conf, server->port, err);
    if (!settings) {
        server_close(server);
        return -1;
    }
    server_publish(server, settings);
    look_for_sock_diag(server, settings);
    caching_open(&server->caching, conf, log);
    server->admin = admin_new();
    if (descriptors_plan(&plan, count_workers(conf), err) < 0) {
        server_close(server);
        return -1;
    }
    server->worker_count = plan.workers;
    server->conns_per_worker = plan.conns_per_worker;
    return 0;
}

/* Workers release a replaced file at once, even if idle, so that the disk regains its room. */
static void on_store_replaced(void *arg)
{
    struct server *server = arg;

    for (unsigned i = 0; i < server->started_workers; i++)
        worker_refresh(&server->workers[i]);
}

static void on_read_trust(struct job *job)
{
    struct settings *settings = server_settings(container_of(job, struct server, trust_job));

    pool_read_trust(settings->endpoint);
    settings_unref(settings);
}

void server_publish(struct server *server, struct settings *settings)
{
    log_set_level(server->log, settings->log_level);
    settings_publish(&server->settings, settings);
}

struct settings *server_settings(struct server *server)
{
    struct settings *settings = NULL;

    settings_renew(&server->settings, &settings);
    return settings;
}

int server_start(struct server *server, struct err *err)
{
    server->workers = mem_zero(server->worker_count * sizeof(*server->workers));
    for (unsigned i = 0; i < server->worker_count; i++)
        if (worker_init(&server->workers[i], server, err) < 0)
            return -1;
    for (; server->started_workers < server->worker_count; server->started_workers++)
        if (worker_start(&server->workers[server->started_workers], err) < 0)
            return -1;
    if (!server->caching.on)
        return 0;
    caching_on_replaced(&server->caching, on_store_replaced, server);
    jobs_add(server->caching.jobs, &server->trust_job, on_read_trust);
    return 0;
}

void server_close(struct server *server)
{
    if (server->caching.on)
        caching_on_replaced(&server->caching, NULL, NULL);
    for (unsigned i = 0; i < server->started_workers; i++)
        worker_stop(&server->workers[i]);
    for (unsigned i = 0; i < server->started_workers; i++)
        worker_join(&server->workers[i]);
    caching_settle(&server->caching);
    for (unsigned i = 0; i < server->started_workers; i++)
        worker_hang_up(&server->workers[i]);
    for (unsigned i = 0; i < server->started_workers; i++)
        worker_release(&server->workers[i]);
    free(server->workers);
    admin_free(server->admin); /* its jobs use the cache */
    caching_close(&server->caching);
    for (unsigned i = 0; i < server->listen_count; i++)
        close(server->listen_fds[i]);
    settings_current_release(&server->settings);
    pool_global_release();
}

/* --- counting ------------------------------------------------------------------------- */

unsigned long server_in_flight(const struct server *server)
{
    unsigned long n = 0;

    for (unsigned i = 0; i < server->worker_count; i++)
        n += atomic_load(&server->workers[i].stats.in_flight);
    return n;
}

/* Requests, and fetches that continue for the cache after their clients have left. */
static unsigned long unfinished(const struct server *server)
{
    unsigned long n = server_in_flight(server);

    for (unsigned i = 0; i < server->worker_count; i++)
        n += atomic_load(&server->workers[i].fetcher.unattended);
    return n;
}

unsigned long server_connections(const struct server *server)
{
    unsigned long n = 0;

    for (unsigned i = 0; i < server->worker_count; i++)
        n += atomic_load(&server->workers[i].stats.connections);
    return n;
}

/* --- signals -------------------------------------------------------------------------- */

static sigset_t our_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

void server_block_signals(void)
{
    sigset_t set = our_signals();

    process_block_signals(&set);
}

/* Returns the next signal, or 0 after ms milliseconds (-1: no limit). */
static int next_signal(int ms)
{
    uint64_t end = clock_mono_ms() + (uint64_t)(ms < 0 ? 0 : ms);
    sigset_t set = our_signals();

    for (;;) {
        uint64_t now = clock_mono_ms(), left = ms < 0 ? 3600000 : end > now ? end - now : 0;
        struct timespec wait = {.tv_sec = (time_t)(left / 1000),
                                .tv_nsec = (long)(left % 1000) * 1000000};
        int sig = sigtimedwait(&set, NULL, &wait);

        if (sig > 0)
            return sig;
        if (sig < 0 && errno == EAGAIN && ms >= 0)
            return 0;
    }
}

/* SIGHUP to a proxy started in a terminal means that the terminal was closed. */
static bool ends(const struct server *server, int sig)
{
    return sig == SIGTERM || sig == SIGINT || (sig == SIGHUP && server->in_terminal);
}

static void drain(struct server *server)
{
    unsigned long before = unfinished(server), left = before;
    struct settings *settings = server_settings(server);
    uint64_t start = clock_mono_ms(), most_ms = (uint64_t)settings->drain_ms;

    settings_unref(settings);
    log_event(server->log, LOG_INFO, "stopping: %lu in flight, waiting for them for at most %g s",
              before, (double)most_ms / 1000);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_drain(&server->workers[i]);
    /* Refuses new connections at once; the descriptors stay open until the workers have ended. */
    for (unsigned i = 0; i < server->listen_count; i++)
        shutdown(server->listen_fds[i], SHUT_RDWR);
    while ((left = unfinished(server)) > 0 && clock_mono_ms() - start < most_ms)
        if (ends(server, next_signal(DRAIN_LOOK_MS)))
            break;
    log_event(server->log, left > 0 ? LOG_WARN : LOG_INFO,
              "stopped after %.1f s: %lu finished, %lu cut off",
              (double)(clock_mono_ms() - start) / 1000, before > left ? before - left : 0, left);
}

void server_wait(struct server *server, struct conf *conf)
{
    int sig;

    while (!ends(server, sig = next_signal(-1)))
        if (sig == SIGHUP)
            reload(server, conf);
    drain(server);
}
