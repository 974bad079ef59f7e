#include "proxy/load.h"

#include <stdlib.h>

#include "base/mem.h"
#include "client/down.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#define TELL_EVERY_MS 60000U

struct load {
    struct store_get get;
    struct letter letter;
    struct timer timer;
    struct worker *worker;
    struct req *req; /* NULL: the request has ended, or has stopped waiting */
    uint64_t epoch;  /* index_epoch() before the get */
    bool done;
};

static void load_free(struct load *load)
{
    timer_cancel(&load->worker->loop.timers, &load->timer);
    object_unref(load->get.object);
    free(load);
}

static void on_letter(struct letter *letter)
{
    struct load *load = container_of(letter, struct load, letter);

    load->done = true;
    if (load->req)
        down_wake(load->req->conn); /* the step runs again */
    else
        load_free(load);
}

/* Any thread. */
static void on_done(struct store_get *get)
{
    struct load *load = container_of(get, struct load, get);

    mailbox_post(&load->worker->mailbox, &load->letter);
}

static void on_timer(struct timer *timer)
{
    down_wake(container_of(timer, struct load, timer)->req->conn);
}

static struct store_reader *reader_of(struct worker *worker)
{
    struct caching *caching = &worker->server->caching;

    if (!worker->store_reader)
        worker->store_reader = caching->store_ops->open_reader(caching->store);
    return worker->store_reader;
}

void load_start(struct req *req)
{
    struct worker *worker = req->worker;
    struct caching *caching = &worker->server->caching;
    struct load *load = mem_zero(sizeof(*load));

    load->get = (struct store_get){.key = req->cache.key, .on_done = on_done};
    letter_init(&load->letter, on_letter);
    timer_init(&load->timer, on_timer);
    load->worker = worker;
    load->req = req;
    load->epoch = index_epoch(caching->index);
    req->cache.load = load;
    load->done = caching->store_ops->get(reader_of(worker), &load->get) != STORE_PENDING;
    if (!load->done)
        timer_set(&worker->loop.timers, &load->timer, worker->loop.now_ms + LOAD_WAIT_MS);
}

bool load_is_over(const struct load *load)
{
    return load->done || !timer_is_set(&load->timer);
}

static void tell_silence(struct worker *worker)
{
    struct caching *caching = &worker->server->caching;
    uint64_t now_ms = worker->loop.now_ms, told_ms = atomic_load(&caching->silence_told_ms);

    if ((told_ms && now_ms - told_ms < TELL_EVERY_MS) ||
        !atomic_compare_exchange_strong(&caching->silence_told_ms, &told_ms, now_ms))
        return;
    log_event(worker->server->log, LOG_WARN,
              "the cache on disk does not answer within %u s: requests go upstream",
              LOAD_WAIT_MS / 1000);
}

struct object *load_finish(struct req *req, bool *stale)
{
    struct load *load = take(req->cache.load);
    struct index_query query = req_query(req);
    struct object *object;

    *stale = false;
    if (!load->done) {
        tell_silence(req->worker);
        load_leave(load);
        return NULL;
    }
    object = take(load->get.object);
    if (object && !index_is_fresh(object, &query)) {
        *stale = true;
        object_unref(take(object));
    }
    if (object)
        index_keep(req->worker->server->caching.index, object, load->epoch);
    load_free(load);
    return object;
}

void load_leave(struct load *load)
{
    if (!load)
        return;
    if (load->done) {
        load_free(load);
        return;
    }
    timer_cancel(&load->worker->loop.timers, &load->timer);
    load->req = NULL; /* on_letter() frees it */
}
