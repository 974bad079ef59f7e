/* Which processes use a cache folder, and whether each has read the purges of the others.
 *
 * Each process holds a shared lock on one byte of a file in the folder, for as long as it lives:
 * the kernel releases it however the process ends. The file's size is the generation of the latest
 * purge; the offset of a process's byte is the latest generation that it has acknowledged. The file
 * stays empty: to make it longer takes no room on a full disk.
 */
#ifndef STORE_PURGE_ACK_H
#define STORE_PURGE_ACK_H

#include <stdbool.h>
#include <sys/types.h>

struct purge_ack {
    int fd;     /* -1: there is no such file */
    off_t at;   /* the offset of this process's byte */
    off_t seen; /* the latest generation at purge_ack_begin() */
};

#define PURGE_ACK_INIT                                                                             \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Takes a lock that acknowledges nothing. A file that is open stays open if it is that folder's. */
void purge_ack_open(struct purge_ack *ack, const char *folder);
void purge_ack_close(struct purge_ack *ack);
/* Do other processes use the folder? True also where that cannot be told. */
bool purge_ack_has_peers(const struct purge_ack *ack);

/* Before the purges of others are read from the database, and after that: then all purges up to the
 * begin are acknowledged. */
void purge_ack_begin(struct purge_ack *ack);
void purge_ack_commit(struct purge_ack *ack);

/* For commands, with no store open: does any process use the folder? Makes nothing. */
bool purge_ack_in_use(const char *folder);

/* For commands, after their purge is in the database, with no store open: waits until every process
 * on the folder has acknowledged it. False: some did not within wait_ms, or it cannot be told. */
bool purge_ack_wait(const char *folder, unsigned wait_ms);

#endif
