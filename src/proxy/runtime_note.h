/* Notes by which commands find running servers: $XDG_RUNTIME_DIR/goproxyai/PID-PORT.json, or
 * /tmp/goproxyai-UID/PID-PORT.json if XDG_RUNTIME_DIR is not usable.
 *
 * A note has its server's address and cache folder. The server holds a lock (flock) on it until the
 * process ends, so a note without a lock is stale, and its finder removes it. The folder has mode
 * 0700, a note 0600; a folder that others can write to is neither written to nor read.
 */
#ifndef PROXY_RUNTIME_NOTE_H
#define PROXY_RUNTIME_NOTE_H

#include "base/err.h"

struct runtime_note; /* the server's own note */

struct runtime_server {
    long pid;
    const char *address; /* for requests: "localhost" or a numeric address */
    unsigned port;
    const char *cache_folder; /* absolute; NULL: memory only */
};

/* Call once the server listens. *note: for runtime_note_remove(). -1 with *err: the note cannot be
 * written. */
int runtime_note_write(struct runtime_note **note, const struct runtime_server *server,
                       struct err *err);
void runtime_note_remove(struct runtime_note *note); /* NULL is allowed */

/* Calls each(arg, …) for every running server, and removes stale notes. `server` is valid during
 * the call. */
void runtime_note_each(void (*each)(void *arg, const struct runtime_server *server), void *arg);

#endif
