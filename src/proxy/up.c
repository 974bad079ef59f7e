#include "proxy/up.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/header.h"
#include "proxy/up_answer.h"
#include "proxy/up_deadline.h"
#include "proxy/up_explain.h"

#define SPARES_MAX 64

enum up_letter { LETTER_ROOM = 1, LETTER_ABANDONED = 2 };

struct up {
    struct list node; /* home->spare, or pool->active */
    struct list todo; /* pool->todo */
    struct letter letter;
    atomic_uint letter_says; /* enum up_letter, set by any thread */
    struct timer timer;
    struct up_home *home;
    struct up_pool *pool;
    CURL *easy;
    struct flight *flight;  /* NULL: not in use */
    struct str whole;       /* the request's body, if it is held in one piece, … */
    struct flight *growing; /* … or grows */
    struct body_reader upload;
    bool send_paused, recv_paused, send_again, dropping;
    struct up_deadline deadline;
    int64_t body_silence_ms; /* once the head is there */
    bool idempotent, finish;
    bool whole_anyway; /* nobody waited for the end, but all had come */
    unsigned tries;
    struct up_answer answer;
    struct err *err; /* set: the reason for which we ended it */
    struct str lines;
    struct up_lines list; /* of the lines */
    char curl_says[CURL_ERROR_SIZE];
};

static void finish(struct up *up, CURLcode code);

/* --- the answer ----------------------------------------------------------------------- */

static void heard(struct up *up)
{
    up->deadline.heard_ms = up->home->loop->now_ms;
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
    heard(up);
    if (up->dropping)
        return len;
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

/* Called each time before the request is written. curl would write it anew, several times, when a
 * reused connection ends without an answer; but the upstream may have done its work, and that is
 * paid for. */
static int on_before_request(void *arg, char *ip, char *own_ip, int port, int own_port)
{
    struct up *up = arg;
    long written = 0;

    (void)ip;
    (void)own_ip;
    (void)port;
    (void)own_port;
    curl_easy_getinfo(up->easy, CURLINFO_REQUEST_SIZE, &written);
    if (up->tries++ == 0 || written == 0 || (up->idempotent && up->tries == 2))
        return CURL_PREREQFUNC_OK;
    return CURL_PREREQFUNC_ABORT;
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

    if ((says & LETTER_ABANDONED) && !up->finish && flight_give_up(up->flight, &up->whole_anyway)) {
        err_set(&err, ERR_UP_BROKEN, "The client left.");
        up->err = err_copy(&err);
        finish(up, CURLE_ABORTED_BY_CALLBACK);
        return;
    }
    if (up->send_paused && (!up->upload.parked || up->send_again)) {
        up->send_paused = up->send_again = false;
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

static void set_timer(struct up *up)
{
    uint64_t at = up_deadline_next(&up->deadline);

    if (at != UINT64_MAX)
        timer_set(&up->home->loop->timers, &up->timer, at);
}

static void on_deadline(struct timer *timer)
{
    struct up *up = container_of(timer, struct up, timer);
    struct err err;

    if (up->send_paused || up->recv_paused)
        heard(up); /* it is our side that waits */
    if (!up_deadline_is_over(&up->deadline, up->home->loop->now_ms, &err)) {
        set_timer(up);
        return;
    }
    up->err = err_copy(&err);
    finish(up, CURLE_OPERATION_TIMEDOUT);
}

/* --- setting up ----------------------------------------------------------------------- */

static void set_constants(struct up *up)
{
    CURL *easy = up->easy;

    up_pool_prepare(easy, &up->home->sockets, up->home->endpoint);
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
    curl_easy_setopt(up->easy, CURLOPT_FORBID_REUSE, 0L);
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
    if (list_empty(&home->spare))
        return up_new(home);
    home->spares--;
    return container_of(list_pop(&home->spare), struct up, node);
}

void up_start(struct up_home *home, struct up_pool *pool, const struct up_order *order,
              struct flight *flight)
{
    struct up *up = take_spare(home);
    struct flight_filler filler = {
        .on_room = on_flight_room, .on_abandoned = on_flight_abandoned, .arg = up};

    up->pool = pool;
    up->flight = flight_ref(flight);
    up->send_paused = up->recv_paused = up->send_again = up->dropping = false;
    up->curl_says[0] = '\0';
    up->deadline = (struct up_deadline){.started_ms = home->loop->now_ms,
                                        .heard_ms = home->loop->now_ms,
                                        .silence_ms = order->head_silence_ms,
                                        .total_ms = home->endpoint->total_ms};
    up->body_silence_ms = order->body_silence_ms;
    up->finish = order->finish;
    up->whole_anyway = false;
    up->idempotent = header_method_is_idempotent(order->method);
    up->tries = 0;
    if (order->whole) {
        up->whole = *order->whole;
        str_init(order->whole);
    }
    up_pool_set_target(up->easy, home->endpoint, order->target);
    set_body(up, order);
    up_head_write(&up->lines, order->fields, order->length, order->encodings,
                  home->endpoint->forwarded ? &order->forwarded : NULL);
    curl_easy_setopt(up->easy, CURLOPT_HTTPHEADER, up_lines_list(&up->list, &up->lines));
    if (order->growing) {
        bool joined = flight_join(order->growing, &up->upload, on_upload_more);
        assert(joined); /* nobody reads an upload before its transfer */
        (void)joined;
        body_stop_keeping(&order->growing->body);
        up->growing = flight_ref(order->growing);
    }
    flight_man(flight, &filler);
    set_timer(up);
    list_append(&pool->active, &up->node);
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

static struct err *explain(struct up *up, CURLcode code)
{
    struct up_trouble_facts facts = {.detail = up->curl_says};
    curl_off_t ready_us = 0;
    struct err err;

    curl_easy_getinfo(up->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(up->easy, CURLINFO_HTTP_CONNECTCODE, &facts.proxy_status);
    facts.in_tunnel = ready_us > 0;
    facts.trouble = up_pool_trouble((int)code, ready_us > 0);
    if (code == CURLE_ABORTED_BY_CALLBACK || (code == CURLE_OK && !*up->curl_says))
        facts.detail = "no answer came";
    else if (!*up->curl_says)
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

/* Removes the transfer from everything that could call it, then ends the flight. */
static void finish(struct up *up, CURLcode code)
{
    struct flight *flight = up->flight;
    mem_auto struct err *err = take(up->err);
    bool ended_by_us = err != NULL;

    if (!err && (code != CURLE_OK || !up->answer.done))
        err = explain(up, code);
    flight_man(flight, NULL);
    mailbox_recall(up->home->mailbox, &up->letter);
    atomic_store(&up->letter_says, 0);
    timer_cancel(&up->home->loop->timers, &up->timer);
    list_remove(&up->todo);
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
    if (!err || up->whole_anyway)
        flight_complete(flight);
    else if (up->answer.done)
        flight_break(flight, err);
    else
        flight_fail(flight, err);
    flight_unref(flight);
    recycle(up);
}

void up_cancel_all(struct up_pool *pool)
{
    while (!list_empty(&pool->active)) {
        struct up *up = container_of(pool->active.next, struct up, node);
        struct err err;

        err_set(&err, ERR_UP_BROKEN, "The proxy is stopping.");
        up->err = err_copy(&err);
        finish(up, CURLE_ABORTED_BY_CALLBACK);
    }
}

/* --- a worker's transfers ------------------------------------------------------------- */

void up_home_init(struct up_home *home, struct loop *loop, struct mailbox *mailbox,
                  const struct endpoint *endpoint)
{
    *home = (struct up_home){.loop = loop, .mailbox = mailbox, .endpoint = endpoint};
    up_sockets_init(&home->sockets, loop);
    list_init(&home->spare);
}

void up_home_release(struct up_home *home)
{
    struct list *node;

    while ((node = list_pop(&home->spare)))
        up_free(container_of(node, struct up, node));
    up_sockets_release(&home->sockets);
}
