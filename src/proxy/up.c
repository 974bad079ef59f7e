#include "proxy/up_internal.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/policy.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proxy/header.h"
#include "proxy/up_explain.h"
#include "proxy/up_goaway.h"

#define EXHAUSTED_MS 1000 /* so long a failed socket() explains a failed connection */

/* --- the answer ----------------------------------------------------------------------- */

/* A proxy that gets requests in absolute form answers for itself when it wants a password; that
 * is not the upstream's word, and its Proxy-Authenticate is not for the client. */
static bool is_from_proxy(struct up *up, unsigned status)
{
    struct err err;

    if (status != 407 || !up->home->endpoint->plain_http_proxy)
        return false;
    up_explain(&err, &(struct up_trouble_facts){.proxy_status = 407, .detail = ""},
               up->home->endpoint);
    up->err = err_copy(&err);
    return true;
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    struct up *up = arg;
    struct head head;
    struct err err;

    (void)one;
    /* An interim answer (1xx) is no sign of progress: they may come for ever. */
    if (up->answer.status >= 200)
        up_heard(up);
    head_init(&head);
    switch (up_answer_take(&up->answer, line, len, &head, &err)) {
    case UP_ANSWER_MORE:
        break;
    case UP_ANSWER_HEAD:
        if (is_from_proxy(up, head.status)) {
            up->answer.done = false;
            len = 0;
        } else {
            up_heard(up);
            up_note_written(up);
            flight_set_head(up->flight, &head);
            up->deadline.silence_ms = up->body_silence_ms;
            /* An error ends the sending, but curl does not see the end while that is paused. */
            up->send_again = up->send_paused;
            if (up->send_again)
                up_pool_todo(up->pool, &up->todo);
            fields_release(&up->answer.fields); /* trailers are not read */
        }
        break;
    case UP_ANSWER_BAD:
        up->err = err_copy(&err);
        len = 0; /* not what curl gave: it ends the transfer */
        break;
    }
    head_release(&head);
    return len;
}

static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
    struct up *up = arg;

    (void)one;
    up_heard(up);
    if (up->dropping)
        return len;
    if (up->recv_paused)
        return CURL_WRITEFUNC_PAUSE;
    /* These bytes are taken in any case; it is the next ones that have to wait. */
    if (!flight_append(up->flight, bytes, len))
        up->recv_paused = true;
    return len;
}

int64_t up_sent(struct up *up)
{
    curl_off_t sent = 0;

    curl_easy_getinfo(up->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    return sent;
}

/* --- the request's body --------------------------------------------------------------- */

static size_t on_want_bytes(char *buf, size_t one, size_t size, void *arg)
{
    struct up *up = arg;
    size_t len = one * size;

    up_heard(up);
    switch (body_read(&up->upload, buf, &len)) {
    case BODY_READ_BYTES:
        return len;
    case BODY_READ_WAIT:
        up->send_paused = true;
        return CURL_READFUNC_PAUSE;
    case BODY_READ_END:
        return 0;
    case BODY_READ_BROKEN:
        break;
    }
    return CURL_READFUNC_ABORT;
}

static void on_upload_more(struct body_reader *reader)
{
    struct up *up = container_of(reader, struct up, upload);

    up_pool_todo(up->pool, &up->todo);
}

/* Which connection it goes out on. */
static void note_connection(struct up *up, const struct own_ends *ends)
{
    uint32_t last;

    up->ends = *ends;
    up->stream = up_goaway_stream(own_sockets_count(ends, &last));
    up->refused = up->stream > last; /* libcurl begins streams behind a GOAWAY, too */
}

/* Only a connection's first request is of interest, and where streams are counted each. */
static bool wants_connection(const struct up *up)
{
    long made = 0;

    curl_easy_getinfo(up->easy, CURLINFO_NUM_CONNECTS, &made);
    return made > 0 || up->https;
}

/* curl would write a request anew, several times, when a reused connection ends without an answer;
 * but the upstream may have done its work, and that is paid for. */
static bool may_write(const struct up *up)
{
    long written = 0;

    curl_easy_getinfo(up->easy, CURLINFO_REQUEST_SIZE, &written);
    return up->tries == 0 || written == 0 || (up->idempotent && up->tries == 1) ||
           (up->refused && up->tries < UP_TRIES_MAX);
}

/* Called each time before the request is written. */
static int on_before_request(void *arg, char *ip, char *own_ip, int port, int own_port)
{
    struct up *up = arg;
    bool may = may_write(up);
    struct own_ends ends;

    up->tries++;
    up->refused = false;
    up->socket = -1; /* those of attempts to connect, or of another try */
    up->own_port = (unsigned)own_port;
    if (wants_connection(up) &&
        own_ends_parse(&ends, own_ip, (unsigned)own_port, ip, (unsigned)port))
        note_connection(up, &ends);
    return may ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* --- GOAWAY --------------------------------------------------------------------------- */

/* A server that is about to close a connection (nginx after 1,000 requests) says which streams it
 * has seen; the others it has not acted on, and they may be sent again (RFC 9113 section 8.7).
 * libcurl does that, but does not say why: only its debug output does, which may name any of the
 * connection's transfers. */
static int on_debug(CURL *easy, curl_infotype type, char *text, size_t len, void *arg)
{
    struct up *told = arg;
    uint32_t last;

    (void)easy;
    if (type != CURLINFO_TEXT || !up_goaway_parse(text, len, &last))
        return 0;
    own_sockets_note_goaway(&told->ends, last);
    list_each(node, &told->pool->active) {
        struct up *up = container_of(node, struct up, node);

        if (up->stream > last && !up->answer.done &&
            memcmp(&up->ends, &told->ends, sizeof(up->ends)) == 0)
            up->refused = true;
    }
    return 0;
}

/* A connection that takes long in being made, for a request that may not be written on it, would
 * only keep the client waiting. */
static bool gives_up(struct up *up)
{
    up->gave_up = !may_write(up);
    return up->gave_up;
}

static int on_resolver(void *resolver, void *unused, void *arg)
{
    (void)resolver;
    (void)unused;
    return !gives_up(arg) && up_lookup_begins(arg) ? 0 : 1; /* 1 ends the transfer: see up_done() */
}

struct up_sockets *up_opening(struct up *up, bool *patient)
{
    if (gives_up(up))
        return NULL;
    up_lookup_ended(up, NULL);
    *patient = up->growing != NULL;
    return &up->home->sockets;
}

/* --- setting up ----------------------------------------------------------------------- */

static void set_constants(struct up *up)
{
    CURL *easy = up->easy;

    up_pool_prepare(easy, up, &up->home->sockets, up->home->endpoint);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, up);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, up->curl_says);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, up);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, up);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_before_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, up);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_want_bytes);
    curl_easy_setopt(easy, CURLOPT_READDATA, up);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolver);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, up);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, up);
    up->https = strcmp(up->home->endpoint->base.scheme, "https") == 0;
    curl_easy_setopt(easy, CURLOPT_VERBOSE, up->https ? 1L : 0L);
}

struct up *up_new(struct up_home *home)
{
    struct up *up = mem_zero(sizeof(*up));

    up->home = home;
    up->easy = curl_easy_init();
    if (!up->easy)
        abort();
    list_init(&up->node);
    list_init(&up->todo);
    list_init(&up->queue);
    up_life_init(up);
    up_answer_init(&up->answer);
    str_init(&up->lines);
    str_init(&up->whole);
    str_init(&up->writes);
    set_constants(up);
    return up;
}

void up_free(struct up *up)
{
    curl_easy_cleanup(up->easy);
    up_answer_release(&up->answer);
    if (up->lines.len)
        mem_wipe(up->lines.text, up->lines.len);
    str_release(&up->lines);
    str_release(&up->writes);
    free(up->list.nodes);
    free(up);
}

static void set_body(struct up *up, const struct up_order *order)
{
    bool streamed = order->growing != NULL;

    curl_easy_setopt(up->easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(up->easy, CURLOPT_CUSTOMREQUEST, order->method); /* of any kind */
    /* A body that is not held whole cannot be sent twice, which a kept-alive connection that
     * turns out to be dead would need. */
    curl_easy_setopt(up->easy, CURLOPT_FRESH_CONNECT, streamed ? 1L : 0L);
    /* Such a connection is patient (up_socket.h), which is not for others. */
    curl_easy_setopt(up->easy, CURLOPT_FORBID_REUSE, streamed ? 1L : 0L);
    if (order->length == UP_LENGTH_NONE) {
        if (strcmp(order->method, "HEAD") == 0)
            curl_easy_setopt(up->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(up->easy, CURLOPT_POST, 1L); /* there is a body; the method stays */
    curl_easy_setopt(up->easy, CURLOPT_POSTFIELDS, streamed ? NULL : up->whole.text);
    curl_easy_setopt(up->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)order->length);
}

static size_t take_size(size_t *held)
{
    size_t size = *held;

    *held = 0;
    return size;
}

static struct up *take_spare(struct up_home *home)
{
    if (list_empty(&home->spare))
        return up_new(home);
    home->spares--;
    return container_of(list_pop(&home->spare), struct up, node);
}

void up_start(struct up_home *home, struct up_pool *pool, const struct up_order *order,
              struct flight *flight)
{
    struct up *up = take_spare(home);

    up->pool = pool;
    up->flight = flight_ref(flight);
    up->send_paused = up->recv_paused = up->send_again = up->dropping = false;
    up->curl_says[0] = '\0';
    up->deadline = (struct up_deadline){.started_ms = home->loop->now_ms,
                                        .heard_ms = home->loop->now_ms,
                                        .silence_ms = order->head_silence_ms,
                                        .total_ms = home->endpoint->total_ms};
    up->delivered = 0;
    up->socket = -1;
    up->own_port = 0;
    up->body_silence_ms = order->body_silence_ms;
    up->finish = order->finish;
    up->whole_anyway = false;
    up->idempotent = header_method_is_idempotent(order->method);
    up->tries = 0;
    up->stream = 0;
    up->refused = up->gave_up = up->queued = false;
    if (order->whole) {
        up->whole = *order->whole;
        str_init(order->whole);
        up->held = take_size(order->held);
    }
    if (policy_is_write(order->method))
        str_adds(&up->writes, order->target);
    up_pool_set_target(up->easy, home->endpoint, order->target);
    set_body(up, order);
    up_head_write(&up->lines, order->fields, order->length, order->encodings,
                  home->endpoint->forwarded ? &order->forwarded : NULL);
    curl_easy_setopt(up->easy, CURLOPT_HTTPHEADER, up_lines_list(&up->list, &up->lines));
    if (order->growing) {
        bool joined = flight_join(order->growing, &up->upload, on_upload_more);
        assert(joined); /* nobody reads an upload before its transfer */
        (void)joined;
        body_stop_keeping(&order->growing->body, 0);
        up->growing = flight_ref(order->growing);
    }
    up_man(up);
    up_timer_start(up);
    list_append(&pool->active, &up->node);
    up_dispatch(up);
}

/* --- the end -------------------------------------------------------------------------- */

void up_done(void *private_of_easy, int curl_code)
{
    struct up *up = private_of_easy;

    if (up->queued)
        up_lookup_wait(up);
    else if (curl_code == CURLE_OK || !up_go_again(up))
        up_finish(up, NULL, curl_code);
}

static bool is_out_of_descriptors(const struct up *up)
{
    uint64_t at = up->home->sockets.exhausted_ms;

    return at && clock_mono_ms() - at < EXHAUSTED_MS;
}

static struct err *explain(struct up *up, CURLcode code)
{
    struct up_trouble_facts facts = {.detail = up->curl_says};
    curl_off_t ready_us = 0;
    struct err err;

    curl_easy_getinfo(up->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(up->easy, CURLINFO_HTTP_CONNECTCODE, &facts.proxy_status);
    facts.in_tunnel = ready_us > 0;
    facts.trouble = up_pool_trouble((int)code, ready_us > 0);
    if (up->gave_up)
        facts.trouble = UP_TROUBLE_CUT;
    if (up->gave_up || code == CURLE_ABORTED_BY_CALLBACK || (code == CURLE_OK && !*up->curl_says))
        facts.detail = "no answer came";
    else if (!*up->curl_says)
        facts.detail = curl_easy_strerror(code);
    if (facts.trouble == UP_TROUBLE_CONNECT && is_out_of_descriptors(up))
        facts.trouble = UP_TROUBLE_DESCRIPTORS;
    up_explain(&err, &facts, up->home->endpoint);
    return err_copy(&err);
}

static void recycle(struct up *up)
{
    struct up_home *home = up->home;

    mem_wipe(up->lines.text, up->lines.len); /* held the client's key */
    str_clear(&up->lines);
    str_release(&up->whole);
    budget_sub(home->budget, up->held);
    up->held = 0;
    up_answer_clear(&up->answer);
    /* libcurl 7.88 counts the tries of all transfers of a handle together, up to five. */
    if (home->spares >= UP_SPARES_MAX || up->tries > 1) {
        up_free(up);
        return;
    }
    list_append(&home->spare, &up->node);
    home->spares++;
}

/* libcurl 7.88 writes the RST_STREAM of a stream that was given up into a buffer, and sends that
 * when there is something else to do on the connection. Resuming what is not paused is nothing,
 * but sends it. */
static void flush_others(struct up_pool *pool)
{
    list_each(node, &pool->active) {
        struct up *other = container_of(node, struct up, node);

        if (other->send_paused || other->recv_paused)
            continue;
        curl_easy_pause(other->easy, CURLPAUSE_RECV);
        curl_easy_pause(other->easy, CURLPAUSE_CONT);
    }
}

/* Before a transfer that is given up is removed: libcurl would keep an idle connection on which
 * something is still coming, and 7.88 leaks what a paused transfer holds back. */
static void let_go_of(struct up *up)
{
    curl_easy_setopt(up->easy, CURLOPT_FORBID_REUSE, 1L);
    if (!up->recv_paused)
        return;
    up->dropping = true;
    curl_easy_pause(up->easy, CURLPAUSE_CONT);
    up->dropping = false;
}

void up_resume(struct up *up)
{
    curl_easy_pause(up->easy, (up->send_paused ? CURLPAUSE_SEND : 0) |
                                  (up->recv_paused ? CURLPAUSE_RECV : 0));
}

void up_finish(struct up *up, const struct err *why, int code)
{
    struct flight *flight = up->flight;
    mem_auto struct err *err = why ? err_copy(why) : NULL;
    bool ended_by_us;

    if (!err)
        err = take(up->err);
    ended_by_us = err != NULL;
    if (!err && (code != CURLE_OK || !up->answer.done))
        err = explain(up, (CURLcode)code);
    free(take(up->err));
    up_letters_end(up);
    up_lookup_ended(up, ended_by_us ? NULL : err);
    if (ended_by_us)
        let_go_of(up);
    up_pool_remove(up->pool, up->easy);
    list_remove(&up->node);
    if (ended_by_us)
        flush_others(up->pool);
    if (up->growing)
        flight_leave(up->growing, &up->upload);
    flight_unref(take(up->growing));
    up->flight = NULL;
    up_note_written(up);
    if (!err || up->whole_anyway)
        flight_complete(flight);
    else if (up->answer.done)
        flight_break(flight, err);
    else
        flight_fail(flight, err);
    flight_unref(flight);
    recycle(up);
}
