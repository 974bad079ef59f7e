/* upstream_write.c: puts an answer on the wire: its head, the framing of its
 * body, gzip, writes of a chosen size and pace, and all the ways to break it
 * off. See upstream.h on the two passes. */
#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BARRIER_MS 120000 /* more than the tests wait for anything */
#define STALL_MS 60000

/* ---- the socket ---- */

static void send_parts(struct exchange *x, struct iovec *parts, size_t n, int more)
{
    if (x->outcome != RUNNING)
        return;
    while (n) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};
        ssize_t sent = sendmsg(x->conn->fd, &message, MSG_NOSIGNAL | more);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            x->outcome = ABORTED;
            return;
        }
        size_t left = (size_t)sent;
        for (; n && left >= parts->iov_len; n--, parts++)
            left -= parts->iov_len;
        if (n) {
            parts->iov_base = (char *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
}

static struct iovec piece_of(const void *bytes, size_t n)
{
    return (struct iovec){(void *)(uintptr_t)bytes, n};
}

void out_wire(struct exchange *x, const void *bytes, size_t n)
{
    struct iovec all = piece_of(bytes, n);
    if (!x->planning)
        send_parts(x, &all, 1, 0);
}

/* ---- waiting ---- */

static void waited(struct exchange *x, enum waited how)
{
    if (how == WAIT_GONE)
        x->outcome = ABORTED;
}

void out_pause(struct exchange *x, long ms)
{
    if (!x->planning && x->outcome == RUNNING && ms > 0)
        waited(x, conn_wait(x->conn, -1, ms));
}

void out_barrier(struct exchange *x, const char *name)
{
    if (x->planning || x->outcome != RUNNING)
        return;
    enum waited how = barrier_wait(name, x->conn, BARRIER_MS);
    waited(x, how);
    if (how == WAIT_OVER)
        x->outcome = BROKEN;
}

void out_cut(struct exchange *x, enum cut how)
{
    if (x->planning || x->outcome != RUNNING)
        return;
    if (how == CUT_STALL)
        waited(x, conn_wait(x->conn, -1, STALL_MS));
    if (x->outcome == RUNNING)
        x->outcome = BROKEN;
    x->reset = how == CUT_RESET;
}

/* ---- the head ---- */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {206, "Partial Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {304, "Not Modified"},
                 {307, "Temporary Redirect"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {413, "Content Too Large"},
                 {422, "Unprocessable Content"},
                 {429, "Too Many Requests"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].reason;
    return "Status";
}

/* A header that every answer has, unless the script sets or drops it. */
static void head_default(struct exchange *x, struct buf *head, const char *name, const char *value)
{
    if (!fields_get(&x->headers, name) && !fields_get(&x->dropped, name))
        buf_printf(head, "%s: %s\r\n", name, value);
}

static void head_padding(struct exchange *x, struct buf *head)
{
    for (size_t n = 0, done = 0; done < x->bighead; n++) {
        size_t line = x->bighead - done < 1000 ? x->bighead - done : 1000;
        buf_printf(head, "x-pad-%04zu: ", n);
        for (size_t i = 14; i < line; i++)
            buf_puts(head, "p");
        buf_puts(head, "\r\n");
        done += line;
    }
    if (x->bigline) {
        buf_puts(head, "x-long: ");
        for (size_t i = 0; i < x->bigline; i++)
            buf_puts(head, "l");
        buf_puts(head, "\r\n");
    }
}

static void head_framing(struct exchange *x, struct buf *head)
{
    char number[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)(x->lies ? x->lie : x->planned));
    bool bodyless = x->status == 204 || x->status == 304;
    if ((x->framing == FRAME_LENGTH && !bodyless) || x->lies)
        head_default(x, head, "Content-Length", number);
    if (x->framing == FRAME_CHUNKED && !bodyless)
        head_default(x, head, "Transfer-Encoding", "chunked");
    if (x->framing == FRAME_CLOSE || (!x->rq.keep_alive && x->framing != FRAME_NOLENGTH))
        head_default(x, head, "Connection", "close");
}

static void head_build(struct exchange *x, struct buf *head)
{
    char date[64], id[64];
    struct tm tm;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&x->when, &tm));
    snprintf(id, sizeof id, "req_up_%lu", x->number);
    buf_printf(head, "HTTP/1.%d %d %s\r\n", x->http10 ? 0 : 1, x->status,
               x->reason ? x->reason : reason_of(x->status));
    head_default(x, head, "Date", date);
    if (x->status != 204 && x->status != 304)
        head_default(x, head, "Content-Type", x->type);
    head_default(x, head, "x-request-id", id);
    head_default(x, head, "openai-processing-ms", "7");
    head_default(x, head, "openai-version", "2020-10-01");
    head_default(x, head, "x-ratelimit-limit-requests", "10000");
    head_default(x, head, "x-ratelimit-remaining-requests", "9999");
    if (x->gzip)
        head_default(x, head, "Content-Encoding", "gzip");
    for (size_t i = 0; i < x->headers.n; i++)
        buf_printf(head, "%s: %s\r\n", x->headers.at[i].name, x->headers.at[i].value);
    if (x->folded)
        buf_puts(head, "x-folded: first line\r\n second line\r\n\tthird line\r\n");
    if (x->trailers.n)
        head_default(x, head, "Trailer", x->trailers.at[0].name);
    head_padding(x, head);
    head_framing(x, head);
    buf_puts(head, "\r\n");
}

static void head_send(struct exchange *x, int more)
{
    if (x->head_sent || x->planning || x->outcome != RUNNING)
        return;
    struct buf head = {0};
    head_build(x, &head);
    x->head_sent = true;
    struct iovec all = piece_of(head.data, head.len);
    send_parts(x, &all, 1, more);
    buf_free(&head);
}

void out_flush(struct exchange *x)
{
    head_send(x, 0);
}

/* ---- the body ---- */

/* One write on the wire, and one chunk where the answer is chunked. */
static void send_piece(struct exchange *x, const char *bytes, size_t n)
{
    if (x->pieces++)
        out_pause(x, x->pace);
    head_send(x, MSG_MORE);
    char size[32];
    int size_len = snprintf(size, sizeof size, "%zx\r\n", n);
    struct iovec parts[] = {piece_of(size, (size_t)size_len), piece_of(bytes, n),
                            piece_of("\r\n", 2)};
    if (x->framing == FRAME_CHUNKED)
        send_parts(x, parts, 3, 0);
    else
        send_parts(x, parts + 1, 1, 0);
    x->sent += n;
}

/* How many of n bytes may go before something is to happen: 0 when it has to
 * happen now. */
static size_t up_to(const struct exchange *x, bool set, uint64_t at, size_t n)
{
    if (!set || x->sent + n <= at)
        return n;
    return at > x->sent ? (size_t)(at - x->sent) : 0;
}

static void send_encoded(struct exchange *x, const char *bytes, size_t n)
{
    if (x->planning) {
        x->planned += n;
        return;
    }
    while (n && x->outcome == RUNNING && !x->no_body) {
        size_t take = x->piece && x->piece < n ? x->piece : n;
        take = up_to(x, x->hold != NULL, x->hold_at, take);
        if (!take) {
            char *hold = x->hold;
            x->hold = NULL;
            out_flush(x);
            out_barrier(x, hold);
            free(hold);
            continue;
        }
        take = up_to(x, x->truncates, x->truncate_at, take);
        if (!take) {
            out_flush(x);
            out_cut(x, x->cut);
            return;
        }
        send_piece(x, bytes, take);
        bytes += take;
        n -= take;
    }
}

/* Every write is flushed through, so that a gzipped stream arrives in time. */
static void send_gzipped(struct exchange *x, const void *bytes, size_t n, int flush)
{
    unsigned char out[4096];
    x->z.next_in = (unsigned char *)(uintptr_t)bytes;
    x->z.avail_in = (unsigned)n;
    do {
        x->z.next_out = out;
        x->z.avail_out = sizeof out;
        deflate(&x->z, flush);
        send_encoded(x, (const char *)out, sizeof out - x->z.avail_out);
    } while (x->z.avail_out == 0);
}

void out_body(struct exchange *x, const void *bytes, size_t n)
{
    if (!n || x->outcome != RUNNING)
        return;
    if (x->z_on)
        send_gzipped(x, bytes, n, Z_SYNC_FLUSH);
    else
        send_encoded(x, bytes, n);
}

void out_text(struct exchange *x, const char *text)
{
    out_body(x, text, strlen(text));
}

void out_noise(struct exchange *x, uint64_t n)
{
    unsigned char block[16384];
    if (x->planning && !x->z_on) {
        x->planned += n;
        return;
    }
    for (uint64_t at = 0; at < n && x->outcome == RUNNING;) {
        size_t take = n - at < sizeof block ? (size_t)(n - at) : sizeof block;
        noise(x->seed, at, block, take);
        out_body(x, block, take);
        at += take;
    }
}

void out_sse(struct exchange *x, const char *event, const char *data)
{
    struct buf frame = {0};
    if (event)
        buf_printf(&frame, "event: %s%s", event, x->eol);
    buf_printf(&frame, "data: %s%s%s", data, x->eol, x->eol);
    out_body(x, frame.data, frame.len);
    buf_free(&frame);
}

/* ---- start and end ---- */

void out_start(struct exchange *x, bool planning)
{
    x->planning = planning;
    x->seed = 0;
    x->piece = 0;
    x->pace = 0;
    x->no_body = strcmp(x->rq.method, "HEAD") == 0 || x->status == 204 || x->status == 304;
    if (x->z_on)
        deflateEnd(&x->z);
    x->z_on = x->gzip;
    x->z = (z_stream){0};
    if (x->z_on && deflateInit2(&x->z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        must(NULL);
    if (planning)
        return;
    if (x->framing == FRAME_AUTO)
        x->framing = x->streaming || x->trailers.n ? FRAME_CHUNKED : FRAME_LENGTH;
    if (x->framing == FRAME_CHUNKED && (x->http10 || x->rq.old))
        x->framing = FRAME_CLOSE;
}

static void send_last_chunk(struct exchange *x)
{
    struct buf end = {0};
    buf_puts(&end, "0\r\n");
    for (size_t i = 0; i < x->trailers.n; i++)
        buf_printf(&end, "%s: %s\r\n", x->trailers.at[i].name, x->trailers.at[i].value);
    buf_puts(&end, "\r\n");
    out_wire(x, end.data, end.len);
    buf_free(&end);
}

void out_finish(struct exchange *x)
{
    if (x->z_on && x->outcome == RUNNING)
        send_gzipped(x, NULL, 0, Z_FINISH);
    if (x->planning)
        return;
    out_flush(x);
    if (x->truncates && !x->no_body && x->sent >= x->truncate_at)
        out_cut(x, x->cut);
    if (x->framing == FRAME_CHUNKED && !x->no_body && x->outcome == RUNNING)
        send_last_chunk(x);
    if (x->outcome == RUNNING)
        x->outcome = x->lies && x->lie != x->sent && !x->no_body ? BROKEN : COMPLETE;
}
