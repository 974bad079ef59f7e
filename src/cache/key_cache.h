/* A cache of keys, by request fingerprint, for requests that were answered from the cache.
 *
 * The canonical form of a body costs more than the rest of a hit. For a request with the same bytes
 * this cache returns the key and the facts of the body, without parsing it again. The table has a
 * fixed size; a newer entry overwrites the older one in its place. Any thread may call these
 * functions, except new and free.
 */
#ifndef CACHE_KEY_CACHE_H
#define CACHE_KEY_CACHE_H

#include <stdbool.h>

#include "api/key.h"
#include "api/policy.h"

struct key_cache *key_cache_new(void);
void key_cache_free(struct key_cache *cache); /* NULL: no effect */

/* The secret with which the fingerprints are made, for keyer_new(). It lives as long as the cache.
 */
const unsigned char *key_cache_secret(const struct key_cache *cache);
/* Copies out the key and facts that were added with the fingerprint. False: none; *key and *facts
 * are unchanged. */
bool key_cache_find(struct key_cache *cache, const struct request_fingerprint *fingerprint,
                    struct key *key, struct body_facts *facts);
/* Copies in the fingerprint, key and facts of one request. */
void key_cache_add(struct key_cache *cache, const struct request_fingerprint *fingerprint,
                   const struct key *key, const struct body_facts *facts);

#endif
