/* The set of the addresses (both ends) of this process's upstream connections. Any thread.
 *
 * A client connection with the ends of an upstream connection is our own: the upstream leads back
 * to this proxy. So a loop is detected at its first round, without a field added to requests. Both
 * ends are compared because the kernel gives one local port to several connections with different
 * peers. One lock guards the set; it is taken for an upstream connection's first request (over TLS
 * for each) and its close, and once for each new client connection.
 */
#ifndef UPSTREAM_OWN_SOCKETS_H
#define UPSTREAM_OWN_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

struct own_ends { /* each an IPv6 address (IPv4: ::ffff:…) and a port, network order */
    uint8_t local[18], peer[18];
};

/* From numeric addresses ("127.0.0.1", "::1") and ports in host order; false if an address is
 * malformed. */
bool own_ends_parse(struct own_ends *ends, const char *local_ip, unsigned local_port,
                    const char *peer_ip, unsigned peer_port);
/* The ends of an accepted connection as its client sees them: local is the client's. False if the
 * kernel does not know them any more. */
bool own_ends_of_client(struct own_ends *ends, int fd);

/* Counts a request on that connection, and adds the connection to the set at its first. Returns the
 * number of its requests so far. *last_stream (unless NULL): the highest stream on which the server
 * may act, UINT32_MAX before a GOAWAY. */
unsigned own_sockets_count(const struct own_ends *ends, uint32_t *last_stream);
/* Records a GOAWAY (HTTP/2) of that connection's server. */
void own_sockets_note_goaway(const struct own_ends *ends, uint32_t last_stream);
/* Call before closing any upstream socket; the set need not contain it. */
void own_sockets_remove(int fd);
bool own_sockets_has(const struct own_ends *ends);

#endif
