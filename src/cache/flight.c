#include "cache/flight.h"

#include <assert.h>
#include <stdlib.h>

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
    struct flight *flight = mem_alloc(sizeof(*flight));

    atomic_init(&flight->refs, 1);
    flight->state = FLIGHT_WAITING;
    flight->filler = (struct flight_filler){.arg = NULL};
    head_init(&flight->head);
    flight->err = NULL;
    body_init(&flight->body, keep, high, low, on_body_room, flight);
    return flight;
}

struct flight *flight_ref(struct flight *flight)
{
    atomic_fetch_add_explicit(&flight->refs, 1, memory_order_relaxed);
    return flight;
}

void flight_unref(struct flight *flight)
{
    if (!flight || atomic_fetch_sub_explicit(&flight->refs, 1, memory_order_acq_rel) != 1)
        return;
    head_release(&flight->head);
    body_release(&flight->body);
    free(flight->err);
    free(flight);
}

void flight_man(struct flight *flight, const struct flight_filler *filler)
{
    pthread_mutex_lock(&flight->body.lock);
    flight->filler = filler ? *filler : (struct flight_filler){.arg = NULL};
    pthread_mutex_unlock(&flight->body.lock);
}

void flight_set_head(struct flight *flight, struct head *head)
{
    pthread_mutex_lock(&flight->body.lock);
    assert(flight->state == FLIGHT_WAITING);
    flight->head = *head;
    flight->state = FLIGHT_GROWING;
    body_notify_locked(&flight->body);
    pthread_mutex_unlock(&flight->body.lock);
    head_init(head);
}

bool flight_append(struct flight *flight, const void *bytes, size_t len)
{
    return body_append(&flight->body, bytes, len);
}

void flight_complete(struct flight *flight)
{
    assert(flight->state == FLIGHT_GROWING);
    body_end(&flight->body, BODY_COMPLETE);
}

static void end_badly(struct flight *flight, const struct err *err, enum flight_state from,
                      enum flight_state to)
{
    pthread_mutex_lock(&flight->body.lock);
    assert(flight->state == from);
    flight->err = err_copy(err);
    flight->state = to;
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

bool flight_join(struct flight *flight, struct body_reader *reader,
                 void (*notify)(struct body_reader *))
{
    return body_join(&flight->body, reader, notify);
}

enum flight_state flight_look(struct flight *flight, struct body_reader *reader)
{
    enum flight_state state;

    pthread_mutex_lock(&flight->body.lock);
    state = flight->state;
    if (state == FLIGHT_WAITING)
        reader->parked = true;
    pthread_mutex_unlock(&flight->body.lock);
    return state;
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
    /* In one go: of two readers that leave together one is the last. */
    pthread_mutex_lock(&flight->body.lock);
    body_leave_locked(reader);
    if (flight->body.state == BODY_OPEN && list_empty(&flight->body.readers) &&
        flight->filler.on_abandoned)
        flight->filler.on_abandoned(flight->filler.arg);
    pthread_mutex_unlock(&flight->body.lock);
}
