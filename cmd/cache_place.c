#include "cache_place.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd.h"

/* ---- the proxy's ---- */

/* A proxy without a time to live has no cache: what is on disk is nobody's then. */
static bool has_cache(const struct json *cache)
{
    const char *ttl = json_text(json_member(cache, "ttl"));

    return ttl && strcmp(ttl, "0s") != 0;
}

/* Of a proxy that keeps nothing the folder is looked at in its place, unless the user named it. */
static int take_proxys(struct cache_place *place, struct err *err)
{
    int result = 0;
    struct json *root = json_parse(place->proxy.answer.body.text, place->proxy.answer.body.len);
    const struct json *cache = json_member(root, "cache");
    const char *folder = json_text(json_member(cache, "folder"));

    if (has_cache(cache)) {
        place->folder = folder ? mem_strdup(folder) : NULL;
        /* Its own, if somebody runs on it here: the proxy may be in a container. */
        place->has_file = place->is_here = folder && store_is_in_use(folder);
    } else if (place->proxy.is_asked) {
        result = err_set(err, ERR_SYSTEM,
                         "the proxy on %s keeps no answers (--cache-ttl 0): without --url and "
                         "--port a command works on the cache folder",
                         place->proxy.url);
    } else {
        running_release(&place->proxy);
    }
    json_free(root);
    return result;
}

/* ---- the folder's ---- */

static bool is_missing(const char *path)
{
    struct stat info;

    return stat(path, &info) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static int take_folder(struct cache_place *place, const struct conf *conf, struct err *err)
{
    struct str file = STR_INIT;
    bool is_named = conf_is_flag(conf, OPT_CACHE_DIR);

    place->folder = conf_cache_folder(conf);
    if (!place->folder)
        return err_set(err, ERR_USAGE,
                       "there is no HOME where the cache could be: name its folder with "
                       "--cache-dir");
    place->is_missing = is_missing(place->folder);
    if (place->is_missing && is_named)
        return err_set(err, ERR_SYSTEM, "there is no folder %s: look at --cache-dir",
                       place->folder);
    str_addf(&file, "%s/cache.db", place->folder);
    place->has_file = !is_missing(file.text);
    place->is_here = true;
    place->is_in_use = store_is_in_use(place->folder);
    str_release(&file);
    /* What is there is looked at when it is opened. */
    return place->is_missing || place->has_file ? 0 : store_check_folder(place->folder, err);
}

/* ---- either ---- */

int cache_place_find(struct cache_place *place, const struct conf *conf, const char *url,
                     struct err *err)
{
    int result;

    *place = (struct cache_place){.proxy.answer = ASK_ANSWER_INIT};
    result = running_find_figures(&place->proxy, conf, url, true, err);
    if (result == 0 && place->proxy.is_asked)
        result = -1;
    if (result == 1)
        result = take_proxys(place, err);
    if (result >= 0 && !place->proxy.url)
        result = take_folder(place, conf, err);
    if (result < 0)
        cache_place_release(place);
    return result < 0 ? -1 : 0;
}

int cache_place_of_folder(struct cache_place *place, const struct conf *conf, struct err *err)
{
    *place = (struct cache_place){.proxy.answer = ASK_ANSWER_INIT};
    if (take_folder(place, conf, err) == 0)
        return 0;
    cache_place_release(place);
    return -1;
}

void cache_place_release(struct cache_place *place)
{
    running_release(&place->proxy);
    free(take(place->folder));
}

void cache_place_add(const struct cache_place *place, struct str *out)
{
    if (!place->proxy.url)
        str_addf(out, "%s (%s)", place->folder,
                 place->is_in_use ? "a proxy that does not answer runs on it"
                                  : "no proxy runs on it");
    else if (place->folder)
        str_addf(out, "the proxy on %s (memory and %s)", place->proxy.url, place->folder);
    else
        str_addf(out, "the proxy on %s (memory only)", place->proxy.url);
}

void cache_place_say(const struct cache_place *place)
{
    struct str text = STR_INIT;

    if (!isatty(STDERR_FILENO))
        return;
    cache_place_add(place, &text);
    command_print_line(stderr, PROGRAM ": this is the cache of %s", text.text);
    str_release(&text);
}

bool cache_place_is_file(const struct cache_place *place)
{
    return place->folder && place->is_here;
}

int cache_place_open(const struct cache_place *place, bool read_only, struct store **store,
                     struct err *err)
{
    /* Without a bound: looking must not evict what a server with other settings keeps. */
    struct store_rules rules = {
        .folder = place->folder, .max_bytes = INT64_MAX, .read_only = read_only};

    return store_open(store, &rules, err);
}
