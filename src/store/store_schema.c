#include "store/store_schema.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define APPLICATION "0x67706169" /* "gpai" */
#define VERSION "3"
#define PAGE "8192"           /* DB_PAGE */
#define PURGE_LOG_KEPT "1000" /* rows; a process that missed more purges its whole memory tier */
#define LOG_PAGES_MIN 1000U
#define LOG_PAGES_MAX 4000U
#define SHRINK_PAGES "1000"

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE entry(n INTEGER PRIMARY KEY, id INTEGER NOT NULL, key BLOB NOT NULL,"
    " stored_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL, collection INTEGER,"
    " status INTEGER NOT NULL, flags INTEGER NOT NULL, body_bytes INTEGER NOT NULL,"
    " disk_bytes INTEGER NOT NULL, label TEXT, model TEXT, sum BLOB NOT NULL);"
    "CREATE UNIQUE INDEX entry_id ON entry(id);"
    "CREATE INDEX entry_used ON entry(used_ms);"
    "CREATE INDEX entry_collection ON entry(collection) WHERE collection IS NOT NULL;"
    "CREATE TABLE body(n INTEGER PRIMARY KEY, head BLOB, body BLOB);"
    "CREATE TABLE purge_log(seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, origin INTEGER NOT "
    "NULL,"
    " key BLOB, collection INTEGER, before_ms INTEGER, model TEXT);"
    "CREATE TABLE total(id INTEGER PRIMARY KEY, items INTEGER NOT NULL, last INTEGER NOT NULL);"
    "INSERT INTO total VALUES(1, 0, 0);"
    "PRAGMA application_id=" APPLICATION ";"
    "PRAGMA user_version=" VERSION ";"
    "COMMIT;";

#define ENTRY_COLUMNS                                                                              \
    "e.key, e.stored_ms, e.collection, e.status, e.flags, e.body_bytes, e.label, e.model, e.sum,"  \
    " b.head, b.body, e.id, e.used_ms"

/* A purge is two statements with one condition: bodies, then entries. */
#define DROP(name, where)                                                                          \
    [name##_BODIES] = "DELETE FROM body WHERE n IN (SELECT n FROM entry WHERE " where ")",         \
    [name] = "DELETE FROM entry WHERE " where

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [READ] = "BEGIN",
    /* SQLite reads all columns of a row: the join leaves out a body of more than ?2 bytes. */
    [GET] = "SELECT " ENTRY_COLUMNS " FROM entry e LEFT JOIN body b"
            " ON b.n=e.n AND e.body_bytes<=?2 WHERE e.id=?1",
    [CHECK] = "SELECT " ENTRY_COLUMNS " FROM entry e LEFT JOIN body b ON b.n=e.n",
    [LIST] = "SELECT key, stored_ms, used_ms, status, body_bytes, disk_bytes, label, model"
             " FROM entry ORDER BY stored_ms DESC",
    [FIND] = "SELECT key FROM entry WHERE id BETWEEN ?1 AND ?2",
    [IDS] = "SELECT id FROM entry", /* a scan of the index entry_id alone */
    /* a scan of the index entry_collection alone, which has n as the rowid */
    [COLLECTIONS] = "SELECT DISTINCT collection FROM entry"
                    " WHERE collection IS NOT NULL AND n>?1",
    [IDS_AFTER] = "SELECT id FROM entry WHERE n>?1",
    [PUT] = "INSERT OR IGNORE INTO entry VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [PUT_BODY] = "INSERT OR REPLACE INTO body VALUES(?1, ?2, ?3)",
    [TOUCH] = "UPDATE entry SET used_ms=?2 WHERE id=?1 AND used_ms<?2",
    DROP(DROP_ONE, "id=?1 AND key=?2 AND stored_ms<=?3"),
    DROP(DROP_COLLECTION, "collection=?1 AND stored_ms<=?2"),
    DROP(DROP_SOME, "(?1 IS NULL OR collection=?1) AND stored_ms<=?2"
                    " AND (?3 IS NULL OR stored_ms<?3) AND (?4 IS NULL OR is_like(?4, model))"),
    DROP(DISCARD, "id=?1"),
    [WEIGH] = "SELECT disk_bytes FROM entry ORDER BY used_ms LIMIT ?1",
    DROP(EVICT, "n IN (SELECT n FROM entry ORDER BY used_ms LIMIT ?1)"),
    [COUNT] = "UPDATE total SET items=max(0, items+?1), last=?2",
    [ITEMS] = "SELECT items FROM total",
    [LAST] = "SELECT last FROM total",
    [PURGE_LOG_APPEND] = "INSERT INTO purge_log(at_ms, origin, key, collection, before_ms, model)"
                         " VALUES(?1,?2,?3,?4,?5,?6)",
    [PURGE_LOG_TRIM] =
        "DELETE FROM purge_log WHERE seq<=(SELECT max(seq) FROM purge_log)-" PURGE_LOG_KEPT,
    [PURGE_LOG_READ] = "SELECT seq, at_ms, origin, key, collection, before_ms, model FROM purge_log"
                       " WHERE seq>?1 ORDER BY seq",
    [PURGE_LOG_LAST] = "SELECT coalesce(max(seq), 0) FROM purge_log",
    [DATA_VERSION] = "PRAGMA data_version",
    [PAGES] = "PRAGMA page_count",
    [FREE_PAGES] = "PRAGMA freelist_count",
    [SHRINK] = "PRAGMA incremental_vacuum(" SHRINK_PAGES ")",
};

/* Finds out which program and version made the database. */
static enum sql_result recognise(struct sql *sql, enum db_kind *kind)
{
    int64_t version = 0, application = 0, tables = 0;
    enum sql_result result = sql_number(sql, "PRAGMA user_version", &version);

    if (result == SQL_OK)
        result = sql_number(sql, "PRAGMA application_id", &application);
    if (result == SQL_OK)
        result = sql_number(sql, "SELECT count(*) FROM sqlite_schema", &tables);
    if (result != SQL_OK)
        return result;
    if (version == 0 && application == 0 && tables == 0)
        *kind = DB_EMPTY;
    else if (application != strtol(APPLICATION, NULL, 0))
        *kind = DB_FOREIGN;
    else if (version != strtol(VERSION, NULL, 10))
        *kind = version > strtol(VERSION, NULL, 10) ? DB_NEWER : DB_OLDER;
    else
        *kind = DB_OURS;
    return SQL_OK;
}

enum sql_result db_open(struct db **made, const char *path, enum db_kind *kind, unsigned wait_ms)
{
    const struct sql_file file = {
        .path = path, .texts = texts, .count = STATEMENTS, .wait_ms = wait_ms};
    struct db *db = *made = mem_zero(sizeof(*db));
    enum sql_result result = sql_open(&db->sql, &file);

    if (result == SQL_OK)
        result = recognise(db->sql, kind);
    if (result == SQL_OK && *kind == DB_OURS)
        /* Starts the count of changes; also opens -wal and -shm, while the folder is locked. */
        db_changed(db);
    return result;
}

enum sql_result db_make(struct db *db)
{
    /* Only here: setting auto_vacuum writes to the file even if it is set already. */
    enum sql_result result = sql_execute(db->sql, "PRAGMA page_size=" PAGE ";"
                                                  "PRAGMA auto_vacuum=INCREMENTAL;"
                                                  "PRAGMA journal_mode=WAL");

    return result == SQL_OK ? sql_execute(db->sql, schema) : result;
}

enum sql_result db_write(struct db *db, uint64_t log_bytes)
{
    uint64_t pages = log_bytes / DB_PAGE;
    char text[256];

    if (sql_is_read_only(db->sql))
        return SQL_TROUBLE;
    pages = pages < LOG_PAGES_MIN ? LOG_PAGES_MIN : pages > LOG_PAGES_MAX ? LOG_PAGES_MAX : pages;
    /* Twice the checkpoint's size: the log grows beyond that by one transaction, and truncation
     * takes time. */
    snprintf(text, sizeof(text),
             "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=%" PRIu64
             "; PRAGMA wal_autocheckpoint=%" PRIu64 "; PRAGMA cache_size=-4096",
             2 * pages * DB_PAGE, pages);
    return sql_execute(db->sql, text);
}

void db_close(struct db *db)
{
    if (!db)
        return;
    sql_close(db->sql);
    free(db);
}

const char *db_error(const struct db *db)
{
    return sql_error(db->sql);
}

int db_explain(const struct db *db, enum sql_result result, const char *path, struct err *err)
{
    return sql_explain(db->sql, result, path, err);
}

int64_t db_id(const struct key *key)
{
    uint64_t id;

    memcpy(&id, key->bytes, sizeof(id));
    return (int64_t)(be64toh(id) >> 1);
}
