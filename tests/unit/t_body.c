#include "cache/body.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/mem.h"
#include "unit.h"

/* The byte at an offset of every body here: a reader can check what it got without a copy. */
static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset * 31 + (offset >> 8) * 7 + (offset >> 16)) & 0xff);
}

static bool append_at(struct body *body, uint64_t offset, size_t len)
{
    unsigned char *bytes = mem_alloc(len);
    bool room;

    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(offset + i);
    room = body_append(body, bytes, len);
    free(bytes); /* the body has a copy */
    return room;
}

/* Bytes that a body holds in memory, bar what its chunks have spare. */
static uint64_t held(struct body *body)
{
    uint64_t n;

    pthread_mutex_lock(&body->lock);
    n = body->end_ - body->begin_;
    pthread_mutex_unlock(&body->lock);
    return n;
}

/* ---- one thread ---- */

static unsigned notified;
static unsigned had_room;

static void on_notify(struct body_reader *reader)
{
    (void)reader;
    notified++;
}

static void on_room(void *arg)
{
    CHECK(arg == &had_room);
    had_room++;
}

static void start(struct body *body, bool keep, size_t high, size_t low)
{
    notified = had_room = 0;
    body_init(body, &(struct body_rules){keep, high, low, on_room, &had_room});
}

/* Reads at most max bytes and checks them; returns how many came. */
static size_t take_some(struct body_reader *reader, size_t max)
{
    unsigned char *buf = mem_alloc(max);
    uint64_t from = reader->offset;
    size_t len = max;

    if (CHECK_INT(body_read(reader, buf, &len), BODY_READ_BYTES)) {
        CHECK(len > 0 && len <= max);
        for (size_t i = 0; i < len; i++)
            if (!CHECK_INT(buf[i], byte_at(from + i)))
                break;
        CHECK_INT(reader->offset, from + len);
    } else {
        len = 0;
    }
    free(buf);
    return len;
}

static enum body_read look(struct body_reader *reader)
{
    char buf[8];
    size_t len = sizeof(buf);

    return body_read(reader, buf, &len);
}

TEST("a reader gets what was appended, then waits, then the end that it was given")
{
    for (int keep = 0; keep < 2; keep++) {
        for (int how = BODY_COMPLETE; how <= BODY_BROKEN; how++) {
            struct body_reader r;
            struct body body;

            start(&body, keep, 1000, 500);
            CHECK(body_join(&body, &r, on_notify));
            CHECK_INT(look(&r), BODY_READ_WAIT);
            append_at(&body, 0, 5);
            CHECK_INT(take_some(&r, 100), 5);
            CHECK_INT(look(&r), BODY_READ_WAIT);
            append_at(&body, 5, 7);
            CHECK_INT(take_some(&r, 3), 3);
            CHECK_INT(body_state(&body), BODY_OPEN);
            body_end(&body, (enum body_state)how);
            CHECK_INT(take_some(&r, 100), 4); /* the end comes after the bytes */
            CHECK_INT(look(&r), how == BODY_COMPLETE ? BODY_READ_END : BODY_READ_BROKEN);
            CHECK_INT(look(&r), how == BODY_COMPLETE ? BODY_READ_END : BODY_READ_BROKEN);
            CHECK_INT(body_state(&body), how);
            CHECK_INT(body_size(&body), 12);
            body_leave(&r);
            body_release(&body);
        }
    }
}

TEST("a reader that parked is told exactly once, and one that did not is not told")
{
    struct body_reader r;
    struct body body;

    start(&body, true, 1000, 500);
    body_join(&body, &r, on_notify);
    append_at(&body, 0, 3);
    CHECK_INT(notified, 0); /* it joined, but it did not park */
    take_some(&r, 10);
    CHECK_INT(look(&r), BODY_READ_WAIT);
    CHECK_INT(look(&r), BODY_READ_WAIT); /* parking twice is parking once */
    append_at(&body, 3, 0);
    CHECK_INT(notified, 0); /* no byte is no news */
    append_at(&body, 3, 3);
    append_at(&body, 6, 3);
    CHECK_INT(notified, 1);
    take_some(&r, 10);
    CHECK_INT(look(&r), BODY_READ_WAIT);
    body_end(&body, BODY_COMPLETE);
    CHECK_INT(notified, 2);
    CHECK_INT(look(&r), BODY_READ_END);
    body_leave(&r);
    body_release(&body);
    CHECK_INT(notified, 2);
}

TEST("a reader that left is not told, and may leave again")
{
    struct body_reader r;
    struct body body;

    start(&body, true, 1000, 500);
    body_join(&body, &r, on_notify);
    CHECK_INT(look(&r), BODY_READ_WAIT);
    body_leave(&r);
    body_leave(&r);
    append_at(&body, 0, 3);
    body_end(&body, BODY_COMPLETE);
    CHECK_INT(notified, 0);
    body_release(&body);
}

TEST("above high the filler stops, and at low or below it is called once")
{
    for (int keep = 0; keep < 2; keep++) {
        struct body_reader r;
        struct body body;

        start(&body, keep, 100, 40);
        body_join(&body, &r, on_notify);
        CHECK(append_at(&body, 0, 60));
        CHECK(!append_at(&body, 60, 60)); /* 120 behind */
        CHECK_INT(body_unread(&body), 120);
        CHECK_INT(take_some(&r, 79), 79); /* 41 behind: not yet */
        CHECK_INT(had_room, 0);
        CHECK_INT(take_some(&r, 1), 1); /* 40 */
        CHECK_INT(had_room, 1);
        CHECK_INT(take_some(&r, 40), 40);
        CHECK_INT(had_room, 1);
        CHECK(append_at(&body, 120, 50));
        take_some(&r, 50);
        CHECK_INT(had_room, 1); /* it was never told to stop */
        CHECK(!append_at(&body, 170, 200));
        CHECK_INT(take_some(&r, 200), 200); /* from above high to nothing, in one go */
        CHECK_INT(had_room, 2);
        body_leave(&r);
        body_release(&body);
    }
}

TEST("exactly high bytes behind is not more than high")
{
    struct body_reader r;
    struct body body;

    start(&body, true, 100, 40);
    body_join(&body, &r, on_notify);
    CHECK(append_at(&body, 0, 99));
    CHECK(append_at(&body, 99, 1));
    CHECK(!append_at(&body, 100, 1));
    body_leave(&r);
    body_release(&body);
}

TEST("of a body that does not keep the slowest reader sets the pace, and its leaving is room")
{
    struct body_reader fast, slow;
    struct body body;

    start(&body, false, 100, 40);
    body_join(&body, &fast, on_notify);
    body_join(&body, &slow, on_notify);
    CHECK(!append_at(&body, 0, 150));
    CHECK_INT(take_some(&fast, 150), 150);
    CHECK_INT(had_room, 0);
    CHECK_INT(body_unread(&body), 150);
    body_leave(&slow); /* in mid-stream, with nothing read */
    CHECK_INT(had_room, 1);
    CHECK_INT(body_unread(&body), 0);
    CHECK(append_at(&body, 150, 10));
    CHECK_INT(take_some(&fast, 100), 10);
    body_leave(&fast);
    CHECK_INT(body_unread(&body), 0);
    body_release(&body);
}

TEST("of a body that keeps the fastest reader sets the pace: a slow one holds up nobody")
{
    struct body_reader fast, slow, late;
    struct body body;

    start(&body, true, 100, 40);
    body_join(&body, &fast, on_notify);
    body_join(&body, &slow, on_notify);
    CHECK(!append_at(&body, 0, 150));
    CHECK_INT(take_some(&slow, 100), 100); /* 50 behind is not within low */
    CHECK_INT(had_room, 0);
    CHECK_INT(take_some(&fast, 150), 150); /* it is the fastest now */
    CHECK_INT(had_room, 1);
    CHECK_INT(body_unread(&body), 0);
    CHECK(append_at(&body, 150, 90)); /* the slow one is 140 behind */
    CHECK(body_join(&body, &late, on_notify));
    CHECK_INT(body_unread(&body), 90);
    CHECK_INT(take_some(&late, 1000), 240); /* and misses nothing */
    CHECK_INT(take_some(&slow, 1000), 140);
    body_leave(&late);
    body_leave(&fast);
    body_leave(&slow);
    body_release(&body);
}

TEST("when the fastest reader leaves, the next one sets the pace, and nothing stands still")
{
    struct body_reader fast, slow;
    struct body body;

    start(&body, true, 100, 40);
    body_join(&body, &fast, on_notify);
    body_join(&body, &slow, on_notify);
    append_at(&body, 0, 90);
    take_some(&fast, 90);
    CHECK(append_at(&body, 90, 90)); /* the slow one is 180 behind */
    body_leave(&fast);
    CHECK_INT(body_unread(&body), 180);
    CHECK(!append_at(&body, 180, 1));
    CHECK_INT(take_some(&slow, 140), 140);
    CHECK_INT(had_room, 0);
    CHECK_INT(take_some(&slow, 1), 1); /* 40 */
    CHECK_INT(had_room, 1);
    body_leave(&slow);
    body_release(&body);
}

TEST("a body that stops keeping lets go of what all have read, and goes by the fastest still")
{
    struct body_reader fast, slow, late;
    struct body body;

    start(&body, true, 100, 40);
    body_join(&body, &fast, on_notify);
    body_join(&body, &slow, on_notify);
    append_at(&body, 0, 60);
    append_at(&body, 60, 2000); /* a piece of its own */
    take_some(&fast, 2060);
    take_some(&slow, 100);
    CHECK_INT(held(&body), 2060);
    CHECK_INT(had_room, 1);
    body_stop_keeping(&body, 5000);
    CHECK(held(&body) <= 2000);
    CHECK_INT(body_unread(&body), 0);
    CHECK(!body_join(&body, &late, on_notify));
    CHECK(append_at(&body, 2060, 100));
    CHECK(!append_at(&body, 2160, 1)); /* 101 ahead of the fastest */
    take_some(&fast, 101);
    CHECK_INT(had_room, 2);
    CHECK_INT(take_some(&slow, 2061), 2061);
    body_leave(&slow);
    body_leave(&fast);
    body_release(&body);
}

TEST("a body that stops keeping waits for the slowest reader, at lag_max, and goes on by it")
{
    struct body_reader fast, slow;
    struct body body;
    size_t at = 0;

    start(&body, true, 100, 40);
    body_join(&body, &fast, on_notify);
    body_join(&body, &slow, on_notify);
    for (; at < 3000; at += 50) {
        CHECK(append_at(&body, at, 50));
        take_some(&fast, 50);
    }
    body_stop_keeping(&body, 3000);
    CHECK(append_at(&body, at, 100));
    CHECK(!append_at(&body, at + 100, 50)); /* 3150 ahead of the slow one */
    at += 150;
    CHECK_INT(take_some(&fast, 150), 150);
    CHECK_INT(had_room, 0);
    CHECK_INT(take_some(&slow, 60), 60);
    CHECK_INT(had_room, 0); /* 50 ahead of low */
    CHECK_INT(take_some(&slow, 50), 50);
    CHECK_INT(had_room, 1);
    body_lose_laggards(&body); /* nobody waits */
    CHECK(!slow.lost);
    CHECK(append_at(&body, at, 50));
    CHECK_INT(take_some(&slow, at + 50 - 110), at + 50 - 110);
    body_leave(&slow);
    body_leave(&fast);
    body_release(&body);
}

TEST(
    "a reader that makes the others wait for too long loses the body, is told, and holds up nobody")
{
    struct body_reader fast, slow, middle;
    struct body body;
    unsigned char buf[10];
    size_t len = sizeof(buf), at = 0;

    start(&body, true, 100, 40);
    body_join(&body, &fast, on_notify);
    body_join(&body, &slow, on_notify);
    body_join(&body, &middle, on_notify);
    for (; at < 3000; at += 50) {
        append_at(&body, at, 50);
        take_some(&fast, 50);
    }
    take_some(&middle, 2500);
    body_stop_keeping(&body, 3000);
    CHECK(!append_at(&body, at, 150));
    at += 150;
    body_lose_laggards(&body);
    CHECK(!slow.lost); /* the fast one is behind as well */
    take_some(&fast, 150);
    CHECK_INT(had_room, 0);
    body_lose_laggards(&body);
    CHECK_INT(had_room, 1);
    CHECK(slow.lost);
    CHECK_INT(body_read(&slow, buf, &len), BODY_READ_BROKEN);
    for (; at < 5000; at += 50) {
        CHECK(append_at(&body, at, 50)); /* it is not waited for any more */
        CHECK_INT(take_some(&fast, 50), 50);
        CHECK(held(&body) <= 3000 + 100 + 50 + 1024);
    }
    CHECK(!middle.lost);
    CHECK_INT(take_some(&middle, 2500), 2500);
    body_leave(&slow);
    body_leave(&middle);
    /* The last one is the fastest, however slow. */
    append_at(&body, at, 9000);
    body_lose_laggards(&body);
    CHECK(!fast.lost);
    body_leave(&fast);
    body_release(&body);
}

TEST("what a body holds is counted in its budget, and is 0 in the end")
{
    struct body_reader r;
    struct budget budget;
    struct body body;

    budget_init(&budget, 1000);
    start(&body, true, 100000, 500);
    body.budget = &budget;
    body_join(&body, &r, on_notify);
    append_at(&body, 0, 5000);
    CHECK(budget.used >= 5000);
    CHECK_INT(budget_room(&budget), 0);
    take_some(&r, 5000);
    body_stop_keeping(&body, 0);
    CHECK_INT(budget.used, 0);
    append_at(&body, 5000, 100);
    CHECK(budget.used >= 100);
    CHECK(budget_has_room(&budget, 0));
    body_leave(&r);
    body_release(&body);
    CHECK_INT(budget.used, 0);
}

TEST("a body that stops keeping may have no reader at all")
{
    struct body body;

    start(&body, true, 100, 40);
    append_at(&body, 0, 500);
    body_stop_keeping(&body, 5000);
    CHECK_INT(held(&body), 0);
    append_at(&body, 500, 500);
    CHECK_INT(held(&body), 0);
    CHECK_INT(body_size(&body), 1000);
    body_release(&body);
}

TEST("a copy is all of the body, however many pieces it has, or nothing")
{
    unsigned char out[5000];
    struct body_reader r;
    struct body body;
    size_t len = 0;

    start(&body, true, 100000, 500);
    CHECK(body_copy(&body, out)); /* of nothing */
    for (unsigned i = 1; i < 90; i++) {
        append_at(&body, len, i);
        len += i;
    }
    CHECK(body.first_ != body.last_);
    CHECK_INT(body_size(&body), len);
    CHECK(body_copy(&body, out));
    for (size_t i = 0; i < len; i++)
        if (!CHECK_INT(out[i], byte_at(i)))
            break;
    body_join(&body, &r, on_notify);
    take_some(&r, sizeof(out));
    body_stop_keeping(&body, 5000);
    CHECK(!body_copy(&body, out)); /* its first bytes are gone */
    body_leave(&r);
    body_release(&body);
}

TEST("the last reader's leaving is room too, and once only")
{
    struct body_reader r;
    struct body body;

    start(&body, false, 100, 40);
    body_join(&body, &r, on_notify);
    CHECK(!append_at(&body, 0, 150));
    take_some(&r, 7);
    body_leave(&r);
    CHECK_INT(had_room, 1);
    body_leave(&r);
    CHECK_INT(had_room, 1);
    CHECK_INT(held(&body), 0);
    body_release(&body);
}

TEST("a filler that cannot stop may have no on_room")
{
    struct body_reader r;
    struct body body;

    body_init(&body, &(struct body_rules){true, 10, 5, NULL, NULL});
    body_join(&body, &r, on_notify);
    CHECK(!append_at(&body, 0, 50));
    CHECK_INT(take_some(&r, 50), 50);
    body_leave(&r);
    body_release(&body);
}

TEST("without a reader, a body that does not keep swallows what comes")
{
    struct body body;

    start(&body, false, 100, 40);
    for (unsigned i = 0; i < 100; i++)
        CHECK(append_at(&body, i * 1000U, 1000));
    CHECK_INT(body_size(&body), 100000);
    CHECK_INT(held(&body), 0);
    CHECK(body.first_ == NULL);
    body_release(&body);
}

TEST("without a reader, a body that keeps holds everything and never stops its filler")
{
    struct body_reader r;
    struct body body;

    start(&body, true, 100, 40);
    for (unsigned i = 0; i < 100; i++)
        CHECK(append_at(&body, i * 1000U, 1000));
    CHECK_INT(held(&body), 100000);
    CHECK(body_join(&body, &r, on_notify));
    CHECK_INT(body_unread(&body), 100000);
    CHECK(!append_at(&body, 100000, 1)); /* now there is somebody to wait for */
    body_leave(&r);
    body_release(&body);
}

TEST("nobody joins after the first bytes were let go")
{
    struct body_reader r, late;
    struct body body;

    start(&body, false, 1000, 500);
    CHECK(body_join(&body, &r, on_notify));
    append_at(&body, 0, 10);
    CHECK(body_join(&body, &late, on_notify)); /* nobody has read them: they are still there */
    body_leave(&late);
    CHECK_INT(take_some(&r, 10), 10);
    CHECK(!body_join(&body, &late, on_notify));
    body_leave(&late); /* a reader that was refused may leave all the same */
    body_end(&body, BODY_COMPLETE);
    CHECK(!body_join(&body, &late, on_notify));
    CHECK_INT(look(&r), BODY_READ_END);
    body_leave(&r);
    body_release(&body);
}

TEST("nobody joins after bytes were swallowed")
{
    struct body_reader late;
    struct body body;

    start(&body, false, 1000, 500);
    append_at(&body, 0, 1);
    CHECK(!body_join(&body, &late, on_notify));
    body_release(&body);
}

TEST("a late reader of a body that keeps gets all of it")
{
    struct body_reader early, late;
    struct body body;
    size_t got = 0;

    start(&body, true, 100000, 500);
    body_join(&body, &early, on_notify);
    for (unsigned i = 0; i < 50; i++) {
        append_at(&body, i * 333U, 333);
        take_some(&early, 1000);
    }
    body_leave(&early);
    body_end(&body, BODY_COMPLETE);
    CHECK(body_join(&body, &late, on_notify));
    while (got < 50 * 333)
        got += take_some(&late, 1000);
    CHECK_INT(got, 50 * 333);
    CHECK_INT(look(&late), BODY_READ_END);
    body_leave(&late);
    body_release(&body);
}

TEST("a body that does not keep holds no more than its readers are behind, and one piece")
{
    struct body_reader r;
    struct body body;
    uint64_t offset = 0, random = 3;

    start(&body, false, 20000, 5000);
    body_join(&body, &r, on_notify);
    for (unsigned i = 0; i < 3000; i++) {
        size_t len = unit_random_up_to(&random, 3000) + 1;

        append_at(&body, offset, len);
        offset += len;
        while (body_unread(&body) > 8000)
            take_some(&r, unit_random_up_to(&random, 4000) + 1);
        /* A piece goes only as a whole, and is 64 KiB at most. */
        REQUIRE(held(&body) <= body_unread(&body) + 65536);
    }
    body_leave(&r);
    CHECK_INT(held(&body), 0);
    body_release(&body);
}

TEST("reads of any size put pieces of any size together again")
{
    uint64_t random = 11, offset;
    size_t got;

    for (int keep = 0; keep < 2; keep++) {
        for (unsigned round = 0; round < 30; round++) {
            struct body_reader r;
            struct body body;
            size_t total = unit_random_up_to(&random, 300000);

            start(&body, keep, SIZE_MAX, 0);
            body_join(&body, &r, on_notify);
            for (offset = got = 0; offset < total || got < total;) {
                size_t len = unit_random_up_to(&random, round % 3 ? 200 : 90000);

                if (offset < total && unit_random(&random) % 2) {
                    len = len < total - offset ? len : (size_t)(total - offset);
                    append_at(&body, offset, len);
                    offset += len;
                } else if (got < offset) {
                    got += take_some(&r, len + 1);
                }
            }
            body_end(&body, BODY_COMPLETE);
            CHECK_INT(look(&r), BODY_READ_END);
            body_leave(&r);
            body_release(&body);
        }
    }
}

TEST("a complete body in one piece is that piece")
{
    struct body_reader r;
    struct body body;
    const void *bytes = NULL;
    size_t len = 0;

    start(&body, true, 1000, 500);
    body_join(&body, &r, on_notify);
    CHECK(!body_whole(&body, &bytes, &len));
    body_append(&body, "hello", 5);
    CHECK(!body_whole(&body, &bytes, &len)); /* it may still grow */
    body_end(&body, BODY_COMPLETE);
    REQUIRE(body_whole(&body, &bytes, &len));
    CHECK(len == 5 && memcmp(bytes, "hello", 5) == 0);
    body_leave(&r);
    CHECK(memcmp(bytes, "hello", 5) == 0);
    body_release(&body);
}

TEST("an empty body that is complete is an empty piece")
{
    struct body body;
    const void *bytes = NULL;
    size_t len = 99;

    start(&body, false, 1000, 500);
    body_end(&body, BODY_COMPLETE);
    CHECK(body_whole(&body, &bytes, &len));
    CHECK_INT(len, 0);
    CHECK(bytes != NULL);
    body_release(&body);
}

TEST("a body that broke, is in several pieces, or has let go is no piece")
{
    struct body broken, pieces, gone;
    struct body_reader r;
    const void *bytes;
    size_t len;

    start(&broken, true, 1000, 500);
    body_append(&broken, "hello", 5);
    body_end(&broken, BODY_BROKEN);
    CHECK(!body_whole(&broken, &bytes, &len));
    body_release(&broken);

    start(&pieces, true, SIZE_MAX, 0);
    append_at(&pieces, 0, 100000);
    append_at(&pieces, 100000, 100000);
    body_end(&pieces, BODY_COMPLETE);
    CHECK(!body_whole(&pieces, &bytes, &len));
    body_release(&pieces);

    start(&gone, false, 1000, 500);
    body_join(&gone, &r, on_notify);
    append_at(&gone, 0, 10);
    take_some(&r, 10);
    append_at(&gone, 10, 10);
    body_end(&gone, BODY_COMPLETE);
    CHECK(!body_whole(&gone, &bytes, &len));
    body_leave(&r);
    body_release(&gone);
}

TEST("the piece that body_whole gave is good as long as the body is, whoever leaves")
{
    struct body_reader r;
    struct body body;
    const void *bytes;
    size_t len;

    start(&body, false, 1000, 500);
    body_join(&body, &r, on_notify);
    append_at(&body, 0, 10);
    body_end(&body, BODY_COMPLETE);
    REQUIRE(body_whole(&body, &bytes, &len));
    body_leave(&r);
    CHECK(body.first_ != NULL); /* else the pointer dangles */
    body_release(&body);
}

/* ---- many threads ---- */

struct gate { /* where a thread sleeps until it is called */
    pthread_mutex_t lock;
    pthread_cond_t opened;
    unsigned calls;
};

static void gate_init(struct gate *g)
{
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->opened, NULL);
    g->calls = 0;
}

static void gate_release(struct gate *g)
{
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->opened);
}

/* As a letter would be posted: the body's lock is held. */
static void gate_call(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->calls++;
    pthread_cond_signal(&g->opened);
    pthread_mutex_unlock(&g->lock);
}

/* Until it was called more than `before` times. */
static void gate_wait(struct gate *g, unsigned before)
{
    pthread_mutex_lock(&g->lock);
    while (g->calls <= before)
        pthread_cond_wait(&g->opened, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

#define TOTAL ((size_t)1500000)
#define PIECE_MAX 9000
#define READERS 6

struct drinker {
    struct body_reader reader;
    struct gate gate;
    pthread_t thread;
    uint64_t seed;
    size_t leaves_at; /* SIZE_MAX: reads to the end */
    size_t got;
    unsigned parks;
    enum body_read last;
};

static void on_drinker(struct body_reader *reader)
{
    gate_call(&container_of(reader, struct drinker, reader)->gate);
}

static void *drink(void *arg)
{
    struct drinker *d = arg;
    unsigned char buf[20000];

    for (;;) {
        size_t len = unit_random_up_to(&d->seed, sizeof(buf) - 1) + 1;
        bool same = true;

        d->last = body_read(&d->reader, buf, &len);
        if (d->last == BODY_READ_WAIT) {
            gate_wait(&d->gate, d->parks++);
            continue;
        }
        if (d->last != BODY_READ_BYTES)
            break;
        for (size_t i = 0; i < len; i++)
            same &= buf[i] == byte_at(d->got + i);
        CHECK(same);
        d->got += len;
        if (d->got >= d->leaves_at)
            break;
    }
    body_leave(&d->reader);
    return NULL;
}

struct tap { /* the filler */
    struct body *body;
    struct drinker *drinkers;
    struct gate gate;
    unsigned stops;
    uint64_t most_held;
};

static void on_tap_room(void *arg)
{
    gate_call(&((struct tap *)arg)->gate);
}

/* Nobody drinks before the tap had to stop once: so each run sees a stop and a start. */
static void let_drink(struct drinker *drinkers)
{
    for (size_t i = 0; i < READERS; i++)
        pthread_create(&drinkers[i].thread, NULL, drink, &drinkers[i]);
}

static void pour(struct tap *tap, uint64_t seed)
{
    for (size_t offset = 0; offset < TOTAL;) {
        size_t len = unit_random_up_to(&seed, PIECE_MAX);

        if (len > TOTAL - offset)
            len = TOTAL - offset;
        if (!append_at(tap->body, offset, len)) {
            if (!tap->stops)
                let_drink(tap->drinkers);
            gate_wait(&tap->gate, tap->stops++);
        }
        if (held(tap->body) > tap->most_held)
            tap->most_held = held(tap->body);
        offset += len;
    }
}

static void pour_for_many(bool keep, bool some_leave, enum body_state end)
{
    struct drinker drinkers[READERS] = {{.got = 0}};
    struct body body;
    struct tap tap = {.body = &body, .drinkers = drinkers};

    gate_init(&tap.gate);
    body_init(&body, &(struct body_rules){keep, 50000, 20000, on_tap_room, &tap});
    for (size_t i = 0; i < READERS; i++) {
        struct drinker *d = &drinkers[i];

        gate_init(&d->gate);
        d->seed = 1000 + i;
        d->leaves_at = some_leave && i % 2 ? TOTAL / 8 * i : SIZE_MAX;
        CHECK(body_join(&body, &d->reader, on_drinker));
    }
    pour(&tap, 5);
    body_end(&body, end);
    for (size_t i = 0; i < READERS; i++) {
        struct drinker *d = &drinkers[i];

        pthread_join(d->thread, NULL);
        CHECK_INT(d->gate.calls, d->parks); /* told exactly once per park */
        if (d->leaves_at == SIZE_MAX) {
            CHECK_INT(d->got, TOTAL);
            CHECK_INT(d->last, end == BODY_COMPLETE ? BODY_READ_END : BODY_READ_BROKEN);
        }
        gate_release(&d->gate);
    }
    CHECK(tap.stops > 0);
    CHECK(tap.gate.calls >= tap.stops && tap.gate.calls <= tap.stops + 1);
    if (keep)
        CHECK_INT(tap.most_held, TOTAL);
    else /* behind by high and a piece, in chunks of up to 64 KiB */
        CHECK(tap.most_held <= 50000 + PIECE_MAX + 65536);
    gate_release(&tap.gate);
    body_release(&body);
}

TEST("readers on many threads all see the same bytes of a body that keeps")
{
    pour_for_many(true, false, BODY_COMPLETE);
}

TEST("readers on many threads all see the same bytes while memory stays bounded")
{
    pour_for_many(false, false, BODY_BROKEN);
}

TEST("readers that leave in mid-stream leave the others undisturbed")
{
    pour_for_many(true, true, BODY_COMPLETE);
    pour_for_many(false, true, BODY_COMPLETE);
}

TEST("readers that join while it grows see it from its first byte")
{
    struct drinker drinkers[READERS] = {{.got = 0}};
    struct body body;
    uint64_t offset = 0;

    body_init(&body, &(struct body_rules){true, SIZE_MAX, 0, NULL, NULL});
    for (size_t i = 0; i < READERS; i++) {
        struct drinker *d = &drinkers[i];

        gate_init(&d->gate);
        d->seed = 77 + i;
        d->leaves_at = SIZE_MAX;
        CHECK(body_join(&body, &d->reader, on_drinker));
        pthread_create(&d->thread, NULL, drink, d);
        for (unsigned n = 0; n < 20; n++, offset += 5000)
            append_at(&body, offset, 5000);
    }
    body_end(&body, BODY_COMPLETE);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(drinkers[i].thread, NULL);
        CHECK_INT(drinkers[i].got, offset);
        CHECK_INT(drinkers[i].gate.calls, drinkers[i].parks);
        gate_release(&drinkers[i].gate);
    }
    body_release(&body);
}
