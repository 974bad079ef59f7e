#include "proxy/caching.h"

#include <stdlib.h>

#include "api/policy.h"
#include "base/mem.h"
#include "base/process.h"
#include "store/store.h"

/* bytes; an answer with a longer body is passed on, not kept */
#define OBJECT_MAX ((size_t)32 * 1024 * 1024)
#define MEMORY_AUTO_MAX ((size_t)1024 * 1024 * 1024)
#define JOB_THREADS 2U

/* ---- opening and closing ---- */

static void on_purge(void *arg, const struct purge *purge)
{
    struct caching *caching = arg;

    index_drop(caching->index, purge);
}

static void on_replaced(void *arg)
{
    struct caching *caching = arg;

    pthread_mutex_lock(&caching->replaced_lock);
    if (caching->on_replaced)
        caching->on_replaced(caching->replaced_arg);
    pthread_mutex_unlock(&caching->replaced_lock);
}

void caching_on_replaced(struct caching *caching, void (*call)(void *arg), void *arg)
{
    pthread_mutex_lock(&caching->replaced_lock);
    caching->on_replaced = call;
    caching->replaced_arg = arg;
    pthread_mutex_unlock(&caching->replaced_lock);
}

/* Commands may run in another directory, or name the folder by another path. */
static char *absolute(const char *folder)
{
    char *path = realpath(folder, NULL);

    return path ? path : mem_strdup(folder);
}

static void open_store(struct caching *caching, struct log *log)
{
    struct store_rules rules = {.folder = caching->folder,
                                .max_bytes = caching->max_bytes,
                                .log = log,
                                .jobs = caching->jobs,
                                .on_purge = on_purge,
                                .on_replaced = on_replaced,
                                .arg = caching};
    struct err err;

    if (caching->max_bytes == 0)
        return;
    if (!caching->folder) {
        err_set(&err, ERR_USAGE,
                "there is no HOME to keep answers in: name a folder with "
                "--cache-dir");
    } else if (store_open(&caching->store, &rules, &err) == 0) {
        caching->path = absolute(caching->folder);
        caching->store_ops = &store_functions;
        index_use_store(caching->index, caching->store_ops, caching->store);
        return;
    }
    log_event(log, LOG_WARN, "%s; answers are kept in memory only", err.text);
}

static size_t memory_of(const struct conf *conf)
{
    size_t given = (size_t)conf_number(conf, OPT_MEMORY), quarter = process_memory() / 4;

    return given ? given : quarter < MEMORY_AUTO_MAX ? quarter : MEMORY_AUTO_MAX;
}

void caching_open(struct caching *caching, const struct conf *conf, struct log *log)
{
    struct index_rules rules = {.memory_bytes = (size_t)conf_number(conf, OPT_MEMORY_CACHE),
                                .object_bytes = OBJECT_MAX,
                                .budget = &caching->budget};

    *caching = (struct caching){.memory_bytes = rules.memory_bytes,
                                .on = conf_number(conf, OPT_CACHE_TTL) > 0,
                                .max_bytes = conf_number(conf, OPT_MAX_CACHE_SIZE)};
    budget_init(&caching->budget, memory_of(conf));
    pthread_mutex_init(&caching->replaced_lock, NULL);
    if (!caching->on)
        return;
    rules.jobs = caching->jobs = jobs_new(JOB_THREADS);
    caching->folder = conf_cache_folder(conf);
    caching->index = index_new(&rules);
    caching->key_cache = key_cache_new();
    open_store(caching, log);
}

void caching_settle(struct caching *caching)
{
    if (caching->jobs)
        jobs_stop(caching->jobs);
    if (caching->store && caching->store_ops->settle)
        caching->store_ops->settle(caching->store);
}

void caching_close(struct caching *caching)
{
    jobs_free(caching->jobs);
    if (caching->store)
        caching->store_ops->close(caching->store);
    index_free(caching->index);
    key_cache_free(caching->key_cache);
    free(caching->path);
    free(caching->folder);
    *caching = (struct caching){.on = false};
}

/* ---- in use ---- */

void caching_begin_write(struct caching *caching, const char *target)
{
    if (caching->store)
        caching->store_ops->begin_write(caching->store, policy_collection_of(target));
}

/* Purges the index first: afterwards no earlier flight adds its answer to the store's queue, so the
 * purge is queued after all of them. */
void caching_end_write(struct caching *caching, const char *target)
{
    const struct purge purge = {.collection = policy_collection_of(target)};

    if (!caching->on)
        return;
    index_drop(caching->index, &purge);
    if (caching->store)
        caching->store_ops->end_write(caching->store, purge.collection);
}

/* Answers in memory are mostly on disk, too: with a disk the larger of both counts is reported. */
struct caching_removed caching_remove(struct caching *caching, const struct purge *purge)
{
    struct caching_removed removed = {.count = 0};
    struct store_figures before = {.items = 0};
    uint64_t on_disk = 0;
    struct err err;

    if (!caching->on)
        return removed;
    if (caching->store)
        caching->store_ops->figures(caching->store, &before);
    removed.count = index_drop(caching->index, purge); /* before the store, as above */
    if (!caching->store)
        return removed;
    removed.pending = caching->store_ops->remove(caching->store, purge, &on_disk, &err) < 0;
    if (removed.pending && purge_is_all(purge))
        on_disk = before.items;
    if (on_disk > removed.count)
        removed.count = on_disk;
    return removed;
}
