/* Asks the Linux kernel about the socket at the other end of a TCP connection whose two ends are
 * on this machine: which user made it, and whether a process still holds it (sock_diag(7)).
 *
 * One query is one send and one receive on a netlink socket, some microseconds; it reads nothing
 * below /proc and needs no privileges.
 *
 * Limits:
 * - The kernel knows the sockets of our network namespace only, by their own addresses. Of a client
 *   in another namespace, or one whose connection a packet filter redirects to our port, it says
 *   GONE from the first query on: so GONE means "closed" only for a client that was FOUND before.
 * - A socket's user is the one who made it. A process can pass its descriptor on to another.
 * - An MPTCP client that closed can stay FOUND for a minute (net.mptcp.close_timeout).
 */
#ifndef BASE_SOCK_DIAG_H
#define BASE_SOCK_DIAG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/err.h"

struct sock_diag; /* a netlink socket; for one thread at a time */

enum sock_diag_result {
    SOCK_DIAG_FOUND, /* a process holds the client's socket, and can read what we send */
    /* There is no such socket (any more); or no process holds it; or its holder shut down both
     * directions, as close() does before it sends its FIN (RFC 9293, section 3.6): the client's
     * kernel answers what we send with a reset. */
    SOCK_DIAG_GONE,
    SOCK_DIAG_UNKNOWN, /* the kernel does not say */
};

struct sock_diag_peer {
    uid_t uid;      /* in our user namespace; the overflow uid (65534) if it has no such user */
    uint64_t inode; /* st_ino of an fstat() of the client's descriptor; never 0 */
    unsigned state; /* the client's: TCP_ESTABLISHED, TCP_FIN_WAIT2 (half-closed), … */
};

/* Opens the netlink socket (close-on-exec) and queries a loopback connection of its own as a proof,
 * for which it opens two more descriptors and closes them. NULL with *err if the kernel has no
 * sock_diag, a sandbox forbids it, or the answer is wrong. The caller frees it: sock_diag_free().
 */
struct sock_diag *sock_diag_new(struct err *err);
void sock_diag_free(struct sock_diag *d); /* NULL is nothing */

/* Asks about the client of fd, our end of an accepted connection. Fills *peer if the client is
 * FOUND; else sets its uid to (uid_t)-1, which no user has, and its inode to 0. A client that reset
 * the connection is GONE. Waits 200 ms at most; the kernel queues its answer before send() returns,
 * so in practice it does not wait. Of a half-closed client that closes later no event tells: only
 * another query does. */
enum sock_diag_result sock_diag_ask(struct sock_diag *d, int fd, struct sock_diag_peer *peer);

/* The same by the addresses of the two ends, each AF_INET or AF_INET6 (v4-mapped ones are IPv4). */
enum sock_diag_result sock_diag_ask_addresses(struct sock_diag *d, const struct sockaddr *client,
                                              const struct sockaddr *server,
                                              struct sock_diag_peer *peer);

/* Asks for the user whose socket listens on that address and port of this machine, or on that port
 * of all addresses. FOUND: *uid, in our user namespace. GONE: no socket listens. */
enum sock_diag_result sock_diag_ask_listener(struct sock_diag *d, const struct sockaddr *address,
                                             uid_t *uid);

#endif
