/* The file cache.db in its folder: checked, created, opened, recreated.
 *
 * Each of these steps holds the folder's lock (fsx_lock_folder), so that no process opens the file
 * while another removes it and its companions, -wal and -shm: SQLite opens those by name, and must
 * not mix an old one with a new one. A process that has a removed file open continues to use it
 * until store_file_is() tells it that another file stands at the path.
 *
 * A struct store_file does not change while it is in use: any thread may read it. A struct
 * store_conn is one thread's at a time. Functions that return int return -1 on error, with the
 * reason in *err. All may block: on the folder's lock and on other connections, for 3 s each unless
 * wait_ms says otherwise.
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
    uint64_t log_bytes; /* bound of the -wal, as of db_write() */
    bool read_only;     /* fail on a damaged or older file instead of recreating it */
    void (*on_anew)(void *arg, const char *why); /* the file was recreated */
    void (*on_unlocked)(void *arg);              /* the file system has no locks; NULL: no report */
    void *arg;
};

#define STORE_LOGS 2 /* -wal and -shm */

/* An open file: the connection and the file's identity. */
struct store_conn {
    struct db *db; /* NULL: not open */
    uint64_t id;
    uint64_t log_ids[STORE_LOGS]; /* 0: not yet seen */
};

/* Copies the folder's name; the caller then sets the other members. */
void store_file_init(struct store_file *file, const char *folder);
void store_file_release(struct store_file *file);

/* For the writer: opens the file; creates a missing folder or file, and recreates a damaged or
 * older file unless read_only. The caller closes *link; on error it is closed. */
int store_file_open(struct store_file *file, struct store_conn *link, struct err *err);
/* For readers: opens an existing file. wait_ms: for the folder's lock, and for each lock of other
 * connections. The caller closes *link; on error it is closed. */
int store_file_look(const struct store_file *file, struct store_conn *link, unsigned wait_ms,
                    struct err *err);
void store_file_close(struct store_conn *link);

/* read_only: sets *err to a text that tells the user what to do about a file that `why` describes.
 * Returns -1. */
int store_file_leave(const struct store_file *file, const char *why, struct err *err);

/* See store_check_folder(). */
int store_file_check(const struct store_file *file, struct err *err);

/* Removes the file; see store_clear_folder(). */
int store_file_clear(const struct store_file *file, int64_t *count, struct err *err);

/* Is the file that is open still the one at the path? */
bool store_file_is(const struct store_file *file, const struct store_conn *link);

/* For the writer: was -wal or -shm removed or replaced since the first call for this link? SQLite
 * keeps both files as long as a connection is open, so another program did it, and connections
 * opened from then on do not see the rows that this connection writes. */
bool store_file_lost_log(const struct store_file *file, struct store_conn *link);

/* Closes the file, removes it if it is still the one at the path, and opens the one that is there
 * then, or a new one. why: for on_anew; NULL: no call. On error *link is closed. */
int store_file_anew(struct store_file *file, struct store_conn *link, const char *why,
                    struct err *err);

#endif
