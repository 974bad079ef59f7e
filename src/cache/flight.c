#include "cache/flight.h"

#include <assert.h>
#include <stdlib.h>

#include "base/refs.h"
#include "base/mem.h"

void head_init(struct head *head)
{
    *head = (struct head){.length = -1};
    fields_init(&head->fields);
}

void head_release(struct head *head)
{
    fields_release(&head->fields);
}

static void on_body_room(void *arg)
{
    struct flight *flight = arg;

    if (flight->filler.on_room)
        flight->filler.on_room(flight->filler.arg);
}

struct flight *flight_new(bool keep, size_t high, size_t low)
{
    struct flight *flight = mem_zero(sizeof(*flight));

    atomic_init(&flight->refs, 1);
    flight->state = FLIGHT_WAITING;
    list_init(&flight->taps);
    head_init(&flight->head);
    body_init(&flight->body,
              &(struct body_rules){
                  .keep = keep, .high = high, .low = low, .on_room = on_body_room, .arg = flight});
    return flight;
}

void flight_set_hooks(struct flight *flight, struct flight_hooks *keeper, uint64_t keep_max,
                      struct budget *budget)
{
    flight->keeper = keeper;
    flight->keep_max = keep_max;
    flight->body.budget = budget;
}

void flight_add_tap(struct flight *flight, struct tap *tap)
{
    list_append(&flight->taps, &tap->node);
}

struct flight *flight_ref(struct flight *flight)
{
    refs_add(&flight->refs);
    return flight;
}

static void free_keeper(struct flight *flight)
{
    struct flight_hooks *keeper = take(flight->keeper);

    if (keeper)
        keeper->free(keeper);
}

void flight_unref(struct flight *flight)
{
    if (!flight || !refs_drop(&flight->refs))
        return;
    free_keeper(flight);
    head_release(&flight->head);
    body_release(&flight->body);
    free(flight->err);
    free(flight);
}

void flight_set_filler(struct flight *flight, const struct flight_filler *filler)
{
    pthread_mutex_lock(&flight->body.lock);
    flight->filler = filler ? *filler : (struct flight_filler){.arg = NULL};
    pthread_mutex_unlock(&flight->body.lock);
}

/* No lookup finds the flight from now on, and it is not kept. lag_max: see body.h. */
static void withdraw(struct flight *flight, size_t lag_max)
{
    flight->keeper->withdraw(flight->keeper, flight);
    free_keeper(flight);
    body_stop_keeping(&flight->body, lag_max);
}

/* --- taps ----------------------------------------------------------------------------- */

static void tap_head(struct flight *flight)
{
    list_each(node, &flight->taps) {
        struct tap *tap = container_of(node, struct tap, node);

        if (tap->on_head)
            tap->on_head(tap, flight);
    }
}

static void tap_bytes(struct flight *flight, const void *bytes, size_t len)
{
    list_each(node, &flight->taps) {
        struct tap *tap = container_of(node, struct tap, node);

        if (tap->on_bytes)
            tap->on_bytes(tap, flight, bytes, len);
    }
}

static void tap_end(struct flight *flight, bool complete)
{
    list_each(node, &flight->taps) {
        struct tap *tap = container_of(node, struct tap, node);

        if (tap->on_end)
            tap->on_end(tap, flight, complete);
    }
}

/* --- the filler ------------------------------------------------------------------------ */

static struct body_reader *first_reader(struct flight *flight)
{
    struct list *readers = &flight->body.readers;

    return list_empty(readers) ? NULL : container_of(readers->next, struct body_reader, node);
}

void flight_set_head(struct flight *flight, struct head *head)
{
    struct body *body = &flight->body;
    bool was_kept = flight->keeper != NULL;

    assert(flight->state == FLIGHT_WAITING);
    /* No lock: readers use the head only after the state has become FLIGHT_GROWING. */
    flight->head = *head;
    head_init(head);
    if (was_kept && !flight->keeper->may_share(flight->keeper, flight))
        withdraw(flight, 0);
    pthread_mutex_lock(&body->lock);
    flight->state = FLIGHT_GROWING;
    if (was_kept && !flight->keeper) {
        flight->closed = true;
        flight->owner = first_reader(flight);
    }
    body_notify_locked(body);
    pthread_mutex_unlock(&body->lock);
    tap_head(flight);
}

/* The flight stops being kept. Its readers read on. If the filler was finishing it for the cache
 * alone, without readers, on_abandoned tells it to stop. */
static void outgrow(struct flight *flight, size_t lag_max)
{
    withdraw(flight, lag_max);
    pthread_mutex_lock(&flight->body.lock);
    flight->closed = true;
    if (list_empty(&flight->body.readers) && flight->filler.on_abandoned)
        flight->filler.on_abandoned(flight->filler.arg);
    pthread_mutex_unlock(&flight->body.lock);
}

bool flight_append(struct flight *flight, const void *bytes, size_t len)
{
    bool room = body_append(&flight->body, bytes, len);

    tap_bytes(flight, bytes, len);
    if (flight->keeper && body_size(&flight->body) > flight->keep_max)
        outgrow(flight, (size_t)flight->keep_max);
    else if (flight->keeper && !budget_has_room(flight->body.budget, 1))
        outgrow(flight, (size_t)body_size(&flight->body)); /* to hold no more memory than now */
    return room;
}

void flight_complete(struct flight *flight)
{
    assert(flight->state == FLIGHT_GROWING);
    tap_end(flight, true);
    if (flight->keeper && !flight->keeper->complete(flight->keeper, flight))
        free_keeper(flight);
    body_end(&flight->body, BODY_COMPLETE);
}

static void end_badly(struct flight *flight, const struct err *err, enum flight_state from,
                      enum flight_state to)
{
    tap_end(flight, false);
    if (flight->keeper)
        withdraw(flight, (size_t)flight->keep_max); /* all readers may read the bytes that came */
    pthread_mutex_lock(&flight->body.lock);
    assert(flight->state == from);
    flight->err = err_copy(err);
    flight->state = to;
    flight->closed = true;
    pthread_mutex_unlock(&flight->body.lock);
    body_end(&flight->body, BODY_BROKEN);
}

void flight_break(struct flight *flight, const struct err *err)
{
    end_badly(flight, err, FLIGHT_GROWING, FLIGHT_GROWING);
}

void flight_fail(struct flight *flight, const struct err *err)
{
    end_badly(flight, err, FLIGHT_WAITING, FLIGHT_FAILED);
}

bool flight_give_up(struct flight *flight, bool *whole)
{
    bool unread;

    pthread_mutex_lock(&flight->body.lock);
    unread = list_empty(&flight->body.readers);
    if (unread)
        flight->closed = true;
    pthread_mutex_unlock(&flight->body.lock);
    *whole = unread && flight->keeper && flight->state == FLIGHT_GROWING &&
             flight->keeper->is_whole(flight->keeper, flight);
    return unread;
}

bool flight_join(struct flight *flight, struct body_reader *reader,
                 void (*notify)(struct body_reader *))
{
    bool joined, unread;

    pthread_mutex_lock(&flight->body.lock);
    unread = list_empty(&flight->body.readers);
    joined = !flight->closed && body_join_locked(&flight->body, reader, notify);
    if (!joined)
        reader->body = NULL;
    else if (unread && flight->filler.on_rejoined)
        flight->filler.on_rejoined(flight->filler.arg);
    pthread_mutex_unlock(&flight->body.lock);
    return joined;
}

enum flight_state flight_poll(struct flight *flight, struct body_reader *reader)
{
    enum flight_state state;

    pthread_mutex_lock(&flight->body.lock);
    state = flight->state;
    if (state == FLIGHT_WAITING)
        reader->parked = true;
    else if (flight->owner == reader)
        flight->head_delivered = true;
    else if (flight->owner || flight->head_delivered || reader->lost)
        state = FLIGHT_EXCLUSIVE;
    pthread_mutex_unlock(&flight->body.lock);
    return state;
}

static int64_t longer(int64_t a, int64_t b)
{
    return a == 0 || b == 0 ? 0 : a > b ? a : b;
}

void flight_raise_timeouts(struct flight *flight, const struct flight_timeouts *timeouts)
{
    struct flight_timeouts *most = &flight->timeouts;

    pthread_mutex_lock(&flight->body.lock);
    if (flight->has_timeouts) {
        most->before_head = longer(most->before_head, timeouts->before_head);
        most->within_body = longer(most->within_body, timeouts->within_body);
        if (most->asked_ms < timeouts->asked_ms)
            most->asked_ms = timeouts->asked_ms;
    } else {
        *most = *timeouts;
        flight->has_timeouts = true;
    }
    pthread_mutex_unlock(&flight->body.lock);
}

struct flight_timeouts flight_timeouts(struct flight *flight)
{
    struct flight_timeouts timeouts;

    pthread_mutex_lock(&flight->body.lock);
    timeouts = flight->timeouts;
    pthread_mutex_unlock(&flight->body.lock);
    return timeouts;
}

bool flight_is_open(struct flight *flight, struct body_reader *reader)
{
    bool open;

    pthread_mutex_lock(&flight->body.lock);
    open = flight->body.state == BODY_OPEN;
    if (open)
        reader->parked = true;
    pthread_mutex_unlock(&flight->body.lock);
    return open;
}

void flight_leave(struct flight *flight, struct body_reader *reader)
{
    if (!reader->body)
        return;
    /* One critical section: of two readers that leave at once, one must be the last. */
    pthread_mutex_lock(&flight->body.lock);
    body_leave_locked(reader);
    if (flight->owner == reader)
        flight->owner = flight->head_delivered ? NULL : first_reader(flight);
    if (flight->body.state == BODY_OPEN && list_empty(&flight->body.readers) &&
        flight->filler.on_abandoned)
        flight->filler.on_abandoned(flight->filler.arg);
    pthread_mutex_unlock(&flight->body.lock);
}

bool flight_is_kept(const struct flight *flight)
{
    return flight->keeper && !atomic_load_explicit(&flight->keeper->outdated, memory_order_relaxed);
}

bool flight_has_laggards(const struct flight *flight)
{
    return flight->body.loses; /* changed on this thread alone */
}

void flight_lose_laggards(struct flight *flight)
{
    body_lose_laggards(&flight->body);
}

bool flight_is_read(struct flight *flight)
{
    bool read;

    pthread_mutex_lock(&flight->body.lock);
    read = !list_empty(&flight->body.readers);
    pthread_mutex_unlock(&flight->body.lock);
    return read;
}
