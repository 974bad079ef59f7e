/* The schema of state.db, as numbered steps: each brings a database from the version before it to
 * its own. A step that has been released is never changed; what is to change is a new step.
 */
#ifndef STATE_MIGRATIONS_H
#define STATE_MIGRATIONS_H

#include "base/err.h"
#include "base/sql.h"

struct migrations {
    const char *const *steps; /* steps[n]: SQL statements, from version n to n + 1 */
    unsigned count;           /* the version that this program knows */
};

/* Those of this program. */
extern const struct migrations state_migrations;

/* Brings the database, in one transaction a step, to the version that the migrations know. path:
 * for messages. -1 with ERR_SYSTEM: it is of a newer version, of another program, damaged, or
 * cannot be written to. Then it is as it was before the step that failed. Several processes may
 * migrate one file at once: one does, the others find it done. */
int migrations_apply(const struct migrations *migrations, struct sql *sql, const char *path,
                     struct err *err);

/* sql_explain() for a file that is never begun anew. Returns -1. */
int migrations_explain(struct sql *sql, enum sql_result result, const char *path, struct err *err);

#endif
