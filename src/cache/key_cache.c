#include "cache/key_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PLACES 8192U /* of 306 bytes each; unused pages take no memory */
#define LOCKS 64U

struct place {
    struct request_fingerprint fingerprint;
    struct key key;
    struct body_facts facts;
};

struct key_cache {
    pthread_mutex_t locks[LOCKS]; /* place i is guarded by lock i % LOCKS */
    unsigned char secret[CRYPTO_SECRET_BYTES];
    struct place places[PLACES];
};

struct key_cache *key_cache_new(void)
{
    struct key_cache *cache = mem_zero(sizeof(*cache));

    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    crypto_random(cache->secret, sizeof(cache->secret));
    return cache;
}

const unsigned char *key_cache_secret(const struct key_cache *cache)
{
    return cache->secret;
}

void key_cache_free(struct key_cache *cache)
{
    if (!cache)
        return;
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&cache->locks[i]);
    free(cache);
}

/* A fingerprint's bytes serve as a hash. */
static unsigned place_of(const struct request_fingerprint *fingerprint)
{
    unsigned number;

    memcpy(&number, fingerprint->bytes, sizeof(number));
    return number % PLACES;
}

bool key_cache_find(struct key_cache *cache, const struct request_fingerprint *fingerprint,
                    struct key *key, struct body_facts *facts)
{
    unsigned at = place_of(fingerprint);
    const struct place *place = &cache->places[at];
    bool found;

    pthread_mutex_lock(&cache->locks[at % LOCKS]);
    found = memcmp(&place->fingerprint, fingerprint, sizeof(*fingerprint)) == 0;
    if (found) {
        *key = place->key;
        *facts = place->facts;
    }
    pthread_mutex_unlock(&cache->locks[at % LOCKS]);
    return found;
}

void key_cache_add(struct key_cache *cache, const struct request_fingerprint *fingerprint,
                   const struct key *key, const struct body_facts *facts)
{
    unsigned at = place_of(fingerprint);

    pthread_mutex_lock(&cache->locks[at % LOCKS]);
    cache->places[at] = (struct place){.fingerprint = *fingerprint, .key = *key, .facts = *facts};
    pthread_mutex_unlock(&cache->locks[at % LOCKS]);
}
