/* What the index says of a request, and what its caller does about it.
 *
 * The verdict is the contract between the lookup and the request's steps: a switch on it, in one
 * place, decides whether somebody fetches, joins what another one fetches, or is answered from
 * what is there. So far nothing is kept, so there is one verdict.
 */
#ifndef CACHE_INDEX_H
#define CACHE_INDEX_H

#include <stddef.h>

#include "cache/flight.h"

enum index_verdict {
    INDEX_PASS /* *flight is new and private, nobody else can join it: fill it */
};

/* *flight gets a reference, which is the caller's. high, low: see body.h. Any thread. */
enum index_verdict index_lookup(struct flight **flight, size_t high, size_t low);

#endif
