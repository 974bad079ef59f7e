#include "cache/memo.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PLACES 8192U /* of 48 bytes each; the memory is touched as it is used */
#define LOCKS 64U

struct place {
    struct key_tag tag;
    struct key key;
};

struct memo {
    pthread_mutex_t locks[LOCKS]; /* place i is guarded by lock i % LOCKS */
    unsigned char secret[CRYPTO_SECRET_BYTES];
    struct place places[PLACES];
};

struct memo *memo_new(void)
{
    struct memo *memo = mem_zero(sizeof(*memo));

    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_init(&memo->locks[i], NULL);
    crypto_random(memo->secret, sizeof(memo->secret));
    return memo;
}

const unsigned char *memo_secret(const struct memo *memo)
{
    return memo->secret;
}

void memo_free(struct memo *memo)
{
    if (!memo)
        return;
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&memo->locks[i]);
    free(memo);
}

/* A tag's bytes are as good as any hash of them. */
static unsigned place_of(const struct key_tag *tag)
{
    unsigned number;

    memcpy(&number, tag->bytes, sizeof(number));
    return number % PLACES;
}

bool memo_find(struct memo *memo, const struct key_tag *tag, struct key *key)
{
    unsigned at = place_of(tag);
    const struct place *place = &memo->places[at];
    bool found;

    pthread_mutex_lock(&memo->locks[at % LOCKS]);
    found = memcmp(&place->tag, tag, sizeof(*tag)) == 0;
    if (found)
        *key = place->key;
    pthread_mutex_unlock(&memo->locks[at % LOCKS]);
    return found;
}

void memo_add(struct memo *memo, const struct key_tag *tag, const struct key *key)
{
    unsigned at = place_of(tag);

    pthread_mutex_lock(&memo->locks[at % LOCKS]);
    memo->places[at] = (struct place){.tag = *tag, .key = *key};
    pthread_mutex_unlock(&memo->locks[at % LOCKS]);
}
