/* Folders and files that nobody but us may write to.
 *
 * What others can write to, or exchange for a link, must not be trusted: each function refuses it
 * with a text that says what to do. Nothing here opens a file that is there already: closing
 * any descriptor of a file takes away all locks (fcntl) that this process holds on it, SQLite's as
 * well.
 */
#ifndef BASE_FSX_H
#define BASE_FSX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Makes the folder, and those above it, 0700 where they are missing. Refuses what is a symbolic
 * link, no folder, another user's, or writable by group or others. Folders above it may be links.
 */
int fsx_private_folder(const char *path, struct err *err);

/* Looks at a file of such a folder by the same rules; what others may read becomes 0600. *there
 * says whether there is one, *id which one (0: none). */
int fsx_private_file(const char *path, bool *there, uint64_t *id, struct err *err);

/* Makes an empty file, 0600. It is no failure if there is one already. */
int fsx_make_file(const char *path, struct err *err);

/* Are the two open descriptors of one file? A negative one is of none. */
bool fsx_is_same_file(int a, int b);

/* Which file stands there now: 0 for none, or none that can be looked at. */
uint64_t fsx_file_id(const char *path);

/* Opens a file of a folder for reading and writing, no symbolic link. flags: O_CREAT makes it with
 * 0600, or 0. -1 with errno. */
int fsx_open_in(const char *folder, const char *name, int flags);
/* Waits for the folder's lock (flock) for at most wait_ms. Returns a descriptor that holds it
 * until it is closed, or -1: then *err says why. Between processes and between threads. *unlocked:
 * its file system refuses locks, and the descriptor holds none. */
int fsx_lock_folder(const char *path, unsigned wait_ms, bool *unlocked, struct err *err);

#endif
