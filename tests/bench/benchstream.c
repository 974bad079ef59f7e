/*
 * benchstream -p PORT [options]: opens many SSE streams through one target.
 *
 *   -s STREAMS   how many (1)
 *   -e MS        milliseconds between the chunks of a stream (20)
 *   -c CHUNKS    chunks of a stream, the first one included (50)
 *   -w SKIP      chunks of a stream whose delay does not count (0)
 *   -k PLAIN     plain requests on each connection before its stream; all
 *                connections carry theirs before the first stream opens (0)
 *   -H HEADER    'Name: value', for every request; repeatable
 *   -a COUNT     local addresses to connect from: 127.0.0.2, .3, … (1)
 *   -r COUNT     how many may be on their way to their first chunk at once (64)
 *   -t SECONDS   the longest it may take to open all, and beyond the streams'
 *                own length to end (30)
 *   -o           hold: streams without an end. Says "open=N errors=0" when each
 *                one has had -m chunks (1), then reads on in silence until
 *                SIGTERM
 *
 * At the end, or at SIGTERM, it prints
 *   p50_ns=… p99_ns=… max_ns=… first_ns=… count=… expected=… errors=…
 * where the first three are about the delay from the upstream's stamp in a
 * chunk to its reading here, and first_ns is the median time from a request to
 * its first chunk. It exits 1 when a stream failed, broke off, lost a chunk or
 * could not be opened.
 */
#include "bench.h"

#include <signal.h>
#include <sys/epoll.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum stage { IDLE, CONNECTING, PLAIN, READY, ASKED, STREAMING, OVER, FAILED };

struct stream {
    int fd;
    enum stage stage;
    unsigned plain_left;
    unsigned long chunks;
    bool done_seen;
    uint64_t asked;
    size_t index;
    size_t line_len;
    char line[512];
    struct answer answer;
};

static struct {
    unsigned port, plain, addresses, ramp;
    unsigned long streams, every_ms, chunks, skip, min_chunks, patience;
    bool hold;
    char headers[2048];
} opt = {.addresses = 1,
         .ramp = 64,
         .streams = 1,
         .every_ms = 20,
         .chunks = 50,
         .min_chunks = 1,
         .patience = 30};

static int poll_fd;
static struct stream *streams;
static size_t next_idle, next_ready, on_the_way, plain_done, in_stream, over, failed, settled;
static uint64_t *delays, *firsts;
static size_t delays_len, delays_max, firsts_len;
static uint64_t read_ns;
static unsigned complaints;
static volatile sig_atomic_t stop;

static void on_term(int signal_number)
{
    (void)signal_number;
    stop = 1;
}

static void stream_fail(struct stream *s, const char *why)
{
    if (complaints++ < 3)
        fprintf(stderr, "benchstream: stream %zu of %lu: %s\n", s->index, opt.streams, why);
    if (s->stage == CONNECTING || s->stage == PLAIN || s->stage == ASKED)
        on_the_way--;
    if (s->stage == STREAMING)
        in_stream--;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->stage = FAILED;
    failed++;
}

static void stream_write(struct stream *s, const char *request, int len)
{
    answer_reset(&s->answer);
    s->asked = now_ns();
    if (send(s->fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        stream_fail(s, "the request could not be sent");
}

static void ask_plain(struct stream *s)
{
    char request[4096];
    int n = snprintf(request, sizeof request,
                     "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                     "Authorization: Bearer sk-bench\r\nContent-Type: application/json\r\n%s"
                     "Content-Length: %zu\r\n\r\n%s",
                     opt.port, opt.headers, sizeof PLAIN_BODY - 1, PLAIN_BODY);

    stream_write(s, request, n);
}

static void ask_stream(struct stream *s)
{
    char request[4096], body[256];
    int len = snprintf(
        body, sizeof body,
        "{\"model\":\"gpt-4o-mini\",\"stream\":true,\"messages\":[{\"role\":\"user\","
        "\"content\":\"Count slowly, and remember that you are number %zu.\"}]}",
        s->index);
    int n = snprintf(
        request, sizeof request,
        "POST /v1/chat/completions?n=%lu&every_ms=%lu HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
        "Authorization: Bearer sk-bench\r\nContent-Type: application/json\r\n"
        "Accept: text/event-stream\r\n%sContent-Length: %d\r\n\r\n%s",
        opt.hold ? 0UL : opt.chunks, opt.every_ms, opt.port, opt.headers, len, body);

    s->stage = ASKED;
    stream_write(s, request, n);
}

static void take_line(struct stream *s)
{
    char *stamp;

    s->line[s->line_len] = '\0';
    if (strncmp(s->line, "data: ", 6) != 0)
        return;
    if (strcmp(s->line, "data: [DONE]") == 0) {
        s->done_seen = true;
        return;
    }
    stamp = strstr(s->line, STAMP);
    if (!stamp)
        return;
    s->chunks++;
    if (s->chunks == 1) {
        firsts[firsts_len++] = read_ns - s->asked;
        on_the_way--;
        in_stream++;
        s->stage = STREAMING;
    }
    if (s->chunks == opt.min_chunks)
        settled++;
    if (s->chunks > opt.skip && delays_len < delays_max) {
        uint64_t sent = strtoull(stamp + sizeof STAMP - 1, NULL, 10);

        delays[delays_len++] = read_ns > sent ? read_ns - sent : 0;
    }
}

static void take_body(void *arg, const char *bytes, size_t len)
{
    struct stream *s = arg;

    if (s->stage != ASKED && s->stage != STREAMING)
        return;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            take_line(s);
            s->line_len = 0;
        } else if (s->line_len < sizeof s->line - 1) {
            s->line[s->line_len++] = bytes[i];
        }
    }
}

static void answer_over(struct stream *s)
{
    if (s->answer.status != 200) {
        stream_fail(s, "the answer's status is not 200");
    } else if (s->stage == PLAIN) {
        if (s->answer.close) {
            stream_fail(s, "a plain answer's connection is not kept alive");
        } else if (--s->plain_left) {
            ask_plain(s);
        } else {
            s->stage = READY;
            on_the_way--;
            plain_done++;
        }
    } else if (s->stage != STREAMING || opt.hold || !s->done_seen || s->chunks != opt.chunks) {
        stream_fail(s, "the stream ended without all its chunks and [DONE]");
    } else {
        in_stream--;
        over++;
        s->stage = OVER;
        close(s->fd);
        s->fd = -1;
    }
}

static void stream_read(struct stream *s)
{
    char buffer[16384];
    ssize_t n = recv(s->fd, buffer, sizeof buffer, 0);

    read_ns = now_ns();
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            stream_fail(s, n ? strerror(errno) : "closed before its end");
        return;
    }
    if (s->stage == READY) {
        stream_fail(s, "bytes that nobody asked for");
        return;
    }
    if (answer_feed(&s->answer, buffer, (size_t)n, take_body, s) != (size_t)n ||
        s->answer.state == ANSWER_BAD)
        stream_fail(s, "no sound answer");
    else if (s->answer.state == ANSWER_DONE)
        answer_over(s);
}

static void stream_connected(struct stream *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    int error = 0;
    socklen_t len = sizeof error;

    (void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        stream_fail(s, strerror(error));
        return;
    }
    (void)epoll_ctl(poll_fd, EPOLL_CTL_MOD, s->fd, &event);
    if (s->plain_left) {
        s->stage = PLAIN;
        ask_plain(s);
    } else {
        ask_stream(s);
    }
}

static void stream_connect(struct stream *s)
{
    struct sockaddr_in to = loopback(1, opt.port),
                       from = loopback(2 + (unsigned)(s->index % opt.addresses), 0);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = s};
    int one = 1;

    s->stage = CONNECTING;
    on_the_way++;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        stream_fail(s, strerror(errno));
        return;
    }
    no_delay(s->fd);
    (void)setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if ((opt.addresses > 1 && bind(s->fd, (struct sockaddr *)&from, sizeof from) < 0) ||
        (connect(s->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0)
        stream_fail(s, strerror(errno));
}

/* Opens connections; once all of them have carried their plain requests, streams. */
static void open_more(void)
{
    while (next_idle < opt.streams && on_the_way < opt.ramp)
        stream_connect(&streams[next_idle++]);
    if (plain_done + failed < opt.streams)
        return;
    while (next_ready < opt.streams && on_the_way < opt.ramp) {
        struct stream *s = &streams[next_ready++];

        if (s->stage == READY) {
            on_the_way++;
            ask_stream(s);
        }
    }
}

static void options(int argc, char **argv)
{
    size_t len = 0;
    int option;

    while ((option = getopt(argc, argv, "p:s:e:c:w:k:H:a:r:t:m:o")) != -1) {
        switch (option) {
        case 'p':
            opt.port = (unsigned)number(optarg, 65535);
            break;
        case 's':
            opt.streams = number(optarg, 100000);
            break;
        case 'e':
            opt.every_ms = number(optarg, 1000000);
            break;
        case 'c':
            opt.chunks = number(optarg, 1000000);
            break;
        case 'w':
            opt.skip = number(optarg, 1000000);
            break;
        case 'k':
            opt.plain = (unsigned)number(optarg, 1000);
            break;
        case 'a':
            opt.addresses = (unsigned)number(optarg, 250);
            break;
        case 'r':
            opt.ramp = (unsigned)number(optarg, 100000);
            break;
        case 't':
            opt.patience = number(optarg, 3600);
            break;
        case 'm':
            opt.min_chunks = number(optarg, 1000000);
            break;
        case 'o':
            opt.hold = true;
            break;
        case 'H':
            len += (size_t)snprintf(opt.headers + len, sizeof opt.headers - len, "%s\r\n", optarg);
            if (len >= sizeof opt.headers)
                die("benchstream: too many headers");
            break;
        default:
            die("usage: benchstream -p PORT [-s STREAMS] [-e MS] [-c CHUNKS] [-w SKIP] "
                "[-k PLAIN] [-H HEADER]... [-a COUNT] [-r COUNT] [-t SECONDS] [-o [-m CHUNKS]]");
        }
    }
    if (!opt.port || !opt.streams || !opt.every_ms || !opt.chunks || !opt.addresses || !opt.ramp ||
        !opt.min_chunks)
        die("benchstream: a port is needed, and no count may be 0");
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    struct sigaction action = {.sa_handler = on_term};
    sigset_t blocked, open_mask;
    uint64_t deadline;
    bool announced = false;
    size_t expected;

    options(argc, argv);
    raise_nofile();
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &open_mask);
    sigdelset(&open_mask, SIGTERM);
    sigaction(SIGTERM, &action, NULL);
    streams = must_calloc(opt.streams, sizeof *streams);
    firsts = must_calloc(opt.streams, sizeof *firsts);
    expected = opt.hold || opt.chunks <= opt.skip ? 0 : opt.streams * (opt.chunks - opt.skip);
    delays_max = opt.hold ? 1000000 : expected;
    delays = must_calloc(delays_max, sizeof *delays);
    for (size_t i = 0; i < opt.streams; i++) {
        streams[i].fd = -1;
        streams[i].index = i;
        streams[i].plain_left = opt.plain;
    }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    deadline = now_ns() + opt.patience * 1000000000u;
    if (!opt.hold)
        deadline += opt.chunks * opt.every_ms * 1000000u;

    while (!stop && over + failed < opt.streams) {
        int n;

        open_more();
        n = epoll_pwait(poll_fd, events, 256, 1000, &open_mask);
        if (n < 0 && errno != EINTR)
            die("benchstream: epoll_pwait: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            struct stream *s = events[i].data.ptr;

            if (s->stage == CONNECTING)
                stream_connected(s);
            else if (s->fd >= 0)
                stream_read(s);
        }
        if (opt.hold && !announced && settled + failed >= opt.streams) {
            announced = true;
            deadline = UINT64_MAX;
            printf("open=%zu errors=%zu\n", in_stream, failed);
            fflush(stdout);
        }
        if (now_ns() > deadline) {
            fprintf(stderr, "benchstream: time is up: %zu of %lu streams open, %zu over\n",
                    in_stream, opt.streams, over);
            failed += opt.streams - over - failed;
            break;
        }
    }
    if (opt.hold && !announced) {
        printf("open=%zu errors=%zu\n", in_stream, failed ? failed : opt.streams - in_stream);
        failed += !failed;
    }
    qsort(delays, delays_len, sizeof *delays, compare_u64);
    qsort(firsts, firsts_len, sizeof *firsts, compare_u64);
    printf("p50_ns=%llu p99_ns=%llu max_ns=%llu first_ns=%llu count=%zu expected=%zu errors=%zu\n",
           (unsigned long long)percentile(delays, delays_len, 50),
           (unsigned long long)percentile(delays, delays_len, 99),
           (unsigned long long)percentile(delays, delays_len, 100),
           (unsigned long long)percentile(firsts, firsts_len, 50), delays_len, expected, failed);
    free(delays);
    free(firsts);
    free(streams);
    return failed || (!opt.hold && delays_len != expected) ? 1 : 0;
}
