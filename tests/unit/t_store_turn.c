/* What the gets of a loop's turn share, and what rows are known by. */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "store_help.h"
#include "unit.h"

#define MIB ((int64_t)1 << 20)

static bool open_rig(struct rig *rig, const char *folder)
{
    struct err err;

    return rig_open(rig, folder, 16 * MIB, &err);
}

/* As the memory tier has it: nobody holds it until it is written. */
static void put_warm(struct rig *rig, const struct key *key, size_t size)
{
    struct object *object = object_of(key, size);

    object->in_tier = true;
    store_put(rig->store, object);
    object_unref(object);
}

static struct purge only(const struct key *key)
{
    return (struct purge){.one = true, .key = *key};
}

/* The turn goes on afterwards. Who waits for the writer meanwhile waits long: settle() would. */
static bool gets(struct rig *rig, const struct key *key)
{
    struct object *object = store_reader_read(rig->reader, key);

    object_unref(object);
    return object != NULL;
}

TEST("within a turn, what was written since it began is found")
{
    struct key first = key_of(1, 1), second = key_of(2, 2);
    struct rig rig;

    REQUIRE(open_rig(&rig, NULL));
    put_warm(&rig, &first, 100);
    settle(&rig);
    CHECK(gets(&rig, &first));
    CHECK(!gets(&rig, &second));
    put_warm(&rig, &second, 2000);
    SOON(figures(&rig).items == 2);
    CHECK(gets(&rig, &second));
    CHECK(gets(&rig, &first));
    rig_free(&rig);
}

TEST("within a turn, what was taken away since it began is not found")
{
    struct key first = key_of(1, 1), second = key_of(2, 2);
    struct purge purge = only(&first);
    struct rig rig;

    REQUIRE(open_rig(&rig, NULL));
    put_warm(&rig, &first, 100);
    put_warm(&rig, &second, 100);
    settle(&rig);
    CHECK(gets(&rig, &first) && gets(&rig, &second));
    drop_later(rig.store, &purge);
    SOON(figures(&rig).items == 1);
    usleep(50000); /* and it is not pending any more */
    CHECK(!gets(&rig, &first));
    CHECK(gets(&rig, &second));
    drop_later(rig.store, &(struct purge){.one = false});
    SOON(figures(&rig).items == 0);
    usleep(50000);
    CHECK(!gets(&rig, &second));
    rig_free(&rig);
}

TEST("after a rest, what another process wrote is found at once")
{
    struct rig a, b;

    REQUIRE(open_rig(&a, NULL));
    REQUIRE(open_rig(&b, a.folder));
    for (uint64_t i = 1; i <= 20; i++) {
        struct key key = key_of(i << 8, i);

        CHECK(!gets(&b, &key)); /* the turn begins */
        put_warm(&a, &key, 50);
        SOON(figures(&a).items == i);
        store_reader_rest(b.reader);
        CHECK(gets(&b, &key));
        store_reader_rest(b.reader);
        store_reader_rest(b.reader); /* twice is as good as once */
    }
    store_reader_rest(NULL);
    rig_free(&b);
    rig_free(&a);
}

TEST("the log is emptied once the reader that kept it from it is at rest")
{
    struct key key = key_of(1, 1), other = key_of(2, 2);
    struct rig rig;

    REQUIRE(open_rig(&rig, NULL));
    put_warm(&rig, &key, 100);
    settle(&rig);
    CHECK(gets(&rig, &key));
    put_warm(&rig, &other, 100);
    SOON(figures(&rig).items == 2);
    for (unsigned i = 0; i < 8; i++) {
        CHECK(file_size(&rig, "cache.db-wal") > 0);
        usleep(500000); /* in all longer than the file has to be quiet */
    }
    store_reader_rest(rig.reader);
    SOON(file_size(&rig, "cache.db-wal") == 0);
    CHECK(has(&rig, &key, 100) && has(&rig, &other, 100));
    rig_free(&rig);
}

TEST("what was written may be there, what was not may not")
{
    struct rig rig;

    REQUIRE(open_rig(&rig, NULL));
    for (uint64_t i = 0; i < 1000; i++)
        put_warm(&rig, &(struct key[]){key_of(i << 16 | 1, i)}[0], 50);
    settle(&rig);
    for (uint64_t i = 0; i < 2000; i++)
        CHECK(store_may_have(rig.store, &(struct key[]){key_of(i << 16 | 1, i)}[0]) == (i < 1000));
    rig_free(&rig);
}

TEST("who is left alone knows what others put, in the place of what went as well")
{
    struct key keys[5];
    struct rig a, b;
    struct err err;
    uint64_t count;

    for (uint64_t i = 0; i < 5; i++)
        keys[i] = key_of(i << 8 | 1, i);
    REQUIRE(open_rig(&a, NULL));
    REQUIRE(open_rig(&b, a.folder));
    put_warm(&a, &keys[0], 100);
    put_warm(&a, &keys[1], 100);
    SOON(figures(&b).items == 2);
    for (size_t i = 1; i <= 2; i++) { /* always the newest one */
        struct purge purge = only(&keys[i]);

        CHECK_INT(store_remove(a.store, &purge, &count, &err), 0);
        put_warm(&a, &keys[i + 1], 100); /* before the other one looks: mostly */
        usleep(600000);
    }
    CHECK(store_may_have(b.store, &keys[4])); /* as long as there are others */
    rig_close(&a);
    SOON(!store_may_have(b.store, &keys[4]));
    CHECK(store_may_have(b.store, &keys[0]) && store_may_have(b.store, &keys[3]));
    CHECK(has(&b, &keys[3], 100));
    rig_free(&b);
    rig_free(&a);
}

/* ---- the file that a reader has open ---- */

/* Descriptors of this process that lead to files which have no name any more. */
static unsigned open_and_removed(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char target[4096];
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

        target[len > 0 ? len : 0] = '\0';
        n += strstr(target, "/cache.db") && strstr(target, " (deleted)");
    }
    if (dir)
        closedir(dir);
    return n;
}

TEST("a reader lets go of a file in whose place another one stands, once it is told to")
{
    struct purge all = {.one = false};
    struct key key = key_of(1, 1);
    unsigned before, open;
    struct rig rig;
    uint64_t count;
    struct err err;

    REQUIRE(open_rig(&rig, NULL));
    put(&rig, &key, 5000);
    settle(&rig);
    CHECK(has(&rig, &key, 5000)); /* it has the file open from now on */
    before = atomic_load(&rig.replaced);
    CHECK(before > 0);
    open = process_count_descriptors();
    store_reader_refresh(rig.reader); /* it is the file that it was */
    CHECK_INT(process_count_descriptors(), open);
    CHECK_INT(open_and_removed(), 0);
    CHECK_INT(store_remove(rig.store, &all, &count, &err), 0);
    CHECK_INT(atomic_load(&rig.replaced), before + 1);
    CHECK(open_and_removed() > 0); /* so the disk has no more room than before */
    open = process_count_descriptors();
    store_reader_refresh(rig.reader);
    CHECK_INT(open_and_removed(), 0);
    CHECK(process_count_descriptors() < open);
    store_reader_refresh(rig.reader);
    store_reader_refresh(NULL);
    CHECK(!has(&rig, &key, 5000));
    put(&rig, &key, 700);
    settle(&rig);
    CHECK(has(&rig, &key, 700));
    CHECK_INT(open_and_removed(), 0);
    rig_free(&rig);
}

TEST("a reader that is in a turn when its file is replaced ends the turn")
{
    struct purge all = {.one = false};
    struct key key = key_of(1, 1);
    struct object *object;
    struct rig rig;
    uint64_t count;
    struct err err;

    REQUIRE(open_rig(&rig, NULL));
    put(&rig, &key, 5000);
    settle(&rig);
    object = store_reader_read(rig.reader, &key);
    CHECK(object != NULL);
    object_unref(object);
    CHECK_INT(store_remove(rig.store, &all, &count, &err), 0);
    store_reader_refresh(rig.reader);
    store_reader_rest(rig.reader);
    CHECK(!has(&rig, &key, 5000));
    CHECK_INT(figures(&rig).errors, 0);
    rig_free(&rig);
}
