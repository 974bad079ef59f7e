/* state.db: what the user set up and what was spent, which nobody can fetch again.
 *
 * The opposite of the cache: it is never removed and never begun anew. A file that is damaged, of a
 * newer version or of another program is refused with a text that says what to do, and stays as it
 * is; what breaks a constraint is the caller's error (SQL_REFUSED), and no damage. A commit is on
 * the disk. Several processes may use one file at once.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include "base/err.h"
#include "base/sql.h"

struct state;

/* Opens, and makes where it is missing, state.db in a folder (0700, the file 0600; made as well),
 * and brings it to the version of this program. texts: the table of statements, as of struct
 * sql_file. -1 with ERR_SYSTEM. */
int state_open(struct state **state, const char *folder, const char *const *texts, unsigned count,
               struct err *err);
void state_close(struct state *state); /* NULL is nothing */

/* The connection: one thread's. */
struct sql *state_sql(struct state *state);

#endif
