/*
 * benchlat -p PORT [-n COUNT] [-w WARMUP] [-H 'Name: value']…: one connection,
 * one POST after the other, each one's time taken. Prints
 *   p50_ns=… p99_ns=… mean_ns=… count=… errors=…
 * and exits 1 when anything but 200 came.
 */
#include "bench.h"

static char request[4096];
static size_t request_len;

static int dial(unsigned port)
{
    struct sockaddr_in address = loopback(1, port);
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("benchlat: port %u: %s", port, strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    no_delay(fd);
    return fd;
}

static void ask(int fd, struct answer *a)
{
    char buffer[16384];

    answer_reset(a);
    if (send(fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len)
        die("benchlat: send: %s", strerror(errno));
    while (a->state != ANSWER_DONE) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);

        if (n <= 0)
            die("benchlat: the answer broke off: %s", n ? strerror(errno) : "closed");
        if (answer_feed(a, buffer, (size_t)n, NULL, NULL) != (size_t)n || a->state == ANSWER_BAD)
            die("benchlat: no sound answer");
    }
    if (a->close)
        die("benchlat: the connection is not kept alive");
}

int main(int argc, char **argv)
{
    unsigned port = 0;
    size_t count = 10000, warmup = 1000, errors = 0, headers_len = 0;
    char headers[2048] = "";
    uint64_t *times, sum = 0;
    struct answer *a = must_calloc(1, sizeof *a);
    int option, fd;

    while ((option = getopt(argc, argv, "p:n:w:H:")) != -1) {
        switch (option) {
        case 'p':
            port = (unsigned)number(optarg, 65535);
            break;
        case 'n':
            count = number(optarg, 10000000);
            break;
        case 'w':
            warmup = number(optarg, 10000000);
            break;
        case 'H':
            headers_len += (size_t)snprintf(headers + headers_len, sizeof headers - headers_len,
                                            "%s\r\n", optarg);
            if (headers_len >= sizeof headers)
                die("benchlat: too many headers");
            break;
        default:
            die("usage: benchlat -p PORT [-n COUNT] [-w WARMUP] [-H HEADER]...");
        }
    }
    request_len = (size_t)snprintf(
        request, sizeof request,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
        "Authorization: Bearer sk-bench\r\nContent-Type: application/json\r\n%s"
        "Content-Length: %zu\r\n\r\n%s",
        port, headers, sizeof PLAIN_BODY - 1, PLAIN_BODY);
    times = must_calloc(count, sizeof *times);
    fd = dial(port);
    for (size_t i = 0; i < warmup; i++)
        ask(fd, a);
    for (size_t i = 0; i < count; i++) {
        uint64_t start = now_ns();

        ask(fd, a);
        times[i] = now_ns() - start;
        sum += times[i];
        errors += a->status != 200;
    }
    qsort(times, count, sizeof *times, compare_u64);
    printf("p50_ns=%llu p99_ns=%llu mean_ns=%llu count=%zu errors=%zu\n",
           (unsigned long long)percentile(times, count, 50),
           (unsigned long long)percentile(times, count, 99),
           (unsigned long long)(count ? sum / count : 0), count, errors);
    free(times);
    free(a);
    return errors ? 1 : 0;
}
