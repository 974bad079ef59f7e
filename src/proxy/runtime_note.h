/* Notes of running servers, by which commands find them: $XDG_RUNTIME_DIR/goproxyai/PID-PORT.json,
 * or /tmp/goproxyai-UID/PID-PORT.json where there is no such folder of the user's.
 *
 * A note says where its server listens and which cache folder it uses. The server holds a lock
 * (flock) on it for as long as it lives; the kernel lets go of it whatever ends the process, so a
 * note without a lock is stale: whoever finds it removes it. The folder has 0700, a note 0600; a
 * folder that others can write to is neither written to nor read.
 */
#ifndef PROXY_RUNTIME_NOTE_H
#define PROXY_RUNTIME_NOTE_H

#include "base/err.h"

struct runtime_note; /* a server's own */

struct runtime_server {
    long pid;
    const char *address; /* to ask: "localhost" or a numeric address */
    unsigned port;
    const char *cache_folder; /* absolute; NULL: it keeps answers in memory only */
};

/* Once the server listens. *note: what to remove at the end. -1: the note cannot be written, as
 * *err says. */
int runtime_note_write(struct runtime_note **note, const struct runtime_server *server,
                       struct err *err);
void runtime_note_remove(struct runtime_note *note); /* NULL is nothing */

/* Calls each() for every server that runs, and removes the notes of those that do not. What it is
 * given is good during the call. */
void runtime_note_each(void (*each)(void *arg, const struct runtime_server *server), void *arg);

#endif
