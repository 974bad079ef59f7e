#include "proxy/admin_stats.h"

#include <inttypes.h>

#include "base/clock.h"
#include "proxy/server.h"

/* In the format of Go's time.Duration: "5m0s". */
static void add_duration(struct str *out, int64_t ms)
{
    int64_t s = ms / 1000;

    if (ms == INDEX_FOREVER) {
        str_adds(out, "forever");
        return;
    }
    if (ms > 0 && ms < 1000) {
        str_addf(out, "%" PRId64 "ms", ms);
        return;
    }
    if (s >= 3600)
        str_addf(out, "%" PRId64 "h", s / 3600);
    if (s >= 60)
        str_addf(out, "%" PRId64 "m", s / 60 % 60);
    str_addf(out, "%gs", (double)(ms % 60000) / 1000);
}

void admin_stats_disk(struct json *cache, const struct store_figures *figures, int64_t max_bytes)
{
    json_set_number(cache, "item_count", (double)figures->items);
    json_set_number(cache, "bytes", (double)figures->bytes);
    json_set_number(cache, "max_bytes", (double)max_bytes);
}

static void add_cache(const struct server *server, const struct settings *settings,
                      struct json *cache)
{
    const struct caching *caching = &server->caching;
    struct store_figures disk = {.items = 0};
    struct index_figures memory = {.items = 0};
    struct str ttl = STR_INIT;

    if (caching->on)
        index_figures(caching->index, &memory);
    if (caching->store) {
        caching->store_ops->figures(caching->store, &disk);
        admin_stats_disk(cache, &disk, caching->max_bytes);
    } else {
        json_set_number(cache, "item_count", (double)memory.items);
        json_set_number(cache, "bytes", (double)memory.bytes);
        json_set_number(cache, "max_bytes", caching->on ? (double)caching->memory_bytes : 0);
    }
    json_set_text(cache, "folder", server->caching.path);
    add_duration(&ttl, settings->ttl_ms);
    json_set_text(cache, "ttl", ttl.text);
    str_release(&ttl);
    json_set_number(cache, "evictions",
                    (double)(caching->store ? disk.evictions : memory.evictions));
    json_set_number(cache, "memory_items", (double)memory.items);
    json_set_number(cache, "memory_bytes", (double)memory.bytes);
    json_set_number(cache, "memory_evictions", (double)memory.evictions);
    json_set_number(cache, "dropped", (double)disk.dropped);
    json_set_number(cache, "too_large", (double)disk.too_large);
    json_set_number(cache, "damaged", (double)disk.damaged);
    json_set_number(cache, "disk_errors", (double)disk.errors);
}

static void add_traffic(const struct stats_sum *sum, struct json *root)
{
    struct json *traffic = json_set_object(root, "traffic");
    struct json *latency = json_set_object(root, "latency_ms");

    json_set_number(traffic, "requests", (double)sum->requests);
    json_set_number(traffic, "hits", (double)sum->verdicts[VERDICT_HIT]);
    json_set_number(traffic, "misses", (double)sum->verdicts[VERDICT_MISS]);
    json_set_number(traffic, "joins", (double)sum->verdicts[VERDICT_JOIN]);
    json_set_number(traffic, "bypasses", (double)sum->verdicts[VERDICT_BYPASS]);
    json_set_number(traffic, "refused", (double)sum->verdicts[VERDICT_OWN]);
    json_set_number(traffic, "errors", (double)sum->errors);
    json_set_number(latency, "p50", stats_percentile_ms(sum, 0.5));
    json_set_number(latency, "p90", stats_percentile_ms(sum, 0.9));
    json_set_number(latency, "p99", stats_percentile_ms(sum, 0.99));
}

static double longest_turn_ms(const struct server *server)
{
    uint64_t longest = 0, now = clock_mono_us();

    for (unsigned i = 0; i < server->worker_count; i++) {
        uint64_t us = turns_longest_us(&server->workers[i].turns, now);

        longest = us > longest ? us : longest;
    }
    return (double)longest / 1000;
}

void admin_stats(const struct server *server, const struct settings *settings, struct str *out)
{
    struct json *root = json_object();
    struct stats_sum sum = {.requests = 0};

    for (unsigned i = 0; i < server->worker_count; i++)
        stats_add(&sum, &server->workers[i].stats);
    add_cache(server, settings, json_set_object(root, "cache"));
    json_set_text(root, "proxy_url", settings->endpoint->proxy_label);
    json_set_text(root, "openai_url", settings->endpoint->label);
    add_traffic(&sum, root);
    json_set_number(json_set_object(root, "loop"), "longest_turn_ms", longest_turn_ms(server));
    json_print(root, out);
    json_free(root);
}
