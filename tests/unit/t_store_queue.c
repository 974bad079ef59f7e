#include "store/store_queue.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "store_help.h"
#include "unit.h"

#define MANY 3000U

static unsigned touch_many(struct store_queue *queue, uint64_t group)
{
    unsigned taken = 0;

    for (uint64_t i = 0; i < MANY; i++) {
        taken += queue_touch(queue, (int64_t)(group << 32 | i), 1);
    }
    return taken;
}

static size_t take_now(struct store_queue *queue)
{
    struct store_batch batch = {.ops = NULL};
    size_t count;

    CHECK(queue_take(queue, &batch, 1));
    count = batch.count;
    batch_clear(queue, &batch);
    free(batch.ops);
    return count;
}

TEST("while there is plenty of room, some touches are taken, and wait until something is put")
{
    struct key key = key_of(1, 1);
    struct object *object = object_of(&key, 100);
    struct store_queue queue;
    unsigned taken;

    queue_init(&queue);
    queue_set_full(&queue, false);
    taken = touch_many(&queue, 1);
    CHECK(taken > 100 && taken < MANY / 2);
    CHECK_INT(touch_many(&queue, 2), 0);
    CHECK_INT(take_now(&queue), 0);
    CHECK(queue_put(&queue, object, false));
    CHECK_INT(take_now(&queue), taken + 1);
    CHECK(touch_many(&queue, 3) == taken); /* there is room for others again */
    object_unref(object);
    queue_release(&queue);
}

TEST("near the bound every touch counts, and is written without a put")
{
    struct store_queue queue;

    queue_init(&queue);
    queue_set_full(&queue, true);
    CHECK_INT(touch_many(&queue, 1), MANY);
    CHECK_INT(take_now(&queue), MANY);
    CHECK_INT(take_now(&queue), 0);
    queue_release(&queue);
}

static uint64_t ms_to_take(struct store_queue *queue, unsigned puts)
{
    uint64_t begin = clock_mono_ms();

    for (unsigned i = 0; i < puts; i++) {
        struct key key = key_of(i, i);
        struct object *object = object_of(&key, 10);

        CHECK(queue_put(queue, object, false));
        object_unref(object);
    }
    CHECK_INT(take_now(queue), puts);
    return clock_mono_ms() - begin;
}

/* How many are taken as they come, before some wait for others: three in a row, as a busy machine
 * makes one or two wait as well. */
static unsigned taken_at_once(struct store_queue *queue)
{
    unsigned taken = 0, waited = 0;

    while (waited < 3 && taken < 1000)
        if (ms_to_take(queue, 1) >= 45)
            waited++;
        else {
            taken++;
            waited = 0;
        }
    return taken;
}

/* What has to be quick is tried again where the machine is busy. */
TEST("a few puts are taken as they come, and then one waits a moment for others")
{
    struct store_queue queue;
    unsigned tries = 0, taken;

    queue_init(&queue);
    taken = taken_at_once(&queue);
    CHECK(taken >= 10 && taken < 1000);
    CHECK(ms_to_take(&queue, 1) >= 45);
    do
        usleep(60000); /* there is room for one again */
    while (ms_to_take(&queue, 1) >= 45 && tries++ < 20);
    CHECK(tries < 20);
    sleep(2);
    taken = taken_at_once(&queue);
    CHECK(taken >= 10 && taken < 1000);
    queue_release(&queue);
}

TEST("where many come a put waits longer; a full batch does not wait")
{
    struct store_queue queue;
    unsigned tries = 0;

    queue_init(&queue);
    /* Where the machine is busy, a thousand puts may come too slowly to be many. */
    do
        taken_at_once(&queue);
    while ((ms_to_take(&queue, 1000) < 400 || ms_to_take(&queue, 1) < 45) && tries++ < 20);
    CHECK(tries < 20);
    tries = 0;
    while (ms_to_take(&queue, 1) >= 400 && tries < 20)
        tries++;
    while (ms_to_take(&queue, BATCH_OPS) >= 400 && tries < 20)
        tries++;
    CHECK(tries < 20);
    queue_release(&queue);
}
