/* state.db: the user's settings and expenses, which cannot be fetched again.
 *
 * Unlike the cache it is never removed or recreated. A file that is damaged, of a newer version or
 * of another program is refused with a text that tells the user what to do, and stays as it is. A
 * violated constraint is the caller's error (SQL_REFUSED), not damage. A commit is on the disk when
 * it returns. Several processes may use one file at once. A struct state is one thread's at a time.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include "base/err.h"
#include "base/sql.h"

struct state;

/* Opens state.db in a folder, creates a missing folder (0700) or file (0600), and migrates the file
 * to the version of this program. texts: the count statements of the connection (struct sql_file);
 * they outlive it. The caller closes *state. -1 with ERR_SYSTEM in *err, and *state is NULL. Waits
 * for other processes for some seconds. */
int state_open(struct state **state, const char *folder, const char *const *texts, unsigned count,
               struct err *err);
void state_close(struct state *state); /* frees; NULL: no effect */

/* The connection, which belongs to the state. */
struct sql *state_sql(struct state *state);

#endif
