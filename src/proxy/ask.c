/* By hand rather than with libcurl, which has its two doors already: one request to our own
 * server over loopback, closed by the server after its answer. */
#include "proxy/ask.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static int connect_in_time(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);

    if (fd < 0)
        return -1;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    if (errno == EINPROGRESS && poll(&p, 1, ASK_TIMEOUT_MS) == 1 &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
        return fd;
    error = error ? error : errno;
    close(fd);
    errno = error;
    return -1;
}

static int try_address(const char *address, unsigned port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    char service[8];
    int fd = -1;

    snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(address, service, &hints, &found) != 0)
        return -1;
    fd = connect_in_time(found);
    freeaddrinfo(found);
    return fd;
}

static int connect_to(const char *address, unsigned port, struct err *err)
{
    bool both = strcmp(address, "localhost") == 0; /* whatever /etc/hosts says of it */
    int fd = try_address(both ? "127.0.0.1" : address, port);

    if (fd < 0 && both)
        fd = try_address("::1", port);
    if (fd < 0)
        return err_set(err, ERR_NO_SERVER,
                       "no proxy answers on %s port %u: start it with goproxyai serve, or name "
                       "its port with --port",
                       address, port);
    return fd;
}

/* Whole answer until the server closes, or -1 with errno. */
static int exchange(int fd, const struct str *request, struct str *answer)
{
    uint64_t end = clock_mono_ms() + ASK_TIMEOUT_MS;
    char buf[4096];

    /* A request of this size fits every socket's buffer. */
    if (send(fd, request->text, request->len, MSG_NOSIGNAL) != (ssize_t)request->len)
        return -1;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = clock_mono_ms();
        ssize_t n;

        if (now >= end || poll(&p, 1, (int)(end - now)) == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        n = recv(fd, buf, sizeof(buf), 0);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (n > 0)
            str_add(answer, buf, (size_t)n);
        if (answer->len > ASK_ANSWER_MAX) {
            errno = EMSGSIZE;
            return -1;
        }
    }
}

static int split(const struct str *answer, unsigned *status, struct str *body, struct err *err)
{
    const char *end = strstr(answer->text, "\r\n\r\n");

    if (!end || sscanf(answer->text, "HTTP/1.%*u %u", status) != 1 ||
        !strstr(answer->text, "\r\nX-Proxy: goproxyai/"))
        return err_set(err, ERR_UNHEALTHY,
                       "what answers there is not goproxyai: name the right port with --port");
    str_add(body, end + 4, answer->len - (size_t)(end + 4 - answer->text));
    return 0;
}

int ask_get(const char *address, unsigned port, const char *path, unsigned *status,
            struct str *body, struct err *err)
{
    struct str request = STR_INIT, answer = STR_INIT;
    int fd = connect_to(address, port, err), result = -1;

    if (fd < 0)
        return -1;
    str_addf(&request, "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n\r\n", path,
             strchr(address, ':') ? "[" : "", address, strchr(address, ':') ? "]" : "", port);
    if (exchange(fd, &request, &answer) < 0) {
        err_sys(err, "the proxy on port %u did not answer", port);
        err->code = ERR_UNHEALTHY;
    } else {
        result = split(&answer, status, body, err);
    }
    close(fd);
    str_release(&request);
    str_release(&answer);
    return result;
}
