#include "cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/zip.h"
#include "cache_ask.h"
#include "cache_place.h"
#include "cache_print.h"
#include "conf/conf_type.h"
#include "proxy/cache_rows.h"

#define PLAIN_MAX ((size_t)1024 * 1024 * 1024)

struct cache_command {
    const struct conf *conf;
    struct cache_place place;
    struct store *store;
    const char *key; /* as it was given; "" for the words that take none */
    const char *older_than, *model;
    bool headers, json;
};

/* "3 answers removed from …" */
static void print_removed(const struct cache_command *c, int64_t count, bool pending)
{
    struct str text = STR_INIT;

    if (count < 0)
        str_adds(&text, "all answers");
    else
        str_addf(&text, "%" PRId64 " answer%s", count, cache_plural((uint64_t)count, "s"));
    str_adds(&text, " removed from ");
    cache_place_add(&c->place, &text);
    command_print_line(stdout, "%s", text.text);
    if (pending)
        command_print_line(stderr, PROGRAM ": the disk cannot be written to now: the proxy removes "
                                           "them from it when it can, and answers none until then");
    str_release(&text);
}

/* A script that goes on is to find nothing of it any more. */
static void tell_others(const struct cache_command *c)
{
    if (cache_place_is_file(&c->place) && !store_wait_purged(c->place.folder))
        fprintf(stderr, PROGRAM ": a goproxyai that runs has not heard of it yet, and may answer "
                                "from its memory: is it stopped?\n");
}

/* Without opening the store, which needs room on the disk: one clears a cache when there is none.
 */
static int clear_folder(struct cache_command *c, int64_t *count, struct err *err)
{
    *count = 0;
    return c->place.is_missing ? 0 : store_clear_folder(c->place.folder, count, err);
}

/* Opens the file to change it; where there is none, nothing is made: then c->store stays NULL. */
static int open_to_change(struct cache_command *c, struct err *err)
{
    return c->place.has_file ? cache_place_open(&c->place, false, &c->store, err) : 0;
}

static int drop_from_file(struct cache_command *c, const struct purge *gone, int64_t *count,
                          struct err *err)
{
    uint64_t dropped = 0;

    if (c->store && store_remove(c->store, gone, &dropped, err) < 0)
        return -1;
    *count = (int64_t)dropped;
    store_close(take(c->store)); /* before others are told */
    return 0;
}

/* 0 where it was not given. */
static int age_of(const struct cache_command *c, int64_t *ms, struct err *err)
{
    *ms = c->older_than ? conf_duration_ms(c->older_than) : 0;
    if (c->older_than && *ms <= 0)
        return err_set(err, ERR_USAGE,
                       "--older-than is '%s': it must be a time such as 90s, 12h or 7d",
                       c->older_than);
    if (c->model && !*c->model)
        return err_set(err, ERR_USAGE, "--model is empty: it must be a glob such as 'gpt-4*'");
    return 0;
}

static int clear_here(struct cache_command *c, int64_t older_ms, int64_t *count, struct err *err)
{
    struct purge gone = {.model = c->model};

    if (!c->older_than && !c->model)
        return clear_folder(c, count, err);
    if (older_ms)
        gone.stored_before_ms = clock_unix_ms() - older_ms;
    if (open_to_change(c, err) < 0)
        return -1;
    return drop_from_file(c, &gone, count, err);
}

static int clear(struct cache_command *c, struct err *err)
{
    struct cache_asked asked = {.pending = false};
    int64_t older_ms;
    int result = age_of(c, &older_ms, err);

    if (result == 0 && c->place.proxy.url)
        result = cache_ask_clear(&c->place, older_ms, c->model, &asked, err);
    else if (result == 0)
        result = clear_here(c, older_ms, &asked.removed, err);
    if (result < 0)
        return -1;
    print_removed(c, asked.removed, asked.pending);
    tell_others(c);
    return 0;
}

/* ---- list ---- */

struct printing {
    struct json *rows; /* NULL: for people */
    int64_t now_ms;
    bool brief;
};

static bool print_row(void *arg, const struct store_row *row)
{
    const struct printing *printing = arg;

    if (printing->rows)
        cache_rows_add(printing->rows, row);
    else
        cache_print_row(row, printing->now_ms, printing->brief);
    return true;
}

static int list_rows(struct cache_command *c, struct printing *printing, struct err *err)
{
    if (!cache_place_is_file(&c->place))
        return cache_ask_list(&c->place, print_row, printing, err);
    if (!c->place.has_file)
        return 0;
    if (cache_place_open(&c->place, true, &c->store, err) < 0)
        return -1;
    return store_each(c->store, print_row, printing, err);
}

static int list(struct cache_command *c, struct err *err)
{
    struct printing printing = {c->json ? json_array() : NULL, clock_unix_ms(),
                                isatty(STDOUT_FILENO) == 1};
    struct str text = STR_INIT;
    int result;

    cache_place_say(&c->place);
    result = list_rows(c, &printing, err);
    if (printing.rows)
        json_print(printing.rows, &text);
    if (result == 0 && printing.rows)
        printf("%s\n", text.text);
    str_release(&text);
    json_free(printing.rows);
    return result;
}

/* ---- one answer ---- */

static int find(struct cache_command *c, const struct key *begin, unsigned bits, struct key *key,
                struct err *err)
{
    switch (c->store ? store_find(c->store, begin, bits, key, err) : 0) {
    case 0:
        return cache_key_unknown(c->key, err);
    case 1:
        return 0;
    case -1:
        return -1;
    default:
        return cache_key_ambiguous(c->key, err);
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

static int get_object(struct cache_command *c, struct object **object, struct err *err)
{
    struct key begin, key;
    unsigned bits;

    if (!cache_place_is_file(&c->place))
        return cache_ask_object(&c->place, c->key, object, err);
    key_from_hex(c->key, &begin, &bits);
    if (c->place.has_file && cache_place_open(&c->place, true, &c->store, err) < 0)
        return -1;
    if (find(c, &begin, bits, &key, err) < 0)
        return -1;
    *object = store_read(c->store, &key);
    if (!*object)
        return err_set(err, ERR_SYSTEM, "the answer cannot be read: try cache verify");
    return 0;
}

static int show(struct cache_command *c, struct err *err)
{
    struct object *object;
    int result;

    cache_place_say(&c->place);
    if (get_object(c, &object, err) < 0)
        return -1;
    result = print_object(object, c->headers, err);
    object_unref(object);
    return result;
}

static int remove_here(struct cache_command *c, int64_t *count, struct err *err)
{
    struct purge gone = {.one = true};
    struct key begin;
    unsigned bits;

    key_from_hex(c->key, &begin, &bits);
    if (open_to_change(c, err) < 0 || find(c, &begin, bits, &gone.key, err) < 0)
        return -1;
    return drop_from_file(c, &gone, count, err);
}

static int remove_one(struct cache_command *c, struct err *err)
{
    struct cache_asked asked = {.pending = false};
    int result = c->place.proxy.url ? cache_ask_remove(&c->place, c->key, &asked, err)
                                    : remove_here(c, &asked.removed, err);

    if (result < 0)
        return -1;
    print_removed(c, asked.removed, asked.pending);
    tell_others(c);
    return 0;
}

/* ---- verify ---- */

static bool name_damaged(void *arg, const struct key *key, bool sound)
{
    char hex[KEY_HEX_SIZE];

    (void)arg;
    key_to_hex(key, hex);
    if (!sound)
        printf("%s is damaged\n", hex);
    return true;
}

static int check(struct cache_command *c, struct store_verified *verified, struct err *err)
{
    *verified = (struct store_verified){.good = 0};
    if (c->place.proxy.url) /* which counts what it finds */
        return cache_ask_verify(&c->place, verified, err);
    if (!c->place.has_file)
        return 0;
    if (cache_place_open(&c->place, true, &c->store, err) < 0)
        return -1;
    return store_verify(c->store, verified, name_damaged, NULL, err);
}

static int verify(struct cache_command *c, struct err *err)
{
    struct str text = STR_INIT;
    struct store_verified found;

    if (check(c, &found, err) < 0)
        return -1;
    str_addf(&text, "%" PRIu64 " answer%s good, %" PRIu64 " damaged%s in ", found.good,
             cache_plural(found.good, "s"), found.damaged, found.damaged ? ", removed," : "");
    cache_place_add(&c->place, &text);
    command_print_line(stdout, "%s", text.text);
    str_release(&text);
    if (found.damaged)
        return err_set(err, ERR_UNHEALTHY,
                       "damaged answers are never served, and are fetched again: look after the "
                       "disk that they were on");
    return 0;
}

static int path(struct cache_command *c, struct err *err)
{
    struct str file = STR_INIT;

    if (!c->place.folder)
        return err_set(err, ERR_SYSTEM,
                       "the proxy on %s keeps answers in memory only: its log says why, or "
                       "it was started with --max-cache-size 0",
                       c->place.proxy.url);
    str_addf(&file, "%s/cache.db", c->place.folder);
    command_print_body(file.text, file.len);
    printf("\n");
    str_release(&file);
    return 0;
}

/* ---- the command ---- */

static const struct word {
    const char *name;
    bool takes_key;
    int (*run)(struct cache_command *, struct err *);
} words[] = {
    {"clear", false, clear},      {"list", false, list},     {"show", true, show},
    {"remove", true, remove_one}, {"verify", false, verify}, {"path", false, path},
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

static int check_key(const struct cache_command *c, struct err *err)
{
    struct key begin;
    unsigned bits;

    if (key_from_hex(c->key, &begin, &bits))
        return 0;
    return err_set(err, ERR_USAGE, "'%s' is no key, nor a beginning of one: try cache list",
                   c->key);
}

/* Where the folder that is named need not be there, and nobody need run. */
static int print_named_path(const struct conf *conf)
{
    mem_auto char *folder = conf_cache_folder(conf);
    struct cache_command c = {.place.folder = folder};

    return path(&c, NULL);
}

static int run(struct cache_command *c, const struct word *word, const char *url, struct err *err)
{
    int result;

    if (word->run == path && conf_is_flag(c->conf, OPT_CACHE_DIR))
        return print_named_path(c->conf);
    if (cache_place_find(&c->place, c->conf, url, err) < 0)
        return -1;
    result = word->run(c, err);
    store_close(c->store);
    cache_place_release(&c->place);
    return result;
}

int cmd_cache(const struct command *self, int argc, char **argv)
{
    struct cache_command c = {.key = ""};
    const char *url = NULL;
    const struct conf_switch own[] = {{"json", &c.json, NULL},
                                      {"headers", &c.headers, NULL},
                                      {"older-than", NULL, &c.older_than},
                                      {"model", NULL, &c.model},
                                      {"url", NULL, &url},
                                      {NULL, NULL, NULL}};
    struct conf_line line = {.argc = argc, .argv = argv, .own = own};
    const struct word *word;
    struct conf conf;
    struct err err;
    int64_t ms;
    int result = command_words(self, &line, &conf);

    if (result)
        return result == COMMAND_HELPED ? 0 : result;
    c.conf = &conf;
    word = find_word(line.words, argv, &err);
    result = word ? check_flags(word, &c, &err) : -1;
    if (result == 0 && word->takes_key) {
        c.key = argv[1];
        result = check_key(&c, &err);
    }
    if (result == 0)
        result = age_of(&c, &ms, &err); /* wrong usage is told before anybody is asked */
    if (result == 0)
        result = run(&c, word, url, &err);
    conf_release(&conf);
    return result < 0 ? command_fail(&err) : 0;
}
