/* The one door to SQLite: a connection with its table of statements.
 *
 *      struct sql_query *q;
 *      if (sql_query(sql, GET, &q) == SQL_OK) {
 *          sql_bind_int(q, 1, id);
 *          while ((result = sql_step(sql, q)) == SQL_OK)
 *              … sql_int(q, 0) …
 *          sql_end(q);
 *      }
 *
 * What SQLite says is folded into `enum sql_result`; sql_error() tells the last trouble in words.
 * Statements are prepared when they are first used. One thread's.
 */
#ifndef BASE_SQL_H
#define BASE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sql;
struct sql_query;

enum sql_result {
    SQL_OK,      /* done; of sql_step(): here is a row */
    SQL_NONE,    /* no (more) row */
    SQL_BUSY,    /* another connection has it; later */
    SQL_DAMAGED, /* no database, a broken one, or one with other tables */
    SQL_TROUBLE, /* the disk: full, read-only, failing */
    SQL_REFUSED  /* a constraint: what the caller wanted to write may not be (SQL_LASTING only) */
};

enum sql_use {
    /* A cache. Another process may remove the file and begin it anew while it is open: nothing is
     * ever removed by its name here, and closing writes nothing. No statement of ours breaks a
     * constraint, so one that is broken is damage. A commit may be lost with the machine's power.
     */
    SQL_DISPOSABLE,
    /* Data that cannot be fetched again: a commit is on the disk when it returns. */
    SQL_LASTING
};

struct sql_file {
    const char *path;
    enum sql_use use;
    const char *const *texts; /* the table of statements, which outlives the connection */
    unsigned count;           /* of them */
    unsigned wait_ms;         /* how long a statement waits for other connections */
};

/* Opens a file that is there (an empty one is an empty database) for reading and writing; nothing
 * is written by that. *sql is there for sql_error() and sql_close() whatever the result is. SQL
 * function: is_like(glob, text), that is fnmatch(3). */
enum sql_result sql_open(struct sql **sql, const struct sql_file *file);
void sql_close(struct sql *sql); /* NULL is nothing */
const char *sql_error(const struct sql *sql);
/* Explains the last error of that file to the user, in *err with ERR_SYSTEM. Returns -1. */
int sql_explain(const struct sql *sql, enum sql_result result, const char *path, struct err *err);
bool sql_is_read_only(struct sql *sql);

/* Statements as text, for setting up; the second one's first row's first number. */
enum sql_result sql_execute(struct sql *sql, const char *statements);
enum sql_result sql_number(struct sql *sql, const char *statement, int64_t *number);

/* The statement of the table. Parameters keep pointing to what was bound until sql_end(). */
enum sql_result sql_query(struct sql *sql, unsigned which, struct sql_query **query);
void sql_bind_int(struct sql_query *query, int at, int64_t number);
void sql_bind_null(struct sql_query *query, int at);
void sql_bind_text(struct sql_query *query, int at, const char *text, size_t len);
void sql_bind_blob(struct sql_query *query, int at, const void *bytes, size_t len);
enum sql_result sql_step(struct sql *sql, struct sql_query *query);
void sql_end(struct sql_query *query);
/* Of the row: valid until the next step or end. NULL and length 0 where there is nothing. */
int64_t sql_int(struct sql_query *query, int column);
const char *sql_text(struct sql_query *query, int column, size_t *len);
const void *sql_blob(struct sql_query *query, int column, size_t *len);

/* One step and the end, for statements without rows. */
enum sql_result sql_finish(struct sql *sql, struct sql_query *query);
enum sql_result sql_run(struct sql *sql, unsigned which);
enum sql_result sql_ask(struct sql *sql, unsigned which, int64_t *number);

int64_t sql_changes(struct sql *sql); /* rows that the last statement changed */
void sql_undo(struct sql *sql);       /* the transaction, if one is open; keeps the error */
/* Moves the log (-wal) to the file; `all`: and empties it, if nobody reads just now. */
enum sql_result sql_checkpoint(struct sql *sql, bool all);

#endif
