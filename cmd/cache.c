#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/zip.h"
#include "cache_print.h"
#include "conf/conf_type.h"

#define PLAIN_MAX ((size_t)1024 * 1024 * 1024)

struct cache_command {
    const struct conf *conf;
    struct store *store;
    const char *key; /* as it was given; "" for the words that take none */
    const char *older_than, *model;
    bool headers, json;
};

/* Without opening the store, which needs room on the disk: one clears a cache when there is none.
 */
static int clear_all(const struct cache_command *c, struct err *err)
{
    mem_auto char *folder = cache_folder(c->conf, err);
    int64_t count;

    if (!folder || store_clear_folder(folder, &count, err) < 0)
        return -1;
    if (count < 0)
        printf("all answers removed\n");
    else
        printf("%" PRId64 " answer%s removed\n", count, cache_plural((uint64_t)count, "s"));
    return 0;
}

static int clear(struct cache_command *c, struct err *err)
{
    struct store_gone gone = {.model = c->model};
    uint64_t count;

    if (!c->older_than && !c->model)
        return clear_all(c, err);
    if (c->older_than) {
        int64_t ms = conf_duration_ms(c->older_than);

        if (ms <= 0)
            return err_set(err, ERR_USAGE,
                           "--older-than is '%s': it must be a time such as 90s, 12h or 7d",
                           c->older_than);
        gone.stored_before_ms = clock_unix_ms() - ms;
    }
    if (cache_open(c->conf, false, &c->store, err) < 0 ||
        store_drop_now(c->store, &gone, &count, err) < 0)
        return -1;
    printf("%" PRIu64 " answer%s removed\n", count, cache_plural(count, "s"));
    return 0;
}

struct printing {
    int64_t now_ms;
    bool brief;
};

static bool print_row(void *arg, const struct store_row *row)
{
    const struct printing *printing = arg;

    cache_print_row(row, printing->now_ms, printing->brief);
    return true;
}

static bool add_row(void *arg, const struct store_row *row)
{
    cache_print_json(row, arg);
    return true;
}

static int list(struct cache_command *c, struct err *err)
{
    struct printing printing = {clock_unix_ms(), isatty(STDOUT_FILENO) == 1};
    struct str text = STR_INIT;
    struct json *rows;
    int result;

    if (!c->json)
        return store_each(c->store, print_row, &printing, err);
    rows = json_array();
    result = store_each(c->store, add_row, rows, err);
    json_print(rows, &text);
    if (result == 0)
        printf("%s\n", text.text);
    str_release(&text);
    json_free(rows);
    return result;
}

static int find(struct cache_command *c, struct key *key, struct err *err)
{
    struct key begin;
    unsigned bits;

    if (!key_from_hex(c->key, &begin, &bits))
        return err_set(err, ERR_USAGE, "'%s' is no key, nor a beginning of one: try cache list",
                       c->key);
    switch (store_find(c->store, &begin, bits, key, err)) {
    case 0:
        return err_set(err, ERR_SYSTEM, "no stored answer has the key %s: try cache list", c->key);
    case 1:
        return 0;
    case -1:
        return -1;
    default:
        return err_set(err, ERR_SYSTEM, "several answers' keys begin with %s: give more of it",
                       c->key);
    }
}

static int print_object(const struct object *object, bool headers, struct err *err)
{
    struct str plain = STR_INIT;
    const void *bytes = object->body;
    size_t len = object->body_len;

    if (object->gzip) {
        if (!gunzip_all(object->body, object->body_len, PLAIN_MAX, &plain))
            return err_set(err, ERR_SYSTEM, "its gzip is damaged");
        bytes = plain.text;
        len = plain.len;
    }
    if (headers) {
        printf("HTTP/1.1 %u\n", object->status);
        fields_each(h, &object->fields)
            if (!object->gzip || !str_is_nocase(h.name, "content-encoding"))
                command_print_line(stdout, "%s: %s", h.name, h.value);
        printf("\n");
    }
    command_print_body(bytes, len);
    str_release(&plain);
    return 0;
}

static int show(struct cache_command *c, struct err *err)
{
    struct store_reader *reader;
    struct object *object;
    struct key key;
    int result;

    if (find(c, &key, err) < 0)
        return -1;
    reader = store_reader_new(c->store);
    object = store_get(reader, &key);
    store_reader_free(reader);
    if (!object)
        return err_set(err, ERR_SYSTEM, "the answer cannot be read: try cache verify");
    result = print_object(object, c->headers, err);
    object_unref(object);
    return result;
}

static int remove_one(struct cache_command *c, struct err *err)
{
    struct store_gone gone = {.one = true};
    uint64_t count;

    if (find(c, &gone.key, err) < 0 || store_drop_now(c->store, &gone, &count, err) < 0)
        return -1;
    printf("%" PRIu64 " answer%s removed\n", count, cache_plural(count, "s"));
    return 0;
}

static void name_damaged(void *arg, const struct key *key)
{
    char hex[KEY_HEX_SIZE];

    (void)arg;
    key_to_hex(key, hex);
    printf("%s is damaged\n", hex);
}

static int verify(struct cache_command *c, struct err *err)
{
    uint64_t good, damaged;

    if (store_verify(c->store, &good, &damaged, name_damaged, NULL, err) < 0)
        return -1;
    printf("%" PRIu64 " answer%s good, %" PRIu64 " damaged%s\n", good, cache_plural(good, "s"),
           damaged, damaged ? ", removed" : "");
    if (damaged)
        return err_set(err, ERR_UNHEALTHY,
                       "damaged answers are never served, and are fetched again: look after the "
                       "disk that they were on");
    return 0;
}

static int path(struct cache_command *c, struct err *err)
{
    mem_auto char *folder = cache_folder(c->conf, err);
    struct str file = STR_INIT;

    if (!folder)
        return -1;
    str_addf(&file, "%s/cache.db", folder);
    command_print_body(file.text, file.len);
    printf("\n");
    str_release(&file);
    return 0;
}

static const struct word {
    const char *name;
    bool takes_key, takes_store, looks_only, takes_away;
    int (*run)(struct cache_command *, struct err *);
} words[] = {
    {"clear", false, false, false, true, clear},  {"list", false, true, true, false, list},
    {"show", true, true, true, false, show},      {"remove", true, true, false, true, remove_one},
    {"verify", false, true, true, false, verify}, {"path", false, false, false, false, path},
};

static const struct word *find_word(int count, char **argv, struct err *err)
{
    if (count == 0) {
        err_set(err, ERR_USAGE, "cache needs a word: clear, list, show, remove, verify or path");
        return NULL;
    }
    for (size_t i = 0; i < countof(words); i++) {
        if (strcmp(words[i].name, argv[0]) != 0)
            continue;
        if (count == 1 + words[i].takes_key)
            return &words[i];
        err_set(err, ERR_USAGE,
                words[i].takes_key ? "cache %s takes one key: try " PROGRAM " cache list"
                                   : "cache %s takes no argument: try " PROGRAM " help cache",
                argv[0]);
        return NULL;
    }
    err_set(err, ERR_USAGE, "there is no cache %s: try " PROGRAM " help cache", argv[0]);
    return NULL;
}

static int check_flags(const struct word *word, const struct cache_command *c, struct err *err)
{
    const char *stray = NULL;

    if ((c->older_than || c->model) && word->run != clear)
        stray = c->model ? "--model" : "--older-than";
    if (c->json && word->run != list)
        stray = "--json";
    if (c->headers && word->run != show)
        stray = "--headers";
    if (stray)
        return err_set(err, ERR_USAGE, "cache %s takes no %s: try " PROGRAM " help cache",
                       word->name, stray);
    return 0;
}

/* A script that goes on is to find nothing of it any more. */
static void tell_servers(const struct conf *conf)
{
    mem_auto char *folder = conf_cache_folder(conf);

    if (folder && !store_tell_others(folder))
        fprintf(stderr, PROGRAM ": a goproxyai that runs has not heard of it yet, and may answer "
                                "from its memory: is it stopped?\n");
}

int cmd_cache(const struct command *self, int argc, char **argv)
{
    struct cache_command c = {.key = ""};
    const struct conf_switch own[] = {{"json", &c.json, NULL},
                                      {"headers", &c.headers, NULL},
                                      {"older-than", NULL, &c.older_than},
                                      {"model", NULL, &c.model},
                                      {NULL, NULL, NULL}};
    const struct word *word;
    struct conf conf;
    struct err err;
    int count, result = command_words(self, argc, argv, own, &conf, &count);

    if (result)
        return result == COMMAND_HELPED ? 0 : result;
    c.conf = &conf;
    word = find_word(count, argv, &err);
    result = word ? check_flags(word, &c, &err) : -1;
    if (result == 0 && word->takes_key)
        c.key = argv[1];
    if (result == 0 && word->takes_store)
        result = cache_open(&conf, word->looks_only, &c.store, &err);
    if (result == 0)
        result = word->run(&c, &err);
    store_close(c.store);
    if (result == 0 && word->takes_away)
        tell_servers(&conf);
    conf_release(&conf);
    return result < 0 ? command_fail(&err) : 0;
}
