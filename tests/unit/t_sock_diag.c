#include "base/sock_diag.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"
#include "unit.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* A connection: the client's end, the accepted end, their addresses as the latter has them. */
struct connection {
    int client, accepted;
    union address client_address, server_address;
};

static union address address_of(const char *ip, unsigned port)
{
    union address a = {.any.sa_family = AF_INET};

    if (inet_pton(AF_INET, ip, &a.v4.sin_addr) == 1) {
        a.v4.sin_port = htons((in_port_t)port);
        return a;
    }
    a.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)port)};
    CHECK_INT(inet_pton(AF_INET6, ip, &a.v6.sin6_addr), 1);
    return a;
}

static socklen_t length_of(const union address *a)
{
    return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static unsigned port_of(const union address *a)
{
    return ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port);
}

static union address name_of(int fd, bool of_peer)
{
    union address a;
    socklen_t len = sizeof(a);

    CHECK_INT(of_peer ? getpeername(fd, &a.any, &len) : getsockname(fd, &a.any, &len), 0);
    return a;
}

/* A blocking listener, so that accept() waits. */
static int listen_at(const char *ip, unsigned port)
{
    union address a = address_of(ip, port);
    int on = 1, fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &a.any, length_of(&a)) == 0 && listen(fd, 16) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct connection accept_from(int listener, int client)
{
    struct connection c = {.client = client,
                           .accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC)};

    CHECK(c.accepted >= 0);
    c.client_address = name_of(c.accepted, true);
    c.server_address = name_of(c.accepted, false);
    return c;
}

/* Connects the socket to the listener by that address. False, the socket closed: it cannot be. */
static bool connect_socket(struct connection *c, int listener, int client, const char *ip)
{
    union address server = name_of(listener, false), to = address_of(ip, port_of(&server));

    if (client < 0 || connect(client, &to.any, length_of(&to)) < 0) {
        if (client >= 0)
            close(client);
        return false;
    }
    *c = accept_from(listener, client);
    return true;
}

static struct connection open_connection(void)
{
    struct connection c = {-1, -1, {{0}}, {{0}}};
    int listener = listen_at("127.0.0.1", 0);

    CHECK(
        connect_socket(&c, listener, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "127.0.0.1"));
    close(listener);
    return c;
}

static void close_connection(struct connection *c)
{
    if (c->client >= 0)
        close(c->client);
    close(c->accepted);
}

static void close_client(struct connection *c, bool with_reset)
{
    struct linger at_once = {.l_onoff = 1};

    if (with_reset)
        setsockopt(c->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(c->client);
    c->client = -1;
}

static enum sock_diag_result ask_addresses(struct sock_diag *d, const struct connection *c,
                                           struct sock_diag_peer *peer)
{
    return sock_diag_ask_addresses(d, &c->client_address.any, &c->server_address.any, peer);
}

static void check_found(struct sock_diag *d, const struct connection *c, unsigned state)
{
    struct sock_diag_peer peer;
    struct stat info;

    CHECK_INT(fstat(c->client, &info), 0);
    CHECK_INT(sock_diag_ask(d, c->accepted, &peer), SOCK_DIAG_FOUND);
    CHECK_INT(peer.inode, info.st_ino);
    CHECK_INT(peer.uid, geteuid());
    if (state == TCP_FIN_WAIT2 && peer.state == TCP_FIN_WAIT1)
        return; /* our acknowledgement is on its way */
    CHECK_INT(peer.state, state);
}

/* Not FOUND, and then nobody's. */
static void check_not(struct sock_diag *d, const struct connection *c, enum sock_diag_result wanted)
{
    struct sock_diag_peer peer = {.uid = 0, .inode = 1};

    CHECK_INT(ask_addresses(d, c, &peer), wanted);
    CHECK_INT(peer.uid, (uid_t)-1);
    CHECK_INT(peer.inode, 0);
    peer = (struct sock_diag_peer){.uid = 0, .inode = 1};
    CHECK_INT(sock_diag_ask(d, c->accepted, &peer), wanted);
    CHECK_INT(peer.uid, (uid_t)-1);
    CHECK_INT(peer.inode, 0);
}

/* NULL where the kernel has no sock_diag: then there is nothing to test. */
static struct sock_diag *open_diag(void)
{
    struct err err = {.code = ERR_NONE};
    struct sock_diag *d = sock_diag_new(&err);

    if (!d)
        CHECK_HAS(err.text, ": ");
    return d;
}

static void wait_for_fin(int fd)
{
    char byte;

    CHECK_INT(recv(fd, &byte, 1, 0), 0);
}

TEST("whose the socket at the other end is, and its inode, is found for each kind of client")
{
    static const struct {
        const char *name, *listen, *connect;
        int family, protocol;
    } rows[] = {
        {"IPv4", "127.0.0.1", "127.0.0.1", AF_INET, 0},
        {"another address of 127/8", "127.0.0.1", "127.0.0.1", AF_INET, 0},
        {"IPv6", "::1", "::1", AF_INET6, 0},
        {"v4-mapped client", "127.0.0.1", "::ffff:127.0.0.1", AF_INET6, 0},
        {"listener for both families", "::", "127.0.0.1", AF_INET, 0},
        {"both", "::", "::ffff:127.0.0.1", AF_INET6, 0},
        {"MPTCP", "127.0.0.1", "127.0.0.1", AF_INET, IPPROTO_MPTCP},
    };
    struct sock_diag *d = open_diag();

    for (size_t i = 0; d && i < countof(rows); i++) {
        int listener = listen_at(rows[i].listen, 0);
        int client = socket(rows[i].family, SOCK_STREAM | SOCK_CLOEXEC, rows[i].protocol);
        struct connection c;

        unit_row(rows[i].name);
        CHECK(listener >= 0 || rows[i].family == AF_INET6);
        CHECK(client >= 0 || i >= 2);
        if (i == 1) {
            union address from = address_of("127.3.2.1", 0);
            CHECK_INT(bind(client, &from.any, length_of(&from)), 0);
        }
        if (listener >= 0 && connect_socket(&c, listener, client, rows[i].connect)) {
            check_found(d, &c, TCP_ESTABLISHED);
            close_client(&c, false);
            wait_for_fin(c.accepted);
            if (!rows[i].protocol) /* see sock_diag.h for MPTCP */
                check_not(d, &c, SOCK_DIAG_GONE);
            close_connection(&c);
        } else
            CHECK(i >= 2); /* no IPv6, no MPTCP on this machine */
        if (listener >= 0)
            close(listener);
    }
    unit_row(NULL);
    sock_diag_free(d);
}

TEST("a client that is bound to the loopback device is found")
{
    struct sock_diag *d = open_diag();
    int listener = listen_at("127.0.0.1", 0),
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct connection c;

    if (d && setsockopt(client, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0 &&
        CHECK(connect_socket(&c, listener, client, "127.0.0.1"))) {
        check_found(d, &c, TCP_ESTABLISHED);
        close_connection(&c);
    }
    close(listener);
    sock_diag_free(d);
}

TEST("a client that half-closed is there; it is gone when it has closed as well")
{
    struct sock_diag *d = open_diag();
    struct connection c = open_connection();

    if (d) {
        CHECK_INT(shutdown(c.client, SHUT_WR), 0);
        wait_for_fin(c.accepted);
        check_found(d, &c, TCP_FIN_WAIT2);
        CHECK_INT(send(c.accepted, "answer", 6, MSG_NOSIGNAL), 6);
        check_found(d, &c, TCP_FIN_WAIT2);
        close_client(&c, false);
        check_not(d, &c, SOCK_DIAG_GONE);
    }
    close_connection(&c);
    sock_diag_free(d);
}

TEST("a client that closes, resets or shuts both directions down is gone")
{
    struct sock_diag *d = open_diag();

    for (int way = 0; d && way < 3; way++) {
        struct connection c = open_connection();

        if (way == 2)
            CHECK_INT(shutdown(c.client, SHUT_RDWR), 0);
        else
            close_client(&c, way == 1);
        check_not(d, &c, SOCK_DIAG_GONE);
        close_connection(&c);
    }
    sock_diag_free(d);
}

TEST("what is left in TIME_WAIT of a client's socket is gone")
{
    struct sock_diag *d = open_diag();
    struct connection c = open_connection();
    struct sock_diag_peer peer;

    close_client(&c, false);
    wait_for_fin(c.accepted);
    close_connection(&c); /* the client's port stays in TIME_WAIT */
    if (d)
        CHECK_INT(ask_addresses(d, &c, &peer), SOCK_DIAG_GONE);
    sock_diag_free(d);
}

TEST("a listener on the client's port is not taken for the client that has gone")
{
    struct sock_diag *d = open_diag();
    int listener = listen_at("127.0.0.1", 0),
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct connection c;
    int on = 1, same_port;

    setsockopt(client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    union address any_port = address_of("127.0.0.1", 0);
    REQUIRE(bind(client, &any_port.any, length_of(&any_port)) == 0);
    REQUIRE(connect_socket(&c, listener, client, "127.0.0.1"));
    same_port = listen_at("127.0.0.1", port_of(&c.client_address));
    REQUIRE(same_port >= 0);
    if (d) {
        check_found(d, &c, TCP_ESTABLISHED);
        close_client(&c, true);
        check_not(d, &c, SOCK_DIAG_GONE);
    }
    close_connection(&c);
    close(same_port);
    close(listener);
    sock_diag_free(d);
}

static atomic_int to_close = -1;

static void *close_soon(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        int fd = atomic_exchange(&to_close, -1);
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

/* close() sends the FIN before it lets go of the socket: so who sees the FIN may ask too early. */
TEST("a client that closes is gone from the moment on at which its FIN arrives")
{
    struct sock_diag *d = open_diag();
    atomic_bool stop = false;
    pthread_t closer;
    int found = 0;

    pthread_create(&closer, NULL, close_soon, &stop);
    for (int i = 0; d && i < 3000; i++) {
        struct connection c = open_connection();
        struct sock_diag_peer peer;
        char byte;

        atomic_store(&to_close, c.client);
        while (recv(c.accepted, &byte, 1, MSG_DONTWAIT) < 0)
            continue;
        found += sock_diag_ask(d, c.accepted, &peer) != SOCK_DIAG_GONE;
        close(c.accepted);
    }
    CHECK_INT(found, 0);
    atomic_store(&stop, true);
    pthread_join(closer, NULL);
    sock_diag_free(d);
}

/* A client of another user: connects, and stays until the pipe to it is closed. */
static pid_t fork_client(const union address *server, uid_t uid, const int stay[2])
{
    pid_t pid = fork();
    char byte;
    int fd;

    if (pid != 0)
        return pid;
    close(stay[1]);
    if (setresuid(uid, uid, uid) < 0)
        _exit(1);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &server->any, length_of(server)) < 0)
        _exit(2);
    _exit(read(stay[0], &byte, 1) == 0 ? 0 : 3);
}

TEST("a client of another user is told by its uid")
{
    struct sock_diag *d;
    int listener, stay[2], status;
    struct connection c;
    struct sock_diag_peer peer;
    union address server;
    pid_t pid;

    if (geteuid() != 0)
        return; /* nobody else can become another */
    d = open_diag();
    listener = listen_at("127.0.0.1", 0);
    server = name_of(listener, false);
    REQUIRE(pipe2(stay, O_CLOEXEC) == 0);
    pid = fork_client(&server, 65534, stay);
    REQUIRE(pid > 0);
    close(stay[0]);
    c = accept_from(listener, -1);
    if (d) {
        CHECK_INT(sock_diag_ask(d, c.accepted, &peer), SOCK_DIAG_FOUND);
        CHECK_INT(peer.uid, 65534);
        CHECK(peer.inode != 0);
    }
    close(stay[1]);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    if (d)
        check_not(d, &c, SOCK_DIAG_GONE); /* of a process that has ended */
    close_connection(&c);
    close(listener);
    sock_diag_free(d);
}

static void *ask_often(void *unused)
{
    struct sock_diag *d = open_diag();
    struct connection c = open_connection();

    for (int i = 0; d && i < 500; i++)
        check_found(d, &c, TCP_ESTABLISHED);
    close_connection(&c);
    sock_diag_free(d);
    return unused;
}

/* The uid of who listens there, or -1. */
static long listener_of(struct sock_diag *d, const char *ip, unsigned port,
                        enum sock_diag_result expected)
{
    union address a = address_of(ip, port);
    uid_t uid = (uid_t)-2;

    CHECK_INT(sock_diag_ask_listener(d, &a.any, &uid), expected);
    return (int)uid;
}

TEST("who listens on an address is told by its uid, also where it is bound to all addresses")
{
    static const char *const bound[] = {"127.0.0.1", "0.0.0.0", "::"};
    struct err err;
    struct sock_diag *d = sock_diag_new(&err);

    REQUIRE(d);
    for (size_t i = 0; i < countof(bound); i++) {
        int fd = listen_at(bound[i], 0);
        union address a;
        unsigned port;

        if (fd < 0 && i == 2)
            continue; /* no IPv6 here */
        a = name_of(fd, false);
        port = port_of(&a);
        CHECK_INT(listener_of(d, "127.0.0.1", port, SOCK_DIAG_FOUND), (int)geteuid());
        close(fd);
        CHECK_INT(listener_of(d, "127.0.0.1", port, SOCK_DIAG_GONE), -1);
    }
    sock_diag_free(d);
}

TEST("threads that ask at the same time each get the answer to their own query")
{
    pthread_t threads[4];

    for (size_t i = 0; i < countof(threads); i++)
        pthread_create(&threads[i], NULL, ask_often, NULL);
    for (size_t i = 0; i < countof(threads); i++)
        pthread_join(threads[i], NULL);
}

static unsigned open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

TEST("no descriptor is left open, neither by success nor by a lack of descriptors at any point")
{
    unsigned before = open_descriptors(), failed = 0;
    struct rlimit all, few;
    int lowest = dup(0);
    struct sock_diag *d;

    close(lowest);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &all) == 0);
    for (unsigned more = 0; more < 5; more++) {
        struct err err = {.code = ERR_NONE};

        few = all;
        if (more < 4)
            few.rlim_cur = (rlim_t)lowest + more;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
        d = sock_diag_new(&err);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &all), 0);
        CHECK_INT(d == NULL, err.code != ERR_NONE);
        if (!d) {
            failed++;
            CHECK_HAS(err.text, ": ");
        }
        sock_diag_free(d);
        CHECK_INT(open_descriptors(), before);
    }
    CHECK(failed >= 1);
    sock_diag_free(NULL);
}

static int netlink_descriptor(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        int domain;
        socklen_t len = sizeof(domain);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_NETLINK)
            return fd;
    }
    return -1;
}

TEST("the netlink socket is close-on-exec; without it, or asked of what is no connection: unknown")
{
    struct sock_diag *d = open_diag();
    struct connection c = open_connection();
    struct sock_diag_peer peer;
    union address v6 = address_of("::1", 1);
    int fd = netlink_descriptor();

    if (d) {
        REQUIRE(fd >= 0);
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        CHECK_INT(sock_diag_ask(d, -1, &peer), SOCK_DIAG_UNKNOWN);
        CHECK_INT(sock_diag_ask(d, fd, &peer), SOCK_DIAG_UNKNOWN);
        CHECK_INT(sock_diag_ask_addresses(d, &v6.any, &c.server_address.any, &peer),
                  SOCK_DIAG_UNKNOWN);
        close(fd);
        check_not(d, &c, SOCK_DIAG_UNKNOWN);
        REQUIRE(dup2(c.accepted, fd) == fd); /* the module closes it */
    }
    close_connection(&c);
    sock_diag_free(d);
}

TEST("no other process can send it an answer")
{
    struct sockaddr_nl to = {.nl_family = AF_NETLINK};
    struct nlmsghdr forged = {.nlmsg_len = sizeof(forged), .nlmsg_seq = 2};
    socklen_t len = sizeof(to);
    struct sock_diag *d = open_diag();
    int fd = netlink_descriptor(), other;

    if (d) {
        CHECK_INT(getsockname(fd, (struct sockaddr *)(void *)&to, &len), 0);
        other = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        CHECK_INT(sendto(other, &forged, sizeof(forged), 0, (struct sockaddr *)(void *)&to, len),
                  -1);
        CHECK(errno == ECONNREFUSED || errno == EPERM); /* EPERM: we are not root */
        close(other);
    }
    sock_diag_free(d);
}

/* --- a kernel of the test's own: a socket pair in the netlink socket's place ----------------- */

struct query {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

struct reply {
    struct nlmsghdr head;
    struct inet_diag_msg body;
    struct rtattr shutdown_head;
    uint8_t shutdown[4];
};

struct kernel {
    struct sock_diag *d;
    struct connection c;
    int fd; /* the end at which the queries arrive */
};

static bool kernel_init(struct kernel *k)
{
    int fds[2], real;

    k->d = open_diag();
    if (!k->d)
        return false;
    k->c = open_connection();
    real = netlink_descriptor();
    if (!CHECK(real >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0))
        return false;
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    CHECK_INT(dup2(fds[1], real), real);
    close(fds[1]);
    k->fd = fds[0];
    return true;
}

static void kernel_release(struct kernel *k)
{
    close(k->fd);
    close_connection(&k->c);
    sock_diag_free(k->d);
}

/* The query that the module sent last. */
static struct query last_query(struct kernel *k)
{
    struct query q = {.head.nlmsg_seq = 0};

    CHECK_INT(recv(k->fd, &q, sizeof(q), 0), sizeof(q));
    return q;
}

static struct reply good_reply(const struct query *q)
{
    struct reply r = {.head = {.nlmsg_len = sizeof(r),
                               .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                               .nlmsg_seq = q->head.nlmsg_seq},
                      .body = {.idiag_family = AF_INET,
                               .idiag_state = TCP_ESTABLISHED,
                               .id = q->body.id,
                               .idiag_uid = 77,
                               .idiag_inode = 88},
                      .shutdown_head = {.rta_len = RTA_LENGTH(1), .rta_type = INET_DIAG_SHUTDOWN}};
    return r;
}

/* One query without an answer, to learn its form. Returns what the next query will be, so that its
 * answer can be sent before it is asked. */
static struct query learn_query(struct kernel *k)
{
    struct sock_diag_peer peer;
    struct query q;

    CHECK_INT(sock_diag_ask(k->d, k->c.accepted, &peer), SOCK_DIAG_UNKNOWN);
    q = last_query(k);
    q.head.nlmsg_seq++;
    return q;
}

static enum sock_diag_result ask_answered(struct kernel *k, struct query *q, const void *reply,
                                          size_t len)
{
    struct sock_diag_peer peer = {.uid = 0};
    enum sock_diag_result result;

    CHECK_INT(send(k->fd, reply, len, 0), len);
    result = sock_diag_ask(k->d, k->c.accepted, &peer);
    CHECK_INT(peer.uid, result == SOCK_DIAG_FOUND ? 77 : (uid_t)-1);
    *q = last_query(k);
    q->head.nlmsg_seq++;
    return result;
}

TEST("an answer that does not come is awaited for 200 ms, and passed over when it comes late")
{
    struct kernel k;
    struct query q;
    struct reply late, r;
    uint64_t began = clock_mono_ms();

    if (!kernel_init(&k))
        return;
    began = clock_mono_ms();
    q = learn_query(&k);
    CHECK(clock_mono_ms() - began >= 190);
    late = good_reply(&q);
    late.head.nlmsg_seq--;
    late.body.idiag_uid = 0;
    CHECK_INT(send(k.fd, &late, sizeof(late), 0), sizeof(late));
    r = good_reply(&q);
    CHECK_INT(send(k.fd, &r, sizeof(r.head) - 4, 0), sizeof(r.head) - 4);
    CHECK_INT(ask_answered(&k, &q, &r, sizeof(r)), SOCK_DIAG_FOUND);
    kernel_release(&k);
}

TEST("only the socket that was asked for, connected and held, is found")
{
    enum { AS_IT_IS, NO_INODE, CLIENT_PORT, SERVER_PORT, CLIENT_IP, SERVER_IP, FAMILY, SHUT, WAYS };
    struct kernel k;
    struct query q;

    if (!kernel_init(&k))
        return;
    q = learn_query(&k);
    for (int way = 0; way < WAYS; way++) {
        struct reply r = good_reply(&q);

        r.body.idiag_inode = way == NO_INODE ? 0 : 88;
        r.body.id.idiag_sport ^= way == CLIENT_PORT;
        r.body.id.idiag_dport ^= way == SERVER_PORT;
        r.body.id.idiag_src[0] ^= way == CLIENT_IP;
        r.body.id.idiag_dst[0] ^= way == SERVER_IP;
        r.body.idiag_family = way == FAMILY ? AF_INET6 : AF_INET;
        r.shutdown[0] = way == SHUT ? 3 : 2;
        CHECK_INT(ask_answered(&k, &q, &r, sizeof(r)), way ? SOCK_DIAG_GONE : SOCK_DIAG_FOUND);
    }
    for (unsigned state = TCP_ESTABLISHED; state <= TCP_CLOSING + 1; state++) {
        bool is_open = state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 ||
                       state == TCP_FIN_WAIT2 || state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK ||
                       state == TCP_CLOSING;
        struct reply r = good_reply(&q);

        r.body.idiag_state = (uint8_t)state;
        CHECK_INT(ask_answered(&k, &q, &r, sizeof(r)), is_open ? SOCK_DIAG_FOUND : SOCK_DIAG_GONE);
    }
    kernel_release(&k);
}

TEST("of errors ENOENT means gone, all others unknown; what is cut short is unknown")
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr body;
    } e = {.head = {.nlmsg_len = sizeof(e), .nlmsg_type = NLMSG_ERROR}};
    static const int errors[] = {0, EPERM, ENOBUFS, EINVAL};
    struct kernel k;
    struct query q;
    struct reply r;

    if (!kernel_init(&k))
        return;
    q = learn_query(&k);
    e.head.nlmsg_seq = q.head.nlmsg_seq;
    e.body.error = -ENOENT;
    CHECK_INT(ask_answered(&k, &q, &e, sizeof(e)), SOCK_DIAG_GONE);
    for (size_t i = 0; i < countof(errors); i++) {
        e.head.nlmsg_seq = q.head.nlmsg_seq;
        e.body.error = -errors[i];
        CHECK_INT(ask_answered(&k, &q, &e, sizeof(e)), SOCK_DIAG_UNKNOWN);
    }
    r = good_reply(&q);
    CHECK_INT(ask_answered(&k, &q, &r, sizeof(r.head)), SOCK_DIAG_UNKNOWN);
    r = good_reply(&q);
    CHECK_INT(ask_answered(&k, &q, &r, sizeof(r) - 1), SOCK_DIAG_UNKNOWN);
    r = good_reply(&q);
    r.head.nlmsg_len = NLMSG_LENGTH(sizeof(r.body) - 1);
    CHECK_INT(ask_answered(&k, &q, &r, sizeof(r)), SOCK_DIAG_UNKNOWN);
    r = good_reply(&q);
    r.head.nlmsg_len = 3;
    CHECK_INT(ask_answered(&k, &q, &r, sizeof(r)), SOCK_DIAG_UNKNOWN);
    e.head.nlmsg_seq = q.head.nlmsg_seq;
    e.head.nlmsg_type = NLMSG_DONE;
    e.body.error = -ENOENT;
    CHECK_INT(ask_answered(&k, &q, &e, sizeof(e)), SOCK_DIAG_UNKNOWN);
    for (unsigned short attribute_len = 0; attribute_len < 4; attribute_len++) {
        r = good_reply(&q);
        r.shutdown_head = (struct rtattr){.rta_len = attribute_len, .rta_type = INET_DIAG_TOS};
        CHECK_INT(ask_answered(&k, &q, &r, sizeof(r)), SOCK_DIAG_FOUND);
    }
    r = good_reply(&q); /* without the attribute */
    r.head.nlmsg_len = NLMSG_LENGTH(sizeof(r.body));
    CHECK_INT(ask_answered(&k, &q, &r, r.head.nlmsg_len), SOCK_DIAG_FOUND);
    kernel_release(&k);
}

static atomic_uint signals;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

/* Answers the first query once three signals have interrupted who waits for it. */
static void *answer_after_signals(void *argument)
{
    struct kernel *k = argument;
    struct query q = last_query(k);
    struct reply r = good_reply(&q);
    unsigned before = atomic_load(&signals);
    uint64_t until = clock_mono_ms() + 100;

    while (atomic_load(&signals) < before + 3 && clock_mono_ms() < until)
        continue;
    CHECK(atomic_load(&signals) >= before + 1);
    CHECK_INT(send(k->fd, &r, sizeof(r), 0), sizeof(r));
    return NULL;
}

TEST("signals while it waits do not end the wait")
{
    struct sigaction count = {.sa_handler = count_signal}, old;
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct sock_diag_peer peer;
    struct kernel k;
    sigset_t alarm;
    pthread_t thread;

    if (!kernel_init(&k))
        return;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigaction(SIGALRM, &count, &old);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    pthread_create(&thread, NULL, answer_after_signals, &k);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    CHECK_INT(sock_diag_ask(k.d, k.c.accepted, &peer), SOCK_DIAG_FOUND);
    setitimer(ITIMER_REAL, &never, NULL);
    pthread_join(thread, NULL);
    sigaction(SIGALRM, &old, NULL);
    kernel_release(&k);
}

TEST("loopback is 127/8, ::1 and 127/8 mapped into IPv6, and nothing else")
{
    static const struct {
        const char *ip;
        bool is_local;
    } rows[] = {
        {"127.0.0.1", true},
        {"127.255.255.254", true},
        {"126.255.255.255", false},
        {"128.0.0.1", false},
        {"10.0.0.127", false},
        {"0.0.0.0", false},
        {"::1", true},
        {"::", false},
        {"::2", false},
        {"::ffff:127.0.0.1", true},
        {"::ffff:127.9.9.9", true},
        {"::ffff:128.0.0.1", false},
        {"::127.0.0.1", false},
        {"fe80::1", false},
        {"::1:0:1", false},
        {"64:ff9b::127.0.0.1", false},
        {"7f00::1", false},
    };
    struct sockaddr other = {.sa_family = AF_UNIX};

    for (size_t i = 0; i < countof(rows); i++) {
        union address a = address_of(rows[i].ip, 80);

        unit_row(rows[i].ip);
        CHECK_INT(net_is_loopback(&a.any), rows[i].is_local);
    }
    unit_row(NULL);
    CHECK(!net_is_loopback(&other));
}
