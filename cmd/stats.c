#include "cmd.h"

#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/printable.h"
#include "cache_print.h"
#include "proxy/admin_stats.h"
#include "proxy/ask.h"

static double figure(const struct json *object, const char *name)
{
    return json_number(json_member(object, name));
}

/* "1 hit", "2 hits" */
static void print_count(double n, const char *one, const char *ending, const char *more)
{
    printf("%.0f %s%s%s", n, one, cache_plural((uint64_t)n, ending), more);
}

static void print_cache(const struct json *cache, bool running)
{
    const char *ttl = json_text(json_member(cache, "ttl"));
    struct str used = STR_INIT, most = STR_INIT;

    cache_print_size(&used, figure(cache, "bytes"));
    cache_print_size(&most, figure(cache, "max_bytes"));
    printf("cache    ");
    print_count(figure(cache, "item_count"), "answer", "s", ", ");
    printf("%s of %s", used.text, most.text);
    if (running) {
        struct str line = STR_INIT;

        printable_adds(&line, ttl ? ttl : "?");
        printf(", kept for %s; %.0f evicted", line.text, figure(cache, "evictions"));
        str_release(&line);
    }
    printf("\n");
    if (figure(cache, "damaged") > 0 || figure(cache, "dropped") > 0)
        printf("         %.0f damaged, %.0f not stored because the disk was too slow\n",
               figure(cache, "damaged"), figure(cache, "dropped"));
    str_release(&used);
    str_release(&most);
}

static void print_for_people(const struct json *stats)
{
    const struct json *traffic = json_member(stats, "traffic");
    const struct json *latency = json_member(stats, "latency_ms");

    if (traffic) {
        printf("traffic  ");
        print_count(figure(traffic, "requests"), "request", "s", ": ");
        print_count(figure(traffic, "hits"), "hit", "s", ", ");
        printf("%.0f joined one in flight, ", figure(traffic, "joins"));
        print_count(figure(traffic, "misses"), "miss", "es", ", ");
        printf("%.0f bypassed, ", figure(traffic, "bypasses"));
        print_count(figure(traffic, "errors"), "error", "s", "\n");
        printf("latency  half within %.3g ms, 90%% within %.3g ms, 99%% within %.3g ms\n",
               figure(latency, "p50"), figure(latency, "p90"), figure(latency, "p99"));
    }
    print_cache(json_member(stats, "cache"), traffic != NULL);
    if (!traffic)
        printf("No proxy runs here, so this is what is on disk.\n");
}

/* What there is to say without a running proxy. */
static int read_disk(const struct conf *conf, struct str *text, struct err *err)
{
    struct store *store;
    struct store_figures figures;
    struct json *root;

    if (cache_open(conf, true, &store, err) < 0)
        return -1;
    store_figures(store, &figures);
    store_close(store);
    root = json_object();
    admin_stats_disk(json_set_object(root, "cache"), &figures,
                     conf_number(conf, OPT_MAX_CACHE_SIZE));
    json_print(root, text);
    json_free(root);
    return 0;
}

static int print(const struct str *text, bool as_json, struct err *err)
{
    struct json *stats;

    if (as_json) {
        command_print_json(text);
        return 0;
    }
    stats = json_parse(text->text, text->len);
    if (!json_member(stats, "cache")) {
        json_free(stats);
        return err_set(err, ERR_UNHEALTHY,
                       "the proxy's /stats are not what they should be: is it "
                       "of another version?");
    }
    print_for_people(stats);
    json_free(stats);
    return 0;
}

int cmd_stats(const struct command *self, int argc, char **argv)
{
    bool json = false;
    const struct conf_switch own[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};
    struct str text = STR_INIT;
    struct conf conf;
    struct err err;
    unsigned status = 200;
    int result = command_settings(self, argc, argv, own, &conf);

    if (result)
        return result == COMMAND_HELPED ? 0 : result;
    mem_auto char *address = command_address(&conf);
    result = ask_get(address, (unsigned)conf_number(&conf, OPT_PORT), "/stats", &status, &text,
                     &err);
    if (result < 0 && err.code == ERR_NO_SERVER)
        result = read_disk(&conf, &text, &err);
    if (result == 0 && status != 200)
        result = err_set(&err, ERR_UNHEALTHY, "the proxy does not tell its figures (HTTP %u)",
                         status);
    if (result == 0)
        result = print(&text, json, &err);
    str_release(&text);
    conf_release(&conf);
    return result < 0 ? command_fail(&err) : 0;
}
