/* rawclient.c: sends bytes over TCP exactly as told and prints what comes back.
 *
 *   rawclient [OPTIONS] HOST:PORT <bytes
 *   rawclient [OPTIONS] --script HOST:PORT <script
 *   rawclient --probe HOST:PORT            status 0: somebody listens there
 *   rawclient --count N [OPTIONS] HOST:PORT <bytes
 *
 * HOST is an address or a name, IPv6 in brackets; http://HOST:PORT/ is taken
 * too. It ends when the peer closes or the time is up.
 *   --timeout S     5 unless given, fractions allowed
 *   --until TEXT    ends as soon as the answer holds TEXT (no escapes)
 *   --half-close    closes the sending half behind the last byte
 *   --drip N,MS     sends N bytes at a time, MS apart
 *   --report        at the end one line on stderr:
 *                   end=fin|reset|timeout|until|self first_ms=N end_ms=N bytes=N
 *                   (milliseconds since it began to connect; first_ms=-1: nothing came)
 * Status: 0 peer closed, --until seen, or closed itself; 1 no connection;
 * 2 usage; 3 time is up; 4 reset by the peer; 5 the script expected in vain.
 *
 * A script has one command a line; \r \n \t \\ \xHH are escapes in TEXT:
 *   send TEXT       line TEXT (with CR LF)      bytes N (sends N times `x`)
 *   pause MS        reads on meanwhile       await FILE  the same, until that file is there
 *   expect TEXT     waits until TEXT has come since the last expect
 *   deaf            stops reading; `hear` starts again
 *   halfclose       close (FIN and no more)     reset (RST)
 *
 * With --count N the same bytes go over N connections at once, which are read
 * and thrown away. It prints "all answered" when each has got a byte, and at
 * the end "connected=N answered=N closed=N reset=N bytes=N"; SIGTERM ends it so
 * too. Status 0: all were answered and closed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum end { OPEN, FIN, RESET, TIMEOUT, UNTIL, SELF };

static struct {
    int fd;
    enum end end;
    bool deaf;
    long began, first, ended, deadline; /* milliseconds */
    char *got;                          /* all that came */
    size_t got_len, got_size, searched;
    const char *until;
    long timeout;
} peer = {.timeout = 5000, .first = -1};

static volatile sig_atomic_t told_to_end;

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void die(int status, const char *what)
{
    fprintf(stderr, "rawclient: %s\n", what);
    exit(status);
}

static char *read_all(size_t *len)
{
    size_t size = 65536, n = 0, got;
    char *all = malloc(size);
    while (all && (got = fread(all + n, 1, size - n - 1, stdin)) > 0) {
        n += got;
        if (size - n < 2)
            all = realloc(all, size *= 2);
    }
    if (!all)
        die(1, "out of memory");
    all[n] = '\0';
    *len = n;
    return all;
}

/* ---- connecting ---- */

static struct addrinfo *look_up(char *where)
{
    if (strncmp(where, "http://", 7) == 0)
        where += 7;
    where[strcspn(where, "/")] = '\0';
    char *colon = strrchr(where, ':'), *host = where;
    if (!colon)
        die(2, "HOST:PORT is wanted");
    *colon = '\0';
    if (*host == '[') {
        host++;
        host[strcspn(host, "]")] = '\0';
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        die(1, "unknown host");
    return found;
}

static int dial(const struct addrinfo *to)
{
    int on = 1;
    for (; to; to = to->ai_next) {
        int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) == 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return fd;
        }
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

/* ---- one connection ---- */

static void finish(enum end how)
{
    if (peer.end != OPEN)
        return;
    peer.end = how;
    peer.ended = now_ms();
}

static void keep(const char *bytes, size_t n)
{
    while (peer.got_size - peer.got_len <= n) {
        peer.got_size = peer.got_size ? peer.got_size * 2 : 65536;
        peer.got = realloc(peer.got, peer.got_size);
        if (!peer.got)
            die(1, "out of memory");
    }
    memcpy(peer.got + peer.got_len, bytes, n);
    peer.got_len += n;
}

static void receive(void)
{
    char block[65536];
    ssize_t n = recv(peer.fd, block, sizeof block, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        finish(n == 0 ? FIN : RESET);
        return;
    }
    if (peer.first < 0)
        peer.first = now_ms() - peer.began;
    if (fwrite(block, 1, (size_t)n, stdout) != (size_t)n || fflush(stdout) != 0)
        finish(SELF);
    keep(block, (size_t)n);
    if (peer.until && memmem(peer.got, peer.got_len, peer.until, strlen(peer.until)))
        finish(UNTIL);
}

/* Reads for at most `ms`; returns early when the socket takes bytes and these
 * are wanted, or when something came. */
static void turn(long ms, bool want_send)
{
    long left = peer.deadline - now_ms();
    if (left <= 0) {
        finish(TIMEOUT);
        return;
    }
    short events = (short)((peer.deaf ? 0 : POLLIN) | (want_send ? POLLOUT : 0));
    /* a deaf peer must not spin on what it does not read */
    struct pollfd p = {.fd = events ? peer.fd : -1, .events = events};
    if (poll(&p, 1, (int)(ms < left ? ms : left)) > 0 && !peer.deaf &&
        (p.revents & (POLLIN | POLLHUP | POLLERR)))
        receive();
}

static void pause_ms(long ms)
{
    for (long end = now_ms() + ms, left; peer.end == OPEN && (left = end - now_ms()) > 0;)
        turn(left, false);
}

static void send_all(const char *bytes, size_t n)
{
    while (n && peer.end == OPEN) {
        ssize_t sent = send(peer.fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes += sent;
            n -= (size_t)sent;
        } else if (errno == EAGAIN || errno == EINTR) {
            turn(1000, true);
        } else {
            /* it refuses our bytes, but may have answered before that */
            while (peer.end == OPEN && !peer.deaf)
                turn(1000, false);
            finish(RESET);
        }
    }
}

static void send_drip(const char *bytes, size_t n, const char *drip)
{
    size_t piece = strtoul(drip, NULL, 10);
    const char *comma = strchr(drip, ',');
    long ms = comma ? strtol(comma + 1, NULL, 10) : 10;
    if (!piece)
        die(2, "--drip wants N,MS");
    for (size_t at = 0; at < n && peer.end == OPEN; at += piece) {
        if (at)
            pause_ms(ms);
        send_all(bytes + at, n - at < piece ? n - at : piece);
    }
}

static void expect(const char *text, size_t n)
{
    while (peer.end != TIMEOUT) {
        char *found = peer.got_len > peer.searched
                          ? memmem(peer.got + peer.searched, peer.got_len - peer.searched, text, n)
                          : NULL;
        if (found) {
            peer.searched = (size_t)(found - peer.got) + n;
            return;
        }
        if (peer.end != OPEN)
            break;
        turn(1000, false);
    }
    fprintf(stderr, "rawclient: never came: %s\n", text);
    exit(5);
}

static size_t unescape(char *text)
{
    char *out = text;
    for (const char *p = text; *p; p++) {
        unsigned byte;
        int used = 0;
        if (*p != '\\' || !p[1]) {
            *out++ = *p;
        } else if (sscanf(p, "\\x%2x%n", &byte, &used) == 1 && used == 4) {
            *out++ = (char)byte;
            p += 3;
        } else {
            const char *known = strchr("n\nr\rt\t\\\\", *++p);
            *out++ = known ? known[1] : *p;
        }
    }
    *out = '\0';
    return (size_t)(out - text);
}

static void send_many(size_t n)
{
    char block[65536];
    memset(block, 'x', sizeof block);
    for (size_t take; n && peer.end == OPEN; n -= take) {
        take = n < sizeof block ? n : sizeof block;
        send_all(block, take);
    }
}

static void command(char *line)
{
    char *text = line + strcspn(line, " ");
    if (*text)
        *text++ = '\0';
    long number = strtol(text, NULL, 10);
    size_t n = unescape(text);
    if (strcmp(line, "send") == 0)
        send_all(text, n);
    else if (strcmp(line, "line") == 0)
        send_all(text, n), send_all("\r\n", 2);
    else if (strcmp(line, "bytes") == 0)
        send_many((size_t)number);
    else if (strcmp(line, "pause") == 0)
        pause_ms(number);
    else if (strcmp(line, "await") == 0)
        while (peer.end == OPEN && access(text, F_OK) < 0)
            turn(20, false);
    else if (strcmp(line, "expect") == 0)
        expect(text, n);
    else if (strcmp(line, "deaf") == 0 || strcmp(line, "hear") == 0)
        peer.deaf = *line == 'd';
    else if (strcmp(line, "halfclose") == 0)
        shutdown(peer.fd, SHUT_WR);
    else if (strcmp(line, "close") == 0)
        finish(SELF);
    else if (strcmp(line, "reset") == 0) {
        struct linger rst = {.l_onoff = 1, .l_linger = 0};
        setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &rst, sizeof rst);
        finish(SELF);
    } else if (*line && *line != '#') {
        die(2, "unknown command in the script");
    }
}

static void run_script(char *text)
{
    for (char *next; *text; text = next) {
        size_t n = strcspn(text, "\n");
        next = text + n + (text[n] == '\n');
        text[n] = '\0';
        bool looks = strncmp(text, "expect", 6) == 0;
        if (peer.end == OPEN || looks)
            command(text);
    }
}

static void report(void)
{
    static const char *const names[] = {"open", "fin", "reset", "timeout", "until", "self"};
    fprintf(stderr, "end=%s first_ms=%ld end_ms=%ld bytes=%zu\n", names[peer.end], peer.first,
            peer.ended - peer.began, peer.got_len);
}

static int one(const struct addrinfo *to, bool script, bool half_close, const char *drip, bool tell)
{
    size_t n;
    char *bytes = read_all(&n);
    const int cork = half_close;
    /* Before the other side can count: what it promises at least is at least that long here. */
    peer.began = now_ms();
    peer.fd = dial(to);
    if (peer.fd < 0)
        die(1, "no connection");
    peer.deadline = peer.began + peer.timeout;
    if (script)
        run_script(bytes);
    else if (drip)
        send_drip(bytes, n, drip);
    else {
        /* The FIN goes with the last bytes: an answer must not overtake it. */
        setsockopt(peer.fd, IPPROTO_TCP, TCP_CORK, &cork, sizeof cork);
        send_all(bytes, n);
    }
    if (half_close)
        shutdown(peer.fd, SHUT_WR);
    while (peer.end == OPEN)
        turn(1000, false);
    close(peer.fd);
    if (tell)
        report();
    free(bytes);
    return peer.end == TIMEOUT ? 3 : peer.end == RESET ? 4 : 0;
}

/* ---- a crowd ---- */

static void on_end(int sig)
{
    (void)sig;
    told_to_end = 1;
}

struct tally {
    size_t connected, answered, closed, reset;
    unsigned long long bytes;
};

static void crowd_read(struct pollfd *p, bool *answered, struct tally *t)
{
    char waste[65536];
    ssize_t n = recv(p->fd, waste, sizeof waste, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        t->bytes += (unsigned long long)n;
        t->answered += !*answered;
        *answered = true;
        return;
    }
    t->closed += n == 0;
    t->reset += n < 0;
    close(p->fd);
    p->fd = -1;
}

static int crowd(const struct addrinfo *to, size_t count)
{
    struct tally t = {0};
    size_t n;
    char *bytes = read_all(&n);
    struct pollfd *all = calloc(count, sizeof *all);
    bool *answered = calloc(count, sizeof *answered), told = false;
    long deadline = now_ms() + peer.timeout;
    if (!all || !answered)
        die(1, "out of memory");
    signal(SIGTERM, on_end);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct pollfd){.fd = dial(to), .events = POLLIN};
        t.connected += all[i].fd >= 0;
        if (all[i].fd >= 0 && send(all[i].fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
            all[i].events = POLLIN | POLLHUP;
    }
    while (!told_to_end && t.closed + t.reset < t.connected && now_ms() < deadline) {
        if (poll(all, count, 100) <= 0)
            continue;
        for (size_t i = 0; i < count; i++)
            if (all[i].fd >= 0 && all[i].revents)
                crowd_read(&all[i], &answered[i], &t);
        if (!told && t.answered == count) {
            told = true;
            puts("all answered");
            fflush(stdout);
        }
    }
    printf("connected=%zu answered=%zu closed=%zu reset=%zu bytes=%llu\n", t.connected, t.answered,
           t.closed, t.reset, t.bytes);
    free(bytes);
    free(all);
    free(answered);
    return t.answered == count && t.closed == count ? 0 : 3;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"timeout", required_argument, NULL, 't'},
                                            {"until", required_argument, NULL, 'u'},
                                            {"half-close", no_argument, NULL, 'h'},
                                            {"drip", required_argument, NULL, 'd'},
                                            {"report", no_argument, NULL, 'r'},
                                            {"script", no_argument, NULL, 's'},
                                            {"probe", no_argument, NULL, 'p'},
                                            {"count", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    bool half_close = false, tell = false, script = false, probe = false;
    const char *drip = NULL;
    size_t count = 0;
    struct rlimit files;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 't')
            peer.timeout = (long)(strtod(optarg, NULL) * 1000);
        else if (c == 'u')
            peer.until = optarg;
        else if (c == 'h')
            half_close = true;
        else if (c == 'd')
            drip = optarg;
        else if (c == 'r')
            tell = true;
        else if (c == 's')
            script = true;
        else if (c == 'p')
            probe = true;
        else if (c == 'c')
            count = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (optind != argc - 1)
        die(2, "HOST:PORT is wanted");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct addrinfo *to = look_up(argv[optind]);
    int status = probe   ? dial(to) < 0
                 : count ? crowd(to, count)
                         : one(to, script, half_close, drip, tell);
    freeaddrinfo(to);
    return status;
}
