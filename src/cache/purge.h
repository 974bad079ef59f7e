/* The selector of a purge: entries that must not be served any more (RFC 9111 section 4.4, and what
 * users remove). Pure.
 */
#ifndef CACHE_PURGE_H
#define CACHE_PURGE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"

/* Selects entries to purge. A zero or NULL member matches any entry; all zero matches the whole
 * cache. */
struct purge {
    bool one; /* `key`: the entry of that key */
    struct key key;
    uint64_t collection;      /* GETs of this collection */
    int64_t stored_before_ms; /* stored before this Unix time */
    const char *model;        /* a glob (fnmatch) on the model */
};

/* Does the purge cover an object with these? For memory tiers. */
bool purge_covers(const struct purge *purge, const struct key *key, uint64_t collection,
                  int64_t stored_ms, const char *model);
bool purge_is_all(const struct purge *purge);
/* Does it select the GETs of one collection, and nothing else narrows it? */
bool purge_is_of_collection(const struct purge *purge);

#endif
