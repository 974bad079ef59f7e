#include "cache/memo.h"

#include <pthread.h>
#include <string.h>

#include "unit.h"

#define PLACES 8192U /* as in memo.c */

static struct key_tag tag_of(uint64_t number)
{
    struct key_tag tag = {{0}};

    memcpy(tag.bytes, &number, sizeof(number));
    return tag;
}

static struct key key_of(uint64_t number)
{
    struct key key = {{0}};

    memcpy(key.bytes, &number, sizeof(number));
    return key;
}

static bool remembers(struct memo *memo, uint64_t bytes, uint64_t key)
{
    struct key_tag b = tag_of(bytes);
    struct key found, wanted = key_of(key);

    return memo_find(memo, &b, &found) && memcmp(&found, &wanted, sizeof(found)) == 0;
}

static void add(struct memo *memo, uint64_t bytes, uint64_t key)
{
    struct key_tag b = tag_of(bytes);
    struct key k = key_of(key);

    memo_add(memo, &b, &k);
}

TEST("what was added is remembered, and nothing else is")
{
    struct memo *memo = memo_new();
    struct key_tag other = tag_of(2);
    struct key found = key_of(77);

    add(memo, 1, 100);
    CHECK(remembers(memo, 1, 100));
    CHECK(!memo_find(memo, &other, &found));
    CHECK_INT(found.bytes[0], 77); /* it is left alone */
    add(memo, 1, 101);
    CHECK(remembers(memo, 1, 101));
    memo_free(memo);
    memo_free(NULL);
}

TEST("of two that fall into one place the newer one stays, and is never taken for the other")
{
    struct memo *memo = memo_new();
    struct key_tag old = tag_of(5);
    struct key found;

    add(memo, 5, 100);
    add(memo, 5 + PLACES, 200);
    CHECK(remembers(memo, 5 + PLACES, 200));
    CHECK(!memo_find(memo, &old, &found));
    memo_free(memo);
}

TEST("as many as there are places are remembered at once")
{
    struct memo *memo = memo_new();
    unsigned lost = 0;

    for (unsigned i = 1; i <= PLACES; i++)
        add(memo, i, i * 3U);
    for (unsigned i = 1; i <= PLACES; i++)
        lost += !remembers(memo, i, i * 3U);
    CHECK_INT(lost, 0);
    memo_free(memo);
}

static void *add_and_find(void *arg)
{
    struct memo *memo = arg;
    uint64_t random = (uintptr_t)&random | 1;

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t number = unit_random_up_to(&random, 2) * PLACES + unit_random_up_to(&random, 7) +
                          1;
        struct key_tag tag = tag_of(number);
        struct key found, wanted = key_of(number * 3);

        add(memo, number, number * 3);
        if (memo_find(memo, &tag, &found))
            CHECK(memcmp(&found, &wanted, sizeof(found)) == 0); /* whole, and its own */
    }
    return NULL;
}

TEST("threads that fight for the same places find what is theirs or nothing")
{
    struct memo *memo = memo_new();
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, add_and_find, memo);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    memo_free(memo);
}
