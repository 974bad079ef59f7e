/* The schema of state.db, as numbered steps: each step brings a database from one version to the
 * next. A released step is never changed; a change of the schema is a new step. */
#ifndef STATE_MIGRATIONS_H
#define STATE_MIGRATIONS_H

#include "base/err.h"
#include "base/sql.h"

struct migrations {
    const char *const *steps; /* steps[n]: SQL statements, from version n to n + 1 */
    unsigned count;           /* the version to which the last step leads */
};

/* The migrations of this program. */
extern const struct migrations state_migrations;

/* Migrates the database to the last version, one transaction for each step. path: for messages.
 * Returns 0, or -1 with ERR_SYSTEM in *err: the database has a newer version, is another program's
 * or damaged, or cannot be written to; it is then as before the step that failed. Several processes
 * may migrate one file at once: one makes each step, the others find it done. On the connection's
 * thread. */
int migrations_apply(const struct migrations *migrations, struct sql *sql, const char *path,
                     struct err *err);

/* Like sql_explain(), for a file that is never recreated: fills *err. Returns -1. */
int migrations_explain(struct sql *sql, enum sql_result result, const char *path, struct err *err);

#endif
