#include "base/sql.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

enum { ADD, GET, SUM, WRONG, TEXTS };

static const char *const texts[TEXTS] = {
    [ADD] = "INSERT INTO t VALUES(?1, ?2)",
    [GET] = "SELECT a, b FROM t ORDER BY a",
    [SUM] = "SELECT sum(a) FROM t",
    [WRONG] = "SELECT c FROM t",
};

static enum sql_result open_file(struct sql **sql, const char *path, enum sql_use use)
{
    return sql_open(sql,
                    &(struct sql_file){.path = path, .use = use, .texts = texts, .count = TEXTS});
}

/* An empty file, opened; the file's name, which the caller frees. */
static struct sql *open_new(char **path)
{
    mem_auto char *folder = unit_folder();
    struct sql *sql;

    *path = unit_file(folder, "test.db", "", 0);
    CHECK_INT(open_file(&sql, *path, SQL_DISPOSABLE), SQL_OK);
    CHECK_INT(sql_execute(sql, "CREATE TABLE t(a INTEGER UNIQUE, b TEXT)"), SQL_OK);
    return sql;
}

static struct sql *open_again(const char *path)
{
    struct sql *sql;

    CHECK_INT(open_file(&sql, path, SQL_DISPOSABLE), SQL_OK);
    return sql;
}

static enum sql_result add(struct sql *sql, int64_t a, const char *b)
{
    struct sql_query *q;
    enum sql_result result = sql_query(sql, ADD, &q);

    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, a);
    if (b)
        sql_bind_text(q, 2, b, strlen(b));
    else
        sql_bind_null(q, 2);
    return sql_finish(sql, q);
}

TEST("rows come back as they were put, and a statement may be used again")
{
    mem_auto char *path = NULL;
    struct sql *sql = open_new(&path);
    int64_t number = -1;
    struct sql_query *q;
    size_t len;

    CHECK_INT(sql_ask(sql, SUM, &number), SQL_OK);
    CHECK_INT(number, 0); /* NULL */
    CHECK_INT(add(sql, 2, "two"), SQL_OK);
    CHECK_INT(sql_changes(sql), 1);
    CHECK_INT(add(sql, 1, NULL), SQL_OK);
    for (unsigned round = 0; round < 2; round++) {
        REQUIRE(CHECK_INT(sql_query(sql, GET, &q), SQL_OK));
        CHECK_INT(sql_step(sql, q), SQL_OK);
        CHECK_INT(sql_int(q, 0), 1);
        CHECK(sql_text(q, 1, &len) == NULL && len == 0);
        CHECK_INT(sql_step(sql, q), SQL_OK);
        CHECK_STR(sql_text(q, 1, &len), "two");
        CHECK_INT(len, 3);
        CHECK_INT(sql_step(sql, q), SQL_NONE);
        sql_end(q);
    }
    CHECK_INT(sql_ask(sql, SUM, &number), SQL_OK);
    CHECK_INT(number, 3);
    CHECK_INT(sql_number(sql, "SELECT a FROM t WHERE a=7", &number), SQL_NONE);
    CHECK_INT(number, 3);
    sql_close(sql);
    sql_close(NULL);
}

TEST("an error of SQL's own is damage only where a table or column is not there")
{
    static const struct {
        const char *statement;
        enum sql_result result;
        const char *error;
    } rows[] = {
        {"SELECT a FROM nowhere", SQL_DAMAGED, "no such table"},
        {"SELECT c FROM t", SQL_DAMAGED, "no such column"},
        {"SELECT abs(-9223372036854775808)", SQL_TROUBLE, "integer overflow"},
        {"COMMIT", SQL_TROUBLE, "no transaction is active"},
        {"BEGIN; BEGIN", SQL_TROUBLE, "within a transaction"},
        {"SELECT 'no such ' FROM", SQL_TROUBLE, "incomplete input"},
        {"INSERT INTO t VALUES('x', 'no such table')", SQL_OK, ""},
        {"INSERT INTO t VALUES('x', '')", SQL_DAMAGED, "UNIQUE"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        mem_auto char *path = NULL;
        struct sql *sql = open_new(&path);

        unit_row(rows[i].statement);
        CHECK_INT(sql_execute(sql, "INSERT INTO t VALUES('x0', '')"), SQL_OK);
        if (rows[i].result == SQL_DAMAGED && strcmp(rows[i].error, "UNIQUE") == 0)
            CHECK_INT(sql_execute(sql, "INSERT INTO t VALUES('x', '')"), SQL_OK);
        CHECK_INT(sql_execute(sql, rows[i].statement), rows[i].result);
        if (rows[i].result != SQL_OK)
            CHECK_HAS(sql_error(sql), rows[i].error);
        sql_undo(sql);
        CHECK_INT(add(sql, 5, "after it"), SQL_OK); /* it is as good as before */
        sql_close(sql);
    }
    unit_row(NULL);
}

TEST("a statement of the table that cannot be prepared says so each time")
{
    mem_auto char *path = NULL;
    struct sql *sql = open_new(&path);
    struct sql_query *q;
    int64_t number;

    for (unsigned round = 0; round < 2; round++) {
        CHECK_INT(sql_query(sql, WRONG, &q), SQL_DAMAGED);
        CHECK_INT(sql_run(sql, WRONG), SQL_DAMAGED);
        CHECK_INT(sql_ask(sql, WRONG, &number), SQL_DAMAGED);
    }
    CHECK_INT(sql_execute(sql, "ALTER TABLE t ADD COLUMN c"), SQL_OK);
    CHECK_INT(sql_query(sql, WRONG, &q), SQL_OK);
    sql_close(sql);
}

TEST("what another connection holds is busy, and free when it has let go")
{
    mem_auto char *path = NULL;
    struct sql *sql = open_new(&path), *other = open_again(path);

    CHECK_INT(sql_execute(other, "BEGIN IMMEDIATE"), SQL_OK);
    CHECK_INT(add(sql, 1, "a"), SQL_BUSY);
    CHECK_HAS(sql_error(sql), "locked");
    CHECK_INT(sql_execute(other, "COMMIT"), SQL_OK);
    CHECK_INT(add(sql, 1, "a"), SQL_OK);
    sql_close(other);
    sql_close(sql);
}

TEST("a statement goes on when another connection has changed the tables meanwhile")
{
    mem_auto char *path = NULL;
    struct sql *sql = open_new(&path), *other = open_again(path);

    CHECK_INT(add(sql, 1, "a"), SQL_OK);
    CHECK_INT(sql_execute(other, "CREATE TABLE u(x)"), SQL_OK);
    CHECK_INT(add(sql, 2, "b"), SQL_OK);
    CHECK_INT(sql_execute(other, "DROP TABLE t"), SQL_OK);
    CHECK_INT(add(sql, 3, "c"), SQL_DAMAGED);
    CHECK_INT(sql_execute(other, "CREATE TABLE t(a INTEGER UNIQUE, b TEXT)"), SQL_OK);
    CHECK_INT(add(sql, 3, "c"), SQL_OK);
    sql_close(other);
    sql_close(sql);
}

TEST("a file that is none of SQLite's is damaged, and one that is not there is trouble")
{
    mem_auto char *folder = unit_folder();
    mem_auto char *text = mem_zero(8193), *path = NULL;
    struct str nowhere = STR_INIT;
    struct sql *sql;

    memset(text, 'x', 8192);
    path = unit_file(folder, "text.db", text, 8192);
    CHECK_INT(open_file(&sql, path, SQL_DISPOSABLE), SQL_DAMAGED);
    CHECK_HAS(sql_error(sql), "not a database");
    sql_close(sql);
    str_addf(&nowhere, "%s/nowhere.db", folder);
    CHECK_INT(open_file(&sql, nowhere.text, SQL_DISPOSABLE), SQL_TROUBLE);
    CHECK(strlen(sql_error(sql)) > 0);
    sql_close(sql);
    str_release(&nowhere);
}

TEST("what is undone leaves nothing, and undoing nothing is fine")
{
    mem_auto char *path = NULL;
    struct sql *sql = open_new(&path);
    int64_t count = -1;

    sql_undo(sql);
    CHECK_INT(sql_execute(sql, "BEGIN"), SQL_OK);
    CHECK_INT(add(sql, 1, "a"), SQL_OK);
    CHECK_INT(sql_execute(sql, "SELECT * FROM nowhere"), SQL_DAMAGED);
    sql_undo(sql);
    CHECK_HAS(sql_error(sql), "no such table"); /* the trouble, not the undoing */
    CHECK_INT(sql_number(sql, "SELECT count(*) FROM t", &count), SQL_OK);
    CHECK_INT(count, 0);
    sql_close(sql);
}

TEST("is_like compares as a shell does, and nothing is like nothing")
{
    static const struct {
        const char *expression;
        int64_t like;
    } rows[] = {{"is_like('gpt-*', 'gpt-4o')", 1},
                {"is_like('gpt-*', 'o3')", 0},
                {"is_like('*', NULL)", 1},
                {"is_like('gpt-*', NULL)", 0},
                {"is_like(NULL, 'gpt-4o')", 0}};
    mem_auto char *path = NULL;
    struct sql *sql = open_new(&path);

    for (size_t i = 0; i < countof(rows); i++) {
        struct str statement = STR_INIT;
        int64_t like = -1;

        unit_row(rows[i].expression);
        str_addf(&statement, "SELECT %s", rows[i].expression);
        CHECK_INT(sql_number(sql, statement.text, &like), SQL_OK);
        CHECK_INT(like, rows[i].like);
        str_release(&statement);
    }
    unit_row(NULL);
    sql_close(sql);
}
