#include "upstream/attempt.h"

#include <curl/curl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/header.h"
#include "base/mem.h"
#include "upstream/explain.h"

#define BAD_CHUNKS "its chunks are malformed."
#define EXHAUSTED_MS 1000 /* ms in which a failed socket() explains a failed connection */

void attempt_heard(struct attempt *a)
{
    a->deadline.heard_ms = a->job.pool->sockets->loop->now_ms;
}

void attempt_todo(struct attempt *a)
{
    pool_todo(&a->job);
}

/* --- the answer ----------------------------------------------------------------------- */

/* A proxy that gets requests in absolute form answers 407 itself: that is not the upstream's
 * answer, and its Proxy-Authenticate must not reach the client. */
static bool is_from_proxy(struct attempt *a, unsigned status)
{
    struct err err;

    if (status != 407 || !a->endpoint->plain_http_proxy)
        return false;
    explain(&err, &(struct trouble_facts){.proxy_status = 407, .detail = ""}, a->endpoint);
    a->err = err_copy(&err);
    a->answer.done = false;
    return true;
}

static bool take_head(struct attempt *a, struct head *head)
{
    if (is_from_proxy(a, head->status))
        return false;
    attempt_heard(a);
    a->events->on_head(a, head);
    /* libcurl ends the upload at an error status, but not while sending is paused. */
    a->send_ends = a->send_paused;
    if (a->send_ends)
        attempt_todo(a);
    fields_release(&a->answer.fields); /* trailers are not read */
    return true;
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    struct attempt *a = arg;
    enum answer_line got;
    struct head head;
    struct err err;

    head_init(&head);
    got = answer_take(&a->answer, line, one * len, &head, &err);
    /* Interim answers (1xx) are no progress: a server may send them without end. */
    if (a->answer.status >= 200)
        attempt_heard(a);
    if (got == ANSWER_HEAD) {
        a->job.http1 = a->answer.http1;
        if (!take_head(a, &head))
            len = 0; /* a count other than libcurl's ends the transfer */
    } else if (got == ANSWER_BAD) {
        a->err = err_copy(&err);
        len = 0;
    }
    head_release(&head);
    return len;
}

static bool pass_on(void *arg, const char *bytes, size_t len)
{
    struct attempt *a = arg;

    return a->events->on_bytes(a, bytes, len);
}

static struct err *broken(const char *why)
{
    struct err err;

    err_set(&err, ERR_UP_BROKEN, "The upstream's answer broke off: %s", why);
    return err_copy(&err);
}

/* False: the chunks are malformed, and the transfer ends. */
static bool take_bytes(struct attempt *a, const char *bytes, size_t len, bool *more)
{
    *more = true;
    if (!a->answer.chunked)
        *more = pass_on(a, bytes, len);
    else if (!dechunk_take(&a->dechunk, bytes, len, more))
        a->err = broken(BAD_CHUNKS);
    return !a->err;
}

static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
    struct attempt *a = arg;
    bool more;

    (void)one;
    attempt_heard(a);
    if (a->dropping)
        return len;
    if (a->recv_paused)
        return CURL_WRITEFUNC_PAUSE;
    /* These bytes are consumed in any case; the next call pauses. */
    if (!take_bytes(a, bytes, len, &more))
        return 0;
    a->recv_paused = !more;
    return len;
}

/* --- the request ---------------------------------------------------------------------- */

static size_t on_want_bytes(char *buf, size_t one, size_t size, void *arg)
{
    struct attempt *a = arg;
    size_t len = one * size;

    attempt_heard(a);
    switch (a->events->on_want(a, buf, &len)) {
    case BODY_READ_BYTES:
        return len;
    case BODY_READ_WAIT:
        a->send_paused = true;
        return CURL_READFUNC_PAUSE;
    case BODY_READ_END:
        return 0;
    case BODY_READ_BROKEN:
        break;
    }
    return CURL_READFUNC_ABORT;
}

static bool is_https(const struct attempt *a)
{
    return strcmp(a->endpoint->base.scheme, "https") == 0;
}

/* A connection's first request counts; over https each does, for the stream numbers. */
static bool wants_connection(const struct attempt *a)
{
    long made = 0;

    curl_easy_getinfo(a->job.easy, CURLINFO_NUM_CONNECTS, &made);
    return made > 0 || is_https(a);
}

/* libcurl would rewrite a request, several times, when a reused connection ends without an answer;
 * but the upstream may have acted on it, and that is paid for. */
static bool may_write(const struct attempt *a)
{
    long written = 0;

    curl_easy_getinfo(a->job.easy, CURLINFO_REQUEST_SIZE, &written);
    return a->writes == 0 || written == 0 || (a->idempotent && a->writes == 1) ||
           (a->refused && a->writes < ATTEMPT_WRITES_MAX);
}

/* Called each time before the request is written. */
static int on_before_request(void *arg, char *ip, char *own_ip, int port, int own_port)
{
    struct attempt *a = arg;
    bool may = may_write(a);
    struct own_ends ends;

    a->writes++;
    a->refused = false;
    pool_job_writes(&a->job, (unsigned)own_port);
    if (wants_connection(a) &&
        own_ends_parse(&ends, own_ip, (unsigned)own_port, ip, (unsigned)port))
        attempt_note_connection(a, &ends);
    return may ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

int64_t attempt_delivered(struct attempt *a)
{
    curl_off_t sent = 0;
    int buffered = 0;

    curl_easy_getinfo(a->job.easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (a->job.fd >= 0 && ioctl(a->job.fd, SIOCOUTQ, &buffered) < 0)
        buffered = 0;
    return sent - buffered;
}

static int on_debug(CURL *easy, curl_infotype type, char *text, size_t len, void *arg)
{
    (void)easy;
    if (type == CURLINFO_TEXT)
        attempt_note_text(arg, text, len);
    return 0;
}

/* --- connecting ----------------------------------------------------------------------- */

/* A new connection for a request that must not be written again would only delay the client's
 * error. */
static bool gives_up(struct attempt *a)
{
    a->gave_up = !may_write(a);
    return a->gave_up;
}

static int on_resolver(void *resolver, void *unused, void *arg)
{
    struct attempt *a = arg;

    (void)resolver;
    (void)unused;
    return !gives_up(a) && lookup_begin(a->lookups, &a->lookup) ? 0 : 1; /* 1 ends the transfer */
}

static bool may_connect(struct pool_job *job, bool *patient)
{
    struct attempt *a = container_of(job, struct attempt, job);

    if (gives_up(a))
        return false;
    lookup_end(a->lookups, &a->lookup, NULL);
    *patient = a->streamed;
    return true;
}

static void on_lookup_turn(struct lookup_waiter *waiter)
{
    attempt_todo(container_of(waiter, struct attempt, lookup));
}

/* --- running -------------------------------------------------------------------------- */

static int dispatch(struct attempt *a, struct pool *pool)
{
    struct err err;

    if (pool_add(pool, &a->job) == 0)
        return 0;
    err_set(&err, ERR_SYSTEM, "libcurl does not take the transfer.");
    a->err = err_copy(&err);
    return -1;
}

/* The awaited lookup has ended. */
static void run_after_lookup(struct attempt *a)
{
    a->lookup.waits = false;
    a->err = take(a->lookup.err);
    if (a->err || dispatch(a, a->job.pool) < 0)
        a->events->on_end(a, CURLE_OK);
}

static void run(struct pool_job *job)
{
    struct attempt *a = container_of(job, struct attempt, job);

    if (!a->events->on_run(a))
        return;
    if (a->lookup.waits && list_empty(&a->lookup.node))
        run_after_lookup(a);
    else if (a->send_paused && a->send_ends)
        attempt_resume(a, true, false);
}

static void ended(struct pool_job *job, int curl_code)
{
    struct attempt *a = container_of(job, struct attempt, job);

    if (!a->lookup.waits) {
        a->events->on_end(a, curl_code);
        return;
    }
    pool_remove(job);
    lookup_wait(a->lookups, &a->lookup);
}

void attempt_resume(struct attempt *a, bool send, bool receive)
{
    if (!(send && a->send_paused) && !(receive && a->recv_paused))
        return;
    if (send)
        a->send_paused = a->send_ends = false;
    if (receive)
        a->recv_paused = false;
    attempt_heard(a); /* the pause was ours, not the upstream's silence */
    curl_easy_pause(a->job.easy,
                    (a->send_paused ? CURLPAUSE_SEND : 0) | (a->recv_paused ? CURLPAUSE_RECV : 0));
}

/* --- setting up ----------------------------------------------------------------------- */

static void set_constants(struct attempt *a)
{
    CURL *easy = a->job.easy;

    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, a->curl_says);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(easy, CURLOPT_HTTP_TRANSFER_DECODING, 0L); /* dechunk.h */
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_before_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, a);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_want_bytes);
    curl_easy_setopt(easy, CURLOPT_READDATA, a);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolver);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, a);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, a);
}

void attempt_init(struct attempt *a, const struct attempt_events *events)
{
    static const struct pool_job_ops ops = {.run = run, .ended = ended, .may_connect = may_connect};

    *a = (struct attempt){.events = events};
    pool_job_init(&a->job, &ops);
    lookup_waiter_init(&a->lookup, on_lookup_turn);
    answer_init(&a->answer);
    str_init(&a->lines);
    set_constants(a);
}

void attempt_release(struct attempt *a)
{
    pool_job_release(&a->job);
    endpoint_unref(a->endpoint);
    answer_release(&a->answer);
    if (a->lines.len)
        mem_wipe(a->lines.text, a->lines.len);
    str_release(&a->lines);
    free(a->list.nodes);
}

void attempt_reset(struct attempt *a, struct lookups *lookups)
{
    a->lookups = lookups;
    a->writes = 0;
    a->stream = 0;
    a->refused = false;
}

static void set_body(struct attempt *a, const struct attempt_request *request)
{
    CURL *easy = a->job.easy;

    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method); /* any method */
    /* A streamed body cannot be sent again, as a dead kept-alive connection would require: use a
     * new connection. */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->streamed ? 1L : 0L);
    /* Its connection has no user timeout (pool_socket_opened()): no other request may use it. */
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, request->streamed ? 1L : 0L);
    if (request->length == REQUEST_LENGTH_NONE) {
        if (strcmp(request->method, "HEAD") == 0)
            curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L); /* there is a body; the method stays */
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->streamed ? NULL : request->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
}

static void connect_to(struct attempt *a, struct pool *pool, struct endpoint *endpoint)
{
    if (a->endpoint == endpoint)
        return;
    endpoint_unref(a->endpoint);
    a->endpoint = endpoint_ref(endpoint);
    pool_job_connect_to(&a->job, pool->sockets, endpoint);
    curl_easy_setopt(a->job.easy, CURLOPT_VERBOSE, is_https(a) ? 1L : 0L); /* on_debug() */
}

int attempt_send(struct attempt *a, struct pool *pool, struct endpoint *endpoint,
                 const struct attempt_request *request)
{
    connect_to(a, pool, endpoint);
    a->streamed = request->streamed;
    a->send_paused = a->recv_paused = a->send_ends = a->dropping = a->gave_up = false;
    a->idempotent = header_method_is_idempotent(request->method);
    a->curl_says[0] = '\0';
    answer_clear(&a->answer);
    dechunk_init(&a->dechunk, pass_on, a);
    str_clear(&a->lines);
    pool_job_set_target(&a->job, endpoint, request->target);
    set_body(a, request);
    request_head_write(&a->lines, request->fields, request->length, request->encodings,
                       endpoint->forwarded ? &request->forwarded : NULL);
    curl_easy_setopt(a->job.easy, CURLOPT_HTTPHEADER, pool_lines_list(&a->list, &a->lines));
    return dispatch(a, pool);
}

/* --- the end -------------------------------------------------------------------------- */

static bool is_out_of_descriptors(const struct attempt *a)
{
    uint64_t at = a->job.pool->sockets->exhausted_ms;

    return at && clock_mono_ms() - at < EXHAUSTED_MS;
}

/* libcurl keeps a transfer's first message. A message of closing a connection that
 * pool_socket_end() dissolved ("is not connected") is of no use to the user: replace it. */
static struct err *explain_code(struct attempt *a, CURLcode code)
{
    struct trouble_facts facts = {.detail = a->curl_says};
    curl_off_t ready_us = 0;
    struct err err;

    curl_easy_getinfo(a->job.easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(a->job.easy, CURLINFO_HTTP_CONNECTCODE, &facts.proxy_status);
    facts.in_tunnel = ready_us > 0;
    facts.trouble = pool_trouble((int)code, ready_us > 0);
    if (a->gave_up)
        facts.trouble = TROUBLE_CUT;
    if (a->gave_up || code == CURLE_ABORTED_BY_CALLBACK || (code == CURLE_OK && !*a->curl_says))
        facts.detail = "no answer came";
    else if (!*a->curl_says || strstr(a->curl_says, "is not connected"))
        facts.detail = curl_easy_strerror(code);
    if (facts.trouble == TROUBLE_CONNECT && is_out_of_descriptors(a))
        facts.trouble = TROUBLE_DESCRIPTORS;
    explain(&err, &facts, a->endpoint);
    return err_copy(&err);
}

struct err *attempt_failure(struct attempt *a, int curl_code)
{
    if (a->err)
        return err_copy(a->err);
    if (curl_code == CURLE_OK && a->answer.chunked && dechunk_is_cut(&a->dechunk))
        return broken(BAD_CHUNKS);
    if (curl_code == CURLE_OK && a->answer.unframed && attempt_lost_connection(a))
        return broken("the connection broke the rules of HTTP/2.");
    return curl_code == CURLE_OK && a->answer.done ? NULL : explain_code(a, (CURLcode)curl_code);
}

void attempt_read(struct attempt *a)
{
    if (a->send_paused || a->recv_paused)
        return;
    curl_easy_pause(a->job.easy, CURLPAUSE_RECV); /* libcurl ignores a resume without a pause */
    curl_easy_pause(a->job.easy, CURLPAUSE_CONT);
}

/* libcurl 7.88 buffers an abandoned stream's RST_STREAM until its connection has other work: give
 * the pool's transfers some. */
static void flush_others(struct pool *pool)
{
    list_each(node, &pool->active)
        attempt_read(
            container_of(container_of(node, struct pool_job, active), struct attempt, job));
}

/* Before an abandoned transfer is removed: libcurl would keep its connection although bytes still
 * come, and 7.88 leaks the bytes that a paused transfer holds back. */
static void let_go_of(struct attempt *a)
{
    curl_easy_setopt(a->job.easy, CURLOPT_FORBID_REUSE, 1L);
    if (!a->recv_paused)
        return;
    a->dropping = true;
    curl_easy_pause(a->job.easy, CURLPAUSE_CONT);
    a->dropping = false;
}

void attempt_stop(struct attempt *a, bool given_up, const struct err *lookup)
{
    lookup_leave(&a->lookup);
    lookup_end(a->lookups, &a->lookup, lookup);
    if (given_up)
        let_go_of(a);
    pool_remove(&a->job);
    if (given_up)
        flush_others(a->job.pool);
    free(take(a->err));
}

bool attempt_recycle(struct attempt *a)
{
    list_remove(&a->job.todo);
    mem_wipe(a->lines.text, a->lines.len); /* they contain the client's API key */
    str_clear(&a->lines);
    answer_clear(&a->answer);
    /* libcurl 7.88 counts the retries of all transfers of a handle together, up to five. */
    return a->writes <= 1;
}
