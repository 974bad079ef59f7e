/*
 * What the three bench tools share: the clock, the limits, percentiles, the
 * one plain request they all send, and an incremental reader of HTTP/1.1
 * answers.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What precedes the 20 digits of the time of sending in a streamed chunk. */
#define STAMP "\"fp_"
#define STAMP_DIGITS 20

#define PLAIN_BODY                                                                                 \
    "{\"model\":\"gpt-4o-mini\",\"temperature\":0,\"max_tokens\":256,\"messages\":["               \
    "{\"role\":\"system\",\"content\":\"You are a careful assistant who answers in "               \
    "one short paragraph.\"},{\"role\":\"user\",\"content\":\"Say in plain words what a "          \
    "proxy between a program and a service is good for, and what it costs.\"}]}"

_Noreturn static inline void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn static inline void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void raise_nofile(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static inline unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value > max)
        die("not a number from 0 to %lu: %s", max, text);
    return value;
}

static inline void *must_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);

    if (!p)
        die("out of memory");
    return p;
}

static inline struct sockaddr_in loopback(unsigned last_octet, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    a.sin_addr.s_addr = htonl(0x7f000000u | last_octet);
    return a;
}

static inline void no_delay(int fd)
{
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Of sorted values, by nearest rank; 0 where there are none. */
static inline uint64_t percentile(const uint64_t *sorted, size_t count, unsigned percent)
{
    size_t rank = (count * percent + 99) / 100;

    return count ? sorted[rank ? rank - 1 : 0] : 0;
}

/* ------------------------------------------------ reading an HTTP/1.1 answer */

enum answer_state {
    ANSWER_HEAD,
    ANSWER_LENGTH,   /* counting down to 0 */
    ANSWER_SIZE,     /* a chunk's size line */
    ANSWER_DATA,     /* a chunk's bytes */
    ANSWER_DATA_END, /* the CRLF behind them */
    ANSWER_TRAILER,  /* lines up to an empty one */
    ANSWER_DONE,
    ANSWER_BAD
};

struct answer {
    enum answer_state state;
    int status;
    bool close;   /* the answer says that its connection will be closed */
    bool in_size; /* still among the digits of a size line */
    uint64_t left;
    size_t line; /* bytes of the trailer line so far */
    size_t head_len;
    char head[4096];
};

typedef void answer_body_fn(void *arg, const char *bytes, size_t len);

static inline void answer_reset(struct answer *a)
{
    a->state = ANSWER_HEAD;
    a->head_len = 0;
    a->close = false;
}

/* A line of a head, without its name and the blanks after it, or NULL. */
static inline const char *header_value(const char *line, size_t len, const char *name,
                                       size_t *value_len)
{
    size_t n = strlen(name);

    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return NULL;
    line += n + 1;
    len -= n + 1;
    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    *value_len = len;
    return line;
}

static inline enum answer_state answer_head(struct answer *a, size_t len)
{
    const char *line = a->head, *end = a->head + len, *value;
    bool chunked = false, counted = false;
    size_t value_len;

    if (len < 12 || memcmp(line, "HTTP/1.1 ", 9) != 0)
        return ANSWER_BAD;
    a->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    for (;;) {
        const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);
        size_t line_len;

        if (!next || next == line)
            break;
        line_len = (size_t)(next - line);
        if ((value = header_value(line, line_len, "Content-Length", &value_len))) {
            counted = true;
            a->left = strtoull(value, NULL, 10);
        } else if ((value = header_value(line, line_len, "Transfer-Encoding", &value_len))) {
            chunked = value_len == 7 && strncasecmp(value, "chunked", 7) == 0;
        } else if ((value = header_value(line, line_len, "Connection", &value_len))) {
            a->close = value_len == 5 && strncasecmp(value, "close", 5) == 0;
        }
        line = next + 2;
    }
    if (chunked) {
        a->left = 0;
        a->in_size = true;
        return ANSWER_SIZE;
    }
    if (!counted)
        return ANSWER_BAD; /* ends with its connection: nothing here may */
    return a->left ? ANSWER_LENGTH : ANSWER_DONE;
}

static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes bytes up to the end of the answer; returns how many it took. */
static inline size_t answer_feed(struct answer *a, const char *bytes, size_t len,
                                 answer_body_fn *body, void *arg)
{
    size_t at = 0;

    while (at < len && a->state != ANSWER_DONE && a->state != ANSWER_BAD) {
        size_t some = len - at;

        switch (a->state) {
        case ANSWER_HEAD: {
            size_t room = sizeof a->head - a->head_len, before = a->head_len;
            const char *end;

            if (some > room)
                some = room;
            if (!some) {
                a->state = ANSWER_BAD;
                break;
            }
            memcpy(a->head + before, bytes + at, some);
            a->head_len += some;
            end = memmem(a->head, a->head_len, "\r\n\r\n", 4);
            if (end) {
                size_t head = (size_t)(end - a->head) + 4;

                at += head - before;
                a->head_len = head;
                a->state = answer_head(a, head);
            } else {
                at += some;
            }
            break;
        }
        case ANSWER_LENGTH:
        case ANSWER_DATA:
            if (some > a->left)
                some = (size_t)a->left;
            if (body)
                body(arg, bytes + at, some);
            at += some;
            a->left -= some;
            if (!a->left)
                a->state = a->state == ANSWER_LENGTH ? ANSWER_DONE : ANSWER_DATA_END;
            break;
        case ANSWER_SIZE: {
            char c = bytes[at++];
            int digit = hex_digit(c);

            if (c == '\n') {
                a->line = 0;
                a->state = a->left ? ANSWER_DATA : ANSWER_TRAILER;
            } else if (a->in_size && digit >= 0) {
                a->left = a->left * 16 + (uint64_t)digit;
            } else {
                a->in_size = false;
            }
            break;
        }
        case ANSWER_DATA_END:
            if (bytes[at++] == '\n') {
                a->left = 0;
                a->in_size = true;
                a->state = ANSWER_SIZE;
            }
            break;
        case ANSWER_TRAILER: {
            char c = bytes[at++];

            if (c == '\n') {
                if (!a->line)
                    a->state = ANSWER_DONE;
                a->line = 0;
            } else if (c != '\r') {
                a->line++;
            }
            break;
        }
        case ANSWER_DONE:
        case ANSWER_BAD:
            break;
        }
    }
    return at;
}

#endif
