#include "store/store.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store_help.h"
#include "unit.h"

#define MIB ((int64_t)1 << 20)

static bool open_rig(struct rig *rig)
{
    struct err err;
    bool fine = rig_open(rig, NULL, 256 * MIB, &err);

    if (!fine)
        CHECK_STR(err.text, "");
    return fine;
}

static void reopen(struct rig *rig)
{
    char *folder = take(rig->folder);
    struct err err;

    rig_close(rig);
    if (!rig_open(rig, folder, 256 * MIB, &err))
        CHECK_STR(err.text, "");
    free(folder);
}

TEST("what is put is got, all of it, now and after the store was closed")
{
    static const size_t sizes[] = {0, 1, 1400, 4095, 4096, 100000, 3000000};
    struct rig rig;

    REQUIRE(open_rig(&rig));
    for (size_t i = 0; i < countof(sizes); i++)
        put(&rig, &(struct key){{(unsigned char)i, 7}}, sizes[i]);
    settle(&rig);
    CHECK_INT(figures(&rig).items, countof(sizes));
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < countof(sizes); i++)
            CHECK(has(&rig, &(struct key){{(unsigned char)i, 7}}, sizes[i]));
        CHECK(!has(&rig, &(struct key){{99}}, 1));
        reopen(&rig);
        CHECK_INT(figures(&rig).items, countof(sizes));
    }
    rig_free(&rig);
}

TEST("an object's numbers and flags come back, and what it does not have stays away")
{
    struct key key = key_of(1, 2);
    struct object *o = object_new(&(struct object_parts){.key = &key, .body_len = 5000}), *back;
    struct rig rig;

    REQUIRE(open_rig(&rig));
    o->stored_ms = 1700000000123;
    o->status = 401;
    o->collection = UINT64_MAX - 5;
    o->gzip = true;
    memset(o->body, 0, 5000); /* would pack, but it is gzip already */
    store_put(rig.store, o);
    settle(&rig);
    back = store_reader_read(rig.reader, &key);
    REQUIRE(back != NULL);
    CHECK_INT(back->stored_ms, 1700000000123);
    CHECK_INT(back->status, 401);
    CHECK(back->collection == UINT64_MAX - 5);
    CHECK(back->gzip);
    CHECK(back->label == NULL);
    CHECK_STR(back->model, "");
    CHECK_INT(back->fields.count, 0);
    CHECK_INT(back->body_len, 5000);
    object_unref(back);
    object_unref(o);
    rig_free(&rig);
}

struct look {
    struct store_get get;
    sem_t done;
};

static void on_done(struct store_get *get)
{
    sem_post(&container_of(get, struct look, get)->done);
}

/* How the look was answered; *object is what it found in the end. */
static enum store_got look(struct rig *rig, const struct key *key, struct object **object)
{
    struct look look = {.get = {.key = *key, .on_done = on_done}};
    enum store_got got;

    sem_init(&look.done, 0, 0);
    got = store_get(rig->reader, &look.get);
    CHECK(got != STORE_HIT || look.get.object);
    CHECK(got != STORE_ABSENT || !look.get.object);
    if (got == STORE_PENDING)
        while (sem_wait(&look.done) < 0)
            ;
    *object = look.get.object;
    return got;
}

TEST("a get is answered at once, but for a body above 1 MiB that stands on disk, which a job reads")
{
    static const size_t sizes[] = {0, 1048575, 1048576, 1048577, 3000000};
    struct key key = key_of(1, 7);
    struct object *object;
    struct rig rig;

    REQUIRE(open_rig(&rig));
    for (size_t i = 0; i < countof(sizes); i++) {
        put(&rig, &key, sizes[i]);
        CHECK(look(&rig, &key, &object) == STORE_HIT || sizes[i] > 1048576);
        object_unref(object);
        settle(&rig);
        CHECK_INT(look(&rig, &key, &object), sizes[i] > 1048576 ? STORE_PENDING : STORE_HIT);
        CHECK(object && is_object_of(object, &key, sizes[i]));
        object_unref(object);
        CHECK(has(&rig, &key, sizes[i]));
    }
    CHECK_INT(look(&rig, &(struct key){.bytes = {1}}, &object), STORE_ABSENT);
    CHECK(!object);
    CHECK_INT(figures(&rig).damaged, 0);
    rig_free(&rig);
}

static int64_t touched_ms(struct rig *rig, const struct key *key)
{
    struct object *object = store_reader_read(rig->reader, key);
    int64_t ms = object ? atomic_load(&object->touched_ms) : -1;

    object_unref(object);
    store_reader_rest(rig->reader);
    return ms;
}

TEST("who gets an object learns when the store last heard of a use")
{
    struct key key = key_of(1, 2);
    int64_t began = clock_unix_ms(), later = began + 100000;
    struct rig rig;

    REQUIRE(open_rig(&rig));
    put(&rig, &key, 10);
    settle(&rig);
    CHECK(touched_ms(&rig, &key) >= began && touched_ms(&rig, &key) < later);
    store_touch(rig.store, &key, later);
    settle(&rig);
    CHECK_INT(touched_ms(&rig, &key), later);
    rig_free(&rig);
}

TEST("two keys that begin alike are two keys")
{
    struct key a = key_of(77, 1), b = key_of(77, 2);
    struct rig rig;

    REQUIRE(open_rig(&rig));
    put(&rig, &a, 500);
    settle(&rig);
    CHECK(has(&rig, &a, 500));
    CHECK(!has(&rig, &b, 500));
    put(&rig, &b, 600); /* takes its place */
    settle(&rig);
    CHECK(!has(&rig, &a, 500));
    CHECK(has(&rig, &b, 600));
    CHECK_INT(figures(&rig).items, 1);
    CHECK_INT(figures(&rig).damaged, 0);
    rig_free(&rig);
}

TEST("what no memory tier has is found from the moment it is put, until it is dropped")
{
    struct key key = key_of(5, 5), other = key_of(6, 6);
    struct object *object = object_of(&key, 200), *kept = object_of(&other, 200);
    struct sql *other_one;
    struct rig rig;

    REQUIRE(open_rig(&rig));
    kept->in_tier = true;
    for (unsigned round = 0; round < 20; round++) {
        CHECK(!store_may_have(rig.store, &key) || round > 0);
        store_put(rig.store, object);
        CHECK(store_may_have(rig.store, &key));
        CHECK(has(&rig, &key, 200));
        put(&rig, &key, 5000); /* in place of it */
        CHECK(has(&rig, &key, 5000));
        drop_later(rig.store, &(struct purge){.one = true, .key = key});
        CHECK(!has(&rig, &key, 5000));
        if (round % 4 == 0)
            settle(&rig);
    }
    other_one = hold_file(&rig); /* or it might be on disk before we look */
    store_put(rig.store, kept);
    CHECK(!has(&rig, &other, 200)); /* the tier has it */
    let_file_go(other_one);
    put(&rig, &key, 300);
    for (unsigned tries = 0; tries < 300; tries++) { /* without a gap when it is written */
        CHECK(has(&rig, &key, 300));
        usleep(500);
    }
    settle(&rig);
    CHECK_INT(figures(&rig).items, 2);
    object_unref(object);
    object_unref(kept);
    rig_free(&rig);
}

TEST("a later object takes the place of an earlier one with its key")
{
    struct key key = key_of(5, 5);
    struct rig rig;

    REQUIRE(open_rig(&rig));
    put(&rig, &key, 100000);
    put(&rig, &key, 200);
    settle(&rig);
    CHECK(has(&rig, &key, 200));
    CHECK_INT(figures(&rig).items, 1);
    rig_free(&rig);
}

TEST("of many that are written together the last one with a key is what stays")
{
    struct rig rig;

    REQUIRE(open_rig(&rig));
    for (size_t round = 1; round <= 3; round++)
        for (uint64_t i = 0; i < 200; i++) {
            struct key key = key_of(i * 0x9e3779b97f4a7c15, i);

            put(&rig, &key, 100 * round);
        }
    settle(&rig);
    for (uint64_t i = 0; i < 200; i++) {
        struct key key = key_of(i * 0x9e3779b97f4a7c15, i);

        CHECK(has(&rig, &key, 300));
    }
    CHECK_INT(figures(&rig).items, 200);
    rig_free(&rig);
}

TEST("everything goes when nothing narrows, and the file shrinks at once")
{
    struct purge all = {.one = false};
    struct rig rig;
    uint64_t count = 0;
    struct err err;

    REQUIRE(open_rig(&rig));
    for (uint64_t i = 0; i < 500; i++)
        put(&rig, &(struct key){{(unsigned char)i, (unsigned char)(i >> 8)}}, 20000);
    settle(&rig);
    reopen(&rig);
    CHECK(file_size(&rig, "cache.db") > 1000000);
    CHECK(has(&rig, &(struct key){{3}}, 20000));
    CHECK_INT(store_remove(rig.store, &all, &count, &err), 0);
    CHECK_INT(count, 500);
    CHECK(!has(&rig, &(struct key){{3}}, 20000));
    CHECK_INT(figures(&rig).items, 0);
    CHECK(file_size(&rig, "cache.db") < 100000);
    CHECK(file_size(&rig, "cache.db-wal") < 100000);
    CHECK_INT(atomic_load(&rig.told), 0); /* it was we who said it */
    put(&rig, &(struct key){{3}}, 100);
    settle(&rig);
    CHECK(has(&rig, &(struct key){{3}}, 100));
    rig_free(&rig);
}

TEST("what is dropped with all else is not counted from that moment")
{
    struct key one = key_of(1, 1), two = key_of(2, 2);
    struct sql *other_one;
    struct rig rig;

    REQUIRE(open_rig(&rig));
    put(&rig, &one, 300);
    settle(&rig);
    CHECK_INT(figures(&rig).items, 1);
    other_one = hold_file(&rig); /* the store's thread gets no further than the second put */
    put(&rig, &two, 300);
    drop_later(rig.store, &(struct purge){.one = true, .key = one});
    CHECK_INT(figures(&rig).items, 1); /* what goes one by one is counted when it has gone */
    drop_later(rig.store, &(struct purge){.one = false});
    CHECK_INT(figures(&rig).items, 0);
    CHECK_INT(figures(&rig).bytes, 0);
    let_file_go(other_one);
    settle(&rig);
    CHECK_INT(figures(&rig).items, 0);
    put(&rig, &two, 300);
    settle(&rig);
    CHECK_INT(figures(&rig).items, 1);
    rig_free(&rig);
}

TEST("the file keeps within its bound, and what was used least recently goes first")
{
    struct key kept = key_of(1, 1);
    struct rig rig;
    struct err err;

    REQUIRE(rig_open(&rig, NULL, 2 * MIB, &err));
    put(&rig, &kept, 3000);
    settle(&rig);
    for (uint64_t i = 0; i < 8000; i++) {
        put(&rig, &(struct key[]){key_of(i << 40 | 1 << 30, i)}[0], 2500);
        if (i % 200 == 199) {
            usleep(1100);
            store_touch(rig.store, &kept, clock_unix_ms() + 60000);
            settle(&rig);
            CHECK(figures(&rig).bytes <= 2 * (uint64_t)MIB);
        }
    }
    CHECK(has(&rig, &kept, 3000));
    CHECK(!has(&rig, &(struct key[]){key_of(1 << 30, 0)}[0], 2500));
    CHECK(has(&rig, &(struct key[]){key_of((uint64_t)7999 << 40 | 1 << 30, 7999)}[0], 2500));
    CHECK(figures(&rig).evictions > 5000);
    CHECK_INT(figures(&rig).errors, 0);
    CHECK_INT(figures(&rig).dropped, 0);
    rig_close(&rig);
    CHECK(file_size(&rig, "cache.db") < 4 * (size_t)MIB);
    rig_free(&rig);
}

TEST("no more goes than it takes, whatever the size of what is there")
{
    uint64_t bound = 8 * (uint64_t)MIB;
    struct rig rig;
    struct err err;

    REQUIRE(rig_open(&rig, NULL, (int64_t)bound, &err));
    for (uint64_t i = 1; i <= 100; i++) {
        put(&rig, &(struct key[]){key_of(i << 40, i)}[0], 200000); /* half of that on disk */
        settle(&rig);
        CHECK(figures(&rig).bytes <= bound);
        if (figures(&rig).evictions)
            CHECK(figures(&rig).bytes > bound - bound / 20 - bound / 50);
    }
    CHECK(figures(&rig).evictions > 10);
    rig_free(&rig);
}

TEST("with a smaller bound as much stays as fits, and first of all what came last")
{
    struct key last = key_of(1, 1);
    char *folder;
    struct rig rig;
    struct err err;

    REQUIRE(open_rig(&rig));
    for (uint64_t i = 2; i <= 40; i++)
        put(&rig, &(struct key[]){key_of(i << 40, i)}[0], 200000);
    settle(&rig);
    rig_close(&rig);
    folder = take(rig.folder);
    REQUIRE(rig_open(&rig, folder, MIB, &err));
    put(&rig, &last, 200000);
    settle(&rig);
    CHECK(has(&rig, &last, 200000));
    CHECK(figures(&rig).bytes <= (uint64_t)MIB && figures(&rig).bytes > (uint64_t)MIB / 4 * 3);
    free(folder);
    rig_free(&rig);
}

TEST("what is too large for the file is not stored, and counted apart from what was dropped")
{
    const size_t most = (size_t)(2 * MIB / 4);
    struct key key = key_of(1, 1), other = key_of(2, 2);
    struct rig rig;
    struct err err;

    REQUIRE(rig_open(&rig, NULL, 2 * MIB, &err));
    put(&rig, &other, most);
    settle(&rig);
    CHECK(has(&rig, &other, most));
    CHECK_INT(figures(&rig).too_large, 0);
    for (unsigned i = 1; i <= 3; i++) {
        put(&rig, &key, most + 1);
        CHECK(!has(&rig, &key, most + 1));
        CHECK_INT(figures(&rig).too_large, i);
    }
    settle(&rig);
    CHECK(!has(&rig, &key, most + 1));
    CHECK_INT(figures(&rig).dropped, 0);
    CHECK_INT(figures(&rig).errors, 0);
    CHECK_INT(figures(&rig).items, 1);
    rig_free(&rig);
}

#define LARGE 3000000U
#define LARGE_PAST_QUEUE (64 * MIB / LARGE + 1) /* the queue's bound is 64 MiB */

/* Made before the file is held: the writer waits for it for 3 s only, and megabytes take as long to
 * make under ThreadSanitizer. */
static void make_large(struct object *objects[LARGE_PAST_QUEUE])
{
    for (unsigned i = 0; i < LARGE_PAST_QUEUE; i++) {
        struct key key = key_of((uint64_t)(i + 1) << 8, i);

        objects[i] = object_of(&key, LARGE);
    }
}

static void put_large(struct rig *rig, struct object *objects[LARGE_PAST_QUEUE])
{
    for (unsigned i = 0; i < LARGE_PAST_QUEUE; i++) {
        store_put(rig->store, objects[i]);
        object_unref(objects[i]);
    }
}

TEST("what comes faster than it can be written is dropped and counted, without waiting")
{
    struct object *objects[LARGE_PAST_QUEUE];
    struct key first = key_of(1 << 8, 0);
    struct sql *other_one;
    struct rig rig;

    REQUIRE(open_rig(&rig));
    make_large(objects);
    other_one = hold_file(&rig); /* so that nothing is written meanwhile */
    put_large(&rig, objects);
    let_file_go(other_one);
    settle(&rig);
    CHECK_INT(figures(&rig).dropped, 1);
    CHECK_INT(figures(&rig).too_large, 0);
    CHECK(has(&rig, &first, LARGE));
    rig_free(&rig);
}

TEST("where the queue has no room for a newer answer, the older one of its key is answered no more")
{
    struct object *objects[LARGE_PAST_QUEUE], *newer;
    struct key key = key_of(7, 7);
    struct sql *other_one;
    struct rig rig;

    REQUIRE(open_rig(&rig));
    put(&rig, &key, 500);
    settle(&rig);
    CHECK(has(&rig, &key, 500));
    newer = object_of(&key, LARGE);
    make_large(objects);
    other_one = hold_file(&rig);
    put_large(&rig, objects);
    store_put(rig.store, newer);
    object_unref(newer);
    CHECK_INT(figures(&rig).dropped, 2);
    CHECK(!has(&rig, &key, 500)); /* at once */
    let_file_go(other_one);
    settle(&rig);
    CHECK(!has(&rig, &key, 500));
    rig_free(&rig);
}

TEST("where the file has no room for a newer answer, the older one of its key is answered no more")
{
    struct key key = key_of(7, 7);
    struct rig rig;
    struct err err;

    REQUIRE(rig_open(&rig, NULL, 2 * MIB, &err));
    put(&rig, &key, 500);
    settle(&rig);
    CHECK(has(&rig, &key, 500));
    put(&rig, &key, LARGE);
    CHECK(!has(&rig, &key, 500)); /* at once */
    settle(&rig);
    CHECK(!has(&rig, &key, 500));
    CHECK_INT(figures(&rig).too_large, 1);
    rig_free(&rig);
}

/* The longest log that is seen while 24 MB are stored in a file of that bound. */
static size_t longest_log(int64_t bound)
{
    const uint64_t all = 6000;
    size_t longest = 0, now;
    struct rig rig;
    struct err err;

    if (!CHECK(rig_open(&rig, NULL, bound, &err)))
        return 0;
    for (uint64_t i = 1; i <= all; i++) {
        struct key key = key_of(i << 8, i);

        put(&rig, &key, 4000);
        if (i % 500)
            continue;
        SOON(figures(&rig).items + figures(&rig).dropped >= i);
        now = file_size(&rig, "cache.db-wal");
        longest = now > longest ? now : longest;
    }
    CHECK_INT(figures(&rig).dropped, 0);
    rig_free(&rig);
    return longest;
}

TEST("the log is moved to the file in time, later where the file may be large")
{
    CHECK(longest_log(64 * MIB) < (size_t)(14 * MIB)); /* 8, and a transaction */
    CHECK(longest_log(1024 * MIB) > (size_t)(20 * MIB));
}

TEST("a narrow clear gives the space back")
{
    struct purge some = {.model = "gpt-*"};
    uint64_t count = 0;
    struct rig rig;
    struct err err;

    REQUIRE(open_rig(&rig));
    for (uint64_t i = 0; i < 1000; i++)
        put(&rig, &(struct key[]){key_of(i << 40, i)}[0], 4000);
    settle(&rig);
    CHECK_INT(store_remove(rig.store, &some, &count, &err), 0);
    CHECK_INT(count, 1000);
    CHECK(file_size(&rig, "cache.db") < 200000);
    CHECK(file_size(&rig, "cache.db-wal") < 200000);
    rig_free(&rig);
}

struct seen {
    unsigned count;
    int64_t last_ms;
};

static bool see(void *arg, const struct store_row *row)
{
    struct seen *seen = arg;

    CHECK(seen->count == 0 || row->stored_ms <= seen->last_ms);
    CHECK_STR(row->label, "POST /v1/chat/completions");
    CHECK_HAS(row->model, "gpt-");
    CHECK(row->disk_bytes > 0 && row->used_ms > 0 && row->status >= 200);
    CHECK_INT(row->body_bytes, 5000);
    seen->last_ms = row->stored_ms;
    return ++seen->count < 7;
}

TEST("a command lists the newest first, finds a key by its beginning, and checks what is there")
{
    struct seen seen = {.count = 0};
    struct store_verified found;
    struct key key, begin;
    unsigned bits;
    struct rig rig;
    struct err err;

    REQUIRE(open_rig(&rig));
    CHECK_INT(store_each(rig.store, see, &seen, &err), 0);
    CHECK_INT(seen.count, 0);
    for (uint64_t i = 0; i < 9; i++)
        put(&rig, &(struct key[]){key_of(i << 60 | 0xabc, i)}[0], 5000);
    settle(&rig);
    CHECK_INT(store_each(rig.store, see, &seen, &err), 0);
    CHECK_INT(seen.count, 7); /* it said enough */
    CHECK_INT(store_verify(rig.store, &found, NULL, NULL, &err), 0);
    CHECK_INT(found.good, 9);
    CHECK_INT(found.damaged, 0);
    begin = key_of((uint64_t)5 << 60, 0);
    for (bits = 4; bits <= 48; bits += 4) {
        CHECK_INT(store_find(rig.store, &begin, bits, &key, &err), 1);
        CHECK(memcmp(&key, &(struct key[]){key_of((uint64_t)5 << 60 | 0xabc, 5)}[0], sizeof(key)) ==
              0);
    }
    CHECK_INT(store_find(rig.store, &begin, 64, &key, &err), 0);
    begin = key_of((uint64_t)5 << 60 | 0xabc, 5);
    CHECK_INT(store_find(rig.store, &begin, 256, &key, &err), 1);
    begin = key_of(0, 0);
    CHECK_INT(store_find(rig.store, &begin, 1, &key, &err), 2);
    rig_free(&rig);
}
