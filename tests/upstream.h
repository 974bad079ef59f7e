/* upstream.h: what the parts of the scripted upstream share. The manual of
 * the program, its script grammar included, stands at the top of upstream.c.
 *
 * Who calls whom:  upstream.c (sockets, connections)
 *                    -> upstream_read.c    request head and body
 *                    -> upstream_control.c records, counters, barriers, the control paths
 *                    -> upstream_script.c  the steps of a script
 *                         -> upstream_api.c    the answers of OpenAI
 *                         -> upstream_write.c  head, framing, pacing, breaking
 *                    all of them -> upstream_util.c
 *
 * An answer is made twice. The plan pass collects the head and counts the
 * body; the send pass sends. So Content-Length is exact for whatever a script
 * puts together, a gzipped body or one of 2 GB included, and nothing large is
 * ever held in memory.
 */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <zlib.h>

/* ---- upstream_util.c: bytes, digests, JSON ---- */

struct buf {
    char *data; /* always ends in a NUL once anything was added */
    size_t len, size;
};
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_json(struct buf *b, const char *bytes, size_t n); /* a quoted JSON string */
void buf_base64(struct buf *b, const void *bytes, size_t n);
void buf_unbase64(struct buf *b, const char *text); /* skips what is no base64 */
void buf_free(struct buf *b);

void *must(void *allocated); /* out of memory ends the program */
char *copy_text(const char *bytes, size_t n);
bool is_utf8(const char *bytes, size_t n);
int hex_digit(char c); /* -1: not one */

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
};
void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *bytes, size_t n);
void sha256_hex(const struct sha256 *h, char hex[65]); /* h can be added to afterwards */

/* The pseudo-random bytes of `size:`, from byte number `at`. */
void noise(uint64_t seed, uint64_t at, unsigned char *out, size_t n);

/* A piece of JSON text. Enough to look into well-formed requests, no more. */
struct span {
    const char *at;
    size_t len;
};
bool json_member(struct span object, const char *key, struct span *value);
bool json_item(struct span array, size_t index, struct span *value);
size_t json_count(struct span array); /* 0: not an array */
bool span_is(struct span s, const char *text);
bool span_has(struct span s, const char *text);

/* ---- requests (upstream_read.c) ---- */

struct conn {
    int fd;
    char *in; /* in[start..end) has been received and not been used */
    size_t size, start, end;
    bool control; /* its requests are control requests: it is not counted */
};

struct field {
    char *name, *value;
};
struct fields {
    struct field *at;
    size_t n;
};
void fields_add(struct fields *f, const char *name, const char *value);
const char *fields_get(const struct fields *f, const char *name); /* NULL: none */
void fields_free(struct fields *f);

struct multipart {
    char delimiter[256]; /* CR LF -- boundary */
    size_t delimiter_len, matched;
    bool in_head, is_file, seen_file, ended;
    struct buf head;
    struct sha256 hash;
    uint64_t bytes;
    char filename[128];
};

struct request {
    char *lines;                          /* request line and header lines as they came */
    char *line;                           /* request line */
    char *method, *target, *path, *query; /* path: without scheme and authority */
    bool old;                             /* HTTP/1.0 */
    bool keep_alive, chunked, expects;
    uint64_t length;
    struct fields fields;
    bool body_done;
    uint64_t body_bytes;
    struct sha256 hash;
    struct buf body; /* its first BODY_KEPT bytes */
    struct multipart *parts;
};
#define BODY_KEPT ((size_t)1 << 20)

enum reading { READ_OK, READ_CLOSED, READ_BAD };
struct exchange;
enum reading read_head(struct conn *c, struct request *rq, const char **why);
bool read_body(struct exchange *x); /* false: the client left */
void request_free(struct request *rq);

enum waited { WAIT_OVER, WAIT_READY, WAIT_GONE };
/* Until `ms` are over, `other` (an fd, or -1) is readable, or the client left. */
enum waited conn_wait(const struct conn *c, int other, long ms);

/* ---- exchanges: a request and its answer ---- */

enum outcome { RUNNING, COMPLETE, ABORTED, BROKEN };
enum framing { FRAME_AUTO, FRAME_LENGTH, FRAME_CHUNKED, FRAME_CLOSE, FRAME_NOLENGTH };
enum cut { CUT_FIN, CUT_RESET, CUT_STALL };

struct step;
struct exchange {
    struct conn *conn;
    struct request rq;
    unsigned long number; /* of x-request-id */
    time_t when;
    enum outcome outcome;
    bool reset; /* end with RST */

    /* script */
    struct step *steps;
    size_t step_count;
    char *noread; /* barrier before the body is read; "" = never read it */
    bool early_answer;
    size_t slow_bytes;
    long slow_ms;
    long usage[4]; /* input, cached, output, reasoning tokens */
    uint64_t seed;
    const char *eol; /* of SSE lines */

    /* head */
    int status;
    char *reason;
    const char *type; /* content type when no header says one */
    struct fields headers, dropped, trailers;
    bool folded, http10, hangup, gzip, streaming;
    size_t bighead, bigline;
    enum framing framing;
    bool lies;
    uint64_t lie; /* the Content-Length to announce in place of the true one */

    /* body */
    bool planning, head_sent, no_body;
    uint64_t planned, sent; /* body bytes after encoding */
    z_stream z;
    bool z_on;
    size_t piece; /* chunkbytes */
    long pace;
    unsigned long pieces;
    bool truncates;
    uint64_t truncate_at;
    enum cut cut;
    char *hold; /* barrier at hold_at body bytes */
    uint64_t hold_at;

    /* the ordinary answer */
    int forced_error; /* -1 until decided; 0 = none */
};

/* ---- upstream_write.c ---- */

void out_start(struct exchange *x, bool planning);
void out_body(struct exchange *x, const void *bytes, size_t n);
void out_text(struct exchange *x, const char *text);
void out_noise(struct exchange *x, uint64_t n);
void out_flush(struct exchange *x);                             /* the head */
void out_wire(struct exchange *x, const void *bytes, size_t n); /* no framing at all */
void out_pause(struct exchange *x, long ms);
void out_barrier(struct exchange *x, const char *name);
void out_stall(struct exchange *x);
void out_cut(struct exchange *x, enum cut how);
void out_finish(struct exchange *x);
/* One server-sent event; event may be NULL. */
void out_sse(struct exchange *x, const char *event, const char *data);

/* ---- upstream_script.c, upstream_steps.c ---- */

/* What kind of step a verb is.
 * SETTING: holds for the whole answer wherever it stands; done once, first.
 * ACTION:  done in its place, in both passes.
 * BODY:    an action that makes (or replaces) the body, so that the ordinary
 *          answer of the path stays away. STREAM: and it wants to be chunked. */
enum kind { SETTING, ACTION, BODY, STREAM };

struct verb {
    const char *name;
    enum kind kind;
    void (*run)(struct exchange *x, const struct step *s);
};

struct step {
    const struct verb *verb;
    char *arg;
    size_t len; /* an argument may hold NULs */
};

const struct verb *verb_find(const char *name, size_t n); /* NULL: no such step */
void step_ordinary(struct exchange *x, const struct step *s);

void script_run(struct exchange *x); /* reads the body, answers, sets outcome */
void exchange_free(struct exchange *x);

/* ---- upstream_api.c, upstream_chat.c ---- */

void api_answer(struct exchange *x);
void api_error(struct exchange *x, int status);
void api_json(struct exchange *x, struct buf *json); /* sends and empties it */
void api_chat(struct exchange *x, struct span body, const char *model);
void api_completion(struct exchange *x, struct span body, const char *model);
void api_responses(struct exchange *x, struct span body, const char *model);
void api_response_events(struct exchange *x, const char *model, long deltas, long ms);
void api_chunk(struct exchange *x, const char *model, const char *delta, const char *finish,
               const char *usage);
long api_words(const char *model); /* how many deltas an answer has */
const char *api_word(long i);

/* ---- upstream_control.c ---- */

extern struct counters {
    unsigned long requests, connections, open, aborted, in_flight;
} counters;
void count(unsigned long *counter, int by);
unsigned long named_next(const char *name); /* 0, 1, 2, … for each name */
enum waited barrier_wait(const char *name, const struct conn *c, long ms);
unsigned long record_start(const struct request *rq);
void record_body(const struct exchange *x);
void record_end(const struct exchange *x);
void control_answer(struct exchange *x);

#endif
