#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "store_help.h"
#include "unit.h"

#define MIB ((int64_t)1 << 20)
#define ENTRIES 12

static size_t size_of(uint64_t n)
{
    return n % 3 == 0 ? 9000 : 700;
}

static char *path_of(const char *folder)
{
    struct str path = STR_INIT;

    str_addf(&path, "%s/cache.db", folder);
    return str_detach(&path);
}

static void overwrite(const char *path, size_t at, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    CHECK(fd >= 0 && pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len);
    close(fd);
}

/* A closed store's file with some entries; its bytes, which the caller frees. */
static unsigned char *make_file(char **folder, size_t *len)
{
    struct rig rig;
    struct err err;
    unsigned char *bytes;
    FILE *file;

    if (!CHECK(rig_open(&rig, NULL, 64 * MIB, &err)))
        return NULL;
    for (uint64_t i = 0; i < ENTRIES; i++)
        put(&rig, &(struct key[]){key_of(i << 56, i)}[0], size_of(i));
    settle(&rig);
    rig_close(&rig);
    *len = file_size(&rig, "cache.db");
    bytes = mem_alloc(*len);
    mem_auto char *path = path_of(rig.folder);
    file = fopen(path, "re");
    CHECK(file && fread(bytes, 1, *len, file) == *len);
    if (file)
        fclose(file);
    *folder = take(rig.folder);
    return bytes;
}

/* What is there is right; afterwards the store works. Returns how many entries are there. */
static unsigned survey(const char *folder)
{
    struct key extra = key_of(99, 99);
    unsigned found = 0;
    struct rig rig;
    struct err err;

    if (!rig_open(&rig, folder, 64 * MIB, &err)) {
        CHECK_STR(err.text, "");
        return 0;
    }
    for (uint64_t i = 0; i < ENTRIES; i++)
        found += has(&rig, &(struct key[]){key_of(i << 56, i)}[0], size_of(i));
    put(&rig, &extra, 100);
    for (unsigned tries = 0; tries < 4000 && !has(&rig, &extra, 100); tries++) {
        usleep(5000);
        if (tries % 20 == 19)
            put(&rig, &extra, 100); /* a first one may have found the damage, and is lost */
    }
    CHECK(has(&rig, &extra, 100));
    rig_free(&rig);
    return found;
}

TEST("a byte that changes anywhere never makes a wrong answer")
{
    char *folder = NULL;
    size_t len;
    uint64_t seed = 4711;
    mem_auto unsigned char *bytes = make_file(&folder, &len);

    REQUIRE(bytes != NULL);
    mem_auto char *path = path_of(folder);
    CHECK_INT(survey(folder), ENTRIES);
    for (unsigned round = 0; round < 150; round++) {
        size_t at = round < 100 ? unit_random_up_to(&seed, len - 1) : 100 + round * 7U;
        unsigned char wrong = bytes[at] ^ (unsigned char)(1 + unit_random_up_to(&seed, 254));
        FILE *file = fopen(path, "we"); /* in place of the last one, -wal is empty */

        REQUIRE(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
        if (at >= 18 && at < 20)
            continue; /* says "made by a later SQLite": the file is refused, rightly */
        if (at >= 60 && at < 72)
            continue; /* version and application: below */
        overwrite(path, at, &wrong, 1);
        survey(folder);
    }
    free(folder);
}

static struct key key_at(uint64_t n)
{
    return key_of(n << 56, n);
}

/* A file in which one byte of that entry's key, or of its body, is wrong. The caller frees. */
static char *make_damaged(uint64_t n, int key_byte)
{
    struct key key = key_at(n);
    struct object *right = object_of(&key, size_of(n));
    const unsigned char *needle = key_byte < 0 ? right->body : key.bytes, *found;
    size_t len, needle_len = key_byte < 0 ? right->body_len : KEY_BYTES;
    char *folder = NULL;
    mem_auto unsigned char *bytes = make_file(&folder, &len);

    if (CHECK(bytes != NULL)) {
        mem_auto char *path = path_of(folder);

        found = memmem(bytes, len, needle, needle_len);
        if (CHECK(found != NULL))
            overwrite(path, (size_t)(found - bytes) + (key_byte < 0 ? 0 : (size_t)key_byte), "\x5a",
                      1);
    }
    object_unref(right);
    return folder;
}

TEST("an entry that is damaged anywhere, in its key as well, is counted and goes")
{
    static const int key_bytes[] = {-1, 0, 3, KEY_BYTES - 1};

    for (size_t i = 0; i < countof(key_bytes); i++) {
        mem_auto char *folder = make_damaged(7, key_bytes[i]);
        struct key key = key_at(7), next = key_at(8);
        struct rig rig;
        struct err err;

        REQUIRE(rig_open(&rig, folder, 64 * MIB, &err));
        CHECK(!has(&rig, &key, size_of(7)));
        CHECK_INT(figures(&rig).damaged, 1);
        settle(&rig);
        CHECK_INT(figures(&rig).items, ENTRIES - 1);
        CHECK(!has(&rig, &key, size_of(7)) && has(&rig, &next, size_of(8)));
        CHECK_INT(figures(&rig).damaged, 1);
        CHECK_INT(atomic_load(&rig.told), 0);
        rig_free(&rig);
    }
}

TEST("a damaged entry is counted once, and never takes the answer that came instead with it")
{
    mem_auto char *folder = make_damaged(7, -1);
    struct key key = key_at(7);
    struct rig rig;
    struct err err;

    REQUIRE(rig_open(&rig, folder, 64 * MIB, &err));
    CHECK(!has(&rig, &key, size_of(7)));
    CHECK(!has(&rig, &key, size_of(7)));
    put(&rig, &key, 100);
    object_unref(store_reader_read(rig.reader, &key));
    settle(&rig);
    CHECK(has(&rig, &key, 100));
    CHECK_INT(figures(&rig).damaged, 1);
    CHECK_INT(figures(&rig).items, ENTRIES);
    rig_free(&rig);
}

static bool count_key(void *arg, const struct key *key, bool sound)
{
    (void)key;
    *(unsigned *)arg += !sound;
    return true;
}

static bool stop_at_first(void *arg, const struct key *key, bool sound)
{
    (void)key;
    (void)sound;
    ++*(unsigned *)arg;
    return false;
}

TEST("whoever checks what is there finds each damaged entry, and removes it")
{
    static const int key_bytes[] = {-1, 2, KEY_BYTES - 1};

    for (size_t i = 0; i < countof(key_bytes); i++) {
        mem_auto char *folder = make_damaged(7, key_bytes[i]);
        struct store_verified found;
        unsigned told = 0;
        struct rig rig;
        struct err err;

        REQUIRE(rig_look(&rig, folder, &err));
        CHECK_INT(store_verify(rig.store, &found, count_key, &told, &err), 0);
        CHECK_INT(found.good, ENTRIES - 1);
        CHECK_INT(found.damaged, 1);
        CHECK_INT(told, 1);
        CHECK_INT(figures(&rig).items, ENTRIES - 1);
        told = 0;
        CHECK_INT(store_verify(rig.store, &found, stop_at_first, &told, &err), 0);
        CHECK_INT(told, 1);
        CHECK_INT(found.good + found.damaged, 0); /* where it stopped nothing is counted */
        CHECK_INT(store_verify(rig.store, &found, count_key, &told, &err), 0);
        CHECK_INT(found.good, ENTRIES - 1);
        CHECK_INT(found.damaged, 0);
        rig_free(&rig);
    }
}

TEST("a file that was cut anywhere is used as far as it goes, or begun anew")
{
    char *folder = NULL;
    size_t len;
    mem_auto unsigned char *bytes = make_file(&folder, &len);

    REQUIRE(bytes != NULL);
    mem_auto char *path = path_of(folder);
    for (size_t cut = 0; cut < len; cut += cut < 100 ? 33 : len / 17 + 1) {
        FILE *file = fopen(path, "we");

        REQUIRE(file && fwrite(bytes, 1, cut, file) == cut && fclose(file) == 0);
        survey(folder);
    }
    free(folder);
}

TEST("a newer version and another program's file are refused, an older one is begun anew")
{
    char *folder = NULL;
    size_t len;
    mem_auto unsigned char *bytes = make_file(&folder, &len);
    struct rig rig;
    struct err err;
    int64_t count;

    REQUIRE(bytes != NULL);
    mem_auto char *path = path_of(folder);
    overwrite(path, 60, "\0\0\0\x63", 4);
    CHECK(!rig_open(&rig, folder, 64 * MIB, &err));
    CHECK_HAS(err.text, "made by a newer goproxyai: use another --cache-dir");
    CHECK(store_clear_folder(folder, &count, &err) < 0);
    CHECK_INT(file_size(&rig, "cache.db"), len);
    rig_free(&rig);
    overwrite(path, 68, "abcd", 4);
    CHECK(!rig_open(&rig, folder, 64 * MIB, &err));
    CHECK_HAS(err.text, "another program's");
    CHECK(store_clear_folder(folder, &count, &err) < 0);
    CHECK_INT(file_size(&rig, "cache.db"), len);
    rig_free(&rig);
    overwrite(path, 60, "\0\0\0\0", 4);
    overwrite(path, 68, "gpai", 4);
    CHECK_INT(survey(folder), 0);
    free(folder);
}

TEST("a file that is no database is begun anew; a link or what others write to is refused")
{
    mem_auto char *folder = unit_folder();
    mem_auto char *path = unit_file(folder, "cache.db", "garbage that is no database at all", 34);
    struct rig rig;
    struct err err;

    CHECK_INT(survey(folder), 0);
    chmod(path, 0660);
    CHECK(!rig_open(&rig, folder, 64 * MIB, &err));
    CHECK_HAS(err.text, "other users");
    rig_free(&rig);
    unlink(path);
    CHECK_INT(symlink("elsewhere", path), 0);
    CHECK(!rig_open(&rig, folder, 64 * MIB, &err));
    CHECK_HAS(err.text, "symbolic link");
    rig_free(&rig);
    unlink(path);
    chmod(folder, 0770);
    CHECK(!rig_open(&rig, folder, 64 * MIB, &err));
    CHECK_HAS(err.text, "chmod go-w");
    rig_free(&rig);
    chmod(folder, 0700);
}

TEST("who only looks leaves a file that is none of ours, and one that is damaged or older")
{
    mem_auto char *folder = unit_folder();
    mem_auto char *path = unit_file(folder, "cache.db", "somebody's notes", 16);
    char *other = NULL;
    size_t len;
    mem_auto unsigned char *bytes = make_file(&other, &len);
    struct rig rig;
    struct err err;

    CHECK(!rig_look(&rig, folder, &err));
    CHECK_HAS(err.text, "goproxyai cache clear");
    CHECK_INT(file_size(&rig, "cache.db"), 16);
    rig_free(&rig);
    CHECK_INT(survey(folder), 0); /* begun anew */
    REQUIRE(rig_look(&rig, folder, &err));
    CHECK_INT(figures(&rig).items, 1);
    rig_free(&rig);

    REQUIRE(bytes != NULL);
    mem_auto char *ours = path_of(other);
    overwrite(ours, 60, "\0\0\0\0", 4);
    CHECK(!rig_look(&rig, other, &err));
    CHECK_HAS(err.text, "older");
    CHECK_INT(file_size(&rig, "cache.db"), len);
    rig_free(&rig);
    overwrite(ours, 60, "\0\0\0\1", 4);
    for (size_t at = 4096; at < len; at += 4096) /* each page's kind */
        overwrite(ours, at, "\x77", 1);
    if (rig_look(&rig, other, &err)) {
        struct store_verified found;

        CHECK(store_verify(rig.store, &found, NULL, NULL, &err) < 0);
        put(&rig, &(struct key[]){key_at(1)}[0], 100);
        usleep(300000);
    }
    CHECK_INT(file_size(&rig, "cache.db"), len);
    rig_free(&rig);
    free(other);
}

/* The exit status: 0, or the number of the expectation that failed. */
static int clear_full_disk(const char *folder)
{
    struct rlimit limit = {0, 0};
    struct rig rig;
    struct err err;
    int64_t count = 0;

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (rig_open(&rig, folder, 64 * MIB, &err))
        return 1;
    if (file_size(&rig, "cache.db") == 0)
        return 2;
    if (store_clear_folder(folder, &count, &err) < 0)
        return 3;
    if (count != -1 || file_size(&rig, "cache.db") != 0)
        return 4;
    return 0;
}

TEST("everything can be removed on a disk that has no room to open the file")
{
    char *folder = NULL;
    size_t len;
    mem_auto unsigned char *bytes = make_file(&folder, &len);
    struct str shm = STR_INIT;
    pid_t child;
    int status;

    REQUIRE(bytes != NULL);
    str_addf(&shm, "%s/cache.db-shm", folder);
    unlink(shm.text);
    child = fork();
    if (child == 0)
        _exit(clear_full_disk(folder));
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    CHECK_INT(survey(folder), 0);
    str_release(&shm);
    free(folder);
}
