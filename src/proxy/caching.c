#include "proxy/caching.h"

#include <stdlib.h>

#include "api/policy.h"
#include "base/mem.h"

/* An answer with a longer body is passed on, not kept. */
#define OBJECT_MAX ((size_t)32 * 1024 * 1024)

static void add_ignored(void *arg, const char *name)
{
    struct caching *caching = arg;

    caching->ignored_ = mem_grow(caching->ignored_, (caching->ignored_count_ + 2) * sizeof(char *));
    caching->ignored_[caching->ignored_count_++] = mem_strdup(name);
    caching->ignored_[caching->ignored_count_] = NULL;
}

static void on_gone(void *arg, const struct store_gone *gone)
{
    struct caching *caching = arg;

    index_drop(caching->index, gone);
}

static void open_store(struct caching *caching, struct log *log)
{
    struct store_rules rules = {.folder = caching->folder,
                                .max_bytes = caching->max_bytes,
                                .log = log,
                                .on_gone = on_gone,
                                .arg = caching};
    struct err err;

    if (caching->max_bytes == 0)
        return;
    if (!caching->folder) {
        err_set(&err, ERR_USAGE,
                "there is no HOME to keep answers in: name a folder with "
                "--cache-dir");
    } else if (store_open(&caching->store, &rules, &err) == 0) {
        index_use_store(caching->index, caching->store);
        return;
    }
    log_event(log, true, "%s; answers are kept in memory only", err.text);
}

void caching_open(struct caching *caching, const struct conf *conf, const char *upstream,
                  struct log *log)
{
    struct index_rules rules = {.ttl_ms = conf_number(conf, OPT_CACHE_TTL),
                                .memory_bytes = (size_t)conf_number(conf, OPT_MEMORY_CACHE),
                                .object_bytes = OBJECT_MAX};

    *caching = (struct caching){.ttl_ms = rules.ttl_ms,
                                .memory_bytes = rules.memory_bytes,
                                .on = rules.ttl_ms > 0,
                                .max_body = conf_number(conf, OPT_MAX_BODY),
                                .max_bytes = conf_number(conf, OPT_MAX_CACHE_SIZE),
                                .finish = conf_number(conf, OPT_ON_DISCONNECT) == 1};
    caching->rules = (struct key_rules){.upstream = upstream,
                                        .share = conf_number(conf, OPT_SHARE_CACHE) != 0};
    conf_each_item(conf, OPT_KEY_IGNORE, add_ignored, caching);
    caching->rules.ignored = caching->ignored_;
    if (!caching->on)
        return;
    caching->folder = conf_cache_folder(conf);
    caching->index = index_new(&rules);
    caching->memo = memo_new();
    open_store(caching, log);
}

void caching_close(struct caching *caching)
{
    store_close(caching->store);
    index_free(caching->index);
    memo_free(caching->memo);
    for (unsigned i = 0; i < caching->ignored_count_; i++)
        free(caching->ignored_[i]);
    free(caching->ignored_);
    free(caching->folder);
    *caching = (struct caching){.on = false};
}

/* The index first: what is stored of a flight from before comes into the store's queue before
 * the drop does. */
static void drop(struct caching *caching, const struct store_gone *gone)
{
    if (!caching->on)
        return;
    index_drop(caching->index, gone);
    if (caching->store)
        store_drop(caching->store, gone);
}

void caching_wrote(struct caching *caching, const char *target)
{
    drop(caching, &(struct store_gone){.collection = policy_collection_of(target)});
}

/* With a disk its entries are what counts, as what is in memory is mostly there as well. */
struct caching_removed caching_remove(struct caching *caching, const struct store_gone *gone)
{
    struct caching_removed removed = {.count = 0};
    struct store_figures before = {.items = 0};
    uint64_t on_disk = 0;
    struct err err;

    if (!caching->on)
        return removed;
    if (caching->store)
        store_figures(caching->store, &before);
    removed.count = index_drop(caching->index, gone); /* first, as in drop() */
    if (!caching->store)
        return removed;
    removed.pending = store_drop_now(caching->store, gone, &on_disk, &err) < 0;
    if (removed.pending && store_gone_is_all(gone))
        on_disk = before.items;
    if (on_disk > removed.count)
        removed.count = on_disk;
    return removed;
}

struct object *caching_load(struct caching *caching, struct store_reader *reader,
                            const struct index_query *query, bool *stale)
{
    uint64_t epoch = index_epoch(caching->index);
    struct object *object = store_get(reader, query->key);

    *stale = false;
    if (!object)
        return NULL;
    if (!index_is_fresh(caching->index, object, query)) {
        *stale = true;
        object_unref(object);
        return NULL;
    }
    index_keep(caching->index, object, epoch);
    return object;
}
