#include "cache/index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "gzip_help.h"
#include "unit.h"

#define SHARDS 8U /* as in shard.h */
#define MB ((size_t)1024 * 1024)
/* A chat completion whose content is this JSON. */
#define SAYS_BEGIN "{\"choices\":[{\"message\":{\"content\":"
#define SAYS_END "},\"finish_reason\":\"stop\"}]}"
#define SAYS(content) SAYS_BEGIN content SAYS_END
#define GOOD SAYS("\"good\"")

static const struct index_rules usual = {.memory_bytes = 64 * MB, .object_bytes = MB};

static void on_notify(struct body_reader *reader)
{
    (void)reader;
}

/* Keys whose last byte is the same share a shard. */
static struct key key_of(unsigned number, unsigned shard)
{
    struct key key = {{0}};

    memcpy(key.bytes, &number, sizeof(number));
    key.bytes[KEY_BYTES - 1] = (unsigned char)shard;
    return key;
}

/* One who asks, and what came of it. */
struct asker {
    struct key key;
    struct index_query query;
    struct body_reader reader;
    struct index_answer answer;
    enum index_verdict verdict;
};

static void prepare(struct asker *a, unsigned number)
{
    *a = (struct asker){.key = key_of(number, 3)};
    a->query = (struct index_query){.now_ms = clock_unix_ms(),
                                    .ttl_ms = 60000,
                                    .asks = {.max_age_s = -1},
                                    .api = CACHE_CLASS_CHAT,
                                    .method = "POST",
                                    .target = "/v1/chat/completions?a=b",
                                    .model = "m-1",
                                    .high = 1000,
                                    .low = 100};
}

static enum index_verdict ask_now(struct index *index, struct asker *a)
{
    a->query.key = &a->key;
    a->verdict = index_lookup(index, &a->query, &a->reader, on_notify, &a->answer);
    CHECK((a->verdict == INDEX_HIT) == (a->answer.object != NULL));
    CHECK((a->verdict == INDEX_JOIN || a->verdict == INDEX_MISS) == (a->answer.flight != NULL));
    return a->verdict;
}

static enum index_verdict ask(struct index *index, struct asker *a, unsigned number)
{
    prepare(a, number);
    return ask_now(index, a);
}

static void leave(struct asker *a)
{
    if (a->answer.flight)
        flight_leave(a->answer.flight, &a->reader);
    flight_unref(take(a->answer.flight));
    object_unref(take(a->answer.object));
}

static void set_head(struct flight *flight, unsigned status, const char *name, const char *value)
{
    struct head head;

    head_init(&head);
    head.status = status;
    fields_adds(&head.fields, "Content-Type", "application/json");
    if (name)
        fields_adds(&head.fields, name, value);
    flight_set_head(flight, &head);
}

/* length: announced, or -1 */
static void set_stream_head(struct flight *flight, int64_t length)
{
    struct head head;

    head_init(&head);
    head.status = 200;
    head.length = length;
    fields_adds(&head.fields, "Content-Type", "text/event-stream");
    flight_set_head(flight, &head);
}

static void answer_with(struct flight *flight, const char *body)
{
    set_head(flight, 200, NULL, NULL);
    flight_append(flight, body, strlen(body));
    flight_complete(flight);
}

/* What is looked for, without leaving a trace; only fit for what is there, or nobody fetches. */
static enum index_verdict verdict_on(struct index *index, unsigned number)
{
    struct asker a;
    enum index_verdict verdict = ask(index, &a, number);

    leave(&a);
    return verdict;
}

/* Somebody asks and is answered. */
static void store_answer(struct index *index, unsigned number, const char *body)
{
    struct asker a;

    if (CHECK_INT(ask(index, &a, number), INDEX_MISS))
        answer_with(a.answer.flight, body);
    leave(&a);
}

/* The body that is found for it, or "". The caller frees. */
static char *stored(struct index *index, unsigned number)
{
    char *text = mem_strdup("");
    struct asker a;

    if (ask(index, &a, number) == INDEX_HIT) {
        free(text);
        text = mem_strndup((const char *)a.answer.object->body, a.answer.object->body_len);
    }
    leave(&a);
    return text;
}

static struct index_figures figures_of(struct index *index)
{
    struct index_figures figures;

    index_figures(index, &figures);
    return figures;
}

/* ---- the verdict ---- */

TEST("the first one fetches, those who come meanwhile join, those who come later have a hit")
{
    struct index *index = index_new(&usual);
    struct asker first, joined, other;
    char buf[128];
    size_t len = sizeof(buf);

    CHECK_INT(ask(index, &first, 1), INDEX_MISS);
    CHECK(!first.answer.stale);
    CHECK_INT(ask(index, &joined, 1), INDEX_JOIN);
    CHECK(joined.answer.flight == first.answer.flight);
    CHECK_INT(ask(index, &other, 2), INDEX_MISS); /* another key is another matter */
    CHECK(other.answer.flight != first.answer.flight);
    answer_with(first.answer.flight, GOOD);
    CHECK_INT(body_read(&joined.reader, buf, &len), BODY_READ_BYTES);
    CHECK_INT(len, strlen(GOOD));
    leave(&first);
    leave(&joined);
    CHECK_INT(ask(index, &first, 1), INDEX_HIT);
    CHECK_INT(first.answer.object->status, 200);
    CHECK_INT(first.answer.object->body_len, strlen(GOOD));
    CHECK(memcmp(first.answer.object->body, GOOD, strlen(GOOD)) == 0);
    CHECK_STR(first.answer.object->label, "POST /v1/chat/completions");
    CHECK_STR(first.answer.object->model, "m-1");
    CHECK_INT(first.answer.object->collection, 0);
    CHECK_STR(fields_get(&first.answer.object->fields, "content-type"), "application/json");
    leave(&first);
    leave(&other);
    index_free(index);
    index_free(NULL);
}

TEST("what was found is good for as long as it is held, whatever becomes of the index")
{
    struct index *index = index_new(&usual);
    struct asker a;

    store_answer(index, 1, GOOD);
    CHECK_INT(ask(index, &a, 1), INDEX_HIT);
    index_free(index);
    CHECK(memcmp(a.answer.object->body, GOOD, strlen(GOOD)) == 0);
    leave(&a);
}

TEST("an answer can be found before the readers of its flight see its end")
{
    struct index *index = index_new(&usual);
    struct asker a;

    /* flight.c's complete() comes before the body's end; here: it is found while they still read */
    ask(index, &a, 1);
    answer_with(a.answer.flight, GOOD);
    CHECK_INT(verdict_on(index, 1), INDEX_HIT);
    leave(&a);
    CHECK_INT(figures_of(index).items, 1);
    index_free(index);
}

TEST("what has no key passes, with a flight of its own that nobody hears of")
{
    struct body_reader ra, rb;
    struct flight *a = index_pass(100, 50, &ra, on_notify),
                  *b = index_pass(100, 50, &rb, on_notify);

    CHECK(a != b);
    CHECK_INT(a->state, FLIGHT_WAITING);
    CHECK(!flight_is_kept(a));
    CHECK(flight_is_read(a));
    flight_leave(a, &ra);
    flight_leave(b, &rb);
    flight_unref(a);
    flight_unref(b);
}

TEST("one who must fetch alone has neither an object nor a flight of others, and others join it")
{
    struct index *index = index_new(&usual);
    struct asker first, alone, refresh, joined;
    mem_auto char *text = NULL;

    ask(index, &first, 1);
    prepare(&alone, 1);
    alone.query.no_coalesce = true;
    CHECK_INT(ask_now(index, &alone), INDEX_MISS);
    CHECK(alone.answer.flight != first.answer.flight);
    CHECK_INT(ask(index, &joined, 1), INDEX_JOIN);
    CHECK(joined.answer.flight == alone.answer.flight); /* the newest */
    answer_with(first.answer.flight, SAYS("[1]"));
    answer_with(alone.answer.flight, SAYS("[2]"));
    leave(&first);
    leave(&alone);
    leave(&joined);
    prepare(&refresh, 1);
    refresh.query.asks.no_cache = true;
    CHECK_INT(ask_now(index, &refresh), INDEX_MISS);
    CHECK(refresh.answer.stale);
    CHECK_INT(verdict_on(index, 1), INDEX_HIT); /* who does not ask for it has the old one */
    answer_with(refresh.answer.flight, SAYS("[3]"));
    leave(&refresh);
    text = stored(index, 1);
    CHECK_STR(text, SAYS("[3]"));
    index_free(index);
}

TEST("of two answers the one that was asked for later stays, in whatever order they come")
{
    for (int newer_first = 0; newer_first < 2; newer_first++) {
        struct index *index = index_new(&usual);
        struct asker old, new;
        mem_auto char *text = NULL;

        ask(index, &old, 1);
        prepare(&new, 1);
        new.query.asks.no_cache = true;
        ask_now(index, &new);
        if (newer_first) {
            answer_with(new.answer.flight, SAYS("\"new\""));
            answer_with(old.answer.flight, SAYS("\"old\""));
        } else {
            answer_with(old.answer.flight, SAYS("\"old\""));
            answer_with(new.answer.flight, SAYS("\"new\""));
        }
        leave(&old);
        leave(&new);
        text = stored(index, 1);
        CHECK_STR(text, SAYS("\"new\""));
        CHECK_INT(figures_of(index).items, 1);
        index_free(index);
    }
}

TEST("nobody joins a flight that is given up: the next one fetches")
{
    struct index *index = index_new(&usual);
    struct asker a, b;
    bool whole;

    ask(index, &a, 1);
    flight_leave(a.answer.flight, &a.reader);
    CHECK(flight_give_up(a.answer.flight, &whole));
    CHECK(!whole);
    CHECK_INT(ask(index, &b, 1), INDEX_MISS);
    CHECK(b.answer.flight != a.answer.flight);
    leave(&a); /* the old one's end does not take the new one's place away */
    CHECK_INT(verdict_on(index, 1), INDEX_JOIN);
    answer_with(b.answer.flight, GOOD);
    leave(&b);
    CHECK_INT(verdict_on(index, 1), INDEX_HIT);
    index_free(index);
}

TEST("a flight that nobody fills, fails or breaks leaves nothing behind")
{
    struct err err;

    err_set(&err, ERR_UP_BROKEN, "cut");
    for (int how = 0; how < 3; how++) {
        struct index *index = index_new(&usual);
        struct asker a;

        ask(index, &a, 1);
        if (how == 1) {
            flight_fail(a.answer.flight, &err);
        } else if (how == 2) {
            set_head(a.answer.flight, 200, NULL, NULL);
            flight_append(a.answer.flight, GOOD, strlen(GOOD));
            flight_break(a.answer.flight, &err);
        }
        if (how)
            CHECK_INT(verdict_on(index, 1), INDEX_MISS); /* before the first has left */
        leave(&a);
        CHECK_INT(verdict_on(index, 1), INDEX_MISS);
        CHECK_INT(figures_of(index).items, 0);
        CHECK_INT(figures_of(index).bytes, 0);
        index_free(index);
    }
}

/* ---- what may be stored ---- */

TEST("a head that may not be stored is the first one's alone, and the next one fetches")
{
    static const struct {
        unsigned status;
        const char *name, *value;
    } rows[] = {{500, NULL, NULL},          {429, NULL, NULL},
                {404, NULL, NULL},          {400, "x-should-retry", "true"},
                {200, "Set-Cookie", "a=b"}, {200, "Cache-Control", "no-store"},
                {200, "Vary", "X-Region"},  {200, "Content-Encoding", "br"}};

    for (size_t i = 0; i < countof(rows); i++) {
        struct index *index = index_new(&usual);
        struct asker first, joined, next;

        ask(index, &first, 1);
        CHECK_INT(ask(index, &joined, 1), INDEX_JOIN);
        set_head(first.answer.flight, rows[i].status, rows[i].name, rows[i].value);
        CHECK(!flight_is_kept(first.answer.flight));
        CHECK_INT(flight_poll(first.answer.flight, &first.reader), FLIGHT_GROWING);
        CHECK_INT(flight_poll(joined.answer.flight, &joined.reader), FLIGHT_EXCLUSIVE);
        CHECK_INT(ask(index, &next, 1), INDEX_MISS);
        flight_append(first.answer.flight, GOOD, strlen(GOOD));
        flight_complete(first.answer.flight);
        leave(&first);
        leave(&joined);
        leave(&next);
        CHECK_INT(figures_of(index).items, 0);
        index_free(index);
    }
}

TEST("an answer that varies by a field is kept where keys are made of that field")
{
    static struct key_rules alone = {.upstream = "http://up/v1"};
    static struct key_rules shared = {.upstream = "http://up/v1", .share = true};
    struct key_rules *const rows[] = {&alone, &shared, NULL};

    for (size_t i = 0; i < countof(rows); i++) {
        struct index *index = index_new(&usual);
        struct asker a;

        prepare(&a, 1);
        a.query.key_rules = rows[i];
        ask_now(index, &a);
        set_head(a.answer.flight, 200, "Vary", "Authorization");
        CHECK_INT(flight_is_kept(a.answer.flight), rows[i] == &alone);
        leave(&a);
        index_free(index);
    }
}

TEST("what turns out not to be whole is read to its end by those who have it, and not kept")
{
    struct index *index = index_new(&usual);
    struct asker a, b;
    char buf[128];
    size_t len = sizeof(buf);

    ask(index, &a, 1);
    ask(index, &b, 1);
    answer_with(a.answer.flight, "{\"id\":"); /* no JSON, although HTTP says that it ends here */
    CHECK_INT(body_read(&b.reader, buf, &len), BODY_READ_BYTES);
    CHECK_INT(body_read(&b.reader, buf, &len), BODY_READ_END);
    leave(&a);
    leave(&b);
    CHECK_INT(verdict_on(index, 1), INDEX_MISS);
    index_free(index);
}

TEST("a body that is too large, by its length or in the end, is not kept")
{
    struct index_rules rules = usual;
    struct index *index;
    struct asker a, b;
    struct head head;

    rules.object_bytes = 10;
    index = index_new(&rules);
    ask(index, &a, 1);
    head_init(&head);
    head.status = 200;
    head.length = 11;
    fields_adds(&head.fields, "Content-Type", "application/json");
    flight_set_head(a.answer.flight, &head);
    CHECK(!flight_is_kept(a.answer.flight));
    ask(index, &b, 2);
    set_head(b.answer.flight, 200, NULL, NULL);
    CHECK(flight_is_kept(b.answer.flight));
    flight_append(b.answer.flight, "[0,1,2,3,", 9);
    CHECK_INT(verdict_on(index, 2), INDEX_JOIN);
    flight_append(b.answer.flight, "4]", 2);
    CHECK_INT(verdict_on(index, 2), INDEX_MISS);
    flight_complete(b.answer.flight);
    leave(&a);
    leave(&b);
    CHECK_INT(verdict_on(index, 2), INDEX_MISS);
    index_free(index);
}

TEST("of an answer's fields those are kept that will be true later")
{
    struct index *index = index_new(&usual);
    struct asker a;

    ask(index, &a, 1);
    set_head(a.answer.flight, 201, "x-ratelimit-remaining-tokens", "7");
    flight_append(a.answer.flight, GOOD, strlen(GOOD));
    flight_complete(a.answer.flight);
    leave(&a);
    CHECK_INT(ask(index, &a, 1), INDEX_HIT);
    CHECK_INT(a.answer.object->status, 201);
    CHECK_INT(a.answer.object->fields.count, 1);
    leave(&a);
    index_free(index);
}

#define DELTA "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n"
#define EVENTS DELTA "data: [DONE]\n\n"

TEST("what came before everybody left is kept if it is a stream of events that ended")
{
    static const struct {
        const char *body;
        bool is_stream;
        int more; /* bytes that are announced beyond, or -1: no length is */
        bool whole;
    } rows[] = {
        {EVENTS, true, -1, true},
        {EVENTS, true, 0, true},
        {EVENTS ": bye\n\n", true, -1, true},
        {EVENTS, true, 7, false}, /* its length says that more comes */
        {DELTA, true, -1, false},
        {DELTA "data: [DO", true, -1, false},
        {"", true, -1, false},
        {GOOD, false, -1, false}, /* another document may follow */
        {"{\"id\":", false, -1, false},
        {"17", false, -1, false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct index *index = index_new(&usual);
        size_t len = strlen(rows[i].body);
        struct asker a;
        bool whole;

        unit_row(rows[i].body);
        ask(index, &a, 1);
        if (rows[i].is_stream)
            set_stream_head(a.answer.flight, rows[i].more < 0 ? -1 : (int64_t)len + rows[i].more);
        else
            set_head(a.answer.flight, 200, NULL, NULL);
        flight_append(a.answer.flight, rows[i].body, len);
        flight_leave(a.answer.flight, &a.reader);
        CHECK(flight_give_up(a.answer.flight, &whole));
        CHECK(whole == rows[i].whole);
        if (whole)
            flight_complete(a.answer.flight);
        leave(&a);
        CHECK_INT(verdict_on(index, 1), rows[i].whole ? INDEX_HIT : INDEX_MISS);
        index_free(index);
    }
    unit_row(NULL);
}

/* ---- age ---- */

TEST("an object is fresh by its age, and by what the request asks for")
{
    static const struct {
        const char *name;
        int64_t ttl_ms, age_ms, max_age_s, min_fresh_s;
        bool fresh;
        unsigned status;
    } rows[] = {
        {"new", 60000, 0, -1, 0, true, 200},
        {"old enough", 60000, 59999, -1, 0, true, 200},
        {"too old", 60000, 60000, -1, 0, false, 200},
        {"for ever", INDEX_FOREVER, INT64_C(100) * 365 * 86400 * 1000, -1, 0, true, 200},
        {"a disciplined clock", 60000, -2000, -1, 0, true, 200},
        {"a clock that was set back", 60000, -2001, -1, 0, false, 200},
        {"that, for ever", INDEX_FOREVER, -2001, -1, 0, false, 200},
        {"max-age met", 60000, 5000, 5, 0, true, 200},
        {"max-age passed", 60000, 5001, 5, 0, false, 200},
        {"max-age=0, new", 60000, 0, 0, 0, true, 200},
        {"max-age=0", 60000, 1, 0, 0, false, 200},
        {"max-age beyond the TTL", 60000, 60000, 100, 0, false, 200},
        {"max-age without end", 60000, 10, INT64_MAX, 0, true, 200},
        {"max-age of what is for ever", INDEX_FOREVER, 5001, 5, 0, false, 200},
        {"min-fresh met", 60000, 50000, -1, 10, true, 200},
        {"min-fresh not met", 60000, 50001, -1, 10, false, 200},
        {"min-fresh of what is for ever", INDEX_FOREVER, 1, -1, 1000000, true, 200},
        {"min-fresh without end", 60000, 0, -1, INT64_MAX, false, 200},
        {"an error", 300000, 59999, -1, 0, true, 401},
        {"an old error", 300000, 60000, -1, 0, false, 400},
        {"an error, for ever", INDEX_FOREVER, 59999, -1, 0, true, 400},
        {"an old error, for ever", INDEX_FOREVER, 60000, -1, 0, false, 401},
        {"an error and max-age", INDEX_FOREVER, 5001, 5, 0, false, 400},
        {"an error and min-fresh", INDEX_FOREVER, 50001, -1, 10, false, 400},
        {"an error of a short TTL", 30000, 30000, -1, 0, false, 400},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct object *object = object_new(&(struct object_parts){.key = &(struct key){{0}}});
        struct index_query query = {
            .now_ms = INT64_C(9000000000000),
            .ttl_ms = rows[i].ttl_ms,
            .asks = {.max_age_s = rows[i].max_age_s, .min_fresh_s = rows[i].min_fresh_s}};

        unit_row(rows[i].name);
        object->stored_ms = query.now_ms - rows[i].age_ms;
        object->status = rows[i].status;
        CHECK(index_is_fresh(object, &query) == rows[i].fresh);
        object_unref(object);
    }
    unit_row(NULL);
}

TEST("an error is good for a minute at most, and for less where the TTL is shorter")
{
    static const struct {
        const char *name;
        int64_t ttl_ms, success_ms, error_ms;
    } rows[] = {
        {"5m", 300000, 300000, 60000},
        {"7d", INT64_C(604800000), INT64_C(604800000), 60000},
        {"forever", INDEX_FOREVER, INDEX_FOREVER, 60000},
        {"a minute and a bit", 60001, 60001, 60000},
        {"a minute", 60000, 60000, 60000},
        {"30s", 30000, 30000, 30000},
        {"1ms", 1, 1, 1},
        {"off", 0, 0, 0},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].name);
        CHECK_INT(index_ttl_ms(rows[i].ttl_ms, 200), rows[i].success_ms);
        CHECK_INT(index_ttl_ms(rows[i].ttl_ms, 201), rows[i].success_ms);
        CHECK_INT(index_ttl_ms(rows[i].ttl_ms, 399), rows[i].success_ms);
        CHECK_INT(index_ttl_ms(rows[i].ttl_ms, 400), rows[i].error_ms);
        CHECK_INT(index_ttl_ms(rows[i].ttl_ms, 401), rows[i].error_ms);
    }
    unit_row(NULL);
}

TEST(
    "an error that is stored is fetched again after a minute, whatever the TTL, and others are not")
{
    static const int64_t ttls[] = {300000, INDEX_FOREVER};
    static const unsigned statuses[] = {200, 400, 401};

    for (size_t t = 0; t < countof(ttls); t++)
        for (size_t i = 0; i < countof(statuses); i++) {
            const bool is_error = statuses[i] >= 400;
            struct index *index = index_new(&usual);
            struct asker a;

            ask(index, &a, 1);
            set_head(a.answer.flight, statuses[i], NULL, NULL);
            flight_append(a.answer.flight, GOOD, strlen(GOOD));
            flight_complete(a.answer.flight);
            leave(&a);
            prepare(&a, 1);
            a.query.ttl_ms = ttls[t];
            a.query.now_ms += 50000;
            CHECK_INT(ask_now(index, &a), INDEX_HIT);
            leave(&a);
            prepare(&a, 1);
            a.query.ttl_ms = ttls[t];
            a.query.now_ms += 60001;
            CHECK_INT(ask_now(index, &a), is_error ? INDEX_MISS : INDEX_HIT);
            CHECK(a.answer.stale == is_error);
            leave(&a);
            index_free(index);
        }
}

TEST("what is too old is fetched again, stays until it is replaced, and others join meanwhile")
{
    struct index *index = index_new(&usual);
    struct asker a, b;
    mem_auto char *text = NULL;

    store_answer(index, 1, SAYS("\"old\""));
    prepare(&a, 1);
    a.query.now_ms += 61000;
    CHECK_INT(ask_now(index, &a), INDEX_MISS);
    CHECK(a.answer.stale);
    CHECK_INT(figures_of(index).items, 1);
    prepare(&b, 1);
    b.query.now_ms += 61000;
    CHECK_INT(ask_now(index, &b), INDEX_JOIN);
    CHECK(b.answer.stale);
    answer_with(a.answer.flight, SAYS("\"new\""));
    leave(&a);
    leave(&b);
    text = stored(index, 1);
    CHECK_STR(text, SAYS("\"new\""));
    CHECK_INT(figures_of(index).items, 1);
    index_free(index);
}

/* ---- memory ---- */

static char *long_answer(size_t len)
{
    static const char empty[] = SAYS("\"\"");
    const size_t before = (size_t)(strstr(empty, "\"\"") - empty) + 1;
    const size_t after = strlen(empty) - before;
    char *text = mem_alloc(len + 1);

    memset(text, 'x', len);
    memcpy(text, empty, before);
    memcpy(text + len - after, empty + before, after + 1);
    return text;
}

TEST("memory is bounded, and what was not used for longest goes first")
{
    struct index_rules rules = usual;
    mem_auto char *body = long_answer(20000);
    struct index *index;

    rules.memory_bytes = SHARDS * 100000; /* all keys here are in one shard: room for four */
    index = index_new(&rules);
    for (unsigned i = 1; i <= 4; i++)
        store_answer(index, i, body);
    CHECK_INT(figures_of(index).items, 4);
    CHECK_INT(figures_of(index).evictions, 0);
    CHECK_INT(verdict_on(index, 1), INDEX_HIT); /* it is used */
    store_answer(index, 5, body);
    CHECK_INT(figures_of(index).items, 4);
    CHECK_INT(figures_of(index).evictions, 1);
    CHECK_INT(verdict_on(index, 1), INDEX_HIT);
    CHECK_INT(verdict_on(index, 2), INDEX_MISS);
    for (unsigned i = 6; i < 200; i++) {
        store_answer(index, i, body);
        REQUIRE(figures_of(index).bytes <= 100000);
    }
    CHECK(figures_of(index).bytes > 80000);
    index_free(index);
}

TEST("one answer never takes more than half of its part of the memory")
{
    struct index_rules rules = usual;
    mem_auto char *small = long_answer(40000), *large = long_answer(60000);
    struct index *index;

    rules.memory_bytes = SHARDS * 100000;
    index = index_new(&rules);
    store_answer(index, 1, small);
    store_answer(index, 2, large);
    CHECK_INT(verdict_on(index, 2), INDEX_MISS);
    CHECK_INT(verdict_on(index, 1), INDEX_HIT);
    CHECK_INT(figures_of(index).evictions, 0);
    index_free(index);
}

TEST("an answer that has grown too large for the memory takes its older one's place all the same")
{
    struct index_rules rules = usual;
    mem_auto char *large = long_answer(60000);
    struct index *index;
    struct asker a;

    rules.memory_bytes = SHARDS * 100000;
    index = index_new(&rules);
    store_answer(index, 1, GOOD);
    prepare(&a, 1);
    a.query.asks.no_cache = true;
    ask_now(index, &a);
    answer_with(a.answer.flight, large);
    leave(&a);
    CHECK_INT(verdict_on(index, 1), INDEX_MISS); /* not the old one */
    CHECK_INT(figures_of(index).bytes, 0);
    index_free(index);
}

TEST("without room nothing is kept, and those who ask at the same time still share")
{
    struct index_rules rules = usual;
    struct index *index;
    struct asker a, b;

    rules.memory_bytes = 0;
    index = index_new(&rules);
    ask(index, &a, 1);
    CHECK_INT(ask(index, &b, 1), INDEX_JOIN);
    answer_with(a.answer.flight, GOOD);
    leave(&a);
    leave(&b);
    CHECK_INT(verdict_on(index, 1), INDEX_MISS);
    CHECK_INT(figures_of(index).bytes, 0);
    index_free(index);
}

TEST("what belongs to an object is counted with it, and goes with it")
{
    struct index_rules rules = usual;
    struct index_figures before;
    struct index *index;
    struct asker a;

    rules.memory_bytes = SHARDS * 100000;
    index = index_new(&rules);
    store_answer(index, 1, GOOD);
    store_answer(index, 2, GOOD);
    before = figures_of(index);
    ask(index, &a, 1);
    index_charge(index, a.answer.object, 5000);
    CHECK_INT(figures_of(index).bytes, before.bytes + 5000);
    index_charge(index, a.answer.object, 100000); /* too much: room is made */
    CHECK(figures_of(index).bytes <= 100000);
    index_drop(index, &(struct purge){.one = true, .key = key_of(1, 3)});
    index_drop(index, &(struct purge){.one = true, .key = key_of(2, 3)});
    CHECK_INT(figures_of(index).bytes, 0);
    index_charge(index, a.answer.object, 5000); /* it is not in memory any more */
    CHECK_INT(figures_of(index).bytes, 0);
    leave(&a);
    index_free(index);
}

static bool note_number(void *arg, struct object *object)
{
    struct str *seen = arg;
    unsigned number;

    memcpy(&number, object->key.bytes, sizeof(number));
    str_addf(seen, "%u ", number);
    return number != 7; /* it ends the walk */
}

static void check_walk(struct index *index, size_t most, const char *expected)
{
    struct str seen = STR_INIT;

    index_each(index, most, note_number, &seen);
    CHECK_STR(seen.text, expected);
    str_release(&seen);
}

TEST("a walk through the memory tier sees what was used last first, and ends where it is told to")
{
    struct index *index = index_new(&usual);

    check_walk(index, 10, "");
    for (unsigned i = 1; i <= 4; i++)
        store_answer(index, i, GOOD);
    check_walk(index, 10, "4 3 2 1 ");
    check_walk(index, 2, "4 3 ");
    check_walk(index, 0, "");
    CHECK_INT(verdict_on(index, 2), INDEX_HIT);
    check_walk(index, SIZE_MAX, "2 4 3 1 ");
    store_answer(index, 7, GOOD);
    store_answer(index, 8, GOOD);
    check_walk(index, 10, "8 7 ");
    CHECK_INT(index_drop(index, &(struct purge){.one = true, .key = key_of(7, 3)}), 1);
    CHECK_INT(index_drop(index, &(struct purge){.one = true, .key = key_of(7, 3)}), 0);
    CHECK_INT(index_drop(index, &(struct purge){.collection = 0}), 5);
    check_walk(index, 10, "");
    index_free(index);
}

TEST("thousands of keys are told apart, and each is found again")
{
    struct index *index = index_new(&usual);
    unsigned wrong = 0;
    char body[128];

    for (unsigned i = 0; i < 3000; i++) {
        snprintf(body, sizeof(body), SAYS("[%u]"), i);
        store_answer(index, i, body);
    }
    for (unsigned i = 0; i < 3000; i++) {
        mem_auto char *text = stored(index, i);

        snprintf(body, sizeof(body), SAYS("[%u]"), i);
        wrong += strcmp(text, body) != 0;
    }
    CHECK_INT(wrong, 0);
    CHECK_INT(figures_of(index).items, 3000);
    index_free(index);
}

/* ---- dropping ---- */

static void store_get_answer(struct index *index, unsigned number, const char *target)
{
    struct asker a;

    prepare(&a, number);
    a.query.api = CACHE_CLASS_GET;
    a.query.method = "GET";
    a.query.target = target;
    a.query.model = NULL;
    if (CHECK_INT(ask_now(index, &a), INDEX_MISS))
        answer_with(a.answer.flight, GOOD);
    leave(&a);
}

TEST("what is dropped is named by key, collection, model or age, or not at all")
{
    static const struct {
        const char *name, *model, *target;
        bool one, old;
        bool left[4]; /* GET of a file, GET of a batch, POST with model m-1, another POST */
    } rows[] = {
        {"all", NULL, NULL, false, false, {false, false, false, false}},
        {"files", NULL, "/v1/files", false, false, {false, true, true, true}},
        {"key 3", NULL, NULL, true, false, {true, true, false, true}},
        {"m-*", "m-*", NULL, false, false, {true, true, false, false}},
        {"m-2", "m-2", NULL, false, false, {true, true, true, true}},
        {"every model", "*", NULL, false, false, {false, false, false, false}},
        {"older than an hour", NULL, NULL, false, true, {true, true, true, true}},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct index *index = index_new(&usual);
        struct purge purge = {.one = rows[i].one, .key = key_of(3, 3), .model = rows[i].model};

        unit_row(rows[i].name);
        store_get_answer(index, 1, "/v1/files/a?b");
        store_get_answer(index, 2, "/v1/batches/a");
        store_answer(index, 3, GOOD);
        store_answer(index, 4, GOOD);
        if (rows[i].target)
            purge.collection = policy_collection_of(rows[i].target);
        if (rows[i].old)
            purge.stored_before_ms = clock_unix_ms() - 3600000;
        index_drop(index, &purge);
        for (unsigned n = 0; n < 4; n++)
            CHECK_INT(verdict_on(index, n + 1), rows[i].left[n] ? INDEX_HIT : INDEX_MISS);
        unit_row(NULL);
        index_free(index);
    }
}

TEST("what was stored before a moment is dropped, and what came since is not")
{
    struct index *index = index_new(&usual);
    struct asker a;

    store_answer(index, 1, GOOD);
    index_drop(index, &(struct purge){.stored_before_ms = clock_unix_ms() + 1});
    CHECK_INT(verdict_on(index, 1), INDEX_MISS);
    ask(index, &a, 2);
    index_drop(index, &(struct purge){.stored_before_ms = clock_unix_ms() + 1});
    answer_with(a.answer.flight, GOOD); /* newer than any time that is named */
    leave(&a);
    CHECK_INT(verdict_on(index, 2), INDEX_HIT);
    index_free(index);
}

TEST("what is in flight when it is dropped is read on, not joined, and not kept")
{
    struct index *index = index_new(&usual);
    struct asker a, b;
    char buf[128];
    size_t len = sizeof(buf);

    ask(index, &a, 1);
    index_drop(index, &(struct purge){.collection = 0});
    CHECK_INT(ask(index, &b, 1), INDEX_MISS);
    CHECK(a.answer.flight != b.answer.flight);
    answer_with(a.answer.flight, SAYS("\"old\""));
    CHECK_INT(body_read(&a.reader, buf, &len), BODY_READ_BYTES);
    CHECK_INT(body_read(&a.reader, buf, &len), BODY_READ_END);
    leave(&a);
    CHECK_INT(figures_of(index).items, 0);
    CHECK_INT(verdict_on(index, 1), INDEX_JOIN); /* the one from after it */
    answer_with(b.answer.flight, SAYS("\"new\""));
    leave(&b);
    mem_auto char *text = stored(index, 1);
    CHECK_STR(text, SAYS("\"new\""));
    index_free(index);
}

TEST("a write drops the GETs of its collection, those in flight too, and no others")
{
    struct index *index = index_new(&usual);
    struct asker a, b;

    store_answer(index, 9, GOOD); /* no GET */
    prepare(&a, 1);
    prepare(&b, 2);
    a.query.api = b.query.api = CACHE_CLASS_GET;
    a.query.method = b.query.method = "GET";
    a.query.target = "/v1/files";
    b.query.target = "/v1/batches";
    ask_now(index, &a);
    ask_now(index, &b);
    index_drop(index, &(struct purge){.collection = policy_collection_of("/v1/files/x/content")});
    answer_with(a.answer.flight, GOOD);
    answer_with(b.answer.flight, GOOD);
    leave(&a);
    leave(&b);
    CHECK_INT(verdict_on(index, 1), INDEX_MISS);
    CHECK_INT(verdict_on(index, 2), INDEX_HIT);
    CHECK_INT(verdict_on(index, 9), INDEX_HIT);
    index_free(index);
}

/* ---- what is on disk ---- */

static struct object *object_from_disk(unsigned number, const char *body)
{
    struct key key = key_of(number, 3);
    struct fields fields;
    struct object *object;

    fields_init(&fields);
    fields_adds(&fields, "X-From", "disk");
    object = object_new(
        &(struct object_parts){.key = &key, .body_len = strlen(body), .fields = &fields});
    fields_release(&fields);
    object->status = 200;
    object->stored_ms = clock_unix_ms();
    memcpy(object->body, body, object->body_len);
    return object;
}

TEST("what is found on disk is found in memory from then on")
{
    struct index *index = index_new(&usual);
    struct object *object = object_from_disk(1, GOOD);
    struct asker a;

    prepare(&a, 1);
    a.query.peek = true;
    CHECK_INT(ask_now(index, &a), INDEX_NONE);
    CHECK(!a.answer.flight && !a.answer.object);
    index_keep(index, object, index_epoch(index));
    CHECK_INT(ask_now(index, &a), INDEX_HIT);
    CHECK(a.answer.object == object);
    leave(&a);
    object_unref(object);
    index_free(index);
}

TEST("who only looks joins a flight, but begins none")
{
    struct index *index = index_new(&usual);
    struct asker a, b;

    CHECK_INT(ask(index, &a, 1), INDEX_MISS);
    prepare(&b, 1);
    b.query.peek = true;
    CHECK_INT(ask_now(index, &b), INDEX_JOIN);
    leave(&a);
    leave(&b);
    index_free(index);
}

TEST("what is found on disk does not replace what was fetched meanwhile, nor what was dropped")
{
    struct index *index = index_new(&usual);
    struct object *object = object_from_disk(1, "\"disk\"");
    uint64_t epoch = index_epoch(index);
    struct asker a;
    mem_auto char *text = NULL;

    ask(index, &a, 1);
    answer_with(a.answer.flight, SAYS("\"new\""));
    leave(&a);
    index_keep(index, object, epoch);
    text = stored(index, 1);
    CHECK_STR(text, SAYS("\"new\""));
    object_unref(object);

    object = object_from_disk(2, "\"disk\"");
    index_drop(index, &(struct purge){.one = true, .key = key_of(2, 3)});
    index_keep(index, object, epoch);
    CHECK_INT(verdict_on(index, 2), INDEX_MISS);
    object_unref(object);
    index_free(index);
}

TEST("what is found on disk takes the place of what is older")
{
    struct index *index = index_new(&usual);
    struct object *old = object_from_disk(1, "\"old\""), *object = object_from_disk(1, GOOD);
    mem_auto char *text = NULL;

    old->stored_ms -= 60000;
    index_keep(index, old, index_epoch(index));
    index_keep(index, object, index_epoch(index));
    text = stored(index, 1);
    CHECK_STR(text, GOOD);
    object_unref(old);
    object_unref(object);
    index_free(index);
}

/* ---- proofs that take long ---- */

#define LONG 300000U

/* An index whose jobs stand still until they are let go on. */
struct proofs {
    struct jobs *jobs;
    struct job gate;
    pthread_barrier_t reached, opened;
    struct budget budget;
    struct index *index;
};

static void on_gate(struct job *job)
{
    struct proofs *p = container_of(job, struct proofs, gate);

    pthread_barrier_wait(&p->reached);
    pthread_barrier_wait(&p->opened);
}

static void proofs_begin(struct proofs *p, size_t budget)
{
    struct index_rules rules = usual;

    p->jobs = rules.jobs = jobs_new(1);
    budget_init(&p->budget, budget);
    rules.budget = &p->budget;
    p->index = index_new(&rules);
    pthread_barrier_init(&p->reached, NULL, 2);
    pthread_barrier_init(&p->opened, NULL, 2);
    jobs_add(p->jobs, &p->gate, on_gate);
    pthread_barrier_wait(&p->reached);
}

/* Returns once all that waited is proven, or not. */
static void proofs_run(struct proofs *p)
{
    pthread_barrier_wait(&p->opened);
    jobs_stop(p->jobs);
}

/* Nobody asks any more. */
static void proofs_end(struct proofs *p)
{
    CHECK_INT(atomic_load(&p->budget.used), 0); /* all that was taken is given back */
    pthread_barrier_destroy(&p->reached);
    pthread_barrier_destroy(&p->opened);
    index_free(p->index);
    jobs_free(p->jobs);
}

static void answer_with_bytes(struct flight *flight, const char *encoding, const void *bytes,
                              size_t len)
{
    set_head(flight, 200, encoding ? "Content-Encoding" : NULL, encoding);
    flight_append(flight, bytes, len);
    flight_complete(flight);
}

static size_t read_all(struct asker *a, char *out, size_t size)
{
    size_t done = 0, len = size;

    while (body_read(&a->reader, out + done, &len) == BODY_READ_BYTES) {
        done += len;
        len = size - done;
    }
    CHECK_INT(body_read(&a->reader, out, &len), BODY_READ_END);
    return done;
}

TEST("an answer that takes long to prove is found once it is proven, and read along until then")
{
    mem_auto char *body = long_answer(LONG), *seen = mem_alloc(LONG + 1), *text = NULL;
    struct asker first, joined;
    struct proofs p;

    proofs_begin(&p, 64 * MB);
    ask(p.index, &first, 1);
    answer_with(first.answer.flight, body); /* it is complete, and nobody waits for the proof */
    CHECK_INT(read_all(&first, seen, LONG + 1), LONG);
    CHECK(memcmp(seen, body, LONG) == 0);
    leave(&first);
    CHECK_INT(figures_of(p.index).items, 0);
    CHECK_INT(ask(p.index, &joined, 1), INDEX_JOIN);
    CHECK_INT(flight_poll(joined.answer.flight, &joined.reader), FLIGHT_GROWING);
    CHECK_INT(read_all(&joined, seen, LONG + 1), LONG);
    CHECK(memcmp(seen, body, LONG) == 0);
    proofs_run(&p);
    leave(&joined);
    CHECK_INT(figures_of(p.index).items, 1);
    text = stored(p.index, 1);
    CHECK_STR(text, body);
    proofs_end(&p);
}

TEST("an answer that takes long to keep takes its older one's place at its end")
{
    mem_auto char *body = long_answer(LONG), *text = NULL;
    struct asker refresh;
    struct proofs p;

    proofs_begin(&p, 64 * MB);
    store_answer(p.index, 1, GOOD);
    prepare(&refresh, 1);
    refresh.query.asks.no_cache = true;
    CHECK_INT(ask_now(p.index, &refresh), INDEX_MISS);
    set_head(refresh.answer.flight, 200, NULL, NULL);
    flight_append(refresh.answer.flight, body, LONG);
    CHECK_INT(verdict_on(p.index, 1), INDEX_HIT);
    flight_complete(refresh.answer.flight);
    CHECK_INT(verdict_on(p.index, 1), INDEX_JOIN);
    leave(&refresh);
    proofs_run(&p);
    text = stored(p.index, 1);
    CHECK_STR(text, body);
    proofs_end(&p);
}

TEST("a long answer is proven as it comes, from its first byte on, however short its pieces are")
{
    mem_auto char *body = long_answer(LONG), *text = NULL;

    for (int is_whole = 0; is_whole < 2; is_whole++) {
        struct asker a;
        struct proofs p;

        proofs_begin(&p, 64 * MB);
        ask(p.index, &a, 1);
        set_head(a.answer.flight, 200, NULL, NULL);
        for (size_t at = 0; at < LONG - !is_whole; at += 1000)
            flight_append(a.answer.flight, body + at,
                          LONG - !is_whole - at < 1000 ? LONG - !is_whole - at : 1000);
        flight_complete(a.answer.flight);
        leave(&a);
        proofs_run(&p);
        CHECK_INT(figures_of(p.index).items, is_whole);
        if (is_whole) {
            text = stored(p.index, 1);
            CHECK_STR(text, body);
        }
        proofs_end(&p);
    }
}

/* A long file of a GET, which nothing but its frame proves whole. */
static void check_file(bool unframed, bool leaves, bool kept)
{
    mem_auto char *body = long_answer(LONG);
    struct asker a;
    struct proofs p;
    struct head head;
    bool whole;

    proofs_begin(&p, 64 * MB);
    prepare(&a, 1);
    a.query.api = CACHE_CLASS_GET;
    a.query.method = "GET";
    CHECK_INT(ask_now(p.index, &a), INDEX_MISS);
    head_init(&head);
    head.status = 200;
    head.unframed = unframed;
    fields_adds(&head.fields, "Content-Type", "text/plain");
    flight_set_head(a.answer.flight, &head);
    flight_append(a.answer.flight, body, LONG);
    if (leaves) {
        flight_leave(a.answer.flight, &a.reader);
        CHECK(flight_give_up(a.answer.flight, &whole));
        CHECK_INT(whole, kept);
    }
    if (leaves && !whole)
        flight_break(a.answer.flight, &(struct err){.code = ERR_UP_BROKEN});
    else
        flight_complete(a.answer.flight);
    leave(&a);
    proofs_run(&p);
    CHECK_INT(figures_of(p.index).items, kept);
    proofs_end(&p);
}

TEST("what only its frame proves whole is kept at its frame's end, not when its reader leaves")
{
    check_file(false, false, true);
    check_file(false, true, false);
    check_file(true, false, false);
}

TEST("a short answer does not wait for those that take long")
{
    mem_auto char *body = long_answer(256 * 1024), *longer = long_answer(256 * 1024 + 1);
    struct proofs p;

    proofs_begin(&p, 64 * MB);
    store_answer(p.index, 1, longer);
    store_answer(p.index, 2, body);
    store_answer(p.index, 3, GOOD);
    CHECK_INT(verdict_on(p.index, 1), INDEX_JOIN);
    CHECK_INT(verdict_on(p.index, 2), INDEX_HIT);
    CHECK_INT(verdict_on(p.index, 3), INDEX_HIT);
    proofs_run(&p);
    CHECK_INT(verdict_on(p.index, 1), INDEX_HIT);
    store_answer(p.index, 4, longer); /* there are no jobs any more: at once */
    CHECK_INT(verdict_on(p.index, 4), INDEX_HIT);
    proofs_end(&p);
}

TEST("without jobs a long answer is proven at once")
{
    mem_auto char *body = long_answer(LONG);
    struct index *index = index_new(&usual);

    store_answer(index, 1, body);
    CHECK_INT(verdict_on(index, 1), INDEX_HIT);
    index_free(index);
}

TEST("a long answer that is not whole is not found from its end on, and the next one fetches")
{
    mem_auto char *body = long_answer(LONG);
    struct asker a;
    struct proofs p;

    body[LONG - 1] = ' '; /* HTTP says that it ended, JSON that it did not */
    proofs_begin(&p, 64 * MB);
    ask(p.index, &a, 1);
    answer_with(a.answer.flight, body);
    CHECK_INT(verdict_on(p.index, 1), INDEX_MISS); /* it was read as it came */
    leave(&a);
    proofs_run(&p);
    CHECK_INT(figures_of(p.index).items, 0);
    CHECK_INT(verdict_on(p.index, 1), INDEX_MISS);
    proofs_end(&p);
}

TEST("an answer that is dropped while it is proven is not joined from then on, and not kept")
{
    mem_auto char *body = long_answer(LONG), *text = NULL;
    struct asker old, new;
    struct proofs p;

    proofs_begin(&p, 64 * MB);
    ask(p.index, &old, 1);
    answer_with(old.answer.flight, body);
    leave(&old);
    index_drop(p.index, &(struct purge){.one = true, .key = key_of(1, 3)});
    CHECK_INT(ask(p.index, &new, 1), INDEX_MISS);
    proofs_run(&p);
    CHECK_INT(figures_of(p.index).items, 0);
    CHECK_INT(verdict_on(p.index, 1), INDEX_JOIN); /* the new one's place is its own */
    answer_with(new.answer.flight, GOOD);
    leave(&new);
    text = stored(p.index, 1);
    CHECK_STR(text, GOOD);
    proofs_end(&p);
}

/* A stream of events of about that length, with its end or without. */
static char *long_stream(size_t len, bool has_end)
{
    struct str text = STR_INIT;

    while (text.len < len)
        str_adds(&text, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
    str_adds(&text, has_end ? EVENTS : DELTA);
    return str_detach(&text);
}

TEST("a stream that was all there when its last reader left is proven and kept, or not")
{
    for (int is_whole = 0; is_whole < 2; is_whole++) {
        mem_auto char *body = long_stream(LONG, is_whole);
        struct asker a;
        struct proofs p;
        bool whole;

        proofs_begin(&p, 64 * MB);
        ask(p.index, &a, 1);
        set_stream_head(a.answer.flight, -1);
        flight_append(a.answer.flight, body, strlen(body));
        flight_leave(a.answer.flight, &a.reader);
        CHECK(flight_give_up(a.answer.flight, &whole));
        CHECK_INT(whole, is_whole);
        if (whole)
            flight_complete(a.answer.flight);
        else
            flight_break(a.answer.flight, &(struct err){.code = ERR_UP_BROKEN});
        leave(&a);
        proofs_run(&p);
        CHECK_INT(figures_of(p.index).items, is_whole);
        CHECK_INT(verdict_on(p.index, 1), is_whole ? INDEX_HIT : INDEX_MISS);
        proofs_end(&p);
    }
}

TEST("nobody joins what was given up, not even while it is proven")
{
    mem_auto char *body = long_answer(LONG), *text = NULL;
    struct asker a, next;
    struct proofs p;
    bool whole;

    proofs_begin(&p, 64 * MB);
    ask(p.index, &a, 1);
    set_head(a.answer.flight, 200, NULL, NULL);
    flight_append(a.answer.flight, body, LONG);
    flight_leave(a.answer.flight, &a.reader);
    CHECK(flight_give_up(a.answer.flight, &whole));
    flight_complete(a.answer.flight);
    leave(&a);
    CHECK_INT(ask(p.index, &next, 1), INDEX_MISS);
    proofs_run(&p);
    CHECK_INT(verdict_on(p.index, 1), INDEX_HIT); /* while the next one is on its way */
    answer_with(next.answer.flight, GOOD);
    leave(&next);
    text = stored(p.index, 1);
    CHECK_STR(text, GOOD);
    proofs_end(&p);
}

TEST("an answer for whose proof there is no room in the budget is not kept")
{
    static const struct {
        const char *name;
        size_t budget;
        bool kept;
    } rows[] = {{"room for it and its copy", 2 * LONG + 10000, true},
                {"room for it, and not for its copy", 2 * LONG - 10000, false},
                {"room for it", LONG + 10000, false}};
    mem_auto char *body = long_answer(LONG);

    for (size_t i = 0; i < countof(rows); i++) {
        struct asker a;
        struct proofs p;

        unit_row(rows[i].name);
        proofs_begin(&p, rows[i].budget);
        ask(p.index, &a, 1);
        answer_with(a.answer.flight, body);
        CHECK(flight_is_kept(a.answer.flight));
        leave(&a);
        proofs_run(&p);
        CHECK_INT(figures_of(p.index).items, rows[i].kept);
        CHECK_INT(verdict_on(p.index, 1), rows[i].kept ? INDEX_HIT : INDEX_MISS);
        proofs_end(&p);
    }
    unit_row(NULL);
}

TEST("an answer that outgrows the budget is its readers' alone, and the next one fetches")
{
    mem_auto char *body = long_answer(LONG), *seen = mem_alloc(LONG + 1);
    struct asker a;
    struct proofs p;

    proofs_begin(&p, LONG - 10000);
    ask(p.index, &a, 1);
    set_head(a.answer.flight, 200, NULL, NULL);
    flight_append(a.answer.flight, body, LONG - 20000);
    CHECK_INT(verdict_on(p.index, 1), INDEX_JOIN);
    flight_append(a.answer.flight, body + LONG - 20000, 20000);
    CHECK(!flight_is_kept(a.answer.flight));
    CHECK_INT(verdict_on(p.index, 1), INDEX_MISS);
    flight_complete(a.answer.flight);
    CHECK_INT(read_all(&a, seen, LONG + 1), LONG);
    CHECK(memcmp(seen, body, LONG) == 0);
    leave(&a);
    proofs_run(&p);
    CHECK_INT(figures_of(p.index).items, 0);
    proofs_end(&p);
}

TEST("of two answers the one that was asked for later stays, however long the other's proof takes")
{
    mem_auto char *body = long_answer(LONG), *text = NULL;
    struct asker old, new;
    struct proofs p;

    proofs_begin(&p, 64 * MB);
    ask(p.index, &old, 1);
    prepare(&new, 1);
    new.query.asks.no_cache = true;
    CHECK_INT(ask_now(p.index, &new), INDEX_MISS);
    answer_with(old.answer.flight, body);
    answer_with(new.answer.flight, GOOD); /* proven at once */
    leave(&old);
    leave(&new);
    CHECK_INT(verdict_on(p.index, 1), INDEX_HIT);
    proofs_run(&p);
    text = stored(p.index, 1);
    CHECK_STR(text, GOOD);
    proofs_end(&p);
}

/* ---- gzip, which unfolds ---- */

TEST("gzip is proven as it comes, but for what unfolds a thousandfold, which takes a job and room")
{
    static const struct {
        const char *name;
        size_t len; /* of the text; 0: short, with 9 MiB of blanks behind it */
        size_t budget;
        bool at_once, kept;
    } rows[] = {{"short", 3000, 64 * MB, true, true},
                {"longer", 9000, 64 * MB, true, true},
                {"longer, and no room to unfold it", 9000, 9000 * 4, true, true},
                {"blanks", 0, 64 * MB, false, true},
                {"blanks, and room for eight times as much", 0, (10000 * 10), false, true},
                {"blanks, and not so much room", 0, (10000 * 7), false, false}};

    for (size_t i = 0; i < countof(rows); i++) {
        mem_auto char *body = rows[i].len ? long_answer(rows[i].len) : mem_strdup(GOOD);
        struct str packed = STR_INIT;
        struct asker a;
        struct proofs p;

        unit_row(rows[i].name);
        gzip_stored(&packed, body);
        for (unsigned n = 0; !rows[i].len && n < 9; n++)
            gzip_blanks(&packed);
        proofs_begin(&p, rows[i].budget);
        ask(p.index, &a, 1);
        answer_with_bytes(a.answer.flight, "gzip", packed.text, packed.len);
        leave(&a);
        CHECK_INT(verdict_on(p.index, 1), rows[i].at_once ? INDEX_HIT : INDEX_JOIN);
        proofs_run(&p);
        CHECK_INT(figures_of(p.index).items, rows[i].kept);
        proofs_end(&p);
        str_release(&packed);
    }
    unit_row(NULL);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 2000
#define KEYS 5

static atomic_uint fetching[KEYS];
static atomic_uint verdicts[3];
static bool with_drops;

/* Does the body say that it is the answer to this number? */
static void check_body(const unsigned char *body, size_t len, unsigned number)
{
    char wanted[64];

    snprintf(wanted, sizeof(wanted), SAYS_BEGIN "[%u,", number);
    CHECK(len > strlen(wanted) && memcmp(body, wanted, strlen(wanted)) == 0);
    CHECK_INT(body[len - 1], '}');
}

static void fetch(struct asker *a, unsigned number, unsigned round)
{
    struct flight *flight = a->answer.flight;
    char body[64];

    if (!with_drops)
        CHECK_INT(atomic_fetch_add(&fetching[number], 1), 0); /* of all that ask one fetches */
    snprintf(body, sizeof(body), SAYS_BEGIN "[%u,%u]", number, round);
    if (!with_drops)
        atomic_fetch_sub(&fetching[number], 1); /* from a head that nobody may share on: many */
    set_head(flight, round % 7 ? 200 : 500, NULL, NULL);
    flight_append(flight, body, strlen(body));
    flight_append(flight, SAYS_END, strlen(SAYS_END));
    flight_complete(flight);
}

static void read_along(struct asker *a, unsigned number)
{
    unsigned char body[128];
    size_t len = sizeof(body);

    while (flight_poll(a->answer.flight, &a->reader) == FLIGHT_WAITING)
        sched_yield();
    if (flight_poll(a->answer.flight, &a->reader) != FLIGHT_GROWING)
        return;
    while (flight_is_open(a->answer.flight, &a->reader))
        sched_yield();
    if (body_read(&a->reader, body, &len) == BODY_READ_BYTES)
        check_body(body, len, number);
}

static void *ask_and_fetch(void *arg)
{
    struct index *index = arg;
    uint64_t random = (uintptr_t)&random | 1;

    for (unsigned round = 1; round <= ROUNDS; round++) {
        unsigned number = (unsigned)unit_random_up_to(&random, KEYS - 1);
        struct asker a;

        atomic_fetch_add(&verdicts[ask(index, &a, number)], 1);
        if (a.verdict == INDEX_HIT)
            check_body(a.answer.object->body, a.answer.object->body_len, number);
        else if (a.verdict == INDEX_JOIN)
            read_along(&a, number);
        else
            fetch(&a, number, round);
        leave(&a);
        if (with_drops && round % 20 == 0)
            index_drop(index, &(struct purge){.one = true, .key = key_of(number, 3)});
    }
    return NULL;
}

static void ask_on_many_threads(bool drops)
{
    struct index *index = index_new(&usual);
    pthread_t threads[THREADS];

    with_drops = drops;
    for (unsigned i = 0; i < countof(verdicts); i++)
        verdicts[i] = 0;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ask_and_fetch, index);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(verdicts[0] + verdicts[1] + verdicts[2], THREADS * ROUNDS);
    CHECK(verdicts[INDEX_HIT] > 0 && verdicts[INDEX_MISS] > 0);
    CHECK(figures_of(index).items <= KEYS);
    index_drop(index, &(struct purge){.collection = 0});
    CHECK_INT(figures_of(index).bytes, 0);
    index_free(index);
}

TEST("on many threads one fetches, and each has the answer to what it asked, whole")
{
    ask_on_many_threads(false);
}

TEST("on many threads answers stay whole while keys are dropped")
{
    ask_on_many_threads(true);
}
