/* Every byte that libmicrohttpd reads from a client, before libmicrohttpd sees it.
 *
 * libmicrohttpd 0.9.75 decodes requests leniently (framing.h tells how), hands the decoded bytes on
 * and keeps the raw ones to itself; it has no hook for what it reads, and what it has read cannot
 * be looked at again. But it reads with recv(2), and a program's own function of that name stands
 * in front of the C library's for all libraries that it is linked with (ELF symbol interposition).
 * So this file has one: it reads, looks, and gives libmicrohttpd only as much as is beyond doubt.
 * For everybody else, and outside of down_run(), it is recv(2).
 *
 * Where a libmicrohttpd reads in another way, conn->framed stays false, and requests with a chunked
 * body are refused (req_steps.c).
 */
#ifndef CLIENT_DOWN_RECV_H
#define CLIENT_DOWN_RECV_H

#include <stddef.h>

struct conn;

/* A worker's clients, by descriptor. */
struct down_clients {
    struct conn **by_fd;
    size_t cap;
};

void down_clients_release(struct down_clients *clients);
void down_clients_add(struct down_clients *clients, struct conn *conn);
void down_clients_remove(struct down_clients *clients, struct conn *conn);

/* From now on this thread's recv() looks at these clients' bytes; NULL: no more. */
void down_recv_observe(const struct down_clients *clients);

#endif
