#include "cmd.h"

#include <stdio.h>

#include "base/human.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/printable.h"
#include "cache_place.h"
#include "cache_print.h"
#include "proxy/admin_stats.h"
#include "proxy/running.h"

static double figure(const struct json *object, const char *name)
{
    return json_number(json_member(object, name));
}

/* A program that is no proxy of ours may answer any number. */
static uint64_t whole(double n)
{
    return n >= 1 && n < 9e18 ? (uint64_t)n : 0;
}

/* "1 hit", "2 hits" */
static void print_count(double n, const char *one, const char *ending, const char *more)
{
    printf("%.0f %s%s%s", n, one, cache_plural(whole(n), ending), more);
}

static void print_cache(const struct json *cache, bool running)
{
    const char *ttl = json_text(json_member(cache, "ttl"));
    struct str used = STR_INIT, most = STR_INIT;

    human_add_size(&used, whole(figure(cache, "bytes")));
    human_add_size(&most, whole(figure(cache, "max_bytes")));
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

/* Whose figures they are. */
static void print_source(const struct json *cache, const char *url, const struct cache_place *place)
{
    const char *proxys = json_text(json_member(cache, "folder"));

    if (url)
        command_print_line(stdout, "proxy    %s, which keeps answers in memory%s%s", url,
                           proxys ? " and in " : " only", proxys ? proxys : "");
    else if (place->is_in_use)
        command_print_line(stdout,
                           "The proxy that runs on %s does not answer, so this is what is on disk.",
                           place->folder);
    else
        command_print_line(stdout, "No proxy runs here, so this is what is on disk in %s.",
                           place->folder);
}

static void print_latency(const struct json *latency)
{
    static const struct {
        const char *name, *words;
    } rows[] = {
        {"p50", "latency  half within "}, {"p90", ", 90% within "}, {"p99", ", 99% within "}};
    struct str line = STR_INIT;

    for (size_t i = 0; i < countof(rows); i++) {
        str_adds(&line, rows[i].words);
        human_add_duration(&line, whole(figure(latency, rows[i].name) * 1000 + 0.5));
    }
    printf("%s\n", line.text);
    str_release(&line);
}

static void print_for_people(const struct json *stats, const char *url,
                             const struct cache_place *place)
{
    const struct json *traffic = json_member(stats, "traffic");
    const struct json *latency = json_member(stats, "latency_ms");

    print_source(json_member(stats, "cache"), url, place);
    if (traffic) {
        printf("traffic  ");
        print_count(figure(traffic, "requests"), "request", "s", ": ");
        print_count(figure(traffic, "hits"), "hit", "s", ", ");
        printf("%.0f joined one in flight, ", figure(traffic, "joins"));
        print_count(figure(traffic, "misses"), "miss", "es", ", ");
        printf("%.0f bypassed, %.0f refused; ", figure(traffic, "bypasses"),
               figure(traffic, "refused"));
        print_count(figure(traffic, "errors"), "error", "s", "\n");
        print_latency(latency);
    }
    print_cache(json_member(stats, "cache"), traffic != NULL);
}

/* What there is to say without a running proxy. */
static int read_disk(const struct cache_place *place, int64_t max_bytes, struct str *text,
                     struct err *err)
{
    struct store_figures figures = {.items = 0};
    struct store *store = NULL;
    struct json *root, *cache;

    if (place->has_file) {
        if (cache_place_open(place, true, &store, err) < 0)
            return -1;
        store_figures(store, &figures);
        store_close(store);
    }
    root = json_object();
    cache = json_set_object(root, "cache");
    admin_stats_disk(cache, &figures, max_bytes);
    json_set_text(cache, "folder", place->folder);
    json_print(root, text);
    json_free(root);
    return 0;
}

struct source {
    struct running running; /* url is NULL: the folder's figures */
    struct cache_place place;
    struct str text;
    bool json;
};

static int print(const struct source *source, struct err *err)
{
    struct json *stats;

    if (source->json) {
        command_print_json(&source->text);
        return 0;
    }
    stats = json_parse(source->text.text, source->text.len);
    if (!json_member(stats, "cache")) {
        json_free(stats);
        return err_set(err, ERR_UNHEALTHY,
                       "the proxy's /stats are not what they should be: is it "
                       "of another version?");
    }
    print_for_people(stats, source->running.url, &source->place);
    json_free(stats);
    return 0;
}

/* The running proxy's figures; else, unless it was named by its URL, what is on disk. */
static int read_figures(struct source *source, const struct conf *conf, const char *url,
                        struct err *err)
{
    int result = running_find_figures(&source->running, conf, url, false, err);

    if (result == 1) {
        str_add(&source->text, source->running.answer.body.text, source->running.answer.body.len);
        return 0;
    }
    if (result < 0 || url || (source->running.is_asked && err->code != ERR_NO_SERVER) ||
        cache_place_of_folder(&source->place, conf, err) < 0)
        return -1;
    return read_disk(&source->place, conf_number(conf, OPT_MAX_CACHE_SIZE), &source->text, err);
}

int cmd_stats(const struct command *self, int argc, char **argv)
{
    struct source source = {.running.answer = ASK_ANSWER_INIT,
                            .place.proxy.answer = ASK_ANSWER_INIT};
    const char *url = NULL;
    const struct conf_switch own[] = {
        {"json", &source.json, NULL}, {"url", NULL, &url}, {NULL, NULL, NULL}};
    struct conf conf;
    struct err err;
    int result;

    str_init(&source.text);
    result = command_settings(self, argc, argv, own, &conf);
    if (result)
        return result == COMMAND_HELPED ? 0 : result;
    result = read_figures(&source, &conf, url, &err);
    if (result == 0)
        result = print(&source, &err);
    running_release(&source.running);
    cache_place_release(&source.place);
    str_release(&source.text);
    conf_release(&conf);
    return result < 0 ? command_fail(&err) : 0;
}
