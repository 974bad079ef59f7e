#include "state/state.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/fsx.h"
#include "base/mem.h"
#include "base/str.h"
#include "state/migrations.h"

#define WAIT_MS 5000 /* for locks of other processes */

struct state {
    struct sql *sql;
    char *path;
};

/* Creates the file if it is missing; refuses a file that is not private to the user. */
static int make_file(const char *path, struct err *err)
{
    bool there;
    uint64_t id;

    if (fsx_private_file(path, &there, &id, err) < 0)
        return -1;
    return there ? 0 : fsx_make_file(path, err);
}

static int open_file(struct state *state, const char *const *texts, unsigned count, struct err *err)
{
    const struct sql_file file = {.path = state->path,
                                  .use = SQL_LASTING,
                                  .texts = texts,
                                  .count = count,
                                  .wait_ms = WAIT_MS};

    enum sql_result result = sql_open(&state->sql, &file);

    if (result == SQL_OK) {
        if (migrations_apply(&state_migrations, state->sql, state->path, err) < 0)
            return -1;
        result = sql_execute(state->sql, "PRAGMA journal_mode=WAL");
    }
    return result == SQL_OK ? 0 : migrations_explain(state->sql, result, state->path, err);
}

int state_open(struct state **made, const char *folder, const char *const *texts, unsigned count,
               struct err *err)
{
    struct str path = STR_INIT;
    struct state *state;
    bool unlocked;
    int lock;

    *made = NULL;
    if (fsx_private_folder(folder, err) < 0)
        return -1;
    lock = fsx_lock_folder(folder, WAIT_MS, &unlocked, err);
    if (lock < 0)
        return -1;
    str_addf(&path, "%s/state.db", folder);
    state = mem_zero(sizeof(*state));
    state->path = str_detach(&path);
    if (make_file(state->path, err) == 0 && open_file(state, texts, count, err) == 0)
        *made = state;
    else
        state_close(state);
    close(lock);
    return *made ? 0 : -1;
}

void state_close(struct state *state)
{
    if (!state)
        return;
    sql_close(state->sql);
    free(state->path);
    free(state);
}

struct sql *state_sql(struct state *state)
{
    return state->sql;
}
