/* Sockets: listening, and addresses. */
#ifndef BASE_NET_H
#define BASE_NET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

/* Binds and listens (non-blocking, close-on-exec) on a numeric address, "127.0.0.1" or "::1"
 * (brackets allowed). *port 0 picks a free one, which is stored there. Returns the descriptor;
 * -1 with a text that says what to do; NET_NO_FAMILY where the machine has no such addresses. */
#define NET_NO_FAMILY (-2)
int net_listen(const char *address, unsigned *port, struct err *err);

/* How the address of a listening socket and another address overlap: not at all; the socket accepts
 * that address's connections already; or the other address is the wildcard of its family, which
 * cannot be bound beside the socket's. */
enum net_overlap { NET_APART, NET_COVERED, NET_COVERS };
enum net_overlap net_overlap(int fd, const char *address);

/* The local port of a socket; 0 where it has none. */
unsigned net_local_port(int fd);

/* Is it one of loopback's: 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104? Of another family: no. */
bool net_is_loopback(const struct sockaddr *address);
/* The same of a numeric address, "127.0.0.1" or "[::1]"; of any other text: no. */
bool net_is_loopback_text(const char *address);

#endif
