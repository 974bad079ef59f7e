/* Inspects every byte from a client before libmicrohttpd sees it. Worker's thread only.
 *
 * libmicrohttpd 0.9.75 decodes requests leniently (framing.h tells how), passes the decoded bytes
 * on and keeps the raw bytes to itself, without a hook for them. But it reads with recv(2), and a
 * program's own function of that name takes precedence over the C library's in all libraries linked
 * with it (ELF symbol interposition). So this file defines recv(): it reads, inspects, and gives
 * libmicrohttpd only the bytes up to the first fault. For all other callers, and outside of
 * down_run(), it behaves as recv(2).
 *
 * If another version of libmicrohttpd reads without recv(2), conn->framed stays false, and requests
 * with a chunked body are refused (req_steps.c).
 */
#ifndef CLIENT_DOWN_RECV_H
#define CLIENT_DOWN_RECV_H

#include <stddef.h>

struct conn;

/* A worker's clients, by descriptor; the connections are not owned. */
struct down_clients {
    struct conn **by_fd;
    size_t cap;
};

void down_clients_release(struct down_clients *clients);
void down_clients_add(struct down_clients *clients, struct conn *conn);
void down_clients_remove(struct down_clients *clients, struct conn *conn);

/* From now on this thread's recv() inspects these clients' bytes; NULL: none. */
void down_recv_observe(const struct down_clients *clients);

#endif
