#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/printable.h"
#include "base/str.h"

#define LOG_BUFFER_MAX ((size_t)256 * 1024)
#define LOG_CLOSE_MS 1000
/* Lines are gathered for this long before they are written: waking a thread costs more than a
 * request does, and nobody reads faster. */
#define LOG_GATHER_MS 20

const char *const log_levels[] = {"error", "warn", "info", "debug", "trace", NULL};

struct log {
    _Atomic enum log_level level;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_t thread;
    int fd;
    bool closing;
    bool ended;          /* the thread accesses this struct no more */
    bool idle;           /* the thread waits for the first line of a batch */
    struct str pending;  /* guarded by lock, at most LOG_BUFFER_MAX */
    uint64_t dropped;    /* ever */
    uint64_t unreported; /* of those, the ones not yet spoken of */
    uint64_t close_by_ms;
};

static bool time_is_up(struct log *log)
{
    bool up;

    pthread_mutex_lock(&log->lock);
    up = log->closing && clock_mono_ms() >= log->close_by_ms;
    pthread_mutex_unlock(&log->lock);
    return up;
}

static void write_out(struct log *log, const char *text, size_t len)
{
    while (len > 0) {
        struct pollfd p = {.fd = log->fd, .events = POLLOUT};
        ssize_t n;

        poll(&p, 1, 100);
        if (time_is_up(log))
            return;
        if (!(p.revents & (POLLOUT | POLLERR | POLLHUP)))
            continue;
        /* A pipe takes PIPE_BUF bytes whole or not at all, so this never waits long. */
        n = write(log->fd, text, len > 4096 ? 4096 : len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return; /* nobody reads stderr any more: not a reason to stop serving */
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
}

static struct timespec timespec_of(uint64_t mono_ms)
{
    return (struct timespec){.tv_sec = (time_t)(mono_ms / 1000),
                             .tv_nsec = (long)(mono_ms % 1000) * 1000000};
}

/* Waits for lines, then for more of them. */
static void gather(struct log *log)
{
    struct timespec until;

    while (log->pending.len == 0 && !log->closing) {
        log->idle = true;
        pthread_cond_wait(&log->filled, &log->lock);
    }
    log->idle = false;
    until = timespec_of(clock_mono_ms() + LOG_GATHER_MS);
    while (!log->closing && log->pending.len < LOG_BUFFER_MAX / 2 &&
           pthread_cond_timedwait(&log->filled, &log->lock, &until) != ETIMEDOUT)
        ;
}

static void *run(void *arg)
{
    struct log *log = arg;
    struct str batch = STR_INIT;
    bool done = false;

    while (!done) {
        uint64_t missing;

        pthread_mutex_lock(&log->lock);
        gather(log);
        struct str empty = batch;
        batch = log->pending;
        log->pending = empty;
        missing = log->unreported;
        log->unreported = 0;
        done = log->closing && batch.len == 0;
        pthread_mutex_unlock(&log->lock);

        write_out(log, batch.text, batch.len);
        str_clear(&batch);
        if (missing) {
            str_addf(&batch,
                     "goproxyai: %" PRIu64 " log lines were dropped: whoever reads them "
                     "was too slow\n",
                     missing);
            write_out(log, batch.text, batch.len);
            str_clear(&batch);
        }
        if (time_is_up(log))
            done = true;
    }
    str_release(&batch);
    pthread_mutex_lock(&log->lock);
    log->ended = true;
    pthread_cond_signal(&log->filled);
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

int log_open(struct log **result, int fd, struct err *err)
{
    struct log *log = mem_zero(sizeof(*log));
    pthread_condattr_t monotonic;

    log->fd = fd;
    atomic_init(&log->level, LOG_INFO);
    str_init(&log->pending);
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    errno = pthread_create(&log->thread, NULL, run, log);
    if (errno) {
        free(log);
        return err_sys(err, "cannot start the log's thread");
    }
    *result = log;
    return 0;
}

/* Has the thread ended in time? A terminal whose output nobody reads can block it in write(2) for
 * ever, even after poll(2) reported room. */
static bool wait_for_thread(struct log *log)
{
    struct timespec until;
    bool ended;

    pthread_mutex_lock(&log->lock);
    log->closing = true;
    log->close_by_ms = clock_mono_ms() + LOG_CLOSE_MS;
    until = timespec_of(log->close_by_ms + LOG_CLOSE_MS / 2);
    pthread_cond_signal(&log->filled);
    while (!log->ended && pthread_cond_timedwait(&log->filled, &log->lock, &until) != ETIMEDOUT)
        ;
    ended = log->ended;
    pthread_mutex_unlock(&log->lock);
    return ended;
}

void log_close(struct log *log)
{
    if (!log)
        return;
    if (!wait_for_thread(log)) {
        pthread_detach(log->thread); /* which ends with the process; the log stays its own */
        return;
    }
    pthread_join(log->thread, NULL);
    str_release(&log->pending);
    pthread_cond_destroy(&log->filled);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void log_text(struct log *log, const char *text, size_t len)
{
    bool wake;

    pthread_mutex_lock(&log->lock);
    if (log->pending.len + len > LOG_BUFFER_MAX) {
        log->dropped++;
        log->unreported++;
    } else {
        str_add(&log->pending, text, len);
    }
    wake = log->idle || log->pending.len >= LOG_BUFFER_MAX / 2;
    log->idle = false;
    pthread_mutex_unlock(&log->lock);
    if (wake)
        pthread_cond_signal(&log->filled);
}

static void add_line(struct log *log, const char *prefix, const char *format, va_list args)
{
    struct str line = STR_INIT, text = STR_INIT;

    str_vaddf(&text, format, args);
    str_adds(&line, prefix);
    printable_add(&line, text.text, text.len);
    str_addc(&line, '\n');
    log_text(log, line.text, line.len);
    str_release(&line);
    str_release(&text);
}

void log_line(struct log *log, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_line(log, "", format, args);
    va_end(args);
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store_explicit(&log->level, level, memory_order_relaxed);
}

bool log_wants(const struct log *log, enum log_level level)
{
    return level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void log_event(struct log *log, enum log_level level, const char *format, ...)
{
    static const char *const words[] = {[LOG_ERROR] = "error: ",
                                        [LOG_WARN] = "warning: ",
                                        [LOG_INFO] = "",
                                        [LOG_DEBUG] = "debug: ",
                                        [LOG_TRACE] = "trace: "};
    char prefix[64], now[16];
    va_list args;

    if (!log_wants(log, level))
        return;
    clock_hms(now, sizeof(now));
    snprintf(prefix, sizeof(prefix), "%s %s", now, words[level]);
    va_start(args, format);
    add_line(log, prefix, format, args);
    va_end(args);
}

uint64_t log_dropped(struct log *log)
{
    uint64_t n;

    pthread_mutex_lock(&log->lock);
    n = log->dropped;
    pthread_mutex_unlock(&log->lock);
    return n;
}
