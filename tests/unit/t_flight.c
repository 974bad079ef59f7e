#include "cache/flight.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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
    flight_set_filler(flight, &filler);
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
    CHECK_INT(flight_poll(flight, &r), FLIGHT_WAITING);
    CHECK_INT(flight_poll(flight, &r), FLIGHT_WAITING);
    CHECK_INT(notified, 0);
    set_head(flight, 201);
    CHECK_INT(notified, 1);
    CHECK_INT(flight_poll(flight, &r), FLIGHT_GROWING);
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

TEST("a reader that is lost before it has seen the head may ask for the answer anew")
{
    struct flight *flight = start(true);
    struct body_reader fast, late;
    char bytes[64] = "";

    CHECK(flight_join(flight, &fast, on_notify));
    CHECK(flight_join(flight, &late, on_notify));
    CHECK_INT(flight_poll(flight, &fast), FLIGHT_WAITING);
    CHECK_INT(flight_poll(flight, &late), FLIGHT_WAITING);
    set_head(flight, 200);
    body_stop_keeping(&flight->body, 0);
    for (int i = 0; i < 1000 && !late.lost; i++) {
        flight_append(flight, bytes, sizeof(bytes));
        while (look(&fast) == BODY_READ_BYTES)
            ;
        flight_lose_laggards(flight);
    }
    CHECK(late.lost);
    CHECK_INT(flight_poll(flight, &fast), FLIGHT_GROWING);
    CHECK_INT(flight_poll(flight, &late), FLIGHT_EXCLUSIVE);
    flight_leave(flight, &late);
    flight_complete(flight);
    flight_leave(flight, &fast);
    flight_unref(flight);
}

TEST("a flight has the longest timeouts of its readers, whoever came first; 0 is the longest")
{
    static const struct {
        struct flight_timeouts first, second, most;
    } rows[] = {
        {{100, 500, 1}, {300, 200, 2}, {300, 500, 2}},
        {{300, 200, 2}, {100, 500, 1}, {300, 500, 2}},
        {{0, 200, 0}, {100, 0, 5}, {0, 0, 5}},
        {{100, 0, 7}, {0, 200, 7}, {0, 0, 7}},
        {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct flight *flight = start(false);
        struct flight_timeouts most;

        flight_raise_timeouts(flight, &rows[i].first);
        most = flight_timeouts(flight);
        CHECK_INT(most.before_head, rows[i].first.before_head);
        CHECK_INT(most.within_body, rows[i].first.within_body);
        flight_raise_timeouts(flight, &rows[i].second);
        most = flight_timeouts(flight);
        CHECK_INT(most.before_head, rows[i].most.before_head);
        CHECK_INT(most.within_body, rows[i].most.within_body);
        CHECK_INT(most.asked_ms, rows[i].most.asked_ms);
        flight_unref(flight);
    }
}

TEST("a flight that fails before its head tells its readers so, and why")
{
    struct flight *flight = start(false);
    struct body_reader r;
    struct err err;

    flight_join(flight, &r, on_notify);
    CHECK_INT(flight_poll(flight, &r), FLIGHT_WAITING);
    err_set(&err, ERR_UP_NAME, "why");
    flight_fail(flight, &err);
    CHECK_INT(notified, 1);
    CHECK_INT(flight_poll(flight, &r), FLIGHT_FAILED);
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
    CHECK_INT(flight_poll(flight, &r), FLIGHT_GROWING);
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
    flight_set_filler(flight, NULL);
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

    flight_set_filler(flight, &mute);
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

/* ---- a flight that others may join ---- */

struct test_keeper {
    struct flight_hooks keeper;
    bool share, keep, whole; /* what it answers */
    unsigned heads, ends, looks, withdrawn, freed;
    bool head_was_hidden;
};

static bool on_may_share(struct flight_hooks *keeper, struct flight *flight)
{
    struct test_keeper *k = container_of(keeper, struct test_keeper, keeper);

    k->heads++;
    k->head_was_hidden = flight->state == FLIGHT_WAITING && flight->head.status == 200;
    return k->share;
}

static bool on_keep(struct flight_hooks *keeper, struct flight *flight)
{
    struct test_keeper *k = container_of(keeper, struct test_keeper, keeper);

    k->ends++;
    CHECK_INT(body_state(&flight->body), BODY_OPEN); /* before anybody else knows */
    return k->keep;
}

static bool on_is_whole(struct flight_hooks *keeper, struct flight *flight)
{
    struct test_keeper *k = container_of(keeper, struct test_keeper, keeper);

    (void)flight;
    k->looks++;
    return k->whole;
}

static void on_withdraw(struct flight_hooks *keeper, struct flight *flight)
{
    (void)flight;
    container_of(keeper, struct test_keeper, keeper)->withdrawn++;
}

static void on_free(struct flight_hooks *keeper)
{
    container_of(keeper, struct test_keeper, keeper)->freed++;
}

static struct flight *start_within(struct test_keeper *k, bool share, uint64_t keep_max,
                                   struct budget *budget)
{
    struct flight *flight = start(true);

    *k = (struct test_keeper){.keeper = {.may_share = on_may_share,
                                         .complete = on_keep,
                                         .is_whole = on_is_whole,
                                         .withdraw = on_withdraw,
                                         .free = on_free},
                              .share = share,
                              .keep = true};
    flight_set_hooks(flight, &k->keeper, keep_max, budget);
    CHECK(flight_is_kept(flight));
    return flight;
}

static struct flight *start_kept(struct test_keeper *k, bool share, uint64_t keep_max)
{
    return start_within(k, share, keep_max, NULL);
}

TEST("a keeper sees head and end before any reader does, and goes with the flight")
{
    struct body_reader a, b, late;
    struct test_keeper k;
    struct flight *flight = start_kept(&k, true, 100);

    CHECK(!flight_is_read(flight));
    flight_join(flight, &a, on_notify);
    flight_join(flight, &b, on_notify);
    CHECK(flight_is_read(flight));
    set_head(flight, 200);
    CHECK_INT(k.heads, 1);
    CHECK(k.head_was_hidden);
    CHECK_INT(flight_poll(flight, &a), FLIGHT_GROWING);
    CHECK_INT(flight_poll(flight, &b), FLIGHT_GROWING);
    flight_append(flight, "abc", 3);
    CHECK(flight_join(flight, &late, on_notify));
    flight_complete(flight);
    CHECK_INT(k.ends, 1);
    CHECK_INT(k.withdrawn, 0);
    CHECK(flight_is_kept(flight));
    flight_leave(flight, &a);
    flight_leave(flight, &b);
    flight_leave(flight, &late);
    CHECK_INT(k.freed, 0);
    flight_unref(flight);
    CHECK_INT(k.freed, 1);
}

TEST("an answer that may not be shared is the first reader's alone, and nobody joins any more")
{
    struct body_reader a, b, late;
    struct test_keeper k;
    struct flight *flight = start_kept(&k, false, 100);

    flight_join(flight, &a, on_notify);
    flight_join(flight, &b, on_notify);
    CHECK_INT(flight_poll(flight, &b), FLIGHT_WAITING);
    set_head(flight, 200);
    CHECK_INT(notified, 1); /* the other one is told, too: it has to go on by itself */
    CHECK_INT(k.withdrawn, 1);
    CHECK_INT(k.freed, 1);
    CHECK(!flight_is_kept(flight));
    CHECK_INT(flight_poll(flight, &b), FLIGHT_EXCLUSIVE);
    CHECK_INT(flight_poll(flight, &a), FLIGHT_GROWING);
    CHECK(!flight_join(flight, &late, on_notify));
    flight_leave(flight, &b);
    flight_append(flight, "abc", 3);
    CHECK_INT(look(&a), BODY_READ_BYTES);
    flight_complete(flight);
    CHECK_INT(k.ends, 0);
    CHECK_INT(look(&a), BODY_READ_END);
    flight_leave(flight, &a);
    CHECK_INT(abandoned, 0);
    flight_unref(flight);
}

TEST("when the one whose alone it is leaves before it saw the head, the next one has it")
{
    struct body_reader a, b, c;
    struct test_keeper k;
    struct flight *flight = start_kept(&k, false, 100);

    flight_join(flight, &a, on_notify);
    flight_join(flight, &b, on_notify);
    flight_join(flight, &c, on_notify);
    flight_leave(flight, &a); /* before the head */
    set_head(flight, 500);
    CHECK_INT(flight_poll(flight, &c), FLIGHT_EXCLUSIVE);
    CHECK_INT(flight_poll(flight, &b), FLIGHT_GROWING);
    flight_leave(flight, &b); /* after it: what b may have passed on is not for c as well */
    CHECK_INT(abandoned, 0);
    CHECK_INT(flight_poll(flight, &c), FLIGHT_EXCLUSIVE);
    flight_leave(flight, &c);
    CHECK_INT(abandoned, 1);
    flight_unref(flight);
}

TEST("a body that grows beyond what is kept is withdrawn, and who reads it reads on")
{
    struct body_reader r, late;
    struct test_keeper k;
    struct flight *flight = start_kept(&k, true, 10);

    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    flight_append(flight, "0123456789", 10);
    CHECK_INT(k.withdrawn, 0);
    CHECK_INT(look(&r), BODY_READ_BYTES);
    flight_append(flight, "x", 1);
    CHECK_INT(k.withdrawn, 1);
    CHECK_INT(k.freed, 1);
    CHECK(!flight_is_kept(flight));
    CHECK_INT(look(&r), BODY_READ_BYTES);
    CHECK(!flight_join(flight, &late, on_notify)); /* it lets go of its bytes now */
    CHECK_INT(flight_poll(flight, &r), FLIGHT_GROWING);
    flight_complete(flight);
    CHECK_INT(k.ends, 0);
    CHECK_INT(look(&r), BODY_READ_END);
    flight_leave(flight, &r);
    flight_unref(flight);
}

/* Ten bytes, so often. */
static void append_tens(struct flight *flight, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        flight_append(flight, "0123456789", 10);
}

TEST("a body that finds no more room in the budget is withdrawn, and who reads it reads on")
{
    struct body_reader r, late;
    struct budget budget;
    struct test_keeper k;
    struct flight *flight;

    budget_init(&budget, 5000);
    flight = start_within(&k, true, 100000, &budget);
    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    append_tens(flight, 100);
    CHECK_INT(k.withdrawn, 0);
    CHECK(atomic_load(&budget.used) >= 1000);
    CHECK_INT(look(&r), BODY_READ_BYTES);
    budget_add(&budget, 5000); /* what others take */
    append_tens(flight, 1);
    CHECK_INT(k.withdrawn, 1);
    CHECK_INT(k.freed, 1);
    CHECK(!flight_is_kept(flight));
    CHECK(!flight_join(flight, &late, on_notify));
    CHECK_INT(flight_poll(flight, &r), FLIGHT_GROWING);
    for (unsigned i = 0; i < 300; i++) { /* it lets go of what was read */
        append_tens(flight, 5);
        CHECK_INT(look(&r), BODY_READ_BYTES);
    }
    CHECK(atomic_load(&budget.used) < 5000 + 3000);
    flight_complete(flight);
    CHECK_INT(k.ends, 0);
    while (look(&r) == BODY_READ_BYTES)
        ;
    CHECK_INT(look(&r), BODY_READ_END);
    CHECK_INT(abandoned, 0);
    flight_leave(flight, &r);
    flight_unref(flight);
    CHECK_INT(atomic_load(&budget.used), 5000);
}

TEST("nobody joins an answer that has outgrown its keeper, although all of it is still there")
{
    for (int by_budget = 0; by_budget < 2; by_budget++) {
        struct body_reader r, late;
        struct budget budget;
        struct test_keeper k;
        struct flight *flight;

        budget_init(&budget, by_budget ? 50 : 100000);
        flight = start_within(&k, true, by_budget ? 100000 : 50, &budget);
        flight_join(flight, &r, on_notify);
        set_head(flight, 200);
        append_tens(flight, 10); /* its only reader has not begun */
        CHECK_INT(k.withdrawn, 1);
        CHECK(!flight_join(flight, &late, on_notify));
        CHECK_INT(look(&r), BODY_READ_BYTES);
        flight_complete(flight);
        CHECK_INT(look(&r), BODY_READ_END);
        flight_leave(flight, &r);
        flight_unref(flight);
    }
}

TEST("room that others give back in time is room, and an end without any is kept")
{
    struct body_reader r, late;
    struct budget budget;
    struct test_keeper k;
    struct flight *flight;

    budget_init(&budget, 5000);
    flight = start_within(&k, true, 100000, &budget);
    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    budget_add(&budget, 5000);
    budget_sub(&budget, 5000);
    append_tens(flight, 10);
    CHECK(flight_is_kept(flight));
    budget_add(&budget, 5000); /* after its last byte: it asks for no more */
    CHECK(flight_join(flight, &late, on_notify));
    flight_complete(flight);
    CHECK_INT(k.ends, 1);
    CHECK_INT(k.withdrawn, 0);
    CHECK_INT(look(&late), BODY_READ_BYTES);
    CHECK_INT(look(&late), BODY_READ_END);
    flight_leave(flight, &r);
    flight_leave(flight, &late);
    flight_unref(flight);
    CHECK_INT(atomic_load(&budget.used), 5000);
}

TEST("when a body outgrows its keeper, a reader that makes it wait may lose it, and the fastest "
     "none")
{
    for (int by_budget = 0; by_budget < 2; by_budget++) {
        struct body_reader fast, slow;
        struct budget budget;
        struct test_keeper k;
        struct flight *flight;

        budget_init(&budget, by_budget ? 3000 : 100000);
        flight = start_within(&k, true, by_budget ? 100000 : 3000, &budget);
        flight_join(flight, &fast, on_notify);
        flight_join(flight, &slow, on_notify);
        set_head(flight, 200);
        for (unsigned i = 0; i < 1000; i++) {
            append_tens(flight, 1);
            CHECK_INT(look(&fast), BODY_READ_BYTES);
            if (i == 500)
                flight_lose_laggards(flight);
            CHECK_INT(slow.lost, i >= 500);
        }
        CHECK_INT(k.withdrawn, 1);
        CHECK_INT(look(&slow), BODY_READ_BROKEN); /* what it did not read is gone */
        flight_complete(flight);
        CHECK_INT(look(&fast), BODY_READ_END);
        flight_leave(flight, &fast);
        flight_leave(flight, &slow);
        CHECK_INT(abandoned, 0);
        flight_unref(flight);
        CHECK_INT(atomic_load(&budget.used), 0);
    }
}

/* ---- taps ---- */

struct test_tap {
    struct tap tap;
    struct str seen;
};

static void on_tap_head(struct tap *tap, struct flight *flight)
{
    str_addf(&container_of(tap, struct test_tap, tap)->seen, "%u:", flight->head.status);
}

static void on_tap_bytes(struct tap *tap, struct flight *flight, const void *bytes, size_t len)
{
    CHECK(body_size(&flight->body) >= len);
    str_add(&container_of(tap, struct test_tap, tap)->seen, bytes, len);
}

static void on_tap_end(struct tap *tap, struct flight *flight, bool complete)
{
    CHECK_INT(body_state(&flight->body), BODY_OPEN); /* no reader knows yet */
    str_adds(&container_of(tap, struct test_tap, tap)->seen, complete ? ".whole" : ".broken");
}

static void tap_flight(struct test_tap *t, struct flight *flight)
{
    *t = (struct test_tap){
        .tap = {.on_head = on_tap_head, .on_bytes = on_tap_bytes, .on_end = on_tap_end}};
    str_init(&t->seen);
    flight_add_tap(flight, &t->tap);
}

static void check_tap(struct test_tap *t, const char *seen)
{
    CHECK_STR(t->seen.text, seen);
    list_remove(&t->tap.node);
    str_release(&t->seen);
}

TEST("each tap on a flight sees its head, its bytes as they come, and how it ended")
{
    for (int complete = 0; complete < 2; complete++) {
        struct flight *flight = start(true);
        struct test_tap a, b, none = {.tap = {.on_head = NULL}};
        struct err err = {.code = ERR_UP_BROKEN};

        tap_flight(&a, flight);
        flight_add_tap(flight, &none.tap);
        tap_flight(&b, flight);
        set_head(flight, 201);
        flight_append(flight, "one", 3);
        flight_append(flight, "two", 3);
        if (complete)
            flight_complete(flight);
        else
            flight_break(flight, &err);
        check_tap(&a, complete ? "201:onetwo.whole" : "201:onetwo.broken");
        check_tap(&b, complete ? "201:onetwo.whole" : "201:onetwo.broken");
        list_remove(&none.tap.node);
        flight_unref(flight);
    }
}

TEST("a tap on a flight that fails before its head sees the end alone")
{
    struct flight *flight = start(true);
    struct err err = {.code = ERR_UP_BROKEN};
    struct test_tap tap;

    tap_flight(&tap, flight);
    flight_fail(flight, &err);
    check_tap(&tap, ".broken");
    flight_unref(flight);
}

TEST("a filler that goes on for the cache alone is told when the answer outgrows it")
{
    for (int by_budget = 0; by_budget < 2; by_budget++) {
        struct budget budget;
        struct test_keeper k;
        struct body_reader r;
        struct flight *flight;
        bool whole;

        budget_init(&budget, by_budget ? 3000 : 100000);
        flight = start_within(&k, true, by_budget ? 100000 : 3000, &budget);
        flight_join(flight, &r, on_notify);
        set_head(flight, 200);
        append_tens(flight, 10);
        flight_leave(flight, &r);
        CHECK_INT(abandoned, 1); /* it goes on: --on-disconnect finish */
        append_tens(flight, 10);
        CHECK_INT(abandoned, 1);
        append_tens(flight, 500);
        CHECK_INT(k.withdrawn, 1);
        CHECK_INT(abandoned, 2); /* nobody wants the rest now */
        append_tens(flight, 500);
        CHECK_INT(abandoned, 2);
        CHECK_INT(atomic_load(&budget.used), 0); /* nor is anything held */
        CHECK(flight_give_up(flight, &whole));
        CHECK(!whole);
        CHECK_INT(k.looks, 0);
        flight_unref(flight);
    }
}

TEST("who reads an answer that outgrows its keeper may leave it as any other")
{
    struct test_keeper k;
    struct body_reader r;
    struct flight *flight = start_kept(&k, true, 10);

    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    append_tens(flight, 2);
    CHECK_INT(k.withdrawn, 1);
    CHECK_INT(abandoned, 0); /* it is read */
    flight_leave(flight, &r);
    CHECK_INT(abandoned, 1);
    flight_unref(flight);
}

TEST("what its keeper will not keep in the end is complete for its readers all the same")
{
    struct body_reader r;
    struct test_keeper k;
    struct flight *flight = start_kept(&k, true, 100);

    k.keep = false;
    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    flight_append(flight, "abc", 3);
    flight_complete(flight);
    CHECK_INT(k.ends, 1);
    CHECK_INT(k.freed, 1);
    CHECK(!flight_is_kept(flight));
    CHECK_INT(look(&r), BODY_READ_BYTES);
    CHECK_INT(look(&r), BODY_READ_END);
    flight_leave(flight, &r);
    flight_unref(flight);
}

TEST("a flight that fails or breaks is withdrawn, and nobody joins it any more")
{
    struct err err;

    err_set(&err, ERR_UP_BROKEN, "cut");
    for (int after_head = 0; after_head < 2; after_head++) {
        struct body_reader r, late;
        struct test_keeper k;
        struct flight *flight = start_kept(&k, true, 100);

        flight_join(flight, &r, on_notify);
        if (after_head) {
            set_head(flight, 200);
            flight_break(flight, &err);
        } else {
            flight_fail(flight, &err);
        }
        CHECK_INT(k.withdrawn, 1);
        CHECK_INT(k.freed, 1);
        CHECK_INT(k.ends, 0);
        CHECK(!flight_join(flight, &late, on_notify));
        flight_leave(flight, &r);
        flight_unref(flight);
    }
}

TEST("a filler that would give up goes on if somebody joined meanwhile")
{
    struct body_reader r, new;
    struct test_keeper k;
    struct flight *flight = start_kept(&k, true, 100);
    bool whole = true;

    flight_join(flight, &r, on_notify);
    set_head(flight, 200);
    flight_leave(flight, &r);
    CHECK_INT(abandoned, 1);
    CHECK(flight_join(flight, &new, on_notify));
    CHECK(!flight_give_up(flight, &whole));
    CHECK(!whole);
    CHECK_INT(k.looks, 0);
    flight_append(flight, "abc", 3);
    CHECK_INT(look(&new), BODY_READ_BYTES);
    flight_leave(flight, &new);
    CHECK_INT(abandoned, 2);
    flight_unref(flight);
}

TEST("a flight that is given up is closed, and whole if its keeper says that nothing is missing")
{
    for (int is_whole = 0; is_whole < 2; is_whole++) {
        struct body_reader r, late;
        struct test_keeper k;
        struct flight *flight = start_kept(&k, true, 100);
        bool whole;

        k.whole = is_whole;
        flight_join(flight, &r, on_notify);
        set_head(flight, 200);
        flight_append(flight, "abc", 3);
        flight_leave(flight, &r);
        CHECK(flight_give_up(flight, &whole));
        CHECK(whole == is_whole);
        CHECK_INT(k.looks, 1);
        CHECK(!flight_join(flight, &late, on_notify));
        if (whole)
            flight_complete(flight);
        CHECK_INT(k.ends, is_whole);
        flight_unref(flight);
        CHECK_INT(k.freed, 1);
    }
}

TEST("nothing is whole before its head, or without a keeper")
{
    struct flight *alone = start(false);
    struct test_keeper k;
    bool whole = true;

    CHECK(flight_give_up(alone, &whole));
    CHECK(!whole);
    flight_unref(alone);
    alone = start_kept(&k, true, 100);
    whole = k.whole = true;
    CHECK(flight_give_up(alone, &whole));
    CHECK(!whole);
    CHECK_INT(k.looks, 0);
    flight_unref(alone);
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

    while (flight_poll(p->flight, &p->reader) == FLIGHT_WAITING)
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

        flight_set_filler(flight, &f);
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

static bool no_sharing(struct flight_hooks *keeper, struct flight *flight)
{
    (void)keeper;
    (void)flight;
    return false;
}

static void nothing(struct flight_hooks *keeper, struct flight *flight)
{
    (void)keeper;
    (void)flight;
}

static void nothing_to_free(struct flight_hooks *keeper)
{
    (void)keeper;
}

TEST("what may not be shared has one reader: nobody inherits what was seen")
{
    for (int seen = 0; seen < 2; seen++) {
        struct flight_hooks keeper = {
            .may_share = no_sharing, .withdraw = nothing, .free = nothing_to_free};
        struct flight *flight = start(true);
        struct body_reader first, second;

        flight_set_hooks(flight, &keeper, 1000, NULL);
        CHECK(flight_join(flight, &first, on_notify));
        CHECK(flight_join(flight, &second, on_notify));
        set_head(flight, 500);
        if (seen)
            CHECK_INT(flight_poll(flight, &first), FLIGHT_GROWING);
        flight_leave(flight, &first);
        CHECK_INT(flight_poll(flight, &second), seen ? FLIGHT_EXCLUSIVE : FLIGHT_GROWING);
        flight_leave(flight, &second);
        flight_complete(flight);
        flight_unref(flight);
    }
}
