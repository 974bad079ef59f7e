#include "base/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "unit.h"

static bool can_connect(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((in_port_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool can = connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0;

    close(fd);
    return can;
}

TEST("port 0 picks a free port, says which, and listens there without blocking")
{
    struct err err = {.code = ERR_NONE};
    unsigned port = 0;
    int fd = net_listen("127.0.0.1", &port, &err);

    REQUIRE(fd >= 0);
    CHECK(port > 0 && port < 65536);
    CHECK(can_connect(port));
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(err.code, ERR_NONE);
    close(fd);
}

TEST("two do not listen on one port, and the second is told what to do")
{
    unsigned port = 0, same;
    struct err err = {.code = ERR_NONE};
    int fd = net_listen("127.0.0.1", &port, &err);

    REQUIRE(fd >= 0);
    same = port;
    CHECK_INT(net_listen("127.0.0.1", &same, &err), -1);
    CHECK_INT(err.code, ERR_SYSTEM);
    CHECK_HAS(err.text, "--port");
    CHECK_HAS(err.text, "in use");
    CHECK_INT(same, port);
    close(fd);
}

/* A connection whose end at the listener closes first, and fades there (TIME_WAIT). */
static bool leave_a_fading_connection(int listener, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((in_port_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;
    bool made = connect(client, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0;

    poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 20000); /* it does not block */
    accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    close(accepted);
    close(client);
    return made && accepted >= 0;
}

TEST("a port is free again at once after its listener closed, whatever fades on it")
{
    unsigned port = 0, same;
    struct err err;
    int fd = net_listen("127.0.0.1", &port, &err);

    REQUIRE(fd >= 0 && leave_a_fading_connection(fd, port));
    close(fd);
    same = port;
    fd = net_listen("127.0.0.1", &same, &err);
    CHECK(fd >= 0);
    CHECK_INT(same, port);
    close(fd);
}

TEST("IPv6's loopback is listened on beside IPv4's, or the machine has none")
{
    int four = -1;

    /* V6ONLY: they do not collide. Somebody else may have the port there, but not ten times. */
    for (unsigned tries = 0; tries < 10 && four < 0; tries++) {
        unsigned port = 0, same;
        struct err err = {.code = ERR_NONE};
        int six = net_listen("[::1]", &port, &err);

        if (six == NET_NO_FAMILY)
            return;
        REQUIRE(six >= 0);
        same = port;
        four = net_listen("127.0.0.1", &same, &err);
        close(six);
    }
    CHECK(four >= 0);
    close(four);
}

TEST("what is no numeric address is wrong usage")
{
    static const char *const rows[] = {
        "",
        "localhost",
        "example.com",
        "127.0.0.1:80",
        "1.2.3",
        "[",
        "[]",
        "[::1",
        "::1]",
        "127.0.0.1 ",
        "256.0.0.1",
        "::1%lo",
        "/run/socket",
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000001"};

    for (size_t i = 0; i < countof(rows); i++) {
        struct err err = {.code = ERR_NONE};
        unsigned port = 0;

        unit_row(rows[i]);
        CHECK_INT(net_listen(rows[i], &port, &err), -1);
        CHECK_INT(err.code, ERR_USAGE);
        CHECK(!net_is_loopback_text(rows[i]));
    }
    unit_row(NULL);
}

TEST("an address that is not this machine's is named, with what to change")
{
    struct err err = {.code = ERR_NONE};
    unsigned port = 0;

    CHECK_INT(net_listen("203.0.113.77", &port, &err), -1); /* TEST-NET-3 (RFC 5737) */
    CHECK_INT(err.code, ERR_SYSTEM);
    CHECK_HAS(err.text, "--listen");
    CHECK_HAS(err.text, "203.0.113.77");
}

TEST("loopback is 127.0.0.0/8 and ::1, and nothing else")
{
    static const struct {
        const char *address;
        bool is;
    } rows[] = {
        {"127.0.0.1", true},    {"127.255.255.254", true},
        {"127.0.0.0", true},    {"::1", true},
        {"[::1]", true},        {"0:0:0:0:0:0:0:1", true},
        {"0.0.0.0", false},     {"::", false},
        {"[::]", false},        {"128.0.0.1", false},
        {"126.0.0.1", false},   {"10.0.0.1", false},
        {"192.168.0.1", false}, {"::2", false},
        {"fe80::1", false},     {"localhost", false},
        {"1.0.0.127", false},   {"2001:db8::1", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].address);
        CHECK(net_is_loopback_text(rows[i].address) == rows[i].is);
    }
    unit_row(NULL);
}
