#include "base/sql.h"

#include <fnmatch.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct sql {
    sqlite3 *sqlite;
    enum sql_use use;
    const char *const *texts;
    unsigned count;
    char error[160];
    sqlite3_stmt *made[]; /* count of them, NULL until first used */
};

static sqlite3_stmt *of(struct sql_query *query)
{
    return (sqlite3_stmt *)(void *)query;
}

static enum sql_result result_of(struct sql *sql, int code)
{
    if (code == SQLITE_OK || code == SQLITE_ROW)
        return SQL_OK;
    if (code == SQLITE_DONE)
        return SQL_NONE;
    snprintf(sql->error, sizeof(sql->error), "%s",
             sql->sqlite ? sqlite3_errmsg(sql->sqlite) : sqlite3_errstr(code));
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
        return SQL_BUSY;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return sql->use == SQL_LASTING ? SQL_REFUSED : SQL_DAMAGED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return SQL_DAMAGED;
    case SQLITE_ERROR: /* a passing one; but our statements are right, and so must the tables be */
        return strncmp(sql->error, "no such ", 8) == 0 ? SQL_DAMAGED : SQL_TROUBLE;
    case SQLITE_NOMEM:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        abort();
    default:
        return SQL_TROUBLE;
    }
}

static void is_like(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *glob = (const char *)sqlite3_value_text(values[0]);
    const char *text = (const char *)sqlite3_value_text(values[1]);

    (void)count;
    sqlite3_result_int(context, glob && fnmatch(glob, text ? text : "", 0) == 0);
}

/* Statistics of memory would be kept under one lock for all threads. */
static void set_up(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static pthread_once_t set_up_once = PTHREAD_ONCE_INIT;

/* At the end SQLite removes the log by its name, which may be that of a newer file's by then. */
static void leave_log(struct sql *sql)
{
    int keep = 1;

    sqlite3_file_control(sql->sqlite, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep);
    sqlite3_db_config(sql->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
}

enum sql_result sql_open(struct sql **made, const struct sql_file *file)
{
    struct sql *sql = *made = mem_zero(sizeof(*sql) + file->count * sizeof(sql->made[0]));
    enum sql_result result;

    pthread_once(&set_up_once, set_up);
    sql->use = file->use;
    sql->texts = file->texts;
    sql->count = file->count;
    result = result_of(sql, sqlite3_open_v2(file->path, &sql->sqlite,
                                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    if (result != SQL_OK)
        return result;
    sqlite3_busy_timeout(sql->sqlite, (int)file->wait_ms);
    if (file->use == SQL_DISPOSABLE)
        leave_log(sql);
    /* Most rows fit, so that reading and writing them costs no allocation. */
    sqlite3_db_config(sql->sqlite, SQLITE_DBCONFIG_LOOKASIDE, NULL, 4096, 16);
    sqlite3_db_config(sql->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(sql->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    sqlite3_create_function(sql->sqlite, "is_like", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                            is_like, NULL, NULL);
    /* mmap would make a file that another process cuts a SIGBUS. */
    result = sql_execute(sql, "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
                              "PRAGMA cell_size_check=ON");
    if (result != SQL_OK)
        return result;
    return sql_execute(sql, file->use == SQL_LASTING
                                ? "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON"
                                : "PRAGMA synchronous=NORMAL");
}

void sql_close(struct sql *sql)
{
    if (!sql)
        return;
    for (unsigned i = 0; i < sql->count; i++)
        sqlite3_finalize(sql->made[i]);
    sqlite3_close(sql->sqlite);
    free(sql);
}

const char *sql_error(const struct sql *sql)
{
    return sql->error[0] ? sql->error : "unknown trouble";
}

int sql_explain(const struct sql *sql, enum sql_result result, const char *path, struct err *err)
{
    if (result == SQL_BUSY)
        return err_set(err, ERR_SYSTEM, "%s is held by another process: %s", path, sql_error(sql));
    if (result == SQL_DAMAGED)
        return err_set(err, ERR_SYSTEM, "%s is damaged: %s", path, sql_error(sql));
    return err_set(err, ERR_SYSTEM, "cannot use %s: %s; is the disk full, or not to be written to?",
                   path, sql_error(sql));
}

bool sql_is_read_only(struct sql *sql)
{
    return sqlite3_db_readonly(sql->sqlite, "main") != 0;
}

enum sql_result sql_execute(struct sql *sql, const char *statements)
{
    return result_of(sql, sqlite3_exec(sql->sqlite, statements, NULL, NULL, NULL));
}

enum sql_result sql_number(struct sql *sql, const char *statement, int64_t *number)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(sql->sqlite, statement, -1, &s, NULL);
    enum sql_result result;

    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(s, 0);
    result = result_of(sql, code);
    sqlite3_finalize(s);
    return result;
}

enum sql_result sql_query(struct sql *sql, unsigned which, struct sql_query **query)
{
    int code = SQLITE_OK;

    if (!sql->made[which])
        code = sqlite3_prepare_v3(sql->sqlite, sql->texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                  &sql->made[which], NULL);
    *query = (struct sql_query *)(void *)sql->made[which];
    return result_of(sql, code);
}

void sql_bind_int(struct sql_query *query, int at, int64_t number)
{
    sqlite3_bind_int64(of(query), at, number);
}

void sql_bind_null(struct sql_query *query, int at)
{
    sqlite3_bind_null(of(query), at);
}

void sql_bind_text(struct sql_query *query, int at, const char *text, size_t len)
{
    sqlite3_bind_text64(of(query), at, text, len, SQLITE_STATIC, SQLITE_UTF8);
}

void sql_bind_blob(struct sql_query *query, int at, const void *bytes, size_t len)
{
    sqlite3_bind_blob64(of(query), at, len ? bytes : "", len, SQLITE_STATIC);
}

enum sql_result sql_step(struct sql *sql, struct sql_query *query)
{
    return result_of(sql, sqlite3_step(of(query)));
}

void sql_end(struct sql_query *query)
{
    sqlite3_reset(of(query));
}

int64_t sql_int(struct sql_query *query, int column)
{
    return sqlite3_column_int64(of(query), column);
}

const char *sql_text(struct sql_query *query, int column, size_t *len)
{
    const char *text = (const char *)sqlite3_column_text(of(query), column);

    *len = text ? (size_t)sqlite3_column_bytes(of(query), column) : 0;
    return text;
}

const void *sql_blob(struct sql_query *query, int column, size_t *len)
{
    const void *bytes = sqlite3_column_blob(of(query), column);

    *len = bytes ? (size_t)sqlite3_column_bytes(of(query), column) : 0;
    return bytes;
}

enum sql_result sql_finish(struct sql *sql, struct sql_query *query)
{
    enum sql_result result = sql_step(sql, query);

    sql_end(query);
    return result == SQL_NONE ? SQL_OK : result;
}

enum sql_result sql_run(struct sql *sql, unsigned which)
{
    struct sql_query *query;
    enum sql_result result = sql_query(sql, which, &query);

    return result == SQL_OK ? sql_finish(sql, query) : result;
}

enum sql_result sql_ask(struct sql *sql, unsigned which, int64_t *number)
{
    struct sql_query *query;
    enum sql_result result = sql_query(sql, which, &query);

    if (result != SQL_OK)
        return result;
    result = sql_step(sql, query);
    if (result == SQL_OK)
        *number = sql_int(query, 0);
    sql_end(query);
    return result;
}

int64_t sql_changes(struct sql *sql)
{
    return sqlite3_changes64(sql->sqlite);
}

void sql_undo(struct sql *sql)
{
    if (!sqlite3_get_autocommit(sql->sqlite))
        sqlite3_exec(sql->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

enum sql_result sql_checkpoint(struct sql *sql, bool all)
{
    int mode = all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;

    return result_of(sql, sqlite3_wal_checkpoint_v2(sql->sqlite, NULL, mode, NULL, NULL));
}
