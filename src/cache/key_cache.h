/* A cache of keys: what was worked out of a request's body, for requests whose answers came from
 * the cache.
 *
 * A body's canonical form costs more than all the rest of a hit. A client that sends the same bytes
 * again gets its key from here, and what its body says with it: nothing of the body is looked at a
 * second time. The table has a fixed size; a newer entry overwrites an older one in its place. Any
 * thread.
 */
#ifndef CACHE_KEY_CACHE_H
#define CACHE_KEY_CACHE_H

#include <stdbool.h>

#include "api/key.h"
#include "api/policy.h"

struct key_cache *key_cache_new(void);
void key_cache_free(struct key_cache *cache); /* NULL is nothing */

/* The secret of the fingerprints that may be compared here: for keyer_new(). */
const unsigned char *key_cache_secret(const struct key_cache *cache);
/* Copies the key and facts that were added with that fingerprint; false leaves both alone. */
bool key_cache_find(struct key_cache *cache, const struct request_fingerprint *fingerprint,
                    struct key *key, struct body_facts *facts);
/* All of one and the same request. */
void key_cache_add(struct key_cache *cache, const struct request_fingerprint *fingerprint,
                   const struct key *key, const struct body_facts *facts);

#endif
