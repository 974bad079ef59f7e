#include "cache/flight.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cache/index.h"
#include "unit.h"

static unsigned notified, had_room, abandoned;

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

static void on_abandoned(void *arg)
{
    CHECK(arg == &had_room);
    abandoned++;
}

static const struct flight_filler filler = {
    .on_room = on_room, .on_abandoned = on_abandoned, .arg = &had_room};

static struct flight *start(bool keep)
{
    struct flight *flight = flight_new(keep, 100, 40);

    notified = had_room = abandoned = 0;
    flight_man(flight, &filler);
    return flight;
}

static void set_head(struct flight *flight, unsigned status)
{
    struct head head;

    head_init(&head);
    head.status = status;
    fields_adds(&head.fields, "X-Test", "yes");
    flight_set_head(flight, &head);
    CHECK_INT(head.status, 0); /* its contents were taken */
    CHECK_INT(head.fields.count, 0);
    CHECK_INT(head.length, -1);
    head_release(&head);
}

static enum body_read look(struct body_reader *reader)
{
    char buf[256];
    size_t len = sizeof(buf);

    return body_read(reader, buf, &len);
}

TEST("a new head announces no length")
{
    struct head head;

    head_init(&head);
    CHECK_INT(head.length, -1);
    CHECK_INT(head.status, 0);
    CHECK(!head.until_close);
    CHECK_INT(head.fields.count, 0);
    head_release(&head);
}

TEST("a reader that waits for the head is told once it is there, and sees it")
{
    struct flight *flight = start(false);
    struct body_reader r;

    CHECK(flight_join(flight, &r, on_notify));
    CHECK_INT(flight_look(flight, &r), FLIGHT_WAITING);
    CHECK_INT(flight_look(flight, &r), FLIGHT_WAITING);
    CHECK_INT(notified, 0);
    set_head(flight, 201);
    CHECK_INT(notified, 1);
    CHECK_INT(flight_look(flight, &r), FLIGHT_GROWING);
    CHECK_INT(flight->head.status, 201);
    CHECK_STR(fields_get(&flight->head.fields, "x-test"), "yes");
    CHECK(flight_append(flight, "abc", 3));
    CHECK_INT(notified, 1); /* it looked, and did not park again */
    CHECK_INT(look(&r), BODY_READ_BYTES);
    CHECK_INT(look(&r), BODY_READ_WAIT);
    flight_complete(flight);
    CHECK_INT(notified, 2);
    CHECK_INT(look(&r), BODY_READ_END);
    CHECK(flight->err == NULL);
    flight_leave(flight, &r);
    CHECK_INT(abandoned, 0); /* it was over */
    flight_unref(flight);
}

TEST("a flight that fails before its head tells its readers so, and why")
{
    struct flight *flight = start(false);
    struct body_reader r;
    struct err err;

    flight_join(flight, &r, on_notify);
    CHECK_INT(flight_look(flight, &r), FLIGHT_WAITING);
    err_set(&err, ERR_UP_NAME, "why");
    flight_fail(flight, &err);
    CHECK_INT(notified, 1);
    CHECK_INT(flight_look(flight, &r), FLIGHT_FAILED);
    REQUIRE(flight->err != NULL && flight->err != &err); /* a copy of its own */
    CHECK_INT(flight->err->code, ERR_UP_NAME);
    CHECK_STR(flight->err->text, "why");
    CHECK_INT(look(&r), BODY_READ_BROKEN);
    flight_leave(flight, &r);
    CHECK_INT(abandoned, 0);
    flight_unref(flight);
}

TEST("a flight that breaks after its head keeps the head, its bytes, and the reason")
{
    struct flight *flight = start(false);
    struct body_reader r;
    struct err err;

    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    flight_append(flight, "abc", 3);
    err_set(&err, ERR_UP_BROKEN, "cut");
    flight_break(flight, &err);
    CHECK_INT(flight_look(flight, &r), FLIGHT_GROWING);
    CHECK_INT(look(&r), BODY_READ_BYTES);
    CHECK_INT(look(&r), BODY_READ_BROKEN);
    REQUIRE(flight->err != NULL);
    CHECK_INT(flight->err->code, ERR_UP_BROKEN);
    CHECK_INT(flight->head.status, 200);
    flight_leave(flight, &r);
    flight_unref(flight);
}

TEST("the filler is told when the last reader leaves before the end, and only then")
{
    struct flight *flight = start(true);
    struct body_reader a, b;

    flight_join(flight, &a, on_notify);
    flight_join(flight, &b, on_notify);
    flight_leave(flight, &a);
    CHECK_INT(abandoned, 0);
    flight_leave(flight, &a);
    CHECK_INT(abandoned, 0);
    set_head(flight, 200);
    flight_append(flight, "abc", 3);
    flight_leave(flight, &b);
    CHECK_INT(abandoned, 1);
    flight_leave(flight, &b);
    CHECK_INT(abandoned, 1);
    flight_unref(flight);
}

TEST("after the filler has gone nobody is told of anything")
{
    struct flight *flight = start(false);
    struct body_reader r;

    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    while (flight_append(flight, "0123456789", 10))
        ;
    flight_man(flight, NULL);
    CHECK_INT(look(&r), BODY_READ_BYTES); /* within low now */
    flight_leave(flight, &r);
    CHECK_INT(had_room, 0);
    CHECK_INT(abandoned, 0);
    flight_unref(flight);
}

TEST("a filler without callbacks is one")
{
    static const struct flight_filler mute = {.arg = NULL};
    struct flight *flight = flight_new(false, 10, 5);
    struct body_reader r;

    flight_man(flight, &mute);
    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    CHECK(!flight_append(flight, "0123456789abcdef", 16));
    CHECK_INT(look(&r), BODY_READ_BYTES);
    flight_leave(flight, &r);
    flight_unref(flight);
}

TEST("the filler is told that there is room when its readers have caught up")
{
    struct flight *flight = start(false);
    struct body_reader r;
    char buf[70];
    size_t len = sizeof(buf);

    memset(buf, 'x', sizeof(buf));
    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    CHECK(flight_append(flight, buf, sizeof(buf)));
    CHECK(!flight_append(flight, buf, sizeof(buf)));
    CHECK_INT(body_read(&r, buf, &len), BODY_READ_BYTES); /* 70 are left */
    CHECK_INT(had_room, 0);
    len = 30;
    CHECK_INT(body_read(&r, buf, &len), BODY_READ_BYTES); /* 40 */
    CHECK_INT(had_room, 1);
    flight_leave(flight, &r);
    CHECK_INT(had_room, 1);
    flight_unref(flight);
}

TEST("a reader that asks whether more is to come is told when it comes, wherever it stands")
{
    struct flight *flight = start(true);
    struct body_reader r;

    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    flight_append(flight, "abc", 3);
    CHECK(flight_is_open(flight, &r)); /* although it has not read what is there */
    CHECK_INT(notified, 0);
    flight_append(flight, "def", 3);
    flight_append(flight, "ghi", 3);
    CHECK_INT(notified, 1);
    CHECK(flight_is_open(flight, &r));
    flight_complete(flight);
    CHECK_INT(notified, 2);
    CHECK(!flight_is_open(flight, &r));
    CHECK_INT(look(&r), BODY_READ_BYTES);
    CHECK_INT(look(&r), BODY_READ_END);
    flight_leave(flight, &r);
    CHECK_INT(notified, 2);
    flight_unref(flight);
}

TEST("nobody joins a flight that has let bytes go")
{
    struct flight *flight = start(false);
    struct body_reader a, late;

    flight_join(flight, &a, on_notify);
    set_head(flight, 200);
    flight_append(flight, "abc", 3);
    look(&a);
    CHECK(!flight_join(flight, &late, on_notify));
    flight_leave(flight, &late); /* of one that never joined: nothing */
    CHECK_INT(abandoned, 0);
    flight_leave(flight, &a);
    CHECK_INT(abandoned, 1);
    flight_unref(flight);
}

TEST("a flight lives until its last reference is given back")
{
    struct flight *flight = start(true), *again = flight_ref(flight);

    CHECK(again == flight);
    flight_unref(flight);
    set_head(again, 200); /* a sanitizer would tell if it were gone */
    flight_append(again, "abc", 3);
    flight_complete(again);
    CHECK_INT(body_size(&again->body), 3);
    flight_unref(again);
    flight_unref(NULL);
}

TEST("what has no key passes, with a flight of its own")
{
    struct flight *a, *b;

    CHECK_INT(index_lookup(&a, 100, 50), INDEX_PASS);
    CHECK_INT(index_lookup(&b, 100, 50), INDEX_PASS);
    CHECK(a != b);
    CHECK_INT(a->state, FLIGHT_WAITING);
    flight_unref(a);
    flight_unref(b);
}

/* ---- threads: a filler and readers that come and go ---- */

#define READERS 5
#define PIECES 400

struct passenger {
    struct flight *flight;
    struct body_reader reader;
    pthread_mutex_t lock;
    pthread_cond_t called;
    pthread_t thread;
    unsigned calls, parks;
    size_t got;
    unsigned status;
    enum body_read last;
};

static void on_passenger(struct body_reader *reader)
{
    struct passenger *p = container_of(reader, struct passenger, reader);

    pthread_mutex_lock(&p->lock);
    p->calls++;
    pthread_cond_signal(&p->called);
    pthread_mutex_unlock(&p->lock);
}

static void wait_for_call(struct passenger *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->calls <= p->parks)
        pthread_cond_wait(&p->called, &p->lock);
    p->parks++;
    pthread_mutex_unlock(&p->lock);
}

static void *ride(void *arg)
{
    struct passenger *p = arg;
    char buf[3000];
    size_t len;

    while (flight_look(p->flight, &p->reader) == FLIGHT_WAITING)
        wait_for_call(p);
    p->status = p->flight->head.status;
    for (;;) {
        len = sizeof(buf);
        p->last = body_read(&p->reader, buf, &len);
        if (p->last == BODY_READ_WAIT)
            wait_for_call(p);
        else if (p->last == BODY_READ_BYTES)
            p->got += len;
        else
            break;
    }
    flight_leave(p->flight, &p->reader);
    flight_unref(p->flight);
    return NULL;
}

static void fly(int how)
{
    struct flight *flight = flight_new(true, SIZE_MAX, 0);
    struct passenger passengers[READERS];
    struct err err;

    err_set(&err, ERR_UP_BROKEN, "cut");
    for (size_t i = 0; i < READERS; i++) {
        struct passenger *p = &passengers[i];

        *p = (struct passenger){.flight = flight_ref(flight)};
        pthread_mutex_init(&p->lock, NULL);
        pthread_cond_init(&p->called, NULL);
        CHECK(flight_join(flight, &p->reader, on_passenger));
        pthread_create(&p->thread, NULL, ride, p);
    }
    if (how == 2) {
        flight_fail(flight, &err);
    } else {
        set_head(flight, 207);
        for (unsigned i = 0; i < PIECES; i++)
            flight_append(flight, "0123456789", 10);
        if (how == 0)
            flight_complete(flight);
        else
            flight_break(flight, &err);
    }
    flight_unref(flight);
    for (size_t i = 0; i < READERS; i++) {
        struct passenger *p = &passengers[i];

        pthread_join(p->thread, NULL);
        CHECK_INT(p->calls, p->parks);
        CHECK_INT(p->status, how == 2 ? 0 : 207);
        CHECK_INT(p->got, how == 2 ? 0 : PIECES * 10);
        CHECK_INT(p->last, how == 0 ? BODY_READ_END : BODY_READ_BROKEN);
        pthread_mutex_destroy(&p->lock);
        pthread_cond_destroy(&p->called);
    }
}

TEST("passengers on many threads see one head, the same bytes, and the same end")
{
    for (int round = 0; round < 20; round++)
        for (int how = 0; how < 3; how++)
            fly(how);
}

static pthread_barrier_t both;
static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_counted(void *arg)
{
    pthread_mutex_lock(&count_lock);
    ++*(unsigned *)arg;
    pthread_mutex_unlock(&count_lock);
}

static void *leave_together(void *arg)
{
    struct passenger *p = arg;

    pthread_barrier_wait(&both);
    flight_leave(p->flight, &p->reader);
    return NULL;
}

TEST("when the last two readers leave at the same moment, the filler is told")
{
    pthread_barrier_init(&both, NULL, 2);
    for (int round = 0; round < 3000; round++) {
        struct flight *flight = flight_new(true, 100, 40);
        struct passenger p[2];
        unsigned told = 0;
        struct flight_filler f = {.on_abandoned = on_counted, .arg = &told};

        flight_man(flight, &f);
        for (size_t i = 0; i < 2; i++) {
            p[i].flight = flight;
            flight_join(flight, &p[i].reader, on_passenger);
        }
        for (size_t i = 0; i < 2; i++)
            pthread_create(&p[i].thread, NULL, leave_together, &p[i]);
        for (size_t i = 0; i < 2; i++)
            pthread_join(p[i].thread, NULL);
        CHECK(told >= 1);
        flight_unref(flight);
    }
    pthread_barrier_destroy(&both);
}
