/* The selector of a purge: entries that must not be served any more (RFC 9111 section 4.4, and
 * purges by users). Pure functions, any thread. */
#ifndef CACHE_PURGE_H
#define CACHE_PURGE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"

/* Selects entries to purge. A zero or NULL member matches any entry; all zero matches the whole
 * cache. */
struct purge {
    bool one; /* only the entry of `key` */
    struct key key;
    uint64_t collection;      /* only GETs of this collection (policy_collection_of()) */
    int64_t stored_before_ms; /* stored before this Unix time */
    const char *model;        /* a glob (fnmatch) on the model; not owned */
};

/* Does the purge cover an object with these members? stored_ms: Unix time; model: NULL is "". The
 * disk store has its own queries instead. */
bool purge_covers(const struct purge *purge, const struct key *key, uint64_t collection,
                  int64_t stored_ms, const char *model);
/* Does it match the whole cache? */
bool purge_is_all(const struct purge *purge);
/* Does it select all GETs of one collection, without a further condition? */
bool purge_is_of_collection(const struct purge *purge);

#endif
