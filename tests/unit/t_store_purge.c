#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store_help.h"
#include "unit.h"

#define MIB ((int64_t)1 << 20)

static bool open_rig(struct rig *rig, const char *folder)
{
    struct err err;

    if (rig_open(rig, folder, 64 * MIB, &err))
        return true;
    CHECK_STR(err.text, "");
    return false;
}

static void put_with(struct rig *rig, uint64_t n, uint64_t collection, int64_t stored_ms,
                     const char *model)
{
    struct key key = key_of(n << 8, n);
    struct object *o = object_of_model(&key, 300, model);

    o->collection = collection;
    if (stored_ms)
        o->stored_ms = stored_ms;
    store_put(rig->store, o);
    object_unref(o);
}

static bool there(struct rig *rig, uint64_t n)
{
    struct key key = key_of(n << 8, n);
    struct object *o = store_reader_read(rig->reader, &key);

    object_unref(o);
    store_reader_rest(rig->reader);
    return o != NULL;
}

static uint64_t drop_now(struct rig *rig, const struct purge *purge)
{
    uint64_t count = 0;
    struct err err;

    if (store_remove(rig->store, purge, &count, &err) < 0)
        CHECK_STR(err.text, "");
    return count;
}

TEST("what narrows a drop narrows together, and the rest stays")
{
    struct rig rig;

    REQUIRE(open_rig(&rig, NULL));
    put_with(&rig, 1, 7, 1000, "gpt-4o");
    put_with(&rig, 2, 7, 3000, "gpt-4o");
    put_with(&rig, 3, 7, 1000, "o3");
    put_with(&rig, 4, 8, 1000, "gpt-4o");
    put_with(&rig, 5, 0, 1000, "");
    settle(&rig);
    CHECK_INT(drop_now(&rig, &(struct purge){.one = true, .key = key_of(1 << 8, 2)}), 0);
    CHECK_INT(
        drop_now(&rig,
                 &(struct purge){.collection = 7, .stored_before_ms = 3000, .model = "gpt-*"}),
        1);
    CHECK(!there(&rig, 1) && there(&rig, 2) && there(&rig, 3) && there(&rig, 4) && there(&rig, 5));
    CHECK_INT(drop_now(&rig, &(struct purge){.model = "o[34]"}), 1);
    CHECK(there(&rig, 2) && !there(&rig, 3) && there(&rig, 4) && there(&rig, 5));
    CHECK_INT(drop_now(&rig, &(struct purge){.collection = 8}), 1);
    CHECK(there(&rig, 2) && !there(&rig, 4) && there(&rig, 5));
    CHECK_INT(drop_now(&rig, &(struct purge){.one = true, .key = key_of(2 << 8, 2)}), 1);
    CHECK_INT(drop_now(&rig, &(struct purge){.stored_before_ms = 1000}), 0);
    CHECK_INT(drop_now(&rig, &(struct purge){.stored_before_ms = 1001}), 1);
    CHECK_INT(figures(&rig).items, 0);
    rig_free(&rig);
}

TEST("a drop takes what was put before it, whatever its clock says, and not what comes after")
{
    struct purge seven = {.collection = 7};
    struct rig rig;

    REQUIRE(open_rig(&rig, NULL));
    for (unsigned i = 0; i < 200; i++) {
        put_with(&rig, 2 * (uint64_t)i, 7, INT64_MAX / 2, "before");
        drop_later(rig.store, &seven);
        drop_later(rig.store, &seven);
        put_with(&rig, 2 * (uint64_t)i + 1, 7, 0, "after");
        put_with(&rig, 1000 + (uint64_t)i, 8, 0, "another");
    }
    settle(&rig);
    for (unsigned i = 0; i < 200; i++) {
        CHECK(!there(&rig, 2 * i));
        CHECK(there(&rig, 2 * i + 1) == (i == 199));
        CHECK(there(&rig, 1000 + i));
    }
    rig_free(&rig);
}

TEST("a drop that is not written yet hides what another process stored after it was asked for")
{
    const int64_t later_ms = clock_unix_ms() + 60000;
    struct rig rig, peer;
    struct sql *other_one;

    REQUIRE(open_rig(&rig, NULL) && open_rig(&peer, rig.folder));
    put_with(&peer, 1, 7, later_ms, "asked before");
    put_with(&peer, 2, 8, later_ms, "another");
    settle(&peer);
    CHECK(there(&rig, 1) && there(&rig, 2));
    other_one = hold_file(&rig);
    drop_later(rig.store, &(struct purge){.collection = 7});
    CHECK(!there(&rig, 1));
    CHECK(there(&rig, 2));
    let_file_go(other_one);
    settle(&rig);
    CHECK(!there(&rig, 1));
    CHECK(there(&rig, 2));
    rig_free(&peer);
    rig_free(&rig);
}

TEST("nobody finds what is dropped, not even before it is written")
{
    struct rig rig;

    REQUIRE(open_rig(&rig, NULL));
    for (uint64_t round = 1; round < 20; round++) {
        put_with(&rig, round, round, 0, "m");
        settle(&rig);
        CHECK(there(&rig, round));
        drop_later(rig.store, &(struct purge){.collection = round});
        CHECK(!there(&rig, round));
    }
    rig_free(&rig);
}

TEST("more drops than are kept apart take everything, and none is lost")
{
    struct rig rig;

    REQUIRE(open_rig(&rig, NULL));
    for (uint64_t i = 1; i <= 3000; i++)
        put_with(&rig, i, i, 0, "m");
    settle(&rig);
    for (uint64_t i = 20000; i > 0; i--)
        drop_later(rig.store, &(struct purge){.collection = i});
    for (uint64_t i = 1; i <= 3000; i += 100)
        CHECK(!there(&rig, i));
    settle(&rig);
    CHECK_INT(figures(&rig).items, 0);
    rig_free(&rig);
}

/* ---- two stores in one folder, as two processes have it ---- */

TEST("what one store writes another one reads, and is told of what it takes away")
{
    struct rig a, b;

    REQUIRE(open_rig(&a, NULL));
    REQUIRE(open_rig(&b, a.folder));
    put_with(&a, 1, 7, 0, "m");
    put_with(&a, 2, 8, 0, "m");
    put_with(&b, 3, 0, 0, "m");
    SOON(there(&b, 1) && there(&b, 2) && there(&a, 3));
    SOON(figures(&b).items == 3);
    drop_later(a.store, &(struct purge){.collection = 7});
    SOON(atomic_load(&b.told) == 1);
    CHECK_INT(b.last.collection, 7);
    CHECK(!there(&b, 1) && there(&b, 2));
    CHECK_INT(drop_now(&b, &(struct purge){.one = true, .key = key_of(2 << 8, 2)}), 1);
    SOON(atomic_load(&a.told) == 1);
    CHECK(a.last.one && memcmp(&a.last.key, &(struct key[]){key_of(2 << 8, 2)}, KEY_BYTES) == 0);
    CHECK_INT(atomic_load(&b.told), 1); /* not of its own */
    rig_free(&b);
    rig_free(&a);
}

/* A second of waiting in naps: on a busy machine it lasts longer, for us as for the store. */
static bool is_told_within_a_second(struct rig *rig, unsigned before)
{
    for (unsigned naps = 0; naps < 100 && atomic_load(&rig->told) == before; naps++)
        usleep(10000);
    return atomic_load(&rig->told) > before;
}

TEST("when one store clears everything the other one hears of it within a second, and goes on")
{
    struct rig a, b;

    REQUIRE(open_rig(&a, NULL));
    REQUIRE(open_rig(&b, a.folder));
    for (unsigned round = 1; round <= 3; round++) {
        struct rig *from = round % 2 ? &a : &b, *to = round % 2 ? &b : &a;
        unsigned told = atomic_load(&to->told), heard;

        put_with(from, 1, 0, 0, "m");
        SOON(there(to, 1));
        CHECK_INT(drop_now(from, &(struct purge){.one = false}), 1);
        CHECK(is_told_within_a_second(to, told));
        CHECK(!to->last.one && !to->last.collection);
        CHECK(!there(to, 1) && !there(from, 1));
        put_with(to, 2, 0, 0, "m");
        SOON(there(from, 2));
        heard = atomic_load(&from->told);
        CHECK_INT(drop_now(to, &(struct purge){.one = true, .key = key_of(2 << 8, 2)}), 1);
        SOON(atomic_load(&from->told) > heard); /* or the next round would take it for its own */
        CHECK(!there(from, 2));
    }
    rig_free(&b);
    rig_free(&a);
}

TEST("a folder that is cleared is so for the stores that have it open, and they go on")
{
    int64_t count = 0;
    struct rig a;
    struct err err;

    REQUIRE(open_rig(&a, NULL));
    put_with(&a, 1, 0, 0, "m");
    put_with(&a, 2, 7, 0, "m");
    settle(&a);
    CHECK_INT(store_clear_folder(a.folder, &count, &err), 0);
    CHECK_INT(count, 2);
    SOON(atomic_load(&a.told) == 1);
    CHECK(!a.last.one && !a.last.collection);
    CHECK(!there(&a, 1) && !there(&a, 2));
    put_with(&a, 3, 0, 0, "m");
    settle(&a);
    CHECK(there(&a, 3));
    CHECK_INT(figures(&a).items, 1);
    CHECK_INT(store_clear_folder(a.folder, &count, &err), 0);
    CHECK_INT(count, 1);
    rig_free(&a);
    a.folder = unit_folder();
    CHECK_INT(store_clear_folder(a.folder, &count, &err), 0);
    CHECK_INT(count, 0);
    free(a.folder);
}

/* Puts of which some still wait to be written, and some may be in hand. */
static void put_some(struct rig *rig, uint64_t first, unsigned count)
{
    for (uint64_t n = first; n < first + count; n++)
        put_with(rig, n, 0, 0, "m");
}

/* So many that what comes next waits for more. */
static void crowd(struct rig *rig, const char *model)
{
    for (uint64_t n = 1000; n < 1030; n++) {
        put_with(rig, n, 0, 0, model);
        settle(rig);
    }
}

/* Of some answers, how many are there when all is written. */
static unsigned left(struct rig *rig, uint64_t first, unsigned count)
{
    unsigned there_are = 0;

    settle(rig);
    for (uint64_t n = first; n < first + count; n++)
        there_are += there(rig, n);
    return there_are;
}

TEST("what waits to be written when another process clears the folder is gone as well")
{
    int64_t count;
    struct rig a;
    struct err err;

    REQUIRE(open_rig(&a, NULL));
    for (unsigned round = 0; round < 20; round++) {
        unsigned told = atomic_load(&a.told);

        put_some(&a, 1, 100);
        put_some(&a, 200, 3);
        CHECK_INT(store_clear_folder(a.folder, &count, &err), 0);
        SOON(atomic_load(&a.told) > told);
        CHECK_INT(left(&a, 1, 300), 0);
    }
    put_some(&a, 1, 10);
    CHECK_INT(left(&a, 1, 10), 10);
    rig_free(&a);
}

/* Some are in hand, and wait for the file, while one more queues up (and waits for company, as many
 * came) and another process takes them away: the writer hears of it with the first ones. */
TEST("what waits to be written when another process takes it away is gone as well, and at once")
{
    struct purge ours = {.model = "m"};
    struct rig a, b;

    REQUIRE(open_rig(&a, NULL));
    REQUIRE(open_rig(&b, a.folder));
    for (unsigned round = 0; round < 5; round++) {
        unsigned told = atomic_load(&a.told);
        struct sql *holder;

        crowd(&a, "another");
        holder = hold_file(&a);
        put_some(&a, 1, 200);
        usleep(600000);
        put_some(&a, 300, 1);
        drop_later(b.store, &ours);
        let_file_go(holder);
        SOON(atomic_load(&a.told) > told);
        CHECK(!there(&a, 300));
        CHECK_INT(left(&a, 1, 300), 0);
        CHECK_INT(left(&a, 1000, 30), 30);
    }
    rig_free(&b);
    rig_free(&a);
}

static void put_500(struct rig *rig)
{
    put_some(rig, 500, 1);
}

TEST("what is put after all were told stays, whatever its clock says")
{
    int64_t count;
    struct rig a;
    struct err err;

    REQUIRE(open_rig(&a, NULL));
    for (unsigned round = 0; round < 5; round++) {
        unsigned told = atomic_load(&a.told);

        crowd(&a, "m");
        put_some(&a, 1000, 200);
        settle(&a);
        a.when_told = put_500; /* so that what was heard counts for a while */
        CHECK_INT(store_clear_folder(a.folder, &count, &err), 0);
        SOON(atomic_load(&a.told) > told);
        put_with(&a, 501, 0, 1000, "m");
        CHECK_INT(left(&a, 501, 1), 1);
        CHECK_INT(left(&a, 1000, 200), 0);
        a.when_told = NULL;
    }
    rig_free(&a);
}

static void clear_from_outside(struct rig *rig, bool all)
{
    struct purge ours = {.model = "m"};
    int64_t count;
    struct rig command;
    struct err err;

    if (all) {
        CHECK_INT(store_clear_folder(rig->folder, &count, &err), 0);
        return;
    }
    if (!CHECK(open_rig(&command, rig->folder)))
        return;
    drop_now(&command, &ours);
    rig_free(&command);
}

TEST("who tells the others of what was taken away waits until they know")
{
    struct rig a, b;

    REQUIRE(open_rig(&a, NULL));
    REQUIRE(open_rig(&b, a.folder));
    for (unsigned round = 0; round < 20; round++) {
        unsigned told_a = atomic_load(&a.told), told_b = atomic_load(&b.told);

        put_some(&a, 1, 1 + round);
        put_some(&b, 100, 1 + round);
        clear_from_outside(&a, round % 2);
        CHECK(store_wait_purged(a.folder));
        CHECK(atomic_load(&a.told) > told_a && atomic_load(&b.told) > told_b);
        put_some(&a, 200, 3);
        CHECK_INT(left(&a, 1, 150), 0);
        CHECK_INT(left(&b, 1, 150), 0);
        CHECK_INT(left(&a, 200, 3), 3); /* what comes afterwards stays */
    }
    rig_free(&b);
    rig_close(&a);
    CHECK(store_wait_purged(a.folder));
    CHECK(store_wait_purged("/nonexistent"));
    rig_free(&a);
}

TEST("who was away while too much was said takes it that all is gone")
{
    struct rig a, b;

    REQUIRE(open_rig(&a, NULL));
    REQUIRE(open_rig(&b, a.folder));
    for (uint64_t i = 1; i <= 2500; i++) {
        put_with(&a, i, i, 0, "m");
        drop_later(a.store, &(struct purge){.collection = i});
    }
    settle(&a);
    SOON(atomic_load(&b.told) >= 1000);
    rig_free(&b);
    rig_free(&a);
}

TEST("a file that the user removes is begun anew, and all that was in it is gone")
{
    struct rig a;
    struct str path = STR_INIT;

    REQUIRE(open_rig(&a, NULL));
    put_with(&a, 1, 0, 0, "m");
    settle(&a);
    str_addf(&path, "%s/cache.db", a.folder);
    CHECK_INT(unlink(path.text), 0);
    SOON(atomic_load(&a.told) == 1);
    CHECK(!there(&a, 1));
    put_with(&a, 2, 0, 0, "m");
    SOON(there(&a, 2));
    CHECK_INT(access(path.text, R_OK), 0);
    str_release(&path);
    rig_free(&a);
}

TEST("what a process that died was to purge is never found, from the first look on")
{
    struct rig a;
    struct err err;
    mem_auto char *folder = NULL;

    REQUIRE(open_rig(&a, NULL));
    for (unsigned round = 0; round < 30; round++) {
        /* asked after the store was opened */
        put_with(&a, 1, 7, clock_unix_ms() + 1000, "m");
        put_with(&a, 2, 8, clock_unix_ms() + 1000, "m");
        settle(&a);
        CHECK(there(&a, 1));
        store_begin_write(a.store, 7); /* and no end: as if it were killed */
        free(folder);
        folder = mem_strdup(a.folder);
        rig_free(&a);
        REQUIRE(rig_open(&a, folder, INT64_MAX, &err));
        CHECK(!there(&a, 1));
        CHECK(there(&a, 2));
    }
    rig_free(&a);
}

TEST(
    "a GET that is put behind a purge is purged by the next one, though the process dies before it")
{
    struct rig a;
    struct err err;
    struct sql *held;
    mem_auto char *folder = NULL;

    REQUIRE(open_rig(&a, NULL));
    put_with(&a, 1, 7, 0, "m");
    settle(&a);
    held = hold_file(&a);
    store_begin_write(a.store, 7);
    store_end_write(a.store, 7);
    put_with(&a, 2, 7, 0, "m");
    let_file_go(held);
    settle(&a);
    CHECK(!there(&a, 1) && there(&a, 2));
    store_begin_write(a.store, 7);
    folder = mem_strdup(a.folder);
    rig_free(&a);
    REQUIRE(rig_open(&a, folder, INT64_MAX, &err));
    CHECK(!there(&a, 2));
    rig_free(&a);
}
