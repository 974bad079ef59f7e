/* Are there other processes on this cache folder, and do they know what was taken away?
 *
 * Each holds a shared lock on one byte of a file in the folder, for as long as it lives: the kernel
 * lets go of it whatever ends the process. The file's size is the number of the latest news, and
 * the place of that byte the number of the latest that the process has heard of. The file stays
 * empty: to make it longer takes no room on a disk that has none.
 */
#ifndef CACHE_STORE_PEERS_H
#define CACHE_STORE_PEERS_H

#include <stdbool.h>
#include <sys/types.h>

struct store_peers {
    int fd;     /* -1: it cannot be told */
    off_t at;   /* our byte */
    off_t seen; /* the latest news when we last looked */
};

#define PEERS_INIT                                                                                 \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Takes a lock, as one who knows nothing yet; what is open stays where it is that folder's file. */
void peers_open(struct store_peers *peers, const char *folder);
void peers_close(struct store_peers *peers);
/* In doubt, yes. */
bool peers_are_there(const struct store_peers *peers);

/* Before looking after what others did; and after that: all that was told until then is known. */
void peers_look(struct store_peers *peers);
void peers_know(struct store_peers *peers);

/* For commands, with no store open: does any process use the folder? Makes nothing. */
bool peers_use(const char *folder);

/* For commands, after what they did is on disk, with no store open: waits until every process on
 * the folder knows. False: some did not hear of it for wait_ms, or it cannot be told. */
bool peers_tell(const char *folder, unsigned wait_ms);

#endif
