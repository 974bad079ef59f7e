#include "state/migrations.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"

/* "goxs": SQLite's application_id, which identifies the file, for file(1) too. */
#define APPLICATION 0x676f7873

/* The first step marks the database as ours. A table is added by the step that first uses it. */
static const char *const steps[] = {"PRAGMA application_id=0x676f7873"};

const struct migrations state_migrations = {.steps = steps, .count = countof(steps)};

int migrations_explain(struct sql *sql, enum sql_result result, const char *path, struct err *err)
{
    if (result == SQL_DAMAGED)
        return err_set(
            err, ERR_SYSTEM,
            "%s is damaged (%s): put a copy of it in its place, or move it away to begin "
            "with an empty one",
            path, sql_error(sql));
    return sql_explain(sql, result, path, err);
}

/* Reads the version, and whether the database is ours: an empty one is. */
static enum sql_result look(struct sql *sql, int64_t *version, bool *ours)
{
    int64_t application = 0, tables = 0;
    enum sql_result result = sql_number(sql, "PRAGMA user_version", version);

    if (result == SQL_OK)
        result = sql_number(sql, "PRAGMA application_id", &application);
    if (result == SQL_OK)
        result = sql_number(sql, "SELECT count(*) FROM sqlite_schema", &tables);
    *ours = application == APPLICATION || (*version == 0 && application == 0 && tables == 0);
    return result;
}

/* Refuses a foreign or newer database. Within a write transaction *version cannot change
 * afterwards. */
static int check(const struct migrations *m, struct sql *sql, int64_t *version, const char *path,
                 struct err *err)
{
    bool ours;
    enum sql_result result = look(sql, version, &ours);

    if (result != SQL_OK)
        return migrations_explain(sql, result, path, err);
    if (!ours)
        return err_set(err, ERR_SYSTEM,
                       "%s is another program's database: move it away, or use another folder",
                       path);
    if (*version < 0 || *version > m->count)
        return err_set(err, ERR_SYSTEM,
                       "%s is of version %" PRId64 ", and this goproxyai knows up to %u: use the "
                       "newer goproxyai that wrote it, or another folder",
                       path, *version, m->count);
    return 0;
}

static enum sql_result step(const struct migrations *m, struct sql *sql, int64_t version)
{
    enum sql_result result = sql_execute(sql, m->steps[version]);
    char text[64];

    snprintf(text, sizeof(text), "PRAGMA user_version=%" PRId64 "; COMMIT", version + 1);
    return result == SQL_OK ? sql_execute(sql, text) : result;
}

/* Makes the next step, if any. Returns 1 after a step, 0 if there is none, -1 on error. */
static int apply_next(const struct migrations *m, struct sql *sql, const char *path,
                      struct err *err)
{
    int64_t version = 0;
    enum sql_result result = sql_execute(sql, "BEGIN IMMEDIATE");
    int checked;

    if (result != SQL_OK)
        return migrations_explain(sql, result, path, err);
    checked = check(m, sql, &version, path, err);
    if (checked == 0 && version < m->count) {
        result = step(m, sql, version);
        if (result == SQL_OK)
            return 1;
        checked = migrations_explain(sql, result, path, err);
    }
    sql_undo(sql);
    return checked;
}

int migrations_apply(const struct migrations *migrations, struct sql *sql, const char *path,
                     struct err *err)
{
    int64_t version = 0;
    int more;

    /* Checks before any transaction, so that a refused database is not written to at all. */
    if (check(migrations, sql, &version, path, err) < 0)
        return -1;
    if (version == migrations->count)
        return 0;
    do
        more = apply_next(migrations, sql, path, err);
    while (more > 0);
    return more;
}
