#include "upstream/own_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "unit.h"

/* A connection over loopback: the client's end and the server's. */
struct pair {
    int listening, client, server;
    unsigned client_port;
};

static socklen_t loopback(int family, struct sockaddr_storage *a)
{
    struct sockaddr_in *v4 = (void *)a;
    struct sockaddr_in6 *v6 = (void *)a;

    memset(a, 0, sizeof(*a));
    a->ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof(*v4);
    }
    v6->sin6_addr = in6addr_loopback;
    return sizeof(*v6);
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);

    CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    /* at the same place in both */
    return ntohs(((const struct sockaddr_in *)(const void *)&a)->sin_port);
}

static bool connect_to(struct pair *p, int family, unsigned port)
{
    struct sockaddr_storage a;
    socklen_t len = loopback(family, &a);

    ((struct sockaddr_in *)(void *)&a)->sin_port = htons((in_port_t)port);
    p->client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->client < 0 || connect(p->client, (struct sockaddr *)&a, len) < 0)
        return false;
    p->client_port = port_of(p->client);
    p->server = accept(p->listening, NULL, NULL);
    return p->server >= 0;
}

/* False: there is no such family here. any: the server listens on all addresses, in IPv6 on those
 * of IPv4 as well. */
static bool pair_open(struct pair *p, int listening_family, int client_family)
{
    struct sockaddr_storage a;
    socklen_t len = loopback(listening_family, &a);
    int off = 0;

    *p = (struct pair){.client = -1, .server = -1};
    p->listening = socket(listening_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->listening < 0)
        return false;
    if (listening_family != client_family) {
        setsockopt(p->listening, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        ((struct sockaddr_in6 *)(void *)&a)->sin6_addr = in6addr_any;
    }
    return bind(p->listening, (struct sockaddr *)&a, len) == 0 && listen(p->listening, 4) == 0 &&
           connect_to(p, client_family, port_of(p->listening));
}

static void pair_close(struct pair *p)
{
    int fds[] = {p->listening, p->client, p->server};

    for (size_t i = 0; i < countof(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static bool is_same(const struct own_ends *a, const struct own_ends *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* A connection of ours is counted, met at its other end, and forgotten. */
static void go_round(struct pair *p, const char *ip)
{
    struct own_ends told, met, other_way;

    REQUIRE(own_ends_parse(&told, ip, p->client_port, ip, port_of(p->listening)));
    REQUIRE(own_ends_of_client(&met, p->server));
    CHECK(is_same(&told, &met));
    CHECK(!own_sockets_has(&met));
    CHECK_INT(own_sockets_count(&told, NULL), 1);
    CHECK(own_sockets_has(&met));
    CHECK_INT(own_sockets_count(&told, NULL), 2);
    CHECK_INT(own_sockets_count(&told, NULL), 3);
    REQUIRE(own_ends_of_client(&other_way, p->client)); /* the server's end is not ours */
    CHECK(!own_sockets_has(&other_way));
    own_sockets_remove(p->server); /* nor in the set */
    CHECK(own_sockets_has(&met));
    own_sockets_remove(p->client);
    CHECK(!own_sockets_has(&met));
    own_sockets_remove(p->client);                /* again: nothing */
    CHECK_INT(own_sockets_count(&told, NULL), 1); /* another connection, from the same port */
    own_sockets_remove(p->client);
    CHECK(!own_sockets_has(&told));
}

TEST("a connection of ours is known at its other end, from its first request until it is closed")
{
    struct pair pair;

    REQUIRE(pair_open(&pair, AF_INET, AF_INET));
    go_round(&pair, "127.0.0.1");
    pair_close(&pair);
}

TEST("the same over IPv6")
{
    struct pair pair;

    if (pair_open(&pair, AF_INET6, AF_INET6)) /* or there is none on this machine */
        go_round(&pair, "::1");
    pair_close(&pair);
}

TEST("an IPv4 connection is known where it is met as an IPv6 one")
{
    struct pair pair;

    if (pair_open(&pair, AF_INET6, AF_INET))
        go_round(&pair, "127.0.0.1");
    pair_close(&pair);
}

TEST("addresses are read as libcurl writes them, and nothing else is")
{
    static const struct {
        const char *a, *b; /* b: NULL if a is no address, else the same one */
    } rows[] = {{"127.0.0.1", "127.0.0.1"},
                {"127.0.0.1", "::ffff:127.0.0.1"},
                {"::1", "0:0:0:0:0:0:0:1"},
                {"2001:DB8::1", "2001:db8::1"},
                {"", NULL},
                {"localhost", NULL},
                {"127.1", NULL},
                {"127.0.0.1:80", NULL},
                {"[::1]", NULL},
                {"::1 ", NULL}};

    for (size_t i = 0; i < countof(rows); i++) {
        struct own_ends a, b;

        unit_row(rows[i].a);
        CHECK(own_ends_parse(&a, rows[i].a, 4711, "127.0.0.1", 80) == (rows[i].b != NULL));
        if (!rows[i].b)
            continue;
        CHECK(own_ends_parse(&b, rows[i].b, 4711, "127.0.0.1", 80));
        CHECK(is_same(&a, &b));
        CHECK(own_ends_parse(&b, rows[i].b, 4712, "127.0.0.1", 80));
        CHECK(!is_same(&a, &b));
        CHECK(own_ends_parse(&b, "10.0.0.1", 4711, "127.0.0.1", 80));
        CHECK(!is_same(&a, &b));
        CHECK(own_ends_parse(&b, rows[i].b, 4711, "127.0.0.1", 81)); /* another peer */
        CHECK(!is_same(&a, &b));
        CHECK(!own_ends_parse(&b, rows[i].b, 4711, "localhost", 80));
    }
    unit_row(NULL);
}

TEST("a socket that has no other end, or is none of TCP's, has no address of one")
{
    struct own_ends address;
    int fds[2], lone = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    REQUIRE(lone >= 0);
    CHECK(!own_ends_of_client(&address, lone));
    close(lone);
    CHECK(!own_ends_of_client(&address, lone));
    CHECK(!own_ends_of_client(&address, -1));
    own_sockets_remove(-1);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    CHECK(!own_ends_of_client(&address, fds[0]));
    own_sockets_remove(fds[0]);
    close(fds[0]);
    close(fds[1]);
}

/* Others than the pair's are addresses that no connection of this run has: they stay in the set. */
static bool others_address(unsigned i, unsigned step, const struct pair *pair,
                           struct own_ends *address)
{
    static const char *const ips[] = {"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"};

    /* 1024 apart: of one bucket */
    return i < countof(ips) &&
           own_ends_parse(address, ips[i], (pair->client_port + 1024 * step) & 0xffff, ips[i], 443);
}

TEST("connections are told apart by address and port, wherever they stand in the table")
{
    struct own_ends own, address;
    struct pair pair;

    REQUIRE(pair_open(&pair, AF_INET, AF_INET));
    REQUIRE(
        own_ends_parse(&own, "127.0.0.1", pair.client_port, "127.0.0.1", port_of(pair.listening)));
    for (unsigned i = 0; others_address(i, 0, &pair, &address); i++)
        for (unsigned step = 0; step < 4; step++) {
            REQUIRE(others_address(i, step, &pair, &address));
            CHECK(!own_sockets_has(&address));
            for (unsigned n = 1; n <= i + step + 1; n++)
                CHECK_INT(own_sockets_count(&address, NULL), n);
            if (i == 1 && step == 1) /* in the midst of them */
                CHECK_INT(own_sockets_count(&own, NULL), 1);
        }
    CHECK(own_sockets_has(&own));
    own_sockets_remove(pair.client);
    CHECK(!own_sockets_has(&own));
    for (unsigned i = 0; others_address(i, 0, &pair, &address); i++)
        for (unsigned step = 0; step < 4; step++) {
            CHECK(others_address(i, step, &pair, &address));
            CHECK(own_sockets_has(&address));
        }
    pair_close(&pair);
}

/* The kernel may give one local port to connections to different peers. */
TEST("a client that has the local port of a connection of ours, to another peer, is not ours")
{
    struct own_ends ours, client;
    struct pair pair;

    REQUIRE(pair_open(&pair, AF_INET, AF_INET));
    REQUIRE(own_ends_parse(&ours, "127.0.0.1", pair.client_port, "127.0.0.1", 9));
    CHECK_INT(own_sockets_count(&ours, NULL), 1);
    REQUIRE(own_ends_of_client(&client, pair.server));
    CHECK(!own_sockets_has(&client));
    own_sockets_remove(pair.client); /* of which nothing is there */
    CHECK(own_sockets_has(&ours));
    pair_close(&pair);
}

TEST("what was reset, so that the kernel knows its peer no more, goes by its local end")
{
    struct linger at_once = {.l_onoff = 1};
    struct own_ends told;
    struct pair pair;
    char byte;

    REQUIRE(pair_open(&pair, AF_INET, AF_INET));
    REQUIRE(
        own_ends_parse(&told, "127.0.0.1", pair.client_port, "127.0.0.1", port_of(pair.listening)));
    CHECK_INT(own_sockets_count(&told, NULL), 1);
    setsockopt(pair.server, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(pair.server);
    pair.server = -1;
    CHECK(recv(pair.client, &byte, 1, 0) < 0);
    own_sockets_remove(pair.client);
    CHECK(!own_sockets_has(&told));
    pair_close(&pair);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 200

static void *come_and_go(void *arg)
{
    unsigned *wrong = arg;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct own_ends told, met;
        struct pair pair;

        if (!pair_open(&pair, AF_INET, AF_INET) ||
            !own_ends_parse(&told, "127.0.0.1", pair.client_port, "127.0.0.1",
                            port_of(pair.listening)) ||
            !own_ends_of_client(&met, pair.server)) {
            ++*wrong;
        } else {
            *wrong += own_sockets_has(&met);
            *wrong += own_sockets_count(&told, NULL) != 1;
            *wrong += !own_sockets_has(&met);
            own_sockets_remove(pair.client);
            *wrong += own_sockets_has(&met);
        }
        pair_close(&pair);
    }
    return NULL;
}

TEST("many threads connect and close, and each finds its own connections")
{
    pthread_t threads[THREADS];
    unsigned wrong[THREADS] = {0};

    for (unsigned i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, come_and_go, &wrong[i]) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(wrong[i], 0);
    }
}
