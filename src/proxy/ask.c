/* Written without libcurl, which only attempt.c and pool.c may include: one request to our own
 * server, mostly over loopback, closed by the server after its answer. */
#include "proxy/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/net.h"
#include "base/sock_diag.h"

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
    close(fd);
    return -1;
}

static int try_host(const char *host, unsigned port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char service[8];
    int fd = -1;

    snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = connect_in_time(a);
    freeaddrinfo(found);
    return fd;
}

static int connect_to(const struct ask_server *server, struct err *err)
{
    bool both = strcmp(server->host, "localhost") == 0; /* independent of /etc/hosts */
    int fd = try_host(both ? "127.0.0.1" : server->host, server->port);

    if (fd < 0 && both)
        fd = try_host("::1", server->port);
    if (fd < 0)
        return err_set(err, ERR_NO_SERVER,
                       "no proxy answers on %s port %u: start it with goproxyai serve, or name "
                       "its port with --port",
                       server->host, server->port);
    return fd;
}

/* Refuses another user's listener, which could pretend to have carried out a command. */
static int check_owner(const struct ask_server *server, int fd, struct err *err)
{
    struct sockaddr_storage room;
    struct sockaddr *address = (struct sockaddr *)&room;
    socklen_t len = sizeof(room);
    struct sock_diag *d;
    struct err none;
    uid_t uid = 0;
    bool is_other;

    if (!server->ours || getpeername(fd, address, &len) < 0 || !net_is_loopback(address))
        return 0;
    d = sock_diag_new(&none);
    is_other = d && sock_diag_ask_listener(d, address, &uid) == SOCK_DIAG_FOUND && uid != 0 &&
               uid != geteuid();
    sock_diag_free(d);
    if (!is_other)
        return 0;
    return err_set(err, ERR_NO_SERVER,
                   "on port %u another user's program listens (uid %lu): name it with --url if you "
                   "mean that one",
                   server->port, (unsigned long)uid);
}

/* Reads the answer until the server closes; -1 with errno on failure. */
static int exchange(int fd, const struct str *request, unsigned timeout_ms, struct str *answer)
{
    uint64_t end = clock_mono_ms() + timeout_ms;
    char buf[65536];

    /* A request of this size fits every socket's send buffer. */
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

/* The end of the connection does not prove that the answer is complete: its length does. */
static bool is_whole(const char *head, size_t body_len)
{
    const char *length = strstr(head, "\r\nContent-Length: ");

    return !length || strtoull(length + strlen("\r\nContent-Length: "), NULL, 10) == body_len;
}

static int split(struct str *text, struct ask_answer *answer, struct err *err)
{
    char *end = strstr(text->text, "\r\n\r\n");
    size_t body_len;

    if (end)
        *end = '\0';
    if (!end || sscanf(text->text, "HTTP/1.%*u %u", &answer->status) != 1 ||
        !strstr(text->text, "\r\nX-Proxy: goproxyai/"))
        return err_set(err, ERR_UNHEALTHY,
                       "what answers there is not goproxyai: name the right port with --port");
    end += 4;
    body_len = text->len - (size_t)(end - text->text);
    if (!is_whole(text->text, body_len))
        return err_set(err, ERR_UNHEALTHY, "the proxy's answer broke off: see its log");
    str_add(&answer->body, end, body_len);
    return 0;
}

int ask(const struct ask_server *server, const struct ask_request *request,
        struct ask_answer *answer, struct err *err)
{
    struct str head = STR_INIT, text = STR_INIT;
    bool v6 = strchr(server->host, ':') != NULL;
    int fd = connect_to(server, err), result = -1;

    if (fd < 0)
        return -1;
    if (check_owner(server, fd, err) < 0) {
        close(fd);
        return -1;
    }
    str_addf(&head, "%s %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n\r\n",
             request->method, request->target, v6 ? "[" : "", server->host, v6 ? "]" : "",
             server->port);
    if (exchange(fd, &head, request->timeout_ms, &text) < 0) {
        err_sys(err, "the proxy on port %u did not answer", server->port);
        err->code = ERR_UNHEALTHY;
    } else {
        result = split(&text, answer, err);
    }
    close(fd);
    str_release(&head);
    str_release(&text);
    return result;
}

int ask_refused(const struct ask_answer *answer, struct err *err)
{
    struct json *root = json_parse(answer->body.text, answer->body.len);
    const char *message = json_text(json_member(json_member(root, "error"), "message"));

    if (message)
        err_set(err, ERR_SYSTEM, "the proxy refused: %s", message);
    else
        err_set(err, ERR_UNHEALTHY, "the proxy answered with HTTP %u: is it of another version?",
                answer->status);
    json_free(root);
    return -1;
}
