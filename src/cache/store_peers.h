/* Are there other processes on this cache folder? Each holds a shared lock on a file in it, for as
 * long as it lives: the kernel lets go of it whatever ends the process.
 */
#ifndef CACHE_STORE_PEERS_H
#define CACHE_STORE_PEERS_H

#include <stdbool.h>

/* Takes our part of the lock; the descriptor, or -1: it cannot be told. */
int peers_open(const char *folder);
void peers_close(int fd);
/* In doubt, yes. */
bool peers_are_there(int fd);

#endif
