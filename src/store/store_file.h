/* The file cache.db in its folder: made, looked at, opened, begun anew.
 *
 * All of that happens under the folder's lock (fsx_lock_folder), so that nobody opens a file while
 * another process removes it and its companions, -wal and -shm: SQLite opens those by name, and
 * must not mix an old one with a new one. Who has the old file open goes on in it, unseen, until
 * it finds that another one stands in its place (store_file_is()).
 */
#ifndef STORE_STORE_FILE_H
#define STORE_STORE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store_sql.h"

struct store_file {
    char *folder;
    char *path;
    uint64_t log_bytes; /* as db_write() takes it */
    bool read_only;     /* fail on a damaged or older file instead of recreating it */
    void (*on_anew)(void *arg, const char *why); /* a file was removed, and another one made */
    void (*on_unlocked)(void *arg); /* the file system has no locks; NULL: nobody cares */
    void *arg;
};

#define STORE_LOGS 2 /* -wal and -shm */

/* An open file: the connection, and which file it is. */
struct store_conn {
    struct db *db; /* NULL: not open */
    uint64_t id;
    uint64_t log_ids[STORE_LOGS]; /* 0: not seen yet */
};

void store_file_init(struct store_file *file, const char *folder);
void store_file_release(struct store_file *file);

/* For the writer: makes what is missing, and begins anew what is damaged or older, unless
 * it is to look only. */
int store_file_open(struct store_file *file, struct store_conn *link, struct err *err);
/* For readers: opens what is there. wait_ms: for the folder and for other connections. */
int store_file_look(const struct store_file *file, struct store_conn *link, unsigned wait_ms,
                    struct err *err);
void store_file_close(struct store_conn *link);

/* Where it is to look only: says what else can be done. Returns -1. */
int store_file_leave(const struct store_file *file, const char *why, struct err *err);

/* As of store_check_folder(). */
int store_file_check(const struct store_file *file, struct err *err);

/* Removes the file, as of store_clear_folder(). */
int store_file_clear(const struct store_file *file, int64_t *count, struct err *err);

/* Does the file that is open still stand at the path? */
bool store_file_is(const struct store_file *file, const struct store_conn *link);

/* For the writer: was -wal or -shm removed or replaced since the first call for this link? SQLite
 * keeps both files as long as a connection is open, so another program did it, and connections
 * opened from then on do not see the rows that this connection writes. */
bool store_file_lost_log(const struct store_file *file, struct store_conn *link);

/* Closes the file, removes it if it is still the one at the path, and opens a new one. why: for
 * on_anew; NULL: it is not called. */
int store_file_anew(struct store_file *file, struct store_conn *link, const char *why,
                    struct err *err);

#endif
