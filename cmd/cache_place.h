/* Whose cache a command works on: that of the proxy that runs, else that of a folder. */
#ifndef CMD_CACHE_PLACE_H
#define CMD_CACHE_PLACE_H

#include "base/str.h"
#include "store/store.h"
#include "conf/conf.h"
#include "proxy/running.h"

struct cache_place {
    struct running proxy; /* proxy.url is NULL: none that can be asked */
    char *folder;         /* NULL: the proxy keeps its answers in memory only */
    bool is_here;         /* the folder is one of this machine: its file may be read here */
    bool is_missing;      /* the folder is not there: an empty cache */
    bool has_file;        /* there is a file in it */
    bool is_in_use;       /* by a process that cannot be asked */
};

/* What --url, --port, --listen and --cache-dir say, and what runs. A proxy that keeps nothing does
 * not count. A default folder that is not there is an empty cache; one of the command line is
 * an error. -1: *err says why; nothing is to be released then. */
int cache_place_find(struct cache_place *place, const struct conf *conf, const char *url,
                     struct err *err);
/* The same without a look at what runs. */
int cache_place_of_folder(struct cache_place *place, const struct conf *conf, struct err *err);
void cache_place_release(struct cache_place *place);

/* "the proxy on http://localhost:8080 (memory and /home/a/.cache/goproxyai)", or "/home/a/… (no
 * proxy runs on it)". */
void cache_place_add(const struct cache_place *place, struct str *out);
/* Says on standard error whose cache it is, if that is a terminal. */
void cache_place_say(const struct cache_place *place);

/* Is the file to be read here, rather than the proxy asked for what it holds? */
bool cache_place_is_file(const struct cache_place *place);
/* Opens the file. read_only: of store_rules. */
int cache_place_open(const struct cache_place *place, bool read_only, struct store **store,
                     struct err *err);

#endif
