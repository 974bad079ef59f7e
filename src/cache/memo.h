/* A memory of requests, byte for byte, that were answered from the cache: which key they have.
 *
 * A request body's canonical form costs more than all the rest of a hit. A client that sends the
 * same bytes again gets its key from here. The table has a fixed size; a newer entry overwrites an
 * older one in its place. Any thread.
 */
#ifndef CACHE_MEMO_H
#define CACHE_MEMO_H

#include <stdbool.h>

#include "api/key.h"

struct memo *memo_new(void);
void memo_free(struct memo *memo); /* NULL is nothing */

/* The secret of the tags that may be compared here: for keyer_new(). */
const unsigned char *memo_secret(const struct memo *memo);
/* tag: keyer_tag(); key: keyer_key() of the same request. */
bool memo_find(struct memo *memo, const struct key_tag *tag, struct key *key);
void memo_add(struct memo *memo, const struct key_tag *tag, const struct key *key);

#endif
