#include "base/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int parse(const char *text, union address *a, socklen_t *len)
{
    char bare[INET6_ADDRSTRLEN + 2];
    size_t n = strlen(text);

    if (n >= 2 && text[0] == '[' && text[n - 1] == ']')
        text++, n -= 2;
    if (n >= sizeof(bare))
        return -1;
    memcpy(bare, text, n);
    bare[n] = '\0';
    memset(a, 0, sizeof(*a));
    if (inet_pton(AF_INET, bare, &a->v4.sin_addr) == 1) {
        a->any.sa_family = AF_INET;
        *len = sizeof(a->v4);
        return 0;
    }
    if (inet_pton(AF_INET6, bare, &a->v6.sin6_addr) == 1) {
        a->any.sa_family = AF_INET6;
        *len = sizeof(a->v6);
        return 0;
    }
    return -1;
}

bool net_is_loopback(const struct sockaddr *address)
{
    const union address *a = (const union address *)address;

    if (address->sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
    if (address->sa_family != AF_INET6)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
        return a->v6.sin6_addr.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

bool net_is_loopback_text(const char *address)
{
    union address a;
    socklen_t len;

    return parse(address, &a, &len) == 0 && net_is_loopback(&a.any);
}

static int explain_bind(const char *address, unsigned port, struct err *err)
{
    switch (errno) {
    case EADDRINUSE:
        return err_set(err, ERR_SYSTEM,
                       "port %u on %s is in use: stop the program that has it (ss -ltnp shows "
                       "it), or choose another with --port (0 picks a free one)",
                       port, address);
    case EACCES:
        return err_set(err, ERR_SYSTEM,
                       "port %u may not be used without privileges: choose one above 1023 with "
                       "--port",
                       port);
    case EADDRNOTAVAIL:
        return err_set(err, ERR_SYSTEM,
                       "%s is not an address of this machine: change --listen (ip addr shows the "
                       "addresses)",
                       address);
    default:
        return err_sys(err, "cannot listen on %s port %u", address, port);
    }
}

unsigned net_local_port(int fd)
{
    union address a;
    socklen_t len = sizeof(a);

    if (getsockname(fd, &a.any, &len) < 0 ||
        (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6))
        return 0;
    return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

static bool is_any(const union address *a)
{
    return a->any.sa_family == AF_INET ? a->v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                       : IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

static bool is_same(const union address *a, const union address *b)
{
    return a->any.sa_family == AF_INET ? a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr
                                       : IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
}

enum net_overlap net_overlap(int fd, const char *address)
{
    union address a, own;
    socklen_t len, own_len = sizeof(own);

    if (parse(address, &a, &len) < 0 || getsockname(fd, &own.any, &own_len) < 0 ||
        own.any.sa_family != a.any.sa_family)
        return NET_APART;
    if (is_any(&own) || is_same(&own, &a))
        return NET_COVERED;
    return is_any(&a) ? NET_COVERS : NET_APART;
}

int net_listen(const char *address, unsigned *port, struct err *err)
{
    int on = 1, fd;
    union address a;
    socklen_t len;

    if (parse(address, &a, &len) < 0)
        return err_set(err, ERR_USAGE,
                       "'%s' is no address to listen on: use localhost or a numeric address, such "
                       "as 127.0.0.1 or ::1",
                       address);
    if (a.any.sa_family == AF_INET)
        a.v4.sin_port = htons((in_port_t)*port);
    else
        a.v6.sin6_port = htons((in_port_t)*port);
    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT))
        return NET_NO_FAMILY;
    if (fd < 0)
        return err_sys(err, "cannot open a socket");
    /* Without it a restart fails while old connections fade; two listeners still collide. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, &a.any, len) < 0 || listen(fd, BACKLOG) < 0) {
        int result = errno == EADDRNOTAVAIL && IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr) &&
                             a.any.sa_family == AF_INET6
                         ? NET_NO_FAMILY
                         : explain_bind(address, *port, err);
        close(fd);
        return result;
    }
    *port = net_local_port(fd);
    return fd;
}
