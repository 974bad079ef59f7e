#include "proxy/up.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/mem.h"
#include "proxy/up_answer.h"
#include "proxy/up_explain.h"

#define SPARES_MAX 64

enum up_letter { LETTER_ROOM = 1, LETTER_ABANDONED = 2 };

struct up {
    struct list node;   /* home->spare */
    struct list todo;   /* pool->todo */
    struct letter letter;
    atomic_uint letter_says; /* enum up_letter, set by any thread */
    struct timer timer;
    struct up_home *home;
    struct up_pool *pool;
    CURL *easy;
    struct flight *flight; /* NULL: not in use */
    struct str whole; /* the request's body, if it is held in one piece, … */
    struct flight *growing; /* … or grows */
    struct body_reader upload;
    bool send_paused, recv_paused;
    uint64_t started_ms, heard_ms; /* heard: the upstream took or gave something */
    int64_t silence_ms;
    struct up_answer answer;
    struct err *err; /* set: the reason for which we ended it */
    struct str lines;
    struct curl_slist *list;
    size_t list_cap;
    char curl_says[CURL_ERROR_SIZE];
};

static void finish(struct up *up, CURLcode code);

/* --- the answer ----------------------------------------------------------------------- */

static void heard(struct up *up)
{
    up->heard_ms = up->home->loop->now_ms;
}

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
    heard(up);
    head_init(&head);
    switch (up_answer_take(&up->answer, line, len, &head, &err)) {
    case UP_ANSWER_MORE:
        break;
    case UP_ANSWER_HEAD:
        if (is_from_proxy(up, head.status)) {
            up->answer.done = false;
            len = 0;
        } else {
            flight_set_head(up->flight, &head);
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
    heard(up);
    if (up->recv_paused)
        return CURL_WRITEFUNC_PAUSE;
    /* These bytes are taken in any case; it is the next ones that have to wait. */
    if (!flight_append(up->flight, bytes, len))
        up->recv_paused = true;
    return len;
}

/* --- the request's body --------------------------------------------------------------- */

static size_t on_want_bytes(char *buf, size_t one, size_t size, void *arg)
{
    struct up *up = arg;
    size_t len = one * size;

    heard(up);
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

/* --- what others tell the transfer ---------------------------------------------------- */

static void tell(struct up *up, unsigned what)
{
    atomic_fetch_or(&up->letter_says, what);
    mailbox_post(up->home->mailbox, &up->letter);
}

static void on_flight_room(void *arg)
{
    tell(arg, LETTER_ROOM);
}

static void on_flight_abandoned(void *arg)
{
    tell(arg, LETTER_ABANDONED);
}

static void on_letter(struct letter *letter)
{
    struct up *up = container_of(letter, struct up, letter);

    up_pool_todo(up->pool, &up->todo);
}

void up_todo(struct list *node)
{
    struct up *up = container_of(node, struct up, todo);
    unsigned says = atomic_exchange(&up->letter_says, 0);
    bool resume = false;
    struct err err;

    if (says & LETTER_ABANDONED) {
        err_set(&err, ERR_UP_BROKEN, "The client left.");
        up->err = err_copy(&err);
        finish(up, CURLE_ABORTED_BY_CALLBACK);
        return;
    }
    if (up->send_paused && !up->upload.parked) {
        up->send_paused = false;
        resume = true;
    }
    if (up->recv_paused && (says & LETTER_ROOM)) {
        up->recv_paused = false;
        resume = true;
    }
    if (!resume)
        return;
    heard(up); /* the silence until now was ours */
    curl_easy_pause(up->easy, (up->send_paused ? CURLPAUSE_SEND : 0) |
                                  (up->recv_paused ? CURLPAUSE_RECV : 0));
}

/* --- deadlines ------------------------------------------------------------------------ */

static uint64_t next_deadline(const struct up *up)
{
    uint64_t at = UINT64_MAX;
    int64_t total = up->home->endpoint->total_ms;

    if (total > 0)
        at = up->started_ms + (uint64_t)total;
    if (up->silence_ms > 0 && up->heard_ms + (uint64_t)up->silence_ms < at)
        at = up->heard_ms + (uint64_t)up->silence_ms;
    return at;
}

static void on_deadline(struct timer *timer)
{
    struct up *up = container_of(timer, struct up, timer);
    uint64_t now = up->home->loop->now_ms, at;
    struct err err;

    if (up->send_paused || up->recv_paused)
        heard(up); /* it is our side that waits */
    at = next_deadline(up);
    if (at > now) {
        if (at != UINT64_MAX)
            timer_set(&up->home->loop->timers, timer, at);
        return;
    }
    if (up->home->endpoint->total_ms > 0 &&
        now - up->started_ms >= (uint64_t)up->home->endpoint->total_ms)
        err_set(&err, ERR_UP_SILENT,
                "The upstream's answer took longer than %g s: raise --total-timeout.",
                (double)up->home->endpoint->total_ms / 1000);
    else
        err_set(&err, ERR_UP_SILENT,
                "The upstream was silent for %g s: try again, or raise --request-timeout.",
                (double)up->silence_ms / 1000);
    up->err = err_copy(&err);
    finish(up, CURLE_OPERATION_TIMEDOUT);
}

/* --- setting up ----------------------------------------------------------------------- */

/* curl's list of header lines, laid over our own text: two allocations a line saved. */
static struct curl_slist *list_of(struct up *up)
{
    size_t n = 0, i = 0;

    for (size_t at = 0; at < up->lines.len; at += strlen(up->lines.text + at) + 1)
        n++;
    if (n > up->list_cap) {
        up->list = mem_grow(up->list, n * sizeof(*up->list));
        up->list_cap = n;
    }
    for (size_t at = 0; at < up->lines.len; at += strlen(up->lines.text + at) + 1, i++)
        up->list[i] = (struct curl_slist){.data = up->lines.text + at,
                                          .next = i + 1 < n ? &up->list[i + 1] : NULL};
    return n ? up->list : NULL;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *arg)
{
    (void)easy;
    return crypto_certs_trust(arg, ssl_ctx) == 0 ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

static void set_proxy(CURL *easy, const struct endpoint *e)
{
    if (e->proxy_from == PROXY_DIRECT)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (e->proxy_from == PROXY_GIVEN) {
        curl_easy_setopt(easy, CURLOPT_PROXY, e->proxy);
        curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* what is given is meant */
    }
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

/* What never changes from one transfer of this worker to the next. */
static void set_constants(struct up *up)
{
    const struct endpoint *e = up->home->endpoint;
    CURL *easy = up->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, up);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, up->curl_says);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, up->home->share);
    curl_easy_setopt(easy, CURLOPT_URL, e->root);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     strcmp(e->base.scheme, "https") == 0 ? (long)CURL_HTTP_VERSION_2TLS
                                                          : (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)e->connect_ms);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, up);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, up);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_want_bytes);
    curl_easy_setopt(easy, CURLOPT_READDATA, up);
    set_proxy(easy, e);
    if (e->ca) {
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, e->ca);
    }
}

static struct up *up_new(struct up_home *home)
{
    struct up *up = mem_zero(sizeof(*up));

    up->home = home;
    up->easy = curl_easy_init();
    if (!up->easy)
        abort();
    list_init(&up->node);
    list_init(&up->todo);
    letter_init(&up->letter, on_letter);
    timer_init(&up->timer, on_deadline);
    up_answer_init(&up->answer);
    str_init(&up->lines);
    str_init(&up->whole);
    set_constants(up);
    return up;
}

static void up_free(struct up *up)
{
    curl_easy_cleanup(up->easy);
    up_answer_release(&up->answer);
    if (up->lines.len)
        mem_wipe(up->lines.text, up->lines.len);
    str_release(&up->lines);
    free(up->list);
    free(up);
}

static void set_target(struct up *up, const char *target)
{
    const struct endpoint *e = up->home->endpoint;
    struct str text = STR_INIT;

    /* An HTTP proxy gets the absolute form, which curl derives from the URL. In all other cases
     * the target goes out to the letter, past curl's URL parser. */
    if (e->plain_http_proxy)
        str_adds(&text, e->root);
    str_addf(&text, "%s%s", e->base.path, target);
    curl_easy_setopt(up->easy, e->plain_http_proxy ? CURLOPT_URL : CURLOPT_REQUEST_TARGET,
                     text.text);
    str_release(&text);
}

static void set_body(struct up *up, const struct up_order *order)
{
    bool streamed = order->growing != NULL;

    curl_easy_setopt(up->easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(up->easy, CURLOPT_CUSTOMREQUEST, order->method); /* of any kind */
    /* A body that is not held whole cannot be sent twice, which a kept-alive connection that
     * turns out to be dead would need. */
    curl_easy_setopt(up->easy, CURLOPT_FRESH_CONNECT, streamed ? 1L : 0L);
    if (order->length == UP_LENGTH_NONE) {
        if (strcmp(order->method, "HEAD") == 0)
            curl_easy_setopt(up->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(up->easy, CURLOPT_POST, 1L); /* there is a body; the method stays */
    curl_easy_setopt(up->easy, CURLOPT_POSTFIELDS, streamed ? NULL : up->whole.text);
    curl_easy_setopt(up->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)order->length);
}

static struct up *take_spare(struct up_home *home)
{
    struct list *node = list_pop(&home->spare);

    if (!node)
        return up_new(home);
    home->spares--;
    return container_of(node, struct up, node);
}

void up_start(struct up_home *home, struct up_pool *pool, const struct up_order *order,
              struct flight *flight)
{
    struct up *up = take_spare(home);
    struct flight_filler filler = {
        .on_room = on_flight_room, .on_abandoned = on_flight_abandoned, .arg = up};
    uint64_t deadline;

    up->pool = pool;
    up->flight = flight_ref(flight);
    up->send_paused = up->recv_paused = false;
    up->curl_says[0] = '\0';
    up->started_ms = up->heard_ms = home->loop->now_ms;
    up->silence_ms = order->silence_ms;
    if (order->whole) {
        up->whole = *order->whole;
        str_init(order->whole);
    }
    up_pool_prepare(pool, up->easy);
    set_target(up, order->target);
    set_body(up, order);
    up_head_write(&up->lines, order->fields, order->length,
                  home->endpoint->forwarded ? &order->forwarded : NULL);
    curl_easy_setopt(up->easy, CURLOPT_HTTPHEADER, list_of(up));
    if (order->growing) {
        bool joined = flight_join(order->growing, &up->upload, on_upload_more);
        assert(joined); /* nobody reads an upload before its transfer */
        (void)joined;
        up->growing = flight_ref(order->growing);
    }
    flight_man(flight, &filler);
    deadline = next_deadline(up);
    if (deadline != UINT64_MAX)
        timer_set(&home->loop->timers, &up->timer, deadline);
    if (up_pool_add(pool, up->easy) != 0) {
        struct err err;

        err_set(&err, ERR_SYSTEM, "libcurl does not take the transfer.");
        up->err = err_copy(&err);
        finish(up, CURLE_FAILED_INIT);
    }
}

/* --- the end -------------------------------------------------------------------------- */

void up_done(void *private_of_easy, int curl_code)
{
    finish(private_of_easy, (CURLcode)curl_code);
}

static enum up_trouble trouble_of(CURLcode code, bool connected)
{
    static const struct {
        CURLcode code;
        enum up_trouble trouble;
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST, UP_TROUBLE_NAME},
        {CURLE_COULDNT_RESOLVE_PROXY, UP_TROUBLE_PROXY_NAME},
        {CURLE_COULDNT_CONNECT, UP_TROUBLE_CONNECT},
        {CURLE_PROXY, UP_TROUBLE_PROXY},
        {CURLE_SSL_CONNECT_ERROR, UP_TROUBLE_TLS},
        {CURLE_PEER_FAILED_VERIFICATION, UP_TROUBLE_TLS},
        {CURLE_SSL_CACERT_BADFILE, UP_TROUBLE_TLS},
        {CURLE_UNSUPPORTED_PROTOCOL, UP_TROUBLE_ANSWER}, /* HTTP/0.9 */
        {CURLE_WEIRD_SERVER_REPLY, UP_TROUBLE_ANSWER},
        {CURLE_HTTP2, UP_TROUBLE_ANSWER},
    };

    /* The one deadline that is curl's own is that for connecting. */
    if (code == CURLE_OPERATION_TIMEDOUT && !connected)
        return UP_TROUBLE_CONNECT_TIME;
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].code == code)
            return rows[i].trouble;
    return UP_TROUBLE_CUT;
}

static struct err *explain(struct up *up, CURLcode code)
{
    struct up_trouble_facts facts = {.detail = up->curl_says};
    curl_off_t ready_us = 0;
    struct err err;

    curl_easy_getinfo(up->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(up->easy, CURLINFO_HTTP_CONNECTCODE, &facts.proxy_status);
    facts.trouble = trouble_of(code, ready_us > 0);
    if (!*up->curl_says)
        facts.detail = curl_easy_strerror(code);
    up_explain(&err, &facts, up->home->endpoint);
    return err_copy(&err);
}

static void recycle(struct up *up)
{
    struct up_home *home = up->home;

    mem_wipe(up->lines.text, up->lines.len); /* held the client's key */
    str_clear(&up->lines);
    str_release(&up->whole);
    up_answer_clear(&up->answer);
    if (home->spares >= SPARES_MAX) {
        up_free(up);
        return;
    }
    list_append(&home->spare, &up->node);
    home->spares++;
}

/* Removes the transfer from everything that could call it, then ends the flight. */
static void finish(struct up *up, CURLcode code)
{
    struct flight *flight = up->flight;
    mem_auto struct err *err = take(up->err);

    if (!err && (code != CURLE_OK || !up->answer.done))
        err = explain(up, code);
    flight_man(flight, NULL);
    mailbox_recall(up->home->mailbox, &up->letter);
    atomic_store(&up->letter_says, 0);
    timer_cancel(&up->home->loop->timers, &up->timer);
    list_remove(&up->todo);
    up_pool_remove(up->pool, up->easy);
    if (up->growing)
        flight_leave(up->growing, &up->upload);
    flight_unref(take(up->growing));
    up->flight = NULL;
    if (!err)
        flight_complete(flight);
    else if (up->answer.done)
        flight_break(flight, err);
    else
        flight_fail(flight, err);
    flight_unref(flight);
    recycle(up);
}

/* --- a worker's transfers ------------------------------------------------------------- */

void up_home_init(struct up_home *home, struct loop *loop, struct mailbox *mailbox,
                  const struct endpoint *endpoint)
{
    *home = (struct up_home){.loop = loop, .mailbox = mailbox, .endpoint = endpoint};
    up_sockets_init(&home->sockets, loop);
    list_init(&home->spare);
    home->share = curl_share_init();
    if (!home->share)
        abort();
    curl_share_setopt(home->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(home->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

void up_home_release(struct up_home *home)
{
    struct list *node;

    while ((node = list_pop(&home->spare)))
        up_free(container_of(node, struct up, node));
    curl_share_cleanup(home->share);
    up_sockets_release(&home->sockets);
}
