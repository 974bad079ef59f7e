#include "base/slab.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

static bool is_all(const unsigned char *piece, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        if (piece[i] != byte)
            return false;
    return true;
}

TEST("pieces of every size are whole and apart from each other")
{
    static const size_t sizes[] = {1, 255, 256, 257, 511, 2300, 8191, 8192, 8193, 300000, 0};
    struct slab slab = SLAB_INIT(256);
    unsigned char *pieces[11][40];

    for (size_t s = 0; s < 11; s++) {
        for (size_t i = 0; i < 40; i++) {
            pieces[s][i] = slab_alloc(&slab, sizes[s]);
            memset(pieces[s][i], (int)(s * 40 + i) & 255, sizes[s]);
            CHECK_INT((uintptr_t)pieces[s][i] % 16, 0);
        }
    }
    for (size_t s = 0; s < 11; s++)
        for (size_t i = 0; i < 40; i++)
            CHECK(is_all(pieces[s][i], sizes[s], (unsigned char)((s * 40 + i) & 255)));
    for (size_t s = 0; s < 11; s++)
        for (size_t i = 0; i < 40; i++)
            slab_free(&slab, pieces[s][i], sizes[s]);
}

TEST("what came back is used again, and chunks that are empty go but for one of a size")
{
    enum { MANY = 2000 };
    struct slab slab = SLAB_INIT(256);
    static unsigned char *pieces[MANY];
    uint64_t random = 7;

    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < MANY; i++)
            pieces[i] = slab_alloc(&slab, 2300);
        for (size_t i = 0; i < MANY; i++)
            memset(pieces[i], (int)i & 255, 2300);
        for (size_t i = MANY - 1; i > 0; i--) {
            size_t other = unit_random_up_to(&random, i);
            unsigned char *swap = pieces[i];

            pieces[i] = pieces[other];
            pieces[other] = swap;
        }
        for (size_t i = 0; i < MANY; i++) {
            CHECK(is_all(pieces[i], 2300, pieces[i][0]));
            slab_free(&slab, pieces[i], 2300);
        }
    }
}

struct worker_arg {
    struct slab *slab;
    uint64_t seed;
};

static void *churn(void *arg)
{
    struct worker_arg *w = arg;
    unsigned char *held[64] = {NULL};
    size_t sizes[64] = {0};

    for (int i = 0; i < 20000; i++) {
        size_t at = unit_random_up_to(&w->seed, 63);

        if (held[at]) {
            CHECK(is_all(held[at], sizes[at], (unsigned char)at));
            slab_free(w->slab, held[at], sizes[at]);
        }
        sizes[at] = 1 + unit_random_up_to(&w->seed, 3000);
        held[at] = slab_alloc(w->slab, sizes[at]);
        memset(held[at], (int)at, sizes[at]);
    }
    for (size_t i = 0; i < 64; i++)
        if (held[i])
            slab_free(w->slab, held[i], sizes[i]);
    return NULL;
}

TEST("several threads take and give back at once")
{
    struct slab slab = SLAB_INIT(256);
    struct worker_arg args[4];
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++) {
        args[i] = (struct worker_arg){&slab, i + 1};
        REQUIRE(pthread_create(&threads[i], NULL, churn, &args[i]) == 0);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

TEST("a piece costs what its chunk has for it: its size, rounded up, and a little")
{
    static const size_t sizes[] = {1, 256, 257, 2300, 4000, 8192};
    struct slab slab = SLAB_INIT(256), small = SLAB_INIT(16);

    for (size_t i = 0; i < countof(sizes); i++) {
        size_t step = (sizes[i] + 255) / 256 * 256;

        CHECK(slab_cost(&slab, sizes[i]) >= step);
        CHECK(slab_cost(&slab, sizes[i]) <= step + step / 30 + 8);
    }
    CHECK(slab_cost(&slab, 8193) > 8193 && slab_cost(&slab, 8193) < 8300);
    CHECK_INT(slab_cost(&small, 72), 80);
    CHECK(slab_cost(&small, 513) > 513);
}
