/* Processes that die while they store, disks that are full, and statements that fail. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/store.h"
#include "store_help.h"
#include "unit.h"

#define MIB ((int64_t)1 << 20)

/* fork() runs none of the parent's threads: the child has a store of its own. A byte goes to
 * `told` when it is open and more than a hundred entries are written. */
static void store_until_killed(const char *folder, unsigned round, int told)
{
    struct rig rig;
    struct err err;

    if (!rig_open(&rig, folder, 8 * MIB, &err))
        _exit(1);
    for (uint64_t i = 0;; i++) {
        put(&rig, &(struct key[]){key_of(i << 40, i)}[0], 200 + (i * 37 + round) % 9000);
        if (i % 50 == 0)
            usleep(1000);
        if (i == 150) {
            settle(&rig);
            (void)!write(told, "", 1);
        }
    }
}

static void wait_for_byte(int fd)
{
    char byte;

    CHECK_INT(read(fd, &byte, 1), 1);
}

static bool count_row(void *arg, const struct store_row *row)
{
    (void)row;
    ++*(uint64_t *)arg;
    return true;
}

TEST("a process that is killed while it stores leaves whole entries only")
{
    mem_auto char *folder = unit_folder();
    struct store_verified found = {.good = 0};
    uint64_t seed = 99, rows = 0;
    struct rig rig;
    struct err err;

    for (unsigned round = 0; round < 30; round++) {
        int told[2];
        pid_t child;

        REQUIRE(pipe(told) == 0);
        child = fork();
        if (child == 0)
            store_until_killed(folder, round, told[1]);
        close(told[1]);
        if (round % 2) /* every other one dies while it opens the file, if the machine is slow */
            wait_for_byte(told[0]);
        usleep(20000 + (unsigned)unit_random_up_to(&seed, 120000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(told[0]);
        REQUIRE(rig_open(&rig, folder, 8 * MIB, &err));
        CHECK_INT(store_verify(rig.store, &found, NULL, NULL, &err), 0);
        CHECK_INT(found.damaged, 0);
        CHECK_INT(figures(&rig).items, found.good);
        CHECK_INT(figures(&rig).errors, 0);
        rig_free(&rig);
    }
    CHECK(found.good > 100);
    REQUIRE(rig_open(&rig, folder, 8 * MIB, &err));
    CHECK_INT(store_each(rig.store, count_row, &rows, &err), 0);
    CHECK_INT(rows, found.good);
    rig_free(&rig);
}

/* The exit status: 0, or the number of the expectation that failed. */
static int fill_disk(const char *folder)
{
    struct key first = key_of(1, 1), dropped = key_of(2, 2);
    struct rlimit limit = {2 * MIB, 2 * MIB};
    struct rig rig;
    struct err err;
    uint64_t count;

    signal(SIGXFSZ, SIG_IGN);
    if (!rig_open(&rig, folder, 64 * MIB, &err))
        return 1;
    put(&rig, &first, 3000);
    put(&rig, &dropped, 3000);
    settle(&rig);
    setrlimit(RLIMIT_FSIZE, &limit);
    for (uint64_t i = 10; i < 4000; i++) {
        put(&rig, &(struct key[]){key_of(i << 40, i)}[0], 2000);
        if (i % 100 == 0)
            usleep(20000);
    }
    /* The error is counted a moment before what was dropped for it. */
    for (unsigned tries = 0; tries < 6000 && !(figures(&rig).errors && figures(&rig).dropped);
         tries++)
        usleep(10000);
    if (figures(&rig).errors == 0 || figures(&rig).dropped == 0)
        return 2;
    if (!has(&rig, &first, 3000))
        return 3;
    /* It cannot be written that this one is gone; nobody finds it all the same. */
    drop_later(rig.store, &(struct purge){.one = true, .key = dropped});
    (void)store_remove(rig.store, &(struct purge){.one = true, .key = dropped}, &count, &err);
    if (has(&rig, &dropped, 3000) || !has(&rig, &first, 3000))
        return 4;
    rig_free(&rig);
    return 0;
}

TEST("on a full disk nothing is stored, what is there is found, and it is counted")
{
    mem_auto char *folder = unit_folder();
    pid_t child = fork();
    struct store_verified found;
    struct rig rig;
    struct err err;
    int status;

    if (child == 0)
        _exit(fill_disk(folder));
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    REQUIRE(rig_open(&rig, folder, 64 * MIB, &err));
    CHECK_INT(store_verify(rig.store, &found, NULL, NULL, &err), 0);
    CHECK(found.good > 0);
    CHECK_INT(found.damaged, 0);
    rig_free(&rig);
}

/* ---- statements that fail ---- */

static void execute(const struct rig *rig, const char *statements)
{
    struct sql *sql = hold_file(rig);

    CHECK_INT(sql_execute(sql, statements), SQL_OK);
    CHECK_INT(sql_execute(sql, "COMMIT"), SQL_OK);
    sql_close(sql);
}

TEST("a statement that fails in passing costs what it was to write, and nothing that is there")
{
    struct key first = key_of(1, 1), lost = key_of(2, 2), last = key_of(3, 3);
    struct rig rig;
    struct err err;
    unsigned files;

    REQUIRE(rig_open(&rig, NULL, 64 * MIB, &err));
    put(&rig, &first, 3000);
    settle(&rig);
    files = atomic_load(&rig.replaced);
    execute(&rig, "CREATE TRIGGER hurt BEFORE INSERT ON body BEGIN"
                  " SELECT abs(-9223372036854775808); END"); /* SQLITE_ERROR: integer overflow */
    put(&rig, &lost, 3000);
    SOON(figures(&rig).dropped == 1);
    CHECK_INT(figures(&rig).errors, 1);
    SOON(!has(&rig, &lost, 3000)); /* it was found in the queue until then */
    CHECK(has(&rig, &first, 3000));
    execute(&rig, "DROP TRIGGER hurt");
    put(&rig, &last, 3000);
    settle(&rig);
    CHECK(has(&rig, &first, 3000));
    CHECK(has(&rig, &last, 3000));
    CHECK_INT(figures(&rig).items, 2);
    CHECK_INT(figures(&rig).errors, 1);
    CHECK_INT(figures(&rig).damaged, 0);
    CHECK_INT(atomic_load(&rig.replaced), files); /* it was not begun anew */
    rig_free(&rig);
}

TEST("a table that is gone is damage, and the file is begun anew")
{
    struct key first = key_of(1, 1), last = key_of(3, 3);
    struct rig rig;
    struct err err;
    unsigned files;

    REQUIRE(rig_open(&rig, NULL, 64 * MIB, &err));
    put(&rig, &first, 3000);
    settle(&rig);
    files = atomic_load(&rig.replaced);
    execute(&rig, "DROP TABLE body");
    put(&rig, &last, 3000);
    SOON(atomic_load(&rig.replaced) > files);
    put(&rig, &last, 3000);
    settle(&rig);
    CHECK(!has(&rig, &first, 3000));
    CHECK(has(&rig, &last, 3000));
    CHECK_INT(figures(&rig).items, 1);
    rig_free(&rig);
}
