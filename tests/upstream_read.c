/* upstream_read.c: reads requests: the head, the body in either framing, the
 * parts of an upload. Bodies of any size pass through one buffer of 64 KB.
 * See upstream.h. */
#include "upstream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define HEAD_MAX ((size_t)2 << 20)
#define LINE_MAX_BYTES 8192

void fields_add(struct fields *f, const char *name, const char *value)
{
    f->at = must(realloc(f->at, (f->n + 1) * sizeof *f->at));
    f->at[f->n++] = (struct field){copy_text(name, strlen(name)), copy_text(value, strlen(value))};
}

const char *fields_get(const struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcasecmp(f->at[i].name, name) == 0)
            return f->at[i].value;
    return NULL;
}

void fields_free(struct fields *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->at[i].name);
        free(f->at[i].value);
    }
    free(f->at);
    *f = (struct fields){0};
}

/* ---- the connection ---- */

enum waited conn_wait(const struct conn *c, int other, long ms)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        long left = (end.tv_sec - now.tv_sec) * 1000 +
                    (end.tv_nsec - now.tv_nsec + 999999) / 1000000;
        struct pollfd fds[2] = {{.fd = c->fd, .events = POLLRDHUP},
                                {.fd = other, .events = POLLIN}};
        int n = poll(fds, 2, left > 0 ? (int)left : 0);
        if (n < 0 && errno != EINTR)
            return WAIT_GONE;
        if (n > 0 && fds[0].revents)
            return WAIT_GONE;
        if (n > 0)
            return WAIT_READY;
        if (left <= 0)
            return WAIT_OVER;
    }
}

/* Receives more behind what is there; makes room by moving, then by growing. */
static bool conn_fill(struct conn *c, size_t most)
{
    if (c->start == c->end)
        c->start = c->end = 0;
    if (c->end == c->size && c->start) {
        memmove(c->in, c->in + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    if (c->end == c->size) {
        c->size = c->size ? c->size * 2 : 4096;
        c->in = must(realloc(c->in, c->size));
    }
    size_t room = c->size - c->end;
    ssize_t n;
    do
        n = recv(c->fd, c->in + c->end, most && most < room ? most : room, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    c->end += (size_t)n;
    return true;
}

/* ---- the head ---- */

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *s))
            return false;
    return true;
}

static bool parse_line(struct request *rq)
{
    char *space = strchr(rq->line, ' '), *last = strrchr(rq->line, ' ');
    if (!space || last == space)
        return false;
    rq->method = copy_text(rq->line, (size_t)(space - rq->line));
    rq->target = copy_text(space + 1, (size_t)(last - space) - 1);
    rq->old = strcmp(last + 1, "HTTP/1.0") == 0;
    if (!is_token(rq->method) || strchr(rq->target, ' ') ||
        (!rq->old && strcmp(last + 1, "HTTP/1.1") != 0))
        return false;

    /* A plain HTTP proxy in front leaves the absolute form or makes the origin form of it. */
    const char *path = rq->target, *scheme = strstr(rq->target, "://");
    if (scheme && *path != '/') {
        path = strpbrk(scheme + 3, "/?");
        if (!path)
            path = "/";
    }
    size_t n = strcspn(path, "?");
    rq->path = copy_text(path, n);
    rq->query = copy_text(path + n + (path[n] == '?'), strlen(path + n + (path[n] == '?')));
    return true;
}

static const char *parse_length(struct request *rq, const char *value)
{
    const char *before = fields_get(&rq->fields, "content-length");
    if (before && strcmp(before, value) != 0)
        return "two different Content-Length";
    if (!*value || strspn(value, "0123456789") != strlen(value) || strlen(value) > 18)
        return "Content-Length is no number";
    rq->length = strtoull(value, NULL, 10);
    return NULL;
}

static const char *parse_field(struct request *rq, char *line)
{
    char *colon = strchr(line, ':');
    if (!colon)
        return "header line without a colon";
    *colon = '\0';
    if (!is_token(line))
        return "bad header name";
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (size_t n = strlen(value); n && strchr(" \t", value[n - 1]);)
        value[--n] = '\0';
    const char *why = NULL;
    if (strcasecmp(line, "content-length") == 0)
        why = parse_length(rq, value);
    else if (strcasecmp(line, "transfer-encoding") == 0 && strcasecmp(value, "chunked") != 0)
        why = "unknown Transfer-Encoding";
    else if (strcasecmp(line, "host") == 0 && fields_get(&rq->fields, "host"))
        why = "two Host headers";
    fields_add(&rq->fields, line, value);
    return why;
}

static const char *parse_head(struct request *rq, char *text)
{
    rq->lines = copy_text(text, strlen(text));
    char *end = strstr(text, "\r\n");
    *end = '\0';
    rq->line = copy_text(text, strlen(text));
    if (!parse_line(rq))
        return "bad request line";
    for (char *line = end + 2; *line; line = end + 2) {
        end = strstr(line, "\r\n");
        *end = '\0';
        const char *why = strpbrk(line, "\r\n") ? "bare CR or LF" : parse_field(rq, line);
        if (why)
            return why;
    }
    const char *connection = fields_get(&rq->fields, "connection");
    const char *expect = fields_get(&rq->fields, "expect");
    rq->chunked = fields_get(&rq->fields, "transfer-encoding") != NULL;
    rq->keep_alive = !rq->old && !(connection && strcasecmp(connection, "close") == 0);
    rq->expects = expect && strcasecmp(expect, "100-continue") == 0;
    if (!rq->old && !fields_get(&rq->fields, "host"))
        return "no Host header";
    if (rq->chunked && fields_get(&rq->fields, "content-length"))
        return "both Content-Length and Transfer-Encoding";
    return NULL;
}

enum reading read_head(struct conn *c, struct request *rq, const char **why)
{
    char *found = NULL;
    for (size_t seen = 0;;) {
        while (c->end - c->start >= 2 && memcmp(c->in + c->start, "\r\n", 2) == 0)
            c->start += 2; /* an empty line before a request is allowed */
        size_t have = c->end - c->start, from = seen > 3 ? seen - 3 : 0;
        if (have > from)
            found = memmem(c->in + c->start + from, have - from, "\r\n\r\n", 4);
        if (found)
            break;
        seen = have;
        *why = "head too large";
        if (have > HEAD_MAX)
            return READ_BAD;
        if (!conn_fill(c, 0))
            return READ_CLOSED;
    }
    size_t n = (size_t)(found - (c->in + c->start)) + 2;
    char *text = copy_text(c->in + c->start, n);
    c->start += n + 2;
    *why = strlen(text) == n ? parse_head(rq, text) : "NUL in the head";
    free(text);
    return *why ? READ_BAD : READ_OK;
}

void request_free(struct request *rq)
{
    char *texts[] = {rq->lines, rq->line, rq->method, rq->target, rq->path, rq->query};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    fields_free(&rq->fields);
    buf_free(&rq->body);
    if (rq->parts)
        buf_free(&rq->parts->head);
    free(rq->parts);
    *rq = (struct request){0};
}

/* ---- the parts of a multipart body ----
 * The delimiter starts with CR and holds no other, so a failed match can only
 * start anew at the byte that failed. */

static void parts_start(struct request *rq)
{
    const char *type = fields_get(&rq->fields, "content-type");
    const char *boundary = type && strncasecmp(type, "multipart/", 10) == 0
                               ? strstr(type, "boundary=")
                               : NULL;
    if (!boundary)
        return;
    boundary += 9;
    size_t n = *boundary == '"' ? strcspn(++boundary, "\"") : strcspn(boundary, "; ");
    rq->parts = must(calloc(1, sizeof *rq->parts));
    rq->parts->delimiter_len = (size_t)snprintf(rq->parts->delimiter, sizeof rq->parts->delimiter,
                                                "\r\n--%.*s", (int)(n < 200 ? n : 200), boundary);
    rq->parts->matched = 2; /* the first one may stand at the very start */
    sha256_init(&rq->parts->hash);
}

static void parts_data(struct multipart *m, const void *bytes, size_t n)
{
    if (!m->is_file)
        return;
    sha256_add(&m->hash, bytes, n);
    m->bytes += n;
}

static void parts_head(struct multipart *m, char byte)
{
    buf_add(&m->head, &byte, 1);
    if (m->head.len == 2 && memcmp(m->head.data, "--", 2) == 0)
        m->ended = true;
    if (m->head.len < 4 || memcmp(m->head.data + m->head.len - 4, "\r\n\r\n", 4) != 0) {
        m->ended = m->ended || m->head.len > LINE_MAX_BYTES;
        return;
    }
    const char *name = strstr(m->head.data, "filename=");
    m->is_file = name && !m->seen_file;
    if (m->is_file) {
        m->seen_file = true;
        name += 9 + (name[9] == '"');
        snprintf(m->filename, sizeof m->filename, "%.*s", (int)strcspn(name, "\"\r;"), name);
    }
    m->in_head = false;
    m->head.len = 0;
}

static void parts_feed(struct multipart *m, const char *p, size_t n)
{
    for (size_t i = 0; i < n && !m->ended;) {
        if (m->in_head) {
            parts_head(m, p[i++]);
        } else if (p[i] == m->delimiter[m->matched]) {
            i++;
            if (++m->matched == m->delimiter_len) {
                m->matched = 0;
                m->in_head = true;
                m->is_file = false;
            }
        } else if (m->matched) {
            parts_data(m, m->delimiter, m->matched);
            m->matched = 0;
        } else {
            const char *cr = memchr(p + i, '\r', n - i);
            size_t run = cr ? (size_t)(cr - p) - i : n - i;
            parts_data(m, p + i, run);
            i += run;
        }
    }
}

/* ---- the body ---- */

static void body_feed(struct request *rq, const char *p, size_t n)
{
    sha256_add(&rq->hash, p, n);
    rq->body_bytes += n;
    if (rq->parts)
        parts_feed(rq->parts, p, n);
    else if (rq->body.len < BODY_KEPT)
        buf_add(&rq->body, p, n < BODY_KEPT - rq->body.len ? n : BODY_KEPT - rq->body.len);
}

static bool body_bytes(struct exchange *x, uint64_t n)
{
    struct conn *c = x->conn;
    size_t most = x->slow_bytes ? x->slow_bytes : SIZE_MAX;
    while (n) {
        if (c->start == c->end && !conn_fill(c, x->slow_bytes))
            return false;
        if (x->slow_bytes && conn_wait(c, -1, x->slow_ms) == WAIT_GONE)
            return false;
        size_t have = c->end - c->start, take = have < most ? have : most;
        take = take < n ? take : (size_t)n;
        body_feed(&x->rq, c->in + c->start, take);
        c->start += take;
        n -= take;
        record_body(x);
    }
    return true;
}

static bool body_line(struct conn *c, char *line, size_t size)
{
    for (;;) {
        size_t have = c->end - c->start;
        char *found = have ? memmem(c->in + c->start, have, "\r\n", 2) : NULL;
        if (found) {
            size_t n = (size_t)(found - (c->in + c->start));
            snprintf(line, size, "%.*s", (int)(n < size ? n : size - 1), c->in + c->start);
            c->start += n + 2;
            return true;
        }
        if (have > LINE_MAX_BYTES || !conn_fill(c, 0))
            return false;
    }
}

static bool body_chunks(struct exchange *x)
{
    char line[256], *end;
    for (;;) {
        if (!body_line(x->conn, line, sizeof line) || hex_digit(line[0]) < 0)
            return false;
        uint64_t n = strtoull(line, &end, 16);
        if (*end && *end != ';' && *end != ' ')
            return false;
        if (n == 0)
            break;
        if (!body_bytes(x, n) || !body_line(x->conn, line, sizeof line) || *line)
            return false;
    }
    do /* trailers */
        if (!body_line(x->conn, line, sizeof line))
            return false;
    while (*line);
    return true;
}

bool read_body(struct exchange *x)
{
    struct request *rq = &x->rq;
    struct conn *c = x->conn;
    if (rq->body_done)
        return true;
    if ((rq->chunked || rq->length > 65536) && c->size < 65536 && !x->slow_bytes) {
        c->in = must(realloc(c->in, 65536));
        c->size = 65536;
    }
    parts_start(rq);
    if (rq->expects && !x->head_sent)
        out_wire(x, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    rq->body_done = rq->chunked ? body_chunks(x) : body_bytes(x, rq->length);
    return rq->body_done;
}
