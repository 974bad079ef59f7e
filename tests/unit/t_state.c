#include "state/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "state/migrations.h"
#include "unit.h"

/* Each step leaves something that the next one needs. */
static const char *const steps[] = {
    "PRAGMA application_id=0x676f7873",
    "CREATE TABLE t(a INTEGER UNIQUE)",
    "INSERT INTO t VALUES(1); ALTER TABLE t ADD COLUMN b TEXT",
    "UPDATE t SET b='two'; INSERT INTO t VALUES(2, 'three')",
};

static char *path_in(const char *folder)
{
    struct str path = STR_INIT;

    str_addf(&path, "%s/state.db", folder);
    return str_detach(&path);
}

static struct sql *open_sql(const char *path)
{
    struct sql *sql;

    CHECK_INT(sql_open(&sql, &(struct sql_file){.path = path, .use = SQL_LASTING, .wait_ms = 5000}),
              SQL_OK);
    return sql;
}

static int64_t number(struct sql *sql, const char *statement)
{
    int64_t n = -1;

    CHECK_INT(sql_number(sql, statement, &n), SQL_OK);
    return n;
}

static int apply(struct sql *sql, const char *const *all, unsigned count, struct err *err)
{
    return migrations_apply(&(struct migrations){.steps = all, .count = count}, sql, "/x/state.db",
                            err);
}

/* All bytes of the file, to compare. */
static char *bytes_of(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    struct stat info;
    char *bytes;

    if (!file || fstat(fileno(file), &info) < 0)
        abort();
    *len = (size_t)info.st_size;
    bytes = mem_alloc(*len + 1);
    CHECK_INT(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

/* It is refused with that text, and the file is as it was. */
static void check_refused(const char *folder, const char *text)
{
    mem_auto char *path = path_in(folder), *before, *after = NULL;
    size_t before_len, after_len;
    struct state *state;
    struct err err;

    before = bytes_of(path, &before_len);
    CHECK(state_open(&state, folder, NULL, 0, &err) < 0);
    CHECK(!state);
    CHECK_INT(err.code, ERR_SYSTEM);
    CHECK_HAS(err.text, text);
    CHECK_HAS(err.text, path);
    after = bytes_of(path, &after_len);
    CHECK(after_len == before_len && memcmp(before, after, before_len) == 0);
}

TEST("state.db is made with its folder, for its user alone, and what was written is there again")
{
    mem_auto char *outer = unit_folder(), *path = NULL;
    struct str folder = STR_INIT;
    struct state *state;
    struct stat info;
    struct err err;

    str_addf(&folder, "%s/a/b", outer);
    path = path_in(folder.text);
    REQUIRE(state_open(&state, folder.text, NULL, 0, &err) == 0);
    CHECK_INT(number(state_sql(state), "PRAGMA user_version"), state_migrations.count);
    CHECK_INT(sql_execute(state_sql(state), "CREATE TABLE t(a); INSERT INTO t VALUES(7)"), SQL_OK);
    state_close(state);
    CHECK(stat(folder.text, &info) == 0 && (info.st_mode & 0777) == 0700);
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    REQUIRE(state_open(&state, folder.text, NULL, 0, &err) == 0);
    CHECK_INT(number(state_sql(state), "SELECT a FROM t"), 7);
    state_close(state);
    str_release(&folder);
}

TEST("a commit is on the disk, and the log is gone once nobody has the file open")
{
    mem_auto char *folder = unit_folder(), *path = path_in(folder);
    struct str log = STR_INIT;
    struct state *state;
    struct err err;

    str_addf(&log, "%s-wal", path);
    REQUIRE(state_open(&state, folder, NULL, 0, &err) == 0);
    CHECK_INT(number(state_sql(state), "PRAGMA synchronous"), 2); /* FULL */
    CHECK_INT(sql_execute(state_sql(state), "CREATE TABLE t(a)"), SQL_OK);
    CHECK(access(log.text, F_OK) == 0);
    state_close(state);
    CHECK(access(log.text, F_OK) < 0);
    str_release(&log);
}

TEST("from each version on, the steps that are missing are applied, each once")
{
    for (unsigned from = 0; from <= countof(steps); from++) {
        mem_auto char *folder = unit_folder(), *path = unit_file(folder, "state.db", "", 0);
        struct sql *sql = open_sql(path);
        struct err err;

        CHECK_INT(apply(sql, steps, from, &err), 0);
        CHECK_INT(number(sql, "PRAGMA user_version"), from);
        CHECK_INT(apply(sql, steps, countof(steps), &err), 0);
        CHECK_INT(number(sql, "PRAGMA user_version"), countof(steps));
        CHECK_INT(number(sql, "SELECT count(*) FROM t WHERE b IN ('two', 'three')"), 2);
        CHECK_INT(apply(sql, steps, countof(steps), &err), 0);
        CHECK_INT(number(sql, "SELECT count(*) FROM t"), 2);
        sql_close(sql);
    }
}

TEST("of a step that fails nothing is done, and those before it stay")
{
    const char *const broken[] = {steps[0], steps[1],
                                  "INSERT INTO t VALUES(5); INSERT INTO nowhere VALUES(1)"};
    mem_auto char *folder = unit_folder(), *path = unit_file(folder, "state.db", "", 0);
    struct sql *sql = open_sql(path);
    struct err err;

    CHECK_INT(apply(sql, broken, countof(broken), &err), -1);
    CHECK_HAS(err.text, "/x/state.db");
    CHECK_INT(number(sql, "PRAGMA user_version"), 2);
    CHECK_INT(number(sql, "SELECT count(*) FROM t"), 0);
    CHECK_INT(apply(sql, steps, countof(steps), &err), 0); /* nothing is left open */
    sql_close(sql);
}

TEST("a file of a newer version, or of another program, is refused and stays as it is")
{
    static const struct {
        const char *statements, *text;
    } rows[] = {
        {"PRAGMA application_id=0x676f7873; PRAGMA user_version=999", "of version 999"},
        {"PRAGMA application_id=0x676f7873; PRAGMA user_version=-1", "of version -1"},
        {"CREATE TABLE theirs(a)", "another program"},
        {"PRAGMA application_id=7", "another program"},
        {"PRAGMA user_version=1", "another program"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        mem_auto char *folder = unit_folder(), *path = unit_file(folder, "state.db", "", 0);
        struct sql *sql = open_sql(path);

        unit_row(rows[i].statements);
        CHECK_INT(sql_execute(sql, rows[i].statements), SQL_OK);
        sql_close(sql);
        check_refused(folder, rows[i].text);
    }
    unit_row(NULL);
}

TEST("a damaged file is refused and stays as it is")
{
    static const char nonsense[] = "this is no database, but a text that somebody put here";
    mem_auto char *text_folder = unit_folder(), *folder = unit_folder(), *path = path_in(folder);
    struct state *state;
    struct err err;
    size_t len;
    int fd;

    free(unit_file(text_folder, "state.db", nonsense, sizeof(nonsense)));
    check_refused(text_folder, "damaged");
    REQUIRE(state_open(&state, folder, NULL, 0, &err) == 0);
    CHECK_INT(sql_execute(state_sql(state), "CREATE TABLE t(a); INSERT INTO t VALUES(7)"), SQL_OK);
    state_close(state);
    free(bytes_of(path, &len));
    CHECK(len > 1000);
    fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK_INT(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 100),
              8); /* the first page's kind */
    close(fd);
    check_refused(folder, "damaged");
}

TEST("what breaks a constraint is refused, and is no damage")
{
    static const char *const texts[] = {"INSERT INTO t VALUES(?1, ?2)"};
    mem_auto char *folder = unit_folder();
    struct sql_query *query;
    struct state *state;
    struct sql *sql;
    struct err err;

    REQUIRE(state_open(&state, folder, texts, countof(texts), &err) == 0);
    sql = state_sql(state);
    CHECK_INT(sql_execute(sql, "CREATE TABLE g(a INTEGER PRIMARY KEY);"
                               "CREATE TABLE t(a INTEGER UNIQUE, g INTEGER REFERENCES g(a));"
                               "INSERT INTO g VALUES(1)"),
              SQL_OK);
    for (int i = 0; i < 3; i++) {
        REQUIRE(sql_query(sql, 0, &query) == SQL_OK);
        sql_bind_int(query, 1, i == 2 ? 9 : 5);
        sql_bind_int(query, 2, i == 2 ? 77 : 1);
        CHECK_INT(sql_finish(sql, query), i == 0 ? SQL_OK : SQL_REFUSED); /* unique, foreign key */
    }
    CHECK_HAS(sql_error(sql), "constraint");
    CHECK_INT(number(sql, "SELECT count(*) FROM t"), 1);
    state_close(state);
}

TEST("several processes open a new file at once: each finds it whole")
{
    mem_auto char *folder = unit_folder();
    pid_t children[6];
    int status;

    for (size_t i = 0; i < countof(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct state *state;
            struct err err;

            if (state_open(&state, folder, NULL, 0, &err) < 0)
                _exit(1);
            _exit(number(state_sql(state), "PRAGMA user_version") == state_migrations.count ? 0
                                                                                            : 2);
        }
    }
    for (size_t i = 0; i < countof(children); i++) {
        REQUIRE(children[i] > 0 && waitpid(children[i], &status, 0) == children[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

TEST("a folder that others may write to is refused")
{
    mem_auto char *folder = unit_folder();
    struct state *state;
    struct err err;

    CHECK_INT(chmod(folder, 0777), 0);
    CHECK(state_open(&state, folder, NULL, 0, &err) < 0);
    CHECK_HAS(err.text, folder);
}
