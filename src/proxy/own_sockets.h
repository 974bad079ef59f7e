/* The local addresses of all upstream connections of this process.
 *
 * A client whose address and port are one of these is the proxy itself: the upstream leads back
 * here. So a loop is noticed at its first round, and nothing has to be added to requests. A set
 * under one lock, which is taken when a connection to the upstream is made or closed, and once for
 * each new client connection. Any thread.
 */
#ifndef PROXY_OWN_SOCKETS_H
#define PROXY_OWN_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

struct own_address {
    uint8_t bytes[18]; /* IPv6 address (IPv4 as ::ffff:…) and port; all zero: none */
};

/* From libcurl's words, "127.0.0.1" or "::1"; false where that is no address. */
bool own_address_parse(const char *ip, unsigned port, struct own_address *address);
/* The other end of a connected socket; false where the kernel has none. */
bool own_address_peer(int fd, struct own_address *address);

/* A request goes out on that connection. Returns how many have by now: 1 for the first, which puts
 * it into the set. */
unsigned own_sockets_count(const struct own_address *address);
/* Before the socket is closed: it need not be in the set. */
void own_sockets_remove_local(int fd);
bool own_sockets_has(const struct own_address *address);

#endif
