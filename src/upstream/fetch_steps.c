#include "upstream/fetch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/policy.h"
#include "base/mem.h"
#include "upstream/fetch_internal.h"
#include "upstream/pool_idle.h"

#define SPARES_MAX 64

/* --- the end -------------------------------------------------------------------------- */

/* See fetcher.on_written. */
static void fetch_note_written(struct fetch *f)
{
    if (f->writes)
        f->fetcher->on_written(f->fetcher->arg, f->target.text);
    f->writes = false;
}

/* Flight, mailbox and timer do not call the fetch any more. */
static void fetch_detach(struct fetch *f)
{
    flight_set_filler(f->flight, NULL);
    mailbox_recall(f->fetcher->mailbox, &f->letter);
    atomic_store(&f->letter_says, 0);
    timer_cancel(&f->fetcher->loop->timers, &f->timer);
}

static void fetch_free(struct fetch *f)
{
    attempt_release(&f->attempt);
    fields_wipe(&f->fields);
    str_release(&f->target);
    str_release(&f->client);
    str_release(&f->request_id);
    free(f);
}

static size_t take_size(size_t *held)
{
    size_t size = *held;

    *held = 0;
    return size;
}

static void fetch_recycle(struct fetch *f)
{
    struct fetcher *fetcher = f->fetcher;

    list_remove(&f->node);
    endpoint_unref(take(f->endpoint));
    mem_wipe(f->fields.bytes.text, f->fields.bytes.len);
    fields_clear(&f->fields);
    str_clear(&f->target);
    str_clear(&f->client);
    str_clear(&f->request_id);
    str_release(&f->whole);
    budget_sub(fetcher->budget, take_size(&f->held));
    if (!attempt_recycle(&f->attempt) || fetcher->spares >= SPARES_MAX) {
        fetch_free(f);
        return;
    }
    list_append(&fetcher->spare, &f->node);
    fetcher->spares++;
}

/* --- steps ----------------------------------------------------------------------------- */

enum fetch_wait { FETCH_ON, FETCH_WAIT };

static enum fetch_wait fetch_goto(struct fetch *f, enum fetch_step step)
{
    f->step = step;
    return FETCH_ON;
}

/* A request has one endpoint: no choice so far. */
static enum fetch_wait step_choose(struct fetch *f)
{
    return fetch_goto(f, FETCH_SEND);
}

static enum fetch_wait step_send(struct fetch *f)
{
    const struct attempt_request request = {.method = f->method,
                                            .target = f->target.text,
                                            .fields = &f->fields,
                                            .length = f->length,
                                            .body = f->whole.text,
                                            .streamed = f->growing != NULL,
                                            .encodings = f->encodings,
                                            .forwarded = {f->client.text, f->request_id.text}};

    return fetch_goto(
        f, attempt_send(&f->attempt, f->pool, f->endpoint, &request) == 0 ? FETCH_HEAD : FETCH_END);
}

/* events.on_head goes to commit, .on_end to next. */
static enum fetch_wait step_head(struct fetch *f)
{
    (void)f;
    return FETCH_WAIT;
}

static enum fetch_wait step_commit(struct fetch *f)
{
    fetch_note_written(f);
    if (f->head->length < 0) /* they are not sent again, and a stream may last for hours */
        fields_wipe(&f->fields);
    flight_set_head(f->flight, f->head);
    f->step = FETCH_BODY;
    fetch_set_silence(f);
    return FETCH_ON;
}

/* events.on_end goes to end. */
static enum fetch_wait step_body(struct fetch *f)
{
    (void)f;
    return FETCH_WAIT;
}

static enum fetch_wait step_next(struct fetch *f)
{
    if (!attempt_may_resend(&f->attempt))
        return fetch_goto(f, FETCH_END);
    attempt_stop(&f->attempt, false, NULL);
    return fetch_goto(f, FETCH_CHOOSE);
}

/* Undoes on_flight_abandoned()'s count: a reader joined, or the fetch has ended. Any thread. */
static void fetch_attend(struct fetch *f)
{
    if (atomic_exchange(&f->unattended, false))
        atomic_fetch_sub(&f->fetcher->unattended, 1);
}

static void end_flight(struct flight *flight, const struct err *err, bool has_head)
{
    if (!err)
        flight_complete(flight);
    else if (has_head)
        flight_break(flight, err);
    else
        flight_fail(flight, err);
    flight_unref(flight);
}

static enum fetch_wait step_end(struct fetch *f)
{
    const bool by_us = f->stop || f->attempt.err;
    const bool is_whole = f->is_whole_anyway, has_head = f->attempt.answer.done;
    struct flight *flight = f->flight;
    mem_auto struct err *err = f->stop ? err_copy(f->stop)
                                       : attempt_failure(&f->attempt, f->curl_code);

    fetch_detach(f);
    attempt_stop(&f->attempt, by_us, by_us ? NULL : err);
    if (f->growing)
        flight_leave(f->growing, &f->upload);
    flight_unref(take(f->growing));
    f->flight = NULL;
    fetch_note_written(f);
    end_flight(flight, is_whole ? NULL : err, has_head);
    fetch_attend(f);
    fetch_recycle(f);
    return FETCH_WAIT;
}

static const struct {
    const char *name;
    enum fetch_wait (*run)(struct fetch *);
} steps[] = {
    [FETCH_CHOOSE] = {"choose", step_choose}, [FETCH_SEND] = {"send", step_send},
    [FETCH_HEAD] = {"head", step_head},       [FETCH_COMMIT] = {"commit", step_commit},
    [FETCH_BODY] = {"body", step_body},       [FETCH_NEXT] = {"next", step_next},
    [FETCH_END] = {"end", step_end},
};

static void fetch_run(struct fetch *f, enum fetch_step from)
{
    fetch_goto(f, from);
    while (steps[f->step].run(f) == FETCH_ON)
        ;
}

void fetch_stop(struct fetch *f, const struct err *why)
{
    f->stop = why;
    fetch_run(f, FETCH_END);
}

/* --- events of the attempt ------------------------------------------------------------ */

static struct fetch *fetch_of(struct attempt *attempt)
{
    return container_of(attempt, struct fetch, attempt);
}

static void on_head(struct attempt *attempt, struct head *head)
{
    struct fetch *f = fetch_of(attempt);

    f->head = head;
    fetch_run(f, FETCH_COMMIT);
    f->head = NULL;
}

static bool on_bytes(struct attempt *attempt, const char *bytes, size_t len)
{
    struct fetch *f = fetch_of(attempt);

    if (flight_append(f->flight, bytes, len))
        return true;
    if (flight_has_laggards(f->flight)) {
        f->held_up_ms = f->fetcher->loop->now_ms;
        fetch_start_timer(f);
    }
    return false;
}

static enum body_read on_want(struct attempt *attempt, char *buf, size_t *len)
{
    return body_read(&fetch_of(attempt)->upload, buf, len);
}

static void on_end(struct attempt *attempt, int curl_code)
{
    struct fetch *f = fetch_of(attempt);

    f->curl_code = curl_code;
    fetch_run(f, f->step == FETCH_HEAD ? FETCH_NEXT : FETCH_END);
}

/* --- signals of readers and of the upload --------------------------------------------- */

static void signal_fetch(struct fetch *f, unsigned what)
{
    atomic_fetch_or(&f->letter_says, what);
    mailbox_post(f->fetcher->mailbox, &f->letter);
}

static void on_flight_room(void *arg)
{
    signal_fetch(arg, FETCH_LETTER_ROOM);
}

/* Counts before the reader's request ends: a drain, which waits for requests and for unattended
 * fetches, always sees one of the two. */
static void on_flight_abandoned(void *arg)
{
    struct fetch *f = arg;

    if (f->finish && !atomic_exchange(&f->unattended, true))
        atomic_fetch_add(&f->fetcher->unattended, 1);
    signal_fetch(f, FETCH_LETTER_ABANDONED);
}

static void on_flight_rejoined(void *arg)
{
    fetch_attend(arg);
}

static void on_letter(struct letter *letter)
{
    attempt_todo(&container_of(letter, struct fetch, letter)->attempt);
}

static void on_upload_more(struct body_reader *reader)
{
    attempt_todo(&container_of(reader, struct fetch, upload)->attempt);
}

static bool on_run(struct attempt *attempt)
{
    struct fetch *f = fetch_of(attempt);
    unsigned says = atomic_exchange(&f->letter_says, 0);
    struct err err;

    if ((says & FETCH_LETTER_ABANDONED) && !(f->finish && flight_is_kept(f->flight)) &&
        flight_give_up(f->flight, &f->is_whole_anyway)) {
        err_set(&err, ERR_UP_BROKEN, "The client left.");
        fetch_stop(f, &err);
        return false;
    }
    if (says & FETCH_LETTER_ROOM)
        f->held_up_ms = 0;
    attempt_resume(attempt, f->growing && !f->upload.parked, says & FETCH_LETTER_ROOM);
    return true;
}

static const struct attempt_events events = {.on_head = on_head,
                                             .on_bytes = on_bytes,
                                             .on_want = on_want,
                                             .on_run = on_run,
                                             .on_end = on_end};

static void attach(struct fetch *f)
{
    struct flight_filler filler = {.on_room = on_flight_room,
                                   .on_abandoned = on_flight_abandoned,
                                   .on_rejoined = on_flight_rejoined,
                                   .arg = f};

    flight_set_filler(f->flight, &filler);
}

/* --- the beginning -------------------------------------------------------------------- */

static struct fetch *fetch_new(struct fetcher *fetcher)
{
    struct fetch *f = mem_zero(sizeof(*f));

    f->fetcher = fetcher;
    list_init(&f->node);
    str_init(&f->target);
    fields_init(&f->fields);
    str_init(&f->whole);
    str_init(&f->client);
    str_init(&f->request_id);
    letter_init(&f->letter, on_letter);
    timer_init(&f->timer, fetch_on_timer);
    attempt_init(&f->attempt, &events);
    return f;
}

static struct fetch *take_spare(struct fetcher *fetcher)
{
    if (list_empty(&fetcher->spare))
        return fetch_new(fetcher);
    fetcher->spares--;
    return container_of(list_pop(&fetcher->spare), struct fetch, node);
}

static void take_request(struct fetch *f, const struct fetch_request *request)
{
    f->endpoint = endpoint_ref(request->endpoint);
    assert(strlen(request->method) < sizeof(f->method));
    memcpy(f->method, request->method, strlen(request->method) + 1);
    str_adds(&f->target, request->target);
    fields_add_all(&f->fields, request->fields);
    f->length = request->length;
    f->encodings = request->encodings;
    f->finish = request->finish;
    f->writes = policy_is_write(request->method);
    if (request->forwarded.client)
        str_adds(&f->client, request->forwarded.client);
    if (request->forwarded.request_id)
        str_adds(&f->request_id, request->forwarded.request_id);
    if (request->whole) {
        f->whole = *request->whole;
        str_init(request->whole);
        f->held = take_size(request->held);
    }
    if (request->growing) {
        bool joined = flight_join(request->growing, &f->upload, on_upload_more);
        assert(joined); /* an upload's only reader is its fetch */
        (void)joined;
        body_stop_keeping(&request->growing->body, 0);
        f->growing = flight_ref(request->growing);
    }
}

void fetch_start(struct fetcher *fetcher, struct pool *pool, const struct fetch_request *request,
                 struct flight *flight)
{
    struct fetch *f = take_spare(fetcher);

    f->pool = pool;
    f->flight = flight_ref(flight);
    f->stop = NULL;
    f->curl_code = 0;
    f->is_whole_anyway = false;
    f->delivered = 0;
    f->held_up_ms = 0;
    take_request(f, request);
    if (f->writes)
        fetcher->on_write(fetcher->arg, f->target.text);
    f->attempt.deadline = (struct deadline){.started_ms = fetcher->loop->now_ms,
                                            .heard_ms = fetcher->loop->now_ms,
                                            .total_ms = request->endpoint->total_ms};
    attempt_reset(&f->attempt, &fetcher->lookups);
    f->step = FETCH_CHOOSE;
    fetch_set_silence(f);
    attach(f);
    fetch_start_timer(f);
    list_append(&fetcher->active, &f->node);
    fetch_run(f, FETCH_CHOOSE);
}

void fetch_cancel_all(struct fetcher *fetcher, const struct pool *pool)
{
    struct list *node = fetcher->active.next;
    struct err err;

    err_set(&err, ERR_UP_BROKEN, "The proxy is stopping.");
    while (node != &fetcher->active) {
        struct fetch *f = container_of(node, struct fetch, node);

        node = node->next;
        if (f->pool == pool)
            fetch_stop(f, &err);
    }
}

/* --- a worker's fetches --------------------------------------------------------------- */

void fetcher_init(struct fetcher *fetcher, struct loop *loop, struct mailbox *mailbox)
{
    *fetcher = (struct fetcher){.loop = loop, .mailbox = mailbox};
    pool_sockets_init(&fetcher->sockets, loop);
    lookups_init(&fetcher->lookups);
    list_init(&fetcher->active);
    list_init(&fetcher->spare);
}

static void free_spares(struct fetcher *fetcher)
{
    struct list *node;

    while ((node = list_pop(&fetcher->spare)))
        fetch_free(container_of(node, struct fetch, node));
    fetcher->spares = 0;
}

void fetcher_renew(struct fetcher *fetcher, const struct endpoint *endpoint)
{
    free_spares(fetcher); /* their handles use the previous share */
    pool_idle_end_all(&fetcher->sockets);
    pool_sockets_renew(&fetcher->sockets, endpoint);
}

void fetcher_release(struct fetcher *fetcher)
{
    free_spares(fetcher);
    pool_sockets_release(&fetcher->sockets);
}
