/* The addresses of both ends of all upstream connections of this process.
 *
 * A client's connection whose ends are those of one of these is the proxy's own: the upstream leads
 * back here. So a loop is noticed at its first round, and nothing has to be added to requests. Both
 * ends, because the kernel gives one local port to several connections to different peers. A set
 * under one lock, which is taken when a connection to the upstream is made or closed (and for each
 * request over TLS), and once for each new client connection. Any thread.
 */
#ifndef UPSTREAM_OWN_SOCKETS_H
#define UPSTREAM_OWN_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

struct own_ends { /* each an IPv6 address (IPv4 as ::ffff:…) and a port */
    uint8_t local[18], peer[18];
};

/* From libcurl's words, "127.0.0.1" or "::1"; false where one of them is no address. */
bool own_ends_parse(struct own_ends *ends, const char *local_ip, unsigned local_port,
                    const char *peer_ip, unsigned peer_port);
/* Of an accepted connection, as its client sees them; false where the kernel has none any more. */
bool own_ends_of_client(struct own_ends *ends, int fd);

/* A request goes out on that connection. Returns how many have by now: 1 for the first, which puts
 * it into the set. last_stream (or NULL): the highest stream that its server may act on, UINT32_MAX
 * before a GOAWAY. */
unsigned own_sockets_count(const struct own_ends *ends, uint32_t *last_stream);
/* HTTP/2's GOAWAY came on that connection. */
void own_sockets_note_goaway(const struct own_ends *ends, uint32_t last_stream);
/* Before the socket is closed: it need not be in the set. */
void own_sockets_remove(int fd);
bool own_sockets_has(const struct own_ends *ends);

#endif
