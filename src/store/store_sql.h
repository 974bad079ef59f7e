/* cache.db: all access to it.
 *
 *      entry   n (ascending), id (the first 63 bits of the key), key, times of storage and last
 *              use, the numbers and short texts of an entry, its checksum: small rows, so that
 *              touching, listing and evicting do not move bodies
 *      body    n (its entry's), head, body
 *      purge_log  seq (ascending without gaps), a purge and the process that made it
 *      total   one row: the number of entries, and the last n that was ever used
 *
 * Rows are appended in the order of n, whatever their keys; an index of ids finds them. Of a put
 * only the index of ids writes pages at random.
 *
 * A connection, and every function that takes one, is one thread's at a time. All functions may
 * block on the disk, and for wait_ms on other connections. Results are those of base/sql.h; other
 * results are valid only with SQL_OK.
 */
#ifndef STORE_STORE_SQL_H
#define STORE_STORE_SQL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sql.h"
#include "cache/purge.h"
#include "store/store_entry.h"

#define DB_PAGE 8192

struct db;
struct store_row; /* cache/store_ops.h */

enum db_kind {
    DB_OURS,
    DB_EMPTY,
    DB_OLDER, /* made by an older version */
    DB_NEWER,
    DB_FOREIGN /* a database of another program */
};

/* Opens an existing file. wait_ms: the longest wait of a statement for other connections. *db is
 * always set: the caller closes it, and may ask db_error(). It may be used for more if *kind is
 * DB_OURS, or for db_make() if DB_EMPTY. *kind is set if the result is SQL_OK. */
enum sql_result db_open(struct db **db, const char *path, enum db_kind *kind, unsigned wait_ms);
enum sql_result db_make(struct db *db); /* creates the tables in an empty database */
/* Prepares for changes. log_bytes: the length at which SQLite moves the log (-wal) to the file,
 * clamped to 8 to 32 MB: a page that changes often is moved once. SQL_TROUBLE: the file is
 * read-only. */
enum sql_result db_write(struct db *db, uint64_t log_bytes);
void db_close(struct db *db); /* NULL: no effect */
const char *db_error(const struct db *db);
int db_explain(const struct db *db, enum sql_result result, const char *path, struct err *err);

/* Changes are made between begin and commit; db_undo() rolls back after an error. */
enum sql_result db_begin(struct db *db);
enum sql_result db_commit(struct db *db);
void db_undo(struct db *db);
/* Stores an entry, last used at used_ms (Unix time). *replaced: entries of the same id that were
 * removed (0 or 1). */
enum sql_result db_put(struct db *db, const struct entry *entry, int64_t used_ms,
                       uint64_t *replaced);
enum sql_result db_touch(struct db *db, int64_t id, int64_t now_ms);
/* Removes the entries that the purge covers and that were stored at until_ms (Unix time) or before.
 * Adds their number to *count. A purge of one key must have no other selector. */
enum sql_result db_drop(struct db *db, const struct purge *purge, int64_t until_ms,
                        uint64_t *count);
/* Removes the entry with that id, damaged or not. Adds the number removed to *count. */
enum sql_result db_discard(struct db *db, int64_t id, uint64_t *count);
/* Removes the least recently used entries, at most 512, whose estimated size is `bytes`. Adds their
 * number to *count. SQL_NONE: there is no entry. A page that other entries share does not become
 * free: the caller asks db_sizes() afterwards, and continues. */
enum sql_result db_evict(struct db *db, uint64_t bytes, uint64_t *count);
/* Appends a purge of the process `origin` at at_ms (Unix time) to the log, and trims the log. */
enum sql_result db_purge_log_append(struct db *db, int64_t origin, int64_t at_ms,
                                    const struct purge *purge);

/* Reads the entry with that id. The caller verifies it: it may be damaged, and two keys may share
 * their first 63 bits. An entry without a body row has an empty body. The bytes are valid until
 * db_release(), which must follow whatever the result is. If the body has more than body_max bytes,
 * only entry->body_bytes is set. */
enum sql_result db_get(struct db *db, int64_t id, uint64_t body_max, struct entry *entry);
void db_release(struct db *db);
/* Gets between read and read_end see one state of the file, and are faster. */
enum sql_result db_read(struct db *db);
void db_read_end(struct db *db);

/* Has another connection changed the file since the last call? True also on error. */
bool db_changed(struct db *db);
struct purge_log_reader {
    int64_t origin; /* this process: its own purges are skipped */
    int64_t seq;    /* in, out: the last row that was read */
    bool missed;    /* out: rows that followed it have been trimmed */
    void (*each)(void *arg, int64_t at_ms, const struct purge *purge);
    void *arg;
};
/* Reads the purges after seq in order; the purge is valid during the call of each(). On error, too,
 * `seq` and `missed` tell how far it came. */
enum sql_result db_purge_log_read(struct db *db, struct purge_log_reader *reader);
enum sql_result db_purge_log_last(struct db *db, int64_t *seq);

struct db_sizes {
    uint64_t items, used_bytes, free_bytes;
};
enum sql_result db_sizes(struct db *db, struct db_sizes *sizes);
/* Calls each() for the ids of entries with n > *after (0: of all), and sets *after to the last n
 * used, for the next call. */
enum sql_result db_ids(struct db *db, int64_t *after, void (*each)(void *arg, int64_t id),
                       void *arg);
/* Calls each() for the collections of GETs with n > after. */
enum sql_result db_collections(struct db *db, int64_t after,
                               void (*each)(void *arg, int64_t collection), void *arg);
/* The first 63 bits of the key. Any thread. */
int64_t db_id(const struct key *key);
/* Gives up to 1000 free pages back to the file system; the file shrinks at the next checkpoint. */
enum sql_result db_shrink(struct db *db);
/* Moves the log (-wal) to the file. all: also empties it; SQL_BUSY if a reader prevents that. */
enum sql_result db_checkpoint(struct db *db, bool all);

/* For commands. List and check call each() for every entry, which is valid during the call; false
 * ends the walk. db_find(): *found: the keys that begin with the first `bits` bits of *begin, at
 * most 2; *key: the first of them. */
enum sql_result db_list(struct db *db, bool (*each)(void *arg, const struct store_row *row),
                        void *arg);
enum sql_result db_check(struct db *db, bool (*each)(void *arg, const struct entry *entry),
                         void *arg);
enum sql_result db_find(struct db *db, const struct key *begin, unsigned bits, struct key *key,
                        int *found);

#endif
