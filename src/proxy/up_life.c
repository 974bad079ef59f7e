#include "proxy/up_internal.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "base/net.h"

void up_heard(struct up *up)
{
    up->deadline.heard_ms = up->home->loop->now_ms;
}

void up_note_written(struct up *up)
{
    if (up->writes.len)
        up->home->on_written(up->home->arg, up->writes.text);
    str_clear(&up->writes);
}

/* --- the transfer's socket ------------------------------------------------------------------- */

void up_waits(void *private, int fd)
{
    struct up *up = private;

    up->socket = fd;
}

bool up_was_http1(const void *private)
{
    const struct up *up = private;

    return up->answer.http1;
}

bool up_uses(const struct up_pool *pool, int fd)
{
    unsigned port = net_local_port(fd);

    list_each(node, &pool->active) {
        const struct up *up = container_of(node, struct up, node);

        if (up->socket == fd)
            return true;
        /* libcurl names no socket to a transfer that paused before it had to wait, nor one of
         * HTTP/2 to any but the first of its transfers. */
        if (up->socket < 0 && up->own_port && up->own_port == port)
            return true;
    }
    return false;
}

/* --- one lookup at a time ------------------------------------------------------------- */

void up_dispatch(struct up *up)
{
    struct err err;

    if (up_pool_add(up->pool, up->easy) == 0)
        return;
    err_set(&err, ERR_SYSTEM, "libcurl does not take the transfer.");
    up_finish(up, &err, 0);
}

/* libcurl repeats refused streams itself, but not those that end with CURLE_HTTP2, as one begun
 * behind a GOAWAY may. */
bool up_go_again(struct up *up)
{
    if (!up->refused || !up->stream || up->answer.done || up->err || up->growing ||
        up->tries >= UP_TRIES_MAX)
        return false;
    up_pool_remove(up->pool, up->easy);
    up_answer_clear(&up->answer);
    up->curl_says[0] = '\0';
    up_dispatch(up);
    return true;
}

bool up_lookup_begins(struct up *up)
{
    struct up_home *home = up->home;

    up->queued = home->looking_up && home->looking_up != up;
    if (!up->queued)
        home->looking_up = up;
    return !up->queued;
}

void up_lookup_wait(struct up *up)
{
    struct up_home *home = up->home;

    up_pool_remove(up->pool, up->easy);
    if (home->looking_up)
        list_append(&home->queue, &up->queue);
    else
        up_pool_todo(up->pool, &up->todo); /* it ended meanwhile */
}

/* The lookup that it waited for has ended; err says how, where that was badly. */
static void start_queued(struct up *up)
{
    mem_auto struct err *err = take(up->err);

    up->queued = false;
    if (err)
        up_finish(up, err, 0);
    else
        up_dispatch(up);
}

void up_lookup_ended(struct up *up, const struct err *err)
{
    struct up_home *home = up->home;
    struct list *node;

    if (home->looking_up != up)
        return;
    home->looking_up = NULL;
    while ((node = list_pop(&home->queue))) {
        struct up *other = container_of(node, struct up, queue);

        other->err = err ? err_copy(err) : NULL;
        up_pool_todo(other->pool, &other->todo); /* not from within libcurl */
    }
}

/* --- what others tell the transfer ---------------------------------------------------- */

static void signal_transfer(struct up *up, unsigned what)
{
    atomic_fetch_or(&up->letter_says, what);
    mailbox_post(up->home->mailbox, &up->letter);
}

static void on_flight_room(void *arg)
{
    signal_transfer(arg, UP_LETTER_ROOM);
}

static void on_flight_abandoned(void *arg)
{
    signal_transfer(arg, UP_LETTER_ABANDONED);
}

static void on_letter(struct letter *letter)
{
    struct up *up = container_of(letter, struct up, letter);

    up_pool_todo(up->pool, &up->todo);
}

void up_man(struct up *up)
{
    struct flight_filler filler = {
        .on_room = on_flight_room, .on_abandoned = on_flight_abandoned, .arg = up};

    flight_man(up->flight, &filler);
}

void up_letters_end(struct up *up)
{
    flight_man(up->flight, NULL);
    mailbox_recall(up->home->mailbox, &up->letter);
    atomic_store(&up->letter_says, 0);
    timer_cancel(&up->home->loop->timers, &up->timer);
    list_remove(&up->todo);
    list_remove(&up->queue);
}

void up_todo(struct list *node)
{
    struct up *up = container_of(node, struct up, todo);
    unsigned says = atomic_exchange(&up->letter_says, 0);
    bool resume = false;
    struct err err;

    if ((says & UP_LETTER_ABANDONED) && !(up->finish && flight_is_kept(up->flight)) &&
        flight_give_up(up->flight, &up->whole_anyway)) {
        err_set(&err, ERR_UP_BROKEN, "The client left.");
        up_finish(up, &err, 0);
        return;
    }
    if (up->queued && list_empty(&up->queue)) {
        start_queued(up);
        return;
    }
    if (up->send_paused && (!up->upload.parked || up->send_again)) {
        up->send_paused = up->send_again = false;
        resume = true;
    }
    if (up->recv_paused && (says & UP_LETTER_ROOM)) {
        up->recv_paused = false;
        resume = true;
    }
    if (!resume)
        return;
    up_heard(up); /* the silence until now was ours */
    up_resume(up);
}

/* --- deadlines ------------------------------------------------------------------------ */

/* A shorter body fits the kernel's send buffer. */
#define WATCHED_MIN ((size_t)64 * 1024)
#define LOOKS_PER_SILENCE 8

static bool is_watched(const struct up *up)
{
    return !up->answer.done && (up->growing || up->whole.len > WATCHED_MIN);
}

/* Progress of the upload ends a silence. Neither libcurl (for a body in memory) nor the kernel (for
 * its send buffer) reports progress, so both counters are polled. */
static void note_delivered(struct up *up)
{
    int buffered = 0;
    int64_t delivered;

    if (up->socket >= 0 && ioctl(up->socket, SIOCOUTQ, &buffered) < 0)
        buffered = 0;
    delivered = up_sent(up) - buffered;
    if (delivered > up->delivered)
        up_heard(up);
    up->delivered = delivered; /* it falls when the request is sent again */
}

void up_timer_start(struct up *up)
{
    uint64_t at = up_deadline_next(&up->deadline), look;

    if (is_watched(up) && up->deadline.silence_ms > 0) {
        look = up->home->loop->now_ms + (uint64_t)up->deadline.silence_ms / LOOKS_PER_SILENCE + 1;
        at = look < at ? look : at;
    }
    if (at != UINT64_MAX)
        timer_set(&up->home->loop->timers, &up->timer, at);
}

static void on_deadline(struct timer *timer)
{
    struct up *up = container_of(timer, struct up, timer);
    struct err err;

    if (up->send_paused || up->recv_paused)
        up_heard(up); /* it is our side that waits */
    if (is_watched(up))
        note_delivered(up);
    if (!up_deadline_is_over(&up->deadline, up->home->loop->now_ms, &err)) {
        up_timer_start(up);
        return;
    }
    up_finish(up, &err, 0);
}

void up_life_init(struct up *up)
{
    letter_init(&up->letter, on_letter);
    timer_init(&up->timer, on_deadline);
}

/* --- a worker's transfers ------------------------------------------------------------- */

void up_cancel_all(struct up_pool *pool)
{
    while (!list_empty(&pool->active)) {
        struct up *up = container_of(pool->active.next, struct up, node);
        struct err err;

        err_set(&err, ERR_UP_BROKEN, "The proxy is stopping.");
        up_finish(up, &err, 0);
    }
}

/* --- a worker's transfers ------------------------------------------------------------- */

void up_home_init(struct up_home *home, struct loop *loop, struct mailbox *mailbox,
                  const struct endpoint *endpoint)
{
    *home = (struct up_home){.loop = loop, .mailbox = mailbox, .endpoint = endpoint};
    up_sockets_init(&home->sockets, loop);
    list_init(&home->spare);
    list_init(&home->queue);
}

void up_home_release(struct up_home *home)
{
    struct list *node;

    while ((node = list_pop(&home->spare)))
        up_free(container_of(node, struct up, node));
    up_sockets_release(&home->sockets);
}
