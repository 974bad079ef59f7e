/* Acknowledged purges: which processes use a cache folder, and whether each has read the purges of
 * the others.
 *
 * Each process holds a shared lock on one byte of a file in the folder, for as long as it lives:
 * the kernel releases it however the process ends. The file's size is the generation of the latest
 * purge; the offset of a process's byte is the latest generation that it has acknowledged. The file
 * has no data: to make it longer takes no room on a full disk.
 *
 * A struct purge_ack is one thread's at a time: the writer's.
 */
#ifndef STORE_PURGE_ACK_H
#define STORE_PURGE_ACK_H

#include <stdbool.h>
#include <sys/types.h>

struct purge_ack {
    int fd;     /* -1: not open */
    off_t at;   /* the offset of this process's byte */
    off_t seen; /* the file's generation at purge_ack_begin() */
};

#define PURGE_ACK_INIT                                                                             \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Opens the folder's file, unless it is the one that is open, with a lock that acknowledges no
 * purge. On failure the struct is closed, which has_peers() reports as true. */
void purge_ack_open(struct purge_ack *ack, const char *folder);
void purge_ack_close(struct purge_ack *ack);
/* Do other processes use the folder? True also if that cannot be told. */
bool purge_ack_has_peers(const struct purge_ack *ack);

/* Bracket the reading and application of the purge log: commit acknowledges all purges up to the
 * generation at begin. */
void purge_ack_begin(struct purge_ack *ack);
void purge_ack_commit(struct purge_ack *ack);

/* For commands, with no store open: does any process use the folder? Creates no file. */
bool purge_ack_in_use(const char *folder);

/* For commands, after their purge is in the database, with no store open: starts a generation and
 * waits for wait_ms at most until every process on the folder has acknowledged it. False: some have
 * not, or that cannot be told. */
bool purge_ack_wait(const char *folder, unsigned wait_ms);

#endif
