/* What the index says of a request, and what its caller does about it.
 *
 * The verdicts are the contract between the lookup and the request's steps. A request that may
 * neither be answered from the cache nor stored has no key: it passes, with a flight of its own
 * that nobody else can join.
 */
#ifndef CACHE_INDEX_H
#define CACHE_INDEX_H

#include <stddef.h>

#include "cache/flight.h"

enum index_verdict {
    INDEX_PASS /* *flight is new and private: fill it */
};

/* key: NULL where there is none. *flight gets a reference, the caller's. high, low: see body.h. */
enum index_verdict index_lookup(const void *key, struct flight **flight, size_t high, size_t low);

#endif
