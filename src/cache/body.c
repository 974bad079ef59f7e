#include "cache/body.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/mem.h"

#define CHUNK_MIN 1024
#define CHUNK_MAX 65536

struct chunk {
    struct chunk *next;
    size_t len;
    size_t cap;
    unsigned char bytes[];
};

void body_init(struct body *body, const struct body_rules *rules)
{
    *body = (struct body){.state = BODY_OPEN,
                          .keep = rules->keep,
                          .high = rules->high,
                          .low = rules->low,
                          .on_room = rules->on_room,
                          .on_room_arg = rules->arg};
    pthread_mutex_init(&body->lock, NULL);
    list_init(&body->readers);
}

static void free_chunk(struct body *body, struct chunk *chunk)
{
    budget_sub(body->budget, sizeof(*chunk) + chunk->cap);
    free(chunk);
}

void body_release(struct body *body)
{
    assert(list_empty(&body->readers));
    while (body->first_) {
        struct chunk *next = body->first_->next;
        free_chunk(body, body->first_);
        body->first_ = next;
    }
    pthread_mutex_destroy(&body->lock);
}

static uint64_t slowest_offset(const struct body *body)
{
    uint64_t slowest = UINT64_MAX;

    list_each(node, &body->readers) {
        const struct body_reader *reader = container_of(node, struct body_reader, node);
        if (reader->offset < slowest)
            slowest = reader->offset;
    }
    return slowest;
}

static uint64_t fastest_offset(const struct body *body)
{
    uint64_t fastest = 0;

    list_each(node, &body->readers) {
        const struct body_reader *reader = container_of(node, struct body_reader, node);
        if (reader->offset > fastest)
            fastest = reader->offset;
    }
    return fastest;
}

static uint64_t unread(const struct body *body)
{
    if (list_empty(&body->readers))
        return 0;
    return body->end_ - (body->keep || body->loses ? fastest_offset(body) : slowest_offset(body));
}

/* Are the readers that the filler waits for (body.h) at most `ahead` bytes behind? */
static bool has_room(const struct body *body, size_t ahead)
{
    return unread(body) <= ahead &&
           (!body->loses || list_empty(&body->readers) ||
            body->end_ - slowest_offset(body) <= (uint64_t)body->lag_max + ahead);
}

static bool is_whole(const struct body *body)
{
    return body->state == BODY_COMPLETE && body->begin_ == 0 && body->first_ == body->last_;
}

/* Frees the chunks that end at `offset` or before. The piece that body_whole() returned stays. */
static void let_go(struct body *body, uint64_t offset)
{
    if (is_whole(body))
        return;
    while (body->first_ && body->begin_ + body->first_->len <= offset) {
        struct chunk *gone = body->first_;

        body->begin_ += gone->len;
        body->first_ = gone->next;
        if (!body->first_)
            body->last_ = NULL;
        list_each(node, &body->readers) {
            struct body_reader *reader = container_of(node, struct body_reader, node);
            if (reader->at_ == gone)
                reader->at_ = NULL;
        }
        free_chunk(body, gone);
    }
}

/* A chunk has the size of the bytes that come, or of the bytes held, up to CHUNK_MAX: small streams
 * stay small, and large bodies do not become long chains. */
static struct chunk *new_chunk(struct body *body, size_t len)
{
    uint64_t so_far = body->end_ - body->begin_;
    size_t cap = len;
    struct chunk *chunk;

    if (cap < so_far)
        cap = so_far < CHUNK_MAX ? (size_t)so_far : CHUNK_MAX;
    if (cap < CHUNK_MIN && so_far)
        cap = CHUNK_MIN;
    chunk = mem_alloc(sizeof(*chunk) + cap);
    budget_add(body->budget, sizeof(*chunk) + cap);
    chunk->next = NULL;
    chunk->len = 0;
    chunk->cap = cap;
    if (body->last_)
        body->last_->next = chunk;
    else
        body->first_ = chunk;
    body->last_ = chunk;
    return chunk;
}

static void store(struct body *body, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        struct chunk *chunk = body->last_;
        size_t n;

        if (!chunk || chunk->len == chunk->cap)
            chunk = new_chunk(body, len);
        n = chunk->cap - chunk->len < len ? chunk->cap - chunk->len : len;
        memcpy(chunk->bytes + chunk->len, bytes, n);
        chunk->len += n;
        body->end_ += n;
        bytes += n;
        len -= n;
    }
}

void body_notify_locked(struct body *body)
{
    list_each(node, &body->readers) {
        struct body_reader *reader = container_of(node, struct body_reader, node);
        if (reader->parked) {
            reader->parked = false;
            reader->notify(reader);
        }
    }
}

bool body_append(struct body *body, const void *bytes, size_t len)
{
    bool room;

    pthread_mutex_lock(&body->lock);
    assert(body->state == BODY_OPEN);
    if (!body->keep && list_empty(&body->readers)) {
        body->end_ += len;
        let_go(body, body->end_);
        body->begin_ = body->end_;
    } else if (len > 0) {
        store(body, bytes, len);
        body_notify_locked(body);
    }
    room = has_room(body, body->high);
    body->filler_waits = !room;
    pthread_mutex_unlock(&body->lock);
    return room;
}

void body_end(struct body *body, enum body_state how)
{
    pthread_mutex_lock(&body->lock);
    assert(body->state == BODY_OPEN && how != BODY_OPEN);
    body->state = how;
    body->filler_waits = false;
    body_notify_locked(body);
    pthread_mutex_unlock(&body->lock);
}

/* After a reader advanced or left: frees chunks, and calls on_room if the filler waits and has
 * room. */
static void after_reading(struct body *body)
{
    if (!body->keep)
        let_go(body, list_empty(&body->readers) ? body->end_ : slowest_offset(body));
    if (body->filler_waits && has_room(body, body->low)) {
        body->filler_waits = false;
        if (body->on_room)
            body->on_room(body->on_room_arg);
    }
}

void body_stop_keeping(struct body *body, size_t lag_max)
{
    pthread_mutex_lock(&body->lock);
    body->keep = false;
    body->loses = true;
    body->lag_max = lag_max;
    after_reading(body);
    pthread_mutex_unlock(&body->lock);
}

static void lose_those_behind(struct body *body, uint64_t behind)
{
    struct list *node = body->readers.next;

    while (node != &body->readers) {
        struct body_reader *reader = container_of(node, struct body_reader, node);

        node = node->next;
        if (body->end_ - reader->offset <= behind)
            continue;
        list_remove(&reader->node);
        reader->lost = true;
        reader->parked = false;
        reader->notify(reader);
    }
}

void body_lose_laggards(struct body *body)
{
    pthread_mutex_lock(&body->lock);
    /* If the fastest reader is behind too, the filler waits for that reader. */
    if (body->loses && body->filler_waits && unread(body) <= body->low) {
        lose_those_behind(body, (uint64_t)body->lag_max + body->low);
        after_reading(body);
    }
    pthread_mutex_unlock(&body->lock);
}

bool body_piece(const struct body *body, const unsigned char **bytes)
{
    if (!body->first_ || body->first_ != body->last_ || body->begin_)
        return false;
    *bytes = body->first_->bytes;
    return true;
}

void body_each(const struct body *body, void (*each)(void *arg, const void *bytes, size_t len),
               void *arg)
{
    for (const struct chunk *chunk = body->first_; chunk; chunk = chunk->next)
        each(arg, chunk->bytes, chunk->len);
}

bool body_copy(const struct body *body, unsigned char *out)
{
    if (body->begin_)
        return false;
    for (const struct chunk *chunk = body->first_; chunk; chunk = chunk->next) {
        memcpy(out, chunk->bytes, chunk->len);
        out += chunk->len;
    }
    return true;
}

bool body_join_locked(struct body *body, struct body_reader *reader,
                      void (*notify)(struct body_reader *))
{
    bool joined = body->begin_ == 0;

    *reader = (struct body_reader){.body = joined ? body : NULL, .notify = notify};
    list_init(&reader->node);
    if (joined)
        list_append(&body->readers, &reader->node);
    return joined;
}

bool body_join(struct body *body, struct body_reader *reader, void (*notify)(struct body_reader *))
{
    bool joined;

    pthread_mutex_lock(&body->lock);
    joined = body_join_locked(body, reader, notify);
    pthread_mutex_unlock(&body->lock);
    return joined;
}

/* The chunk with the reader's next byte, which must exist. */
static struct chunk *find_chunk(struct body_reader *reader)
{
    if (!reader->at_) {
        reader->at_ = reader->body->first_;
        reader->at_begin_ = reader->body->begin_;
    }
    while (reader->offset >= reader->at_begin_ + reader->at_->len) {
        reader->at_begin_ += reader->at_->len;
        reader->at_ = reader->at_->next;
    }
    return reader->at_;
}

static void copy_out(struct body_reader *reader, unsigned char *buf, size_t *len)
{
    size_t done = 0;

    while (done < *len && reader->offset < reader->body->end_) {
        struct chunk *chunk = find_chunk(reader);
        size_t from = (size_t)(reader->offset - reader->at_begin_);
        size_t n = chunk->len - from < *len - done ? chunk->len - from : *len - done;

        memcpy(buf + done, chunk->bytes + from, n);
        reader->offset += n;
        done += n;
    }
    *len = done;
}

enum body_read body_read(struct body_reader *reader, void *buf, size_t *len)
{
    struct body *body = reader->body;
    enum body_read result = BODY_READ_BYTES;

    pthread_mutex_lock(&body->lock);
    if (reader->lost) {
        result = BODY_READ_BROKEN;
    } else if (reader->offset < body->end_) {
        copy_out(reader, buf, len);
        after_reading(body);
    } else if (body->state == BODY_OPEN) {
        reader->parked = true;
        result = BODY_READ_WAIT;
    } else {
        result = body->state == BODY_COMPLETE ? BODY_READ_END : BODY_READ_BROKEN;
    }
    pthread_mutex_unlock(&body->lock);
    return result;
}

void body_leave_locked(struct body_reader *reader)
{
    struct body *body = reader->body;

    list_remove(&reader->node);
    reader->body = NULL;
    after_reading(body);
}

void body_leave(struct body_reader *reader)
{
    struct body *body = reader->body;

    if (!body)
        return;
    pthread_mutex_lock(&body->lock);
    body_leave_locked(reader);
    pthread_mutex_unlock(&body->lock);
}

bool body_whole(struct body *body, const void **bytes, size_t *len)
{
    bool whole;

    pthread_mutex_lock(&body->lock);
    whole = is_whole(body);
    if (whole) {
        *bytes = body->first_ ? body->first_->bytes : (const unsigned char *)"";
        *len = body->first_ ? body->first_->len : 0;
    }
    pthread_mutex_unlock(&body->lock);
    return whole;
}

enum body_state body_state(struct body *body)
{
    enum body_state state;

    pthread_mutex_lock(&body->lock);
    state = body->state;
    pthread_mutex_unlock(&body->lock);
    return state;
}

uint64_t body_unread(struct body *body)
{
    uint64_t n;

    pthread_mutex_lock(&body->lock);
    n = unread(body);
    pthread_mutex_unlock(&body->lock);
    return n;
}
