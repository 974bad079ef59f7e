/* What the cache commands ask of a running proxy, over HTTP. */
#ifndef CMD_CACHE_ASK_H
#define CMD_CACHE_ASK_H

#include "cache/object.h"
#include "store/store.h"
#include "cache_place.h"

struct cache_asked {
    int64_t removed; /* answers; -1: the proxy does not say */
    bool pending;    /* the disk's part is still to be done */
};

/* All: 0, or -1 with *err. A key may be a beginning of one. */
int cache_ask_clear(const struct cache_place *place, int64_t older_ms, const char *model,
                    struct cache_asked *asked, struct err *err);
int cache_ask_remove(const struct cache_place *place, const char *key, struct cache_asked *asked,
                     struct err *err);
/* The newest rows, ADMIN_CACHE_ROWS_MAX at most; says on standard error if there are more. */
int cache_ask_list(const struct cache_place *place,
                   bool (*each)(void *arg, const struct store_row *row), void *arg,
                   struct err *err);
/* *object: one reference. */
int cache_ask_object(const struct cache_place *place, const char *key, struct object **object,
                     struct err *err);
/* Prints the keys of damaged ones. */
int cache_ask_verify(const struct cache_place *place, struct store_verified *verified,
                     struct err *err);

#endif
