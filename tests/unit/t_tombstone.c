#include "store/tombstone.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store_help.h"
#include "unit.h"

#define RECORD_BYTES 256

struct adopted {
    struct tombstone_log *log;
    unsigned count;
    struct purge last;
    char model[256];
    bool keeps; /* the references */
};

static void on_each(void *arg, struct tombstone *tombstone)
{
    struct adopted *adopted = arg;

    adopted->count++;
    adopted->last = tombstone->purge;
    snprintf(adopted->model, sizeof(adopted->model), "%s",
             tombstone->purge.model ? tombstone->purge.model : "(any)");
    if (!adopted->keeps)
        tombstone_release(adopted->log, tombstone);
}

static struct adopted adopt(struct tombstone_log *log)
{
    struct adopted adopted = {.log = log};

    tombstone_adopt(log, on_each, &adopted);
    return adopted;
}

static bool open_log(struct tombstone_log *log, const char *folder)
{
    tombstone_log_init(log);
    return CHECK(tombstone_log_open(log, folder));
}

/* Records that, and ends as a process does that is killed. */
static void leave(const char *folder, const struct purge *purge)
{
    struct tombstone_log log;

    if (open_log(&log, folder))
        CHECK(tombstone_record(&log, tombstone_hold(&log, purge)));
    tombstone_log_release(&log);
}

static int open_file(const char *folder)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/cache.tombstones", folder);
    return open(path, O_RDWR | O_CLOEXEC);
}

TEST("what a process left is adopted whole, once")
{
    mem_auto char *folder = unit_folder();
    struct purge some = {.collection = 7, .stored_before_ms = INT64_C(1) << 50, .model = "gpt-*"};
    struct purge one = {.one = true, .key = key_of(1, 2)};
    struct tombstone_log log;
    struct adopted adopted;

    leave(folder, &some);
    REQUIRE(open_log(&log, folder));
    adopted = adopt(&log);
    CHECK_INT(adopted.count, 1);
    CHECK_INT(adopted.last.collection, 7);
    CHECK_INT(adopted.last.stored_before_ms, INT64_C(1) << 50);
    CHECK_STR(adopted.model, "gpt-*");
    CHECK_INT(adopt(&log).count, 0);
    tombstone_log_release(&log);

    leave(folder, &one);
    REQUIRE(open_log(&log, folder));
    adopted = adopt(&log);
    CHECK_INT(adopted.count, 1);
    CHECK(adopted.last.one && memcmp(&adopted.last.key, &one.key, sizeof(one.key)) == 0);
    CHECK_STR(adopted.model, "(any)");
    tombstone_log_release(&log);
    REQUIRE(open_log(&log, folder));
    CHECK_INT(adopt(&log).count, 0);
    tombstone_log_release(&log);
}

TEST("what was adopted and not carried out is there for the next")
{
    mem_auto char *folder = unit_folder();
    struct purge purge = {.collection = 7};

    leave(folder, &purge);
    for (unsigned i = 0; i < 3; i++) {
        struct tombstone_log log;
        struct adopted adopted = {.log = &log, .keeps = true};

        REQUIRE(open_log(&log, folder));
        tombstone_adopt(&log, on_each, &adopted);
        CHECK_INT(adopted.count, 1);
        tombstone_log_release(&log);
    }
}

TEST("requests to one collection share a tombstone; the last one clears its record")
{
    mem_auto char *folder = unit_folder();
    struct purge purge = {.collection = 7};
    struct tombstone_log log;
    struct tombstone *first, *second;

    REQUIRE(open_log(&log, folder));
    first = tombstone_hold(&log, &purge);
    second = tombstone_hold(&log, &purge);
    CHECK(first == second && tombstone_find(&log, 7) == first);
    CHECK(tombstone_record(&log, first) && tombstone_record(&log, second));
    tombstone_release(&log, first);
    tombstone_log_release(&log); /* with the other one */
    REQUIRE(open_log(&log, folder));
    CHECK_INT(adopt(&log).count, 1);
    first = tombstone_hold(&log, &purge);
    CHECK(tombstone_record(&log, first));
    tombstone_release(&log, first);
    CHECK(!tombstone_find(&log, 7));
    tombstone_log_release(&log);
    REQUIRE(open_log(&log, folder));
    CHECK_INT(adopt(&log).count, 0);
    tombstone_log_release(&log);
}

TEST("a process that lives is left alone; when it ends the other one adopts")
{
    mem_auto char *folder = unit_folder();
    struct purge purge = {.collection = 7};
    struct tombstone_log a, b;

    REQUIRE(open_log(&a, folder) && open_log(&b, folder));
    CHECK(a.lane != b.lane);
    CHECK(tombstone_record(&a, tombstone_hold(&a, &purge)));
    CHECK_INT(adopt(&b).count, 0);
    tombstone_log_release(&a);
    CHECK_INT(adopt(&b).count, 1);
    CHECK_INT(adopt(&b).count, 0);
    tombstone_log_release(&b);
}

TEST("a glob that is too long for a record, and a record that nobody wrote, stand for everything")
{
    mem_auto char *folder = unit_folder();
    char model[512];
    struct purge purge = {.model = model};
    struct tombstone_log log;
    struct adopted adopted;
    int fd;

    memset(model, 'x', sizeof(model) - 1);
    model[sizeof(model) - 1] = '\0';
    leave(folder, &purge);
    REQUIRE(open_log(&log, folder));
    adopted = adopt(&log);
    CHECK_INT(adopted.count, 1);
    CHECK(purge_is_all(&adopted.last));
    tombstone_log_release(&log);

    fd = open_file(folder);
    CHECK_INT(pwrite(fd, "\x55\x55\x55", 3, RECORD_BYTES + 8), 3); /* of the collection */
    close(fd);
    REQUIRE(open_log(&log, folder));
    adopted = adopt(&log);
    CHECK_INT(adopted.count, 1);
    CHECK(purge_is_all(&adopted.last));
    CHECK_INT(adopt(&log).count, 0);
    tombstone_log_release(&log);
}

TEST("a full lane refuses, and takes one again where one was cleared")
{
    mem_auto char *folder = unit_folder();
    struct tombstone *tombstones[TOMBSTONE_SLOTS], *last;
    struct tombstone_log log;

    REQUIRE(open_log(&log, folder));
    for (unsigned i = 0; i < TOMBSTONE_SLOTS; i++) {
        tombstones[i] = tombstone_hold(&log, &(struct purge){.collection = i + 1});
        CHECK(tombstone_record(&log, tombstones[i]));
    }
    last = tombstone_hold(&log, &(struct purge){.collection = 9999});
    CHECK(!tombstone_record(&log, last));
    tombstone_release(&log, tombstones[17]);
    CHECK(tombstone_record(&log, last));
    tombstone_log_release(&log);
    /* as many are adopted as there are, though nothing is free */
    REQUIRE(open_log(&log, folder));
    CHECK_INT(adopt(&log).count, TOMBSTONE_SLOTS);
    tombstone_log_release(&log);
}

TEST("the room of all records is allocated at once, and the file is ours alone")
{
    mem_auto char *folder = unit_folder();
    struct tombstone_log log;
    struct stat file;

    REQUIRE(open_log(&log, folder));
    CHECK_INT(fstat(log.fd, &file), 0);
    CHECK_INT(file.st_mode & 0777, 0600);
    CHECK(file.st_blocks * 512 >= TOMBSTONE_SLOTS * RECORD_BYTES);
    tombstone_log_release(&log);
}

TEST("in a folder that was made anew the records are made again")
{
    mem_auto char *folder = unit_folder(), *other = unit_folder();
    struct purge purge = {.collection = 7}, unrecorded = {.collection = 8};
    struct tombstone_log log;

    REQUIRE(open_log(&log, folder));
    CHECK(tombstone_record(&log, tombstone_hold(&log, &purge)));
    tombstone_hold(&log, &unrecorded);
    CHECK(tombstone_log_open(&log, folder)); /* the same: nothing */
    CHECK(tombstone_log_open(&log, other));
    tombstone_log_release(&log);
    REQUIRE(open_log(&log, other));
    CHECK_INT(adopt(&log).count, 1);
    tombstone_log_release(&log);
}
