/*
 * benchup [-p PORT] [-s BYTES]: the upstream of the benches, one epoll loop on
 * 127.0.0.1. Prints "listening PORT" when ready and runs until it is killed.
 *
 *   any request                a JSON chat completion of BYTES bytes (1200), with
 *                              "Cache-Control: no-store" if the request says
 *                              "X-Bench: no-store"
 *   …?every_ms=MS[&n=N]        an SSE stream: one chunk at once, then one each
 *                              MS milliseconds, N in all (0 or absent: no end),
 *                              then a finish chunk and [DONE]. Every chunk says
 *                              when it was sent: "fp_" and 20 digits of
 *                              CLOCK_MONOTONIC nanoseconds
 *   …?bytes=N&end_ms=MS        a JSON chat completion of N bytes, whose last 1,000
 *                              come after MS milliseconds; one N in a run
 *   /bench/count               {"answers":…,"streams":…,"open":…} so far
 *
 * The streams' chunks are spread evenly over the interval, whenever their
 * requests came.
 */
#include "bench.h"

#include <sys/epoll.h>
#include <sys/prctl.h>

#define HEAD_MAX 8192

enum body_state { BODY_NONE, BODY_LENGTH, BODY_SIZE, BODY_DATA, BODY_DATA_END, BODY_TRAILER };

struct conn {
    int fd;
    bool close_after; /* the answer on its way is the last one */
    bool streaming;
    bool wants_out; /* EPOLLOUT is asked for */
    /* the request being read */
    size_t len;
    enum body_state body;
    uint64_t body_left;
    size_t line;
    bool in_size;
    bool no_store; /* is what the answer is to say */
    enum { ASK_PLAIN, ASK_STREAM, ASK_LARGE, ASK_COUNT } ask;
    uint64_t every_ns, chunks, bytes, end_ns;
    /* the stream being written */
    uint64_t due, sent;
    size_t tail; /* of a large answer, still to be sent */
    size_t slot; /* place in the heap */
    /* what the socket did not take */
    char *out;
    size_t out_len, out_at;
    char in[HEAD_MAX];
};

static int poll_fd, listen_fd;
static struct conn **conns; /* by descriptor */
static size_t conns_max;

static struct conn **heap; /* streams by the time of their next chunk */
static size_t heap_len;

static uint64_t answers, streams, open_streams;

struct plain {
    char *bytes;
    size_t len;
};

static struct plain plain_answer, unkept_answer; /* to be stored, or not */
static struct plain large_answer;

#define LARGE_TAIL 1000u

static const char stream_head[] = "HTTP/1.1 200 OK\r\n"
                                  "Content-Type: text/event-stream; charset=utf-8\r\n"
                                  "Cache-Control: no-cache\r\n"
                                  "Transfer-Encoding: chunked\r\n"
                                  "openai-version: 2020-10-01\r\n"
                                  "x-request-id: req_bench\r\n\r\n";

#define CHUNK_JSON_A                                                                               \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","                       \
    "\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"system_fingerprint\":"
#define CHUNK_JSON_B                                                                               \
    "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},"                              \
    "\"logprobs\":null,\"finish_reason\":null}]}\n\n"
#define CHUNK_JSON_END                                                                             \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","                       \
    "\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"                  \
    "\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n"
#define DONE "data: [DONE]\n\n"

static char chunk[512];
static size_t chunk_len, chunk_stamp;
static char stream_end[512];
static size_t stream_end_len;

/* ------------------------------------------------------------- the heap */

static void heap_put(size_t slot, struct conn *c)
{
    heap[slot] = c;
    c->slot = slot;
}

static void heap_up(size_t slot, struct conn *c)
{
    while (slot) {
        size_t parent = (slot - 1) / 2;

        if (heap[parent]->due <= c->due)
            break;
        heap_put(slot, heap[parent]);
        slot = parent;
    }
    heap_put(slot, c);
}

static void heap_down(size_t slot, struct conn *c)
{
    for (;;) {
        size_t child = slot * 2 + 1;

        if (child >= heap_len)
            break;
        if (child + 1 < heap_len && heap[child + 1]->due < heap[child]->due)
            child++;
        if (c->due <= heap[child]->due)
            break;
        heap_put(slot, heap[child]);
        slot = child;
    }
    heap_put(slot, c);
}

static void heap_remove(struct conn *c)
{
    struct conn *last = heap[--heap_len];
    size_t slot = c->slot;

    if (last == c)
        return;
    if (slot && heap[(slot - 1) / 2]->due > last->due)
        heap_up(slot, last);
    else
        heap_down(slot, last);
}

/* ------------------------------------------------------------- connections */

static void conn_close(struct conn *c)
{
    if (c->streaming) {
        heap_remove(c);
        open_streams--;
    }
    conns[c->fd] = NULL;
    close(c->fd);
    free(c->out);
    free(c);
}

static void conn_want(struct conn *c, bool out)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = c->fd};

    if (out)
        event.events |= EPOLLOUT;
    if (c->wants_out != out)
        (void)epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->wants_out = out;
}

/* false: the connection is no more. */
static bool conn_send(struct conn *c, const char *bytes, size_t len)
{
    ssize_t n = c->out ? 0 : send(c->fd, bytes, len, MSG_NOSIGNAL);

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            conn_close(c);
            return false;
        }
        n = 0;
    }
    if ((size_t)n < len) {
        size_t more = len - (size_t)n;
        char *out = realloc(c->out, c->out_len + more);

        if (!out)
            die("out of memory");
        memcpy(out + c->out_len, bytes + n, more);
        c->out = out;
        c->out_len += more;
        conn_want(c, true);
    }
    return true;
}

static bool conn_flush(struct conn *c)
{
    ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return true;
        conn_close(c);
        return false;
    }
    c->out_at += (size_t)n;
    if (c->out_at == c->out_len) {
        free(c->out);
        c->out = NULL;
        c->out_len = c->out_at = 0;
        conn_want(c, false);
        if (c->close_after && !c->streaming) {
            conn_close(c);
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------- answers */

static void stamp_chunk(void)
{
    uint64_t t = now_ns();

    for (size_t i = STAMP_DIGITS; i-- > 0; t /= 10)
        chunk[chunk_stamp + i] = (char)('0' + t % 10);
}

static void build_plain(struct plain *plain, size_t size, const char *headers)
{
    static const char a[] =
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\",\"content\":\"";
    static const char b[] =
        "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{"
        "\"prompt_tokens\":57,\"completion_tokens\":170,\"total_tokens\":227,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0}},\"system_fingerprint\":\"fp\"}";
    static const char words[] = "A proxy stands between a program and a service. ";
    size_t fixed = sizeof a + sizeof b - 2, payload;
    int n;

    if (size <= fixed)
        size = fixed + 1; /* an answer without a text is not stored */
    plain->bytes = must_calloc(size + 512, 1);
    n = snprintf(plain->bytes, 512,
                 "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                 "openai-processing-ms: 312\r\nopenai-version: 2020-10-01\r\n%s"
                 "x-request-id: req_bench\r\n\r\n",
                 size, headers);
    plain->len = (size_t)n;
    memcpy(plain->bytes + plain->len, a, sizeof a - 1);
    plain->len += sizeof a - 1;
    for (payload = 0; payload < size - fixed; payload++)
        plain->bytes[plain->len++] = words[payload % (sizeof words - 1)];
    memcpy(plain->bytes + plain->len, b, sizeof b - 1);
    plain->len += sizeof b - 1;
}

static void build_answers(size_t size)
{
    int n;

    build_plain(&plain_answer, size, "");
    build_plain(&unkept_answer, size, "Cache-Control: no-store\r\n");
    n = snprintf(chunk, sizeof chunk, "%zx\r\n%s%s%020d%s\r\n",
                 sizeof CHUNK_JSON_A - 1 + sizeof STAMP - 1 + STAMP_DIGITS + sizeof CHUNK_JSON_B -
                     1,
                 CHUNK_JSON_A, STAMP, 0, CHUNK_JSON_B);
    chunk_len = (size_t)n;
    chunk_stamp = (size_t)(strstr(chunk, STAMP) - chunk) + sizeof STAMP - 1;
    n = snprintf(stream_end, sizeof stream_end, "%zx\r\n%s%s\r\n0\r\n\r\n",
                 sizeof CHUNK_JSON_END - 1 + sizeof DONE - 1, CHUNK_JSON_END, DONE);
    stream_end_len = (size_t)n;
}

/* The next of the evenly spread moments that belong to this stream. */
static uint64_t first_due(uint64_t now, uint64_t every, uint64_t nth)
{
    uint64_t phase = (uint64_t)((double)(nth * 2654435769u % 4294967296u) / 4294967296.0 *
                                (double)every);

    return (now / every + 1) * every + phase;
}

static bool stream_finish(struct conn *c)
{
    const char *bytes = c->tail ? large_answer.bytes + large_answer.len - c->tail : stream_end;
    size_t len = c->tail ? c->tail : stream_end_len;

    heap_remove(c);
    c->streaming = false;
    c->tail = 0;
    open_streams--;
    if (!conn_send(c, bytes, len))
        return false;
    if (c->close_after && !c->out) {
        conn_close(c);
        return false;
    }
    return true;
}

static bool stream_start(struct conn *c)
{
    char first[sizeof stream_head + sizeof chunk];
    size_t head = sizeof stream_head - 1;

    c->streaming = true;
    c->sent = 1;
    c->due = first_due(now_ns(), c->every_ns, streams++);
    open_streams++;
    heap_up(heap_len++, c);
    memcpy(first, stream_head, head);
    stamp_chunk();
    memcpy(first + head, chunk, chunk_len);
    if (!conn_send(c, first, head + chunk_len))
        return false;
    return c->chunks == 1 ? stream_finish(c) : true;
}

static bool large_start(struct conn *c)
{
    if (!large_answer.bytes)
        build_plain(&large_answer, c->bytes, "");
    c->streaming = true;
    c->tail = LARGE_TAIL;
    c->due = now_ns() + c->end_ns;
    open_streams++;
    heap_up(heap_len++, c);
    return conn_send(c, large_answer.bytes, large_answer.len - LARGE_TAIL);
}

static void stream_next(struct conn *c)
{
    if (c->tail) {
        (void)stream_finish(c);
        return;
    }
    c->due += c->every_ns;
    heap_down(0, c);
    if (c->out)
        return; /* its reader has fallen behind and will count one less */
    stamp_chunk();
    if (conn_send(c, chunk, chunk_len) && ++c->sent == c->chunks)
        (void)stream_finish(c);
}

static bool answer_request(struct conn *c)
{
    const struct plain *plain = c->no_store ? &unkept_answer : &plain_answer;
    char text[256], body[96];
    int n;

    switch (c->ask) {
    case ASK_STREAM:
        return stream_start(c);
    case ASK_LARGE:
        answers++;
        return large_start(c);
    case ASK_COUNT:
        n = snprintf(body, sizeof body, "{\"answers\":%llu,\"streams\":%llu,\"open\":%llu}\n",
                     (unsigned long long)answers, (unsigned long long)streams,
                     (unsigned long long)open_streams);
        n = snprintf(text, sizeof text,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     "Content-Length: %d\r\n\r\n%s",
                     n, body);
        if (!conn_send(c, text, (size_t)n))
            return false;
        break;
    case ASK_PLAIN:
        answers++;
        if (!conn_send(c, plain->bytes, plain->len))
            return false;
        break;
    }
    if (c->close_after && !c->out) {
        conn_close(c);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------- requests */

static uint64_t query_number(const char *target, size_t len, const char *name)
{
    const char *query = memchr(target, '?', len), *end = target + len;
    size_t n = strlen(name);

    while (query && ++query < end) {
        if ((size_t)(end - query) > n && memcmp(query, name, n) == 0 && query[n] == '=')
            return strtoull(query + n + 1, NULL, 10);
        query = memchr(query, '&', (size_t)(end - query));
    }
    return 0;
}

static bool read_head(struct conn *c, size_t len)
{
    const char *line = c->in, *end = c->in + len;
    const char *target = memchr(line, ' ', len), *target_end;
    size_t target_len;

    if (!target)
        return false;
    target++;
    target_end = memchr(target, ' ', (size_t)(end - target));
    if (!target_end || memcmp(target_end, " HTTP/1.1\r\n", 11) != 0)
        return false;
    target_len = (size_t)(target_end - target);
    c->ask = ASK_PLAIN;
    c->every_ns = query_number(target, target_len, "every_ms") * 1000000u;
    c->end_ns = query_number(target, target_len, "end_ms") * 1000000u;
    c->bytes = query_number(target, target_len, "bytes");
    if (c->every_ns) {
        c->ask = ASK_STREAM;
        c->chunks = query_number(target, target_len, "n");
    } else if (c->end_ns && c->bytes >= 2 * LARGE_TAIL && c->bytes <= 100000000u) {
        c->ask = ASK_LARGE;
    } else if (target_len == 12 && memcmp(target, "/bench/count", 12) == 0) {
        c->ask = ASK_COUNT;
    }
    c->body = BODY_NONE;
    c->no_store = false;
    for (line = target_end + 11; line < end - 2;) {
        const char *next = memmem(line, (size_t)(end - line), "\r\n", 2), *value;
        size_t line_len = (size_t)(next - line), value_len;

        switch (*line | 0x20) {
        case 'c':
            if ((value = header_value(line, line_len, "Content-Length", &value_len))) {
                c->body_left = strtoull(value, NULL, 10);
                c->body = c->body_left ? BODY_LENGTH : BODY_NONE;
            } else if ((value = header_value(line, line_len, "Connection", &value_len))) {
                c->close_after = value_len == 5 && strncasecmp(value, "close", 5) == 0;
            }
            break;
        case 't':
            if ((value = header_value(line, line_len, "Transfer-Encoding", &value_len))) {
                c->body = BODY_SIZE;
                c->body_left = 0;
                c->in_size = true;
            }
            break;
        case 'x':
            if ((value = header_value(line, line_len, "X-Bench", &value_len)))
                c->no_store = value_len == 8 && memcmp(value, "no-store", 8) == 0;
            break;
        default:
            break;
        }
        line = next + 2;
    }
    return true;
}

/* Skips what there is of a body; returns how many bytes that was. */
static size_t skip_body(struct conn *c, const char *bytes, size_t len)
{
    size_t at = 0;

    while (at < len && c->body != BODY_NONE) {
        if (c->body == BODY_LENGTH || c->body == BODY_DATA) {
            size_t some = len - at;

            if (some > c->body_left)
                some = (size_t)c->body_left;
            at += some;
            c->body_left -= some;
            if (!c->body_left)
                c->body = c->body == BODY_LENGTH ? BODY_NONE : BODY_DATA_END;
            continue;
        }
        char byte = bytes[at++];

        if (c->body == BODY_SIZE) {
            int digit = hex_digit(byte);

            if (byte == '\n') {
                c->line = 0;
                c->body = c->body_left ? BODY_DATA : BODY_TRAILER;
            } else if (c->in_size && digit >= 0) {
                c->body_left = c->body_left * 16 + (uint64_t)digit;
            } else {
                c->in_size = false;
            }
        } else if (c->body == BODY_DATA_END) {
            if (byte == '\n') {
                c->body = BODY_SIZE;
                c->body_left = 0;
                c->in_size = true;
            }
        } else if (byte == '\n') { /* BODY_TRAILER */
            if (!c->line)
                c->body = BODY_NONE;
            c->line = 0;
        } else if (byte != '\r') {
            c->line++;
        }
    }
    return at;
}

static void conn_read(struct conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->len, sizeof c->in - c->len, 0);
    size_t at = 0;

    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            conn_close(c);
        return;
    }
    if (c->streaming)
        return; /* whoever sends while it listens is not heard */
    c->len += (size_t)n;
    while (at < c->len && !c->streaming) {
        if (c->body == BODY_NONE) {
            const char *end = memmem(c->in + at, c->len - at, "\r\n\r\n", 4);

            if (!end) {
                if (c->len - at == sizeof c->in) {
                    conn_close(c);
                    return;
                }
                break;
            }
            if (at) {
                c->len -= at;
                memmove(c->in, c->in + at, c->len);
                end -= at;
                at = 0;
            }
            at = (size_t)(end - c->in) + 4;
            if (!read_head(c, at)) {
                conn_close(c);
                return;
            }
        } else {
            at += skip_body(c, c->in + at, c->len - at);
        }
        if (c->body == BODY_NONE && !answer_request(c))
            return;
    }
    c->len = c->streaming ? 0 : c->len - at;
    if (c->len && at)
        memmove(c->in, c->in + at, c->len);
}

static void accept_all(void)
{
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        struct conn *c;

        if (fd < 0)
            return;
        if ((size_t)fd >= conns_max)
            die("benchup: descriptor %d is beyond the limit", fd);
        no_delay(fd);
        c = must_calloc(1, sizeof *c);
        c->fd = fd;
        conns[fd] = c;
        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            die("benchup: epoll_ctl: %s", strerror(errno));
    }
}

static unsigned listen_on(unsigned port)
{
    struct sockaddr_in address = loopback(1, port);
    socklen_t len = sizeof address;
    struct epoll_event event = {.events = EPOLLIN};
    int one = 1;

    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listen_fd, (struct sockaddr *)&address, len) < 0 || listen(listen_fd, 4096) < 0 ||
        getsockname(listen_fd, (struct sockaddr *)&address, &len) < 0)
        die("benchup: port %u: %s", port, strerror(errno));
    event.data.fd = listen_fd;
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &event) < 0)
        die("benchup: epoll_ctl: %s", strerror(errno));
    return ntohs(address.sin_port);
}

static void loop(void)
{
    struct epoll_event events[256];

    for (;;) {
        struct timespec wait = {0, 0}, *timeout = NULL;
        uint64_t now;
        int n;

        if (heap_len) {
            now = now_ns();
            if (heap[0]->due > now) {
                wait.tv_sec = (time_t)((heap[0]->due - now) / 1000000000u);
                wait.tv_nsec = (long)((heap[0]->due - now) % 1000000000u);
            }
            timeout = &wait;
        }
        n = epoll_pwait2(poll_fd, events, 256, timeout, NULL);
        if (n < 0 && errno != EINTR)
            die("benchup: epoll_pwait2: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            struct conn *c;

            if (events[i].data.fd == listen_fd) {
                accept_all();
                continue;
            }
            c = conns[events[i].data.fd];
            if (!c)
                continue;
            if ((events[i].events & EPOLLOUT) && !conn_flush(c))
                continue;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                conn_read(c);
        }
        now = heap_len ? now_ns() : 0;
        while (heap_len && heap[0]->due <= now)
            stream_next(heap[0]);
    }
}

int main(int argc, char **argv)
{
    struct rlimit limit = {0};
    unsigned port = 0;
    size_t size = 1200;
    int option;

    while ((option = getopt(argc, argv, "p:s:")) != -1) {
        if (option == 'p')
            port = (unsigned)number(optarg, 65535);
        else if (option == 's')
            size = number(optarg, 100000000);
        else
            die("usage: benchup [-p PORT] [-s BYTES]");
    }
    raise_nofile();
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    conns_max = limit.rlim_cur > 1000000 ? 1000000 : (size_t)limit.rlim_cur;
    conns = must_calloc(conns_max, sizeof(struct conn *));
    heap = must_calloc(conns_max, sizeof(struct conn *));
    build_answers(size);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    printf("listening %u\n", listen_on(port));
    fflush(stdout);
    loop();
}
