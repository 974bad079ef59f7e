/*
 * benchkeys -p PORT [-c CONNECTIONS] [-b BODY] [-f FIRST] [-k KEYS] [-n COUNT | -d SECONDS]
 *           [-H 'Name: value']… [-s]
 * POSTs whose bodies differ by a number, over kept-alive connections, one at a
 * time on each: BODY bytes (1024) with the numbers from FIRST on; with -k the
 * same KEYS numbers over and over, without it never one twice. COUNT requests,
 * or as many as SECONDS allow; -s spins where it would sleep. Prints
 *   requests=… us=… hits=… misses=… stored=… p50_us=… p99_us=… errors=…
 * where hits say "X-Cache: HIT", misses "X-Cache: MISS" and stored "; stored"
 * in Cache-Status, and exits 1 when anything but 200 came.
 */
#include "bench.h"

#include <sys/epoll.h>

#define DIGITS 12
#define BODY_A                                                                                     \
    "{\"model\":\"gpt-4o-mini\",\"temperature\":0,\"max_tokens\":256,\"messages\":["               \
    "{\"role\":\"system\",\"content\":\"You are a careful assistant.\"},"                          \
    "{\"role\":\"user\",\"content\":\""
#define BODY_B "\"}]}"

struct conn {
    int fd;
    char *request;
    size_t sent;
    uint64_t start;
    struct answer answer;
};

static char *request; /* each connection has a copy to write its numbers into */
static size_t request_len, number_at;
static uint64_t first, keys, asked, most, answered, hits, misses, stored, errors;
static uint64_t begin_ns, end_ns;
static uint64_t *times; /* microseconds */
static size_t times_max;
static unsigned port, open_conns;
static int poll_fd;
static bool spins;

static void build_request(size_t body, const char *headers)
{
    static const char words[] = "A proxy stands between a program and a service. ";
    size_t fixed = sizeof BODY_A + DIGITS + sizeof BODY_B - 2;
    int n;

    if (body < fixed)
        body = fixed;
    request = must_calloc(body + 4096, 1);
    n = snprintf(request, 4096,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                 "Authorization: Bearer sk-bench\r\nContent-Type: application/json\r\n%s"
                 "Content-Length: %zu\r\n\r\n%s",
                 port, headers, body, BODY_A);
    request_len = number_at = (size_t)n;
    for (size_t i = 0; i < DIGITS; i++)
        request[request_len++] = '0';
    for (size_t i = 0; i < body - fixed; i++)
        request[request_len++] = words[i % (sizeof words - 1)];
    memcpy(request + request_len, BODY_B, sizeof BODY_B - 1);
    request_len += sizeof BODY_B - 1;
}

static void watch(struct conn *c, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    if (epoll_ctl(poll_fd, how, c->fd, &event) < 0)
        die("benchkeys: epoll_ctl: %s", strerror(errno));
}

static void conn_send(struct conn *c)
{
    bool waited = c->sent > 0;
    ssize_t n = send(c->fd, c->request + c->sent, request_len - c->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN)
        die("benchkeys: send: %s", strerror(errno));
    c->sent += n > 0 ? (size_t)n : 0;
    if (c->sent < request_len)
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    else if (waited)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* The next request, or none. */
static void conn_ask(struct conn *c, uint64_t now)
{
    uint64_t n;

    if (most ? asked == most : now >= end_ns) {
        close(c->fd);
        open_conns--;
        return;
    }
    n = first + (keys ? asked % keys : asked);
    asked++;
    for (size_t i = DIGITS; i-- > 0; n /= 10)
        c->request[number_at + i] = (char)('0' + n % 10);
    c->sent = 0;
    c->start = now;
    answer_reset(&c->answer);
    conn_send(c);
}

static void take_time(uint64_t us)
{
    if (answered == times_max) {
        times_max = times_max ? times_max * 2 : 65536;
        times = realloc(times, times_max * sizeof *times);
        if (!times)
            die("out of memory");
    }
    times[answered++] = us;
}

static void conn_read(struct conn *c)
{
    static char buffer[65536];
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    struct answer *a = &c->answer;
    uint64_t now;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("benchkeys: an answer broke off: %s", n ? strerror(errno) : "closed");
    if (answer_feed(a, buffer, (size_t)n, NULL, NULL) != (size_t)n || a->state == ANSWER_BAD)
        die("benchkeys: no sound answer");
    if (a->state != ANSWER_DONE)
        return;
    if (a->close || c->sent < request_len)
        die("benchkeys: the connection is not kept alive (status %d)", a->status);
    now = now_ns();
    take_time((now - c->start) / 1000);
    errors += a->status != 200;
    hits += memmem(a->head, a->head_len, "\r\nX-Cache: HIT\r\n", 16) != NULL;
    misses += memmem(a->head, a->head_len, "\r\nX-Cache: MISS\r\n", 17) != NULL;
    /* its last word, or the key follows */
    stored += memmem(a->head, a->head_len, "; stored\r\n", 10) ||
              memmem(a->head, a->head_len, "; stored;", 9);
    conn_ask(c, now);
}

static struct conn *dial(void)
{
    struct sockaddr_in address = loopback(1, port);
    struct conn *c = must_calloc(1, sizeof *c);

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("benchkeys: port %u: %s", port, strerror(errno));
    no_delay(c->fd);
    c->request = must_calloc(request_len, 1);
    memcpy(c->request, request, request_len);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    return c;
}

/* Spinning, it never sleeps: then whoever answers does not pay for waking it up, which the slower
 * of two has to do more often. */
static int wait_for_some(struct epoll_event *events, int most_events)
{
    uint64_t begin = now_ns();
    int n;

    do
        n = epoll_wait(poll_fd, events, most_events, spins ? 0 : 20000);
    while (n == 0 && spins && now_ns() - begin < UINT64_C(20000000000));
    if (n == 0)
        die("benchkeys: no answer for 20 s");
    return n;
}

static void run(size_t count, double seconds)
{
    struct conn **conns = must_calloc(count, sizeof *conns);
    struct epoll_event events[256];

    for (size_t i = 0; i < count; i++)
        conns[i] = dial();
    begin_ns = now_ns();
    end_ns = begin_ns + (uint64_t)(seconds * 1e9);
    open_conns = (unsigned)count;
    for (size_t i = 0; i < count; i++)
        conn_ask(conns[i], begin_ns);
    while (open_conns) {
        int n = wait_for_some(events, 256);

        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (events[i].events & EPOLLOUT)
                conn_send(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                conn_read(c);
        }
    }
    end_ns = now_ns();
    for (size_t i = 0; i < count; i++) {
        free(conns[i]->request);
        free(conns[i]);
    }
    free(conns);
}

int main(int argc, char **argv)
{
    size_t count = 16, body = 1024, headers_len = 0;
    char headers[2048] = "";
    unsigned long seconds = 1;
    int option;

    while ((option = getopt(argc, argv, "p:c:b:f:k:n:d:H:s")) != -1) {
        switch (option) {
        case 's':
            spins = true;
            break;
        case 'p':
            port = (unsigned)number(optarg, 65535);
            break;
        case 'c':
            count = number(optarg, 10000);
            break;
        case 'b':
            body = number(optarg, 100000000);
            break;
        case 'f':
            first = number(optarg, 100000000000);
            break;
        case 'k':
            keys = number(optarg, 100000000);
            break;
        case 'n':
            most = number(optarg, 100000000);
            break;
        case 'd':
            seconds = number(optarg, 3600);
            break;
        case 'H':
            headers_len += (size_t)snprintf(headers + headers_len, sizeof headers - headers_len,
                                            "%s\r\n", optarg);
            if (headers_len >= sizeof headers)
                die("benchkeys: too many headers");
            break;
        default:
            die("usage: benchkeys -p PORT [-c CONNECTIONS] [-b BODY] [-f FIRST] [-k KEYS] "
                "[-n COUNT | -d SECONDS] [-H HEADER]... [-s]");
        }
    }
    raise_nofile();
    build_request(body, headers);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    run(count, (double)seconds);
    qsort(times, answered, sizeof *times, compare_u64);
    printf("requests=%llu us=%llu hits=%llu misses=%llu stored=%llu p50_us=%llu p99_us=%llu "
           "errors=%llu\n",
           (unsigned long long)answered, (unsigned long long)((end_ns - begin_ns) / 1000),
           (unsigned long long)hits, (unsigned long long)misses, (unsigned long long)stored,
           (unsigned long long)percentile(times, answered, 50),
           (unsigned long long)percentile(times, answered, 99), (unsigned long long)errors);
    free(times);
    free(request);
    return errors ? 1 : 0;
}
