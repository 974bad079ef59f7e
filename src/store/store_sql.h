/* cache.db: the one door to SQLite for it.
 *
 *      entry   n (growing), id (the first 63 bits of the key), key, when stored and last used, the
 *              numbers and short texts of an entry, its checksum: small rows, so that touching,
 *              listing and evicting do not move bodies
 *      body    n (its entry's), head, body
 *      purge_log  seq (growing without gaps), a purge and the process that made it, for the others
 *      total   one row: the number of entries, and the last n that was ever given
 *
 * Rows are written one after the other, whatever the keys, and found again by an index of ids, the
 * only thing whose pages are written here and there.
 *
 * A connection is one thread's. Results are those of base/sql.h.
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
struct store_row; /* store.h */

enum db_kind {
    DB_OURS,
    DB_EMPTY,
    DB_OLDER, /* made by another version */
    DB_NEWER,
    DB_FOREIGN /* a database of another program */
};

/* Opens a file that is there. wait_ms: how long to wait for other connections. *db is there for
 * db_error() and db_close() whatever the result is; it may be used if it is ours. */
enum sql_result db_open(struct db **db, const char *path, enum db_kind *kind, unsigned wait_ms);
enum sql_result db_make(struct db *db); /* the tables, in an empty one */
/* Before the first change. log_bytes: how long the log should become before what it holds is moved
 * to the file, in a round of 8 to 32 MB: pages that change often are moved once. */
enum sql_result db_write(struct db *db, uint64_t log_bytes);
void db_close(struct db *db); /* NULL is nothing */
const char *db_error(const struct db *db);
int db_explain(const struct db *db, enum sql_result result, const char *path, struct err *err);

/* Changes lie between begin and commit; what fails in between is undone by db_undo(). */
enum sql_result db_begin(struct db *db);
enum sql_result db_commit(struct db *db);
void db_undo(struct db *db);
/* *replaced: the entry that stood there, which was removed (0 or 1). */
enum sql_result db_put(struct db *db, const struct entry *entry, int64_t used_ms,
                       uint64_t *replaced);
enum sql_result db_touch(struct db *db, int64_t id, int64_t now_ms);
/* Of those that were stored until until_ms. Adds to *count. */
enum sql_result db_drop(struct db *db, const struct purge *purge, int64_t until_ms,
                        uint64_t *count);
/* The entry of that row, whatever is in it. Adds to *count. */
enum sql_result db_discard(struct db *db, int64_t id, uint64_t *count);
/* Those that were used least recently, as many as it takes for `bytes`, going by their size, and at
 * most some hundreds. Pages that others share stay: look at db_sizes() afterwards, and go on. */
enum sql_result db_evict(struct db *db, uint64_t bytes, uint64_t *count);
enum sql_result db_purge_log_append(struct db *db, int64_t origin, int64_t at_ms,
                                    const struct purge *purge);

/* The entry with that id, which is for the caller to judge: it may be damaged, its key as well, and
 * two keys may begin alike. A body that is not there is an empty one. Its bytes are valid until
 * db_release(), which follows in any case. Of one with more than body_max bytes of body only
 * entry->body_bytes is filled in. */
enum sql_result db_get(struct db *db, int64_t id, uint64_t body_max, struct entry *entry);
void db_release(struct db *db);
/* Between read and read_end what is got is got from one state of the file, and faster. */
enum sql_result db_read(struct db *db);
void db_read_end(struct db *db);

/* Has another connection changed something since this one asked last? */
bool db_changed(struct db *db);
struct purge_log_reader {
    int64_t origin; /* what this process wrote itself is left out */
    int64_t seq;    /* of the last one that was read */
    bool missed;    /* out: some that followed it are no longer there */
    void (*each)(void *arg, int64_t at_ms, const struct purge *purge);
    void *arg;
};
/* Reads the purges after seq, in order. */
enum sql_result db_purge_log_read(struct db *db, struct purge_log_reader *reader);
enum sql_result db_purge_log_last(struct db *db, int64_t *seq);

struct db_sizes {
    uint64_t items, used_bytes, free_bytes;
};
enum sql_result db_sizes(struct db *db, struct db_sizes *sizes);
/* The ids of entries, and the last n: *after is 0, or what it was the last time, for those that
 * were put since. */
enum sql_result db_ids(struct db *db, int64_t *after, void (*each)(void *arg, int64_t id),
                       void *arg);
/* The collections of GETs that were put after that n. */
enum sql_result db_collections(struct db *db, int64_t after,
                               void (*each)(void *arg, int64_t collection), void *arg);
/* Of a key: its first 63 bits. */
int64_t db_id(const struct key *key);
/* Gives some free pages back to the file system; it sees them go at the checkpoint. */
enum sql_result db_shrink(struct db *db);
/* Moves what the log (-wal) holds to the file; `all`: and empties it, if nobody reads just now. */
enum sql_result db_checkpoint(struct db *db, bool all);

/* For commands. A callback that returns false ends it. */
enum sql_result db_list(struct db *db, bool (*each)(void *arg, const struct store_row *row),
                        void *arg);
enum sql_result db_check(struct db *db, bool (*each)(void *arg, const struct entry *entry),
                         void *arg);
enum sql_result db_find(struct db *db, const struct key *begin, unsigned bits, struct key *key,
                        int *found);

#endif
