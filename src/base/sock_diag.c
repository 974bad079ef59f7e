#include "base/sock_diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"

#define ANSWER_MS 200
#define LOOPBACK_INDEX 1 /* the kernel gives lo this index in every network namespace */
/* The states that the client of an accepted connection may be in: a bit each. */
#define CONNECTED_STATES                                                                           \
    (1U << TCP_ESTABLISHED | 1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSE_WAIT |    \
     1U << TCP_LAST_ACK | 1U << TCP_CLOSING)
#define BOTH_DIRECTIONS 3 /* RCV_SHUTDOWN | SEND_SHUTDOWN of the kernel */

struct sock_diag {
    int fd;
    uint32_t seq; /* of the latest query */
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

/* One end of a connection, in network byte order. Without padding, so that memcmp compares. */
struct end {
    uint32_t ip[4]; /* IPv4: the first */
    uint16_t port;
    uint16_t family; /* AF_INET of a v4-mapped address, too; 0 of what is neither IPv4 nor IPv6 */
};

struct pair {
    struct end client, server;
};

union answer {
    struct nlmsghdr head;
    char bytes[2048]; /* about 150 are used */
};

static struct end make_end(unsigned family, const void *ip, uint16_t port)
{
    struct end e = {.port = port};
    bool is_mapped = family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)ip);

    if (family == AF_INET || is_mapped) {
        e.family = AF_INET;
        memcpy(e.ip, (const char *)ip + (is_mapped ? 12 : 0), 4);
    } else if (family == AF_INET6) {
        e.family = AF_INET6;
        memcpy(e.ip, ip, 16);
    }
    return e;
}

static struct end end_of(const struct sockaddr *address)
{
    union address a = {.any.sa_family = address->sa_family};

    if (a.any.sa_family == AF_INET) {
        memcpy(&a.v4, address, sizeof(a.v4));
        return make_end(AF_INET, &a.v4.sin_addr, a.v4.sin_port);
    }
    if (a.any.sa_family == AF_INET6)
        memcpy(&a.v6, address, sizeof(a.v6));
    return make_end(a.any.sa_family, &a.v6.sin6_addr, a.v6.sin6_port);
}

static bool wait_ready(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    uint64_t now;
    int n;

    do {
        now = clock_mono_ms();
        n = now < deadline_ms ? poll(&p, 1, (int)(deadline_ms - now)) : 0;
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* The kernel looks for the client's socket, so the client is the source. With lo's index it also
 * finds a client that is bound to lo (SO_BINDTODEVICE), which index 0 would not match. */
static bool send_query(struct sock_diag *d, const struct pair *pair)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 query;
    } m = {.head = {.nlmsg_len = sizeof(m),
                    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST,
                    .nlmsg_seq = ++d->seq},
           .query = {.sdiag_family = (uint8_t)pair->client.family,
                     .sdiag_protocol = IPPROTO_TCP,
                     .idiag_ext = 1U << (INET_DIAG_SHUTDOWN - 1),
                     .idiag_states = ~0U,
                     .id = {.idiag_sport = pair->client.port,
                            .idiag_dport = pair->server.port,
                            .idiag_if = LOOPBACK_INDEX,
                            .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}}};
    ssize_t n;

    memcpy(m.query.id.idiag_src, pair->client.ip, sizeof(pair->client.ip));
    memcpy(m.query.id.idiag_dst, pair->server.ip, sizeof(pair->server.ip));
    do
        n = send(d->fd, &m, sizeof(m), MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(m);
}

/* close() marks both directions as shut down, sends its FIN, and only then detaches the socket from
 * its inode. A query that the arrival of the FIN triggers can reach the kernel in between. */
static bool is_shut_down(const struct inet_diag_msg *m, size_t len)
{
    const char *bytes = (const char *)m;
    struct nlattr a;

    for (size_t at = NLMSG_ALIGN(sizeof(*m)); at + sizeof(a) < len;
         at += (size_t)NLA_ALIGN(a.nla_len)) {
        memcpy(&a, bytes + at, sizeof(a));
        if (a.nla_type == INET_DIAG_SHUTDOWN)
            return (bytes[at + sizeof(a)] & BOTH_DIRECTIONS) == BOTH_DIRECTIONS;
        if (a.nla_len < sizeof(a))
            break;
    }
    return false;
}

/* If the connection does not exist any more, the kernel's lookup falls back on a socket that
 * listens on the client's port. A socket in TIME_WAIT, or one that no process holds, has inode 0;
 * its uid is meaningless and often 0: it must not count as root's. */
static enum sock_diag_result read_socket(const struct pair *pair, const struct inet_diag_msg *m,
                                         size_t len, struct sock_diag_peer *peer)
{
    struct pair found;

    if (len < sizeof(*m))
        return SOCK_DIAG_UNKNOWN;
    found.client = make_end(m->idiag_family, m->id.idiag_src, m->id.idiag_sport);
    found.server = make_end(m->idiag_family, m->id.idiag_dst, m->id.idiag_dport);
    if (memcmp(&found, pair, sizeof(found)) != 0 ||
        !(CONNECTED_STATES >> (m->idiag_state & 31) & 1) || m->idiag_inode == 0 ||
        is_shut_down(m, len))
        return SOCK_DIAG_GONE;
    *peer = (struct sock_diag_peer){
        .uid = m->idiag_uid, .inode = m->idiag_inode, .state = m->idiag_state};
    return SOCK_DIAG_FOUND;
}

/* A query without a server's end asks for the listening socket. */
static bool is_for_listener(const struct pair *pair)
{
    return pair->server.port == 0;
}

static enum sock_diag_result read_listener(const struct pair *pair, const struct inet_diag_msg *m,
                                           size_t len, struct sock_diag_peer *peer)
{
    if (len < sizeof(*m))
        return SOCK_DIAG_UNKNOWN;
    if (m->idiag_state != TCP_LISTEN || m->id.idiag_sport != pair->client.port ||
        m->idiag_inode == 0)
        return SOCK_DIAG_GONE;
    *peer = (struct sock_diag_peer){
        .uid = m->idiag_uid, .inode = m->idiag_inode, .state = m->idiag_state};
    return SOCK_DIAG_FOUND;
}

static enum sock_diag_result read_answer(const struct pair *pair, const struct nlmsghdr *head,
                                         size_t len, struct sock_diag_peer *peer)
{
    const struct nlmsgerr *error = NLMSG_DATA(head);

    if (head->nlmsg_len < NLMSG_HDRLEN || head->nlmsg_len > len)
        return SOCK_DIAG_UNKNOWN;
    len = head->nlmsg_len - NLMSG_HDRLEN;
    if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY)
        return (is_for_listener(pair) ? read_listener : read_socket)(pair, NLMSG_DATA(head), len,
                                                                     peer);
    if (head->nlmsg_type == NLMSG_ERROR && len >= sizeof(*error) && error->error == -ENOENT)
        return SOCK_DIAG_GONE;
    return SOCK_DIAG_UNKNOWN;
}

/* Skips late answers to earlier queries. */
static enum sock_diag_result receive(struct sock_diag *d, const struct pair *pair,
                                     struct sock_diag_peer *peer)
{
    uint64_t deadline = clock_mono_ms() + ANSWER_MS;
    union answer a;
    ssize_t n;

    while (clock_mono_ms() < deadline) {
        n = recv(d->fd, &a, sizeof(a), 0);
        if (n >= (ssize_t)sizeof(a.head) && a.head.nlmsg_seq == d->seq)
            return read_answer(pair, &a.head, (size_t)n, peer);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return SOCK_DIAG_UNKNOWN;
        if (n < 0 && errno == EAGAIN && !wait_ready(d->fd, POLLIN, deadline))
            return SOCK_DIAG_UNKNOWN;
    }
    return SOCK_DIAG_UNKNOWN;
}

enum sock_diag_result sock_diag_ask_addresses(struct sock_diag *d, const struct sockaddr *client,
                                              const struct sockaddr *server,
                                              struct sock_diag_peer *peer)
{
    struct pair pair = {.client = end_of(client), .server = end_of(server)};

    *peer = (struct sock_diag_peer){.uid = (uid_t)-1};
    if (pair.client.family == 0 || pair.client.family != pair.server.family)
        return SOCK_DIAG_UNKNOWN;
    if (!send_query(d, &pair))
        return SOCK_DIAG_UNKNOWN;
    return receive(d, &pair, peer);
}

enum sock_diag_result sock_diag_ask_listener(struct sock_diag *d, const struct sockaddr *address,
                                             uid_t *uid)
{
    struct pair pair = {.client = end_of(address)};
    struct sock_diag_peer peer = {.uid = (uid_t)-1};
    enum sock_diag_result result;

    pair.server.family = pair.client.family;
    if (pair.client.family == 0 || !send_query(d, &pair))
        return SOCK_DIAG_UNKNOWN;
    result = receive(d, &pair, &peer);
    *uid = peer.uid;
    return result;
}

static bool names_of(int fd, union address *own, union address *peer)
{
    socklen_t own_len = sizeof(*own), peer_len = sizeof(*peer);

    return getpeername(fd, &peer->any, &peer_len) == 0 && getsockname(fd, &own->any, &own_len) == 0;
}

enum sock_diag_result sock_diag_ask(struct sock_diag *d, int fd, struct sock_diag_peer *peer)
{
    union address client, server;

    *peer = (struct sock_diag_peer){.uid = (uid_t)-1};
    if (!names_of(fd, &server, &client))
        return errno == ENOTCONN ? SOCK_DIAG_GONE : SOCK_DIAG_UNKNOWN;
    return sock_diag_ask_addresses(d, &client.any, &server.any, peer);
}

/* Does the answer about our own socket fd, here the client, agree with fstat()? */
static bool is_found(struct sock_diag *d, int fd)
{
    union address client, server;
    struct sock_diag_peer peer;
    struct stat info;

    return names_of(fd, &client, &server) && fstat(fd, &info) == 0 &&
           sock_diag_ask_addresses(d, &client.any, &server.any, &peer) == SOCK_DIAG_FOUND &&
           peer.inode == info.st_ino && peer.uid == info.st_uid;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((in_port_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) < 0)
        wait_ready(fd, POLLOUT, clock_mono_ms() + ANSWER_MS);
    return fd;
}

static int prove(struct sock_diag *d, struct err *err)
{
    unsigned port = 0;
    int listener = net_listen("127.0.0.1", &port, err);
    int client = listener < 0 ? -1 : connect_to(port);
    int result = 0;

    if (client < 0)
        result = err_sys(err, "cannot make a loopback connection to prove sock_diag with");
    else if (!is_found(d, client))
        result = err_set(err, ERR_SYSTEM,
                         "the kernel does not tell whose a loopback connection is: load its module "
                         "tcp_diag (modprobe tcp_diag)");
    if (client >= 0)
        close(client);
    if (listener >= 0)
        close(listener);
    return result;
}

struct sock_diag *sock_diag_new(struct err *err)
{
    /* The kernel refuses messages of other processes to a connected netlink socket. */
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct sock_diag *d = mem_zero(sizeof(*d));

    d->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    if (d->fd >= 0 &&
        connect(d->fd, (const struct sockaddr *)(const void *)&kernel, sizeof(kernel)) == 0) {
        if (prove(d, err) == 0)
            return d;
    } else
        err_sys(err, "cannot ask the kernel whose a loopback connection is: allow netlink sockets "
                     "(AF_NETLINK)");
    sock_diag_free(d);
    return NULL;
}

void sock_diag_free(struct sock_diag *d)
{
    if (!d)
        return;
    if (d->fd >= 0)
        close(d->fd);
    free(d);
}
