#include "cache/key_cache.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

#define PLACES 8192U /* as in key_cache.c */

static struct request_fingerprint fingerprint_of(uint64_t number)
{
    struct request_fingerprint fingerprint = {{0}};

    memcpy(fingerprint.bytes, &number, sizeof(number));
    return fingerprint;
}

static struct key key_of(uint64_t number)
{
    struct key key = {{0}};

    memcpy(key.bytes, &number, sizeof(number));
    return key;
}

static struct body_facts facts_of(uint64_t number)
{
    struct body_facts facts = {.is_stream = number & 1};

    snprintf(facts.model, sizeof(facts.model), "model-%" PRIu64, number);
    return facts;
}

static bool is_of(const struct body_facts *facts, uint64_t number)
{
    struct body_facts wanted = facts_of(number);

    return strcmp(facts->model, wanted.model) == 0 && facts->is_stream == wanted.is_stream &&
           !facts->is_stateful;
}

static bool remembers(struct key_cache *cache, uint64_t bytes, uint64_t key)
{
    struct request_fingerprint b = fingerprint_of(bytes);
    struct key found, wanted = key_of(key);
    struct body_facts facts;

    return key_cache_find(cache, &b, &found, &facts) &&
           memcmp(&found, &wanted, sizeof(found)) == 0 && is_of(&facts, key);
}

static void add(struct key_cache *cache, uint64_t bytes, uint64_t key)
{
    struct request_fingerprint b = fingerprint_of(bytes);
    struct key k = key_of(key);
    struct body_facts facts = facts_of(key);

    key_cache_add(cache, &b, &k, &facts);
}

TEST("what was added is remembered, and nothing else is")
{
    struct key_cache *cache = key_cache_new();
    struct request_fingerprint other = fingerprint_of(2);
    struct key found = key_of(77);
    struct body_facts facts = facts_of(77);

    add(cache, 1, 100);
    CHECK(remembers(cache, 1, 100));
    CHECK(!key_cache_find(cache, &other, &found, &facts));
    CHECK_INT(found.bytes[0], 77); /* both are left alone */
    CHECK(is_of(&facts, 77));
    add(cache, 1, 101);
    CHECK(remembers(cache, 1, 101));
    key_cache_free(cache);
    key_cache_free(NULL);
}

TEST("of two that fall into one place the newer one stays, and is never taken for the other")
{
    struct key_cache *cache = key_cache_new();
    struct request_fingerprint old = fingerprint_of(5);
    struct body_facts facts;
    struct key found;

    add(cache, 5, 100);
    add(cache, 5 + PLACES, 200);
    CHECK(remembers(cache, 5 + PLACES, 200));
    CHECK(!key_cache_find(cache, &old, &found, &facts));
    key_cache_free(cache);
}

TEST("as many as there are places are remembered at once")
{
    struct key_cache *cache = key_cache_new();
    unsigned lost = 0;

    for (unsigned i = 1; i <= PLACES; i++)
        add(cache, i, i * 3U);
    for (unsigned i = 1; i <= PLACES; i++)
        lost += !remembers(cache, i, i * 3U);
    CHECK_INT(lost, 0);
    key_cache_free(cache);
}

static void *add_and_find(void *arg)
{
    struct key_cache *cache = arg;
    uint64_t random = (uintptr_t)&random | 1;

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t number = unit_random_up_to(&random, 2) * PLACES + unit_random_up_to(&random, 7) +
                          1;
        struct request_fingerprint fingerprint = fingerprint_of(number);
        struct key found, wanted = key_of(number * 3);
        struct body_facts facts;

        add(cache, number, number * 3);
        if (key_cache_find(cache, &fingerprint, &found, &facts))
            CHECK(memcmp(&found, &wanted, sizeof(found)) == 0 &&
                  is_of(&facts, number * 3)); /* whole, and its own */
    }
    return NULL;
}

TEST("threads that fight for the same places find what is theirs or nothing")
{
    struct key_cache *cache = key_cache_new();
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, add_and_find, cache);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    key_cache_free(cache);
}
