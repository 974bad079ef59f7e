#include "client/reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

static void on_notify(struct body_reader *reader)
{
    (void)reader;
}

/* A flight with this head (fields: names and values in turn) and body, kept. */
static struct flight *land(unsigned status, int64_t length, const char *const *pairs,
                           const char *body)
{
    struct flight *flight = flight_new(true, 100000, 1000);
    struct head head;

    head_init(&head);
    head.status = status;
    head.length = length;
    for (; pairs && pairs[0]; pairs += 2)
        fields_adds(&head.fields, pairs[0], pairs[1]);
    flight_set_head(flight, &head);
    flight_append(flight, body, strlen(body));
    return flight;
}

static const struct reply_cache bypass = {.kind = VERDICT_BYPASS, .status = "fwd=bypass"};

static void from_flight(struct reply *reply, struct flight *flight, bool head_only,
                        const char *request_id)
{
    reply_from_flight(reply, flight, head_only ? REPLY_HEAD_ONLY : 0, &bypass, request_id);
}

#define FIELDS(...)                                                                                \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

TEST("a short answer that is complete goes down in one piece, byte for byte")
{
    struct flight *flight = land(201, 5, FIELDS("Content-Type", "text/plain"), "hello");
    struct reply reply;

    flight_complete(flight);
    reply_init(&reply);
    from_flight(&reply, flight, false, "req-1");
    CHECK_INT(reply.status, 201);
    CHECK_INT(reply.kind, REPLY_WHOLE);
    CHECK(reply.len == 5 && memcmp(reply.bytes, "hello", 5) == 0);
    CHECK_STR(fields_get(reply.upstream, "content-type"), "text/plain");
    CHECK(!reply.until_close && !reply.close);
    reply_release(&reply);
    flight_unref(flight);
}

TEST("an answer that still grows, broke, or is HEAD's or a 304 is read as it comes")
{
    static const struct {
        unsigned status;
        bool complete, head_only;
    } rows[] = {{200, false, false}, {200, true, true}, {304, true, false}};
    struct err err;

    for (size_t i = 0; i < countof(rows); i++) {
        struct flight *flight = land(rows[i].status, 1234, NULL, "");
        struct reply reply;

        if (rows[i].complete)
            flight_complete(flight);
        reply_init(&reply);
        from_flight(&reply, flight, rows[i].head_only, "r");
        CHECK_INT(reply.kind, REPLY_READ);
        CHECK_INT(reply.length, 1234); /* of a body that does not come, for HEAD and 304 */
        reply_release(&reply);
        flight_unref(flight);
    }
    err_set(&err, ERR_UP_BROKEN, "cut");
    struct flight *broken = land(200, -1, NULL, "hel");
    struct reply reply;

    flight_break(broken, &err);
    reply_init(&reply);
    from_flight(&reply, broken, false, "r");
    CHECK_INT(reply.kind, REPLY_READ);
    reply_release(&reply);
    flight_unref(broken);
}

TEST("an answer whose end is its connection's stays one, but not for HEAD")
{
    struct flight *flight = flight_new(true, 1000, 100);
    struct body_reader r;
    struct reply reply;
    struct head head;

    head_init(&head);
    head.status = 200;
    head.until_close = true;
    flight_join(flight, &r, on_notify);
    flight_set_head(flight, &head);
    flight_append(flight, "x", 1);
    flight_complete(flight);
    reply_init(&reply);
    from_flight(&reply, flight, false, "r");
    CHECK(reply.until_close);
    CHECK_INT(reply.kind, REPLY_READ); /* the client, too, must not take it for whole */
    reply_release(&reply);
    reply_init(&reply);
    from_flight(&reply, flight, true, "r");
    CHECK(!reply.until_close);
    reply_release(&reply);
    flight_leave(flight, &r);
    flight_unref(flight);
}

TEST("the upstream's x-request-id stays, and ours stands in where there is none")
{
    struct flight *with = land(200, 0, FIELDS("X-Request-Id", "theirs"), "");
    struct flight *without = land(200, 0, NULL, "");
    struct reply reply;

    reply_init(&reply);
    from_flight(&reply, with, false, "ours");
    CHECK(fields_get(&reply.own, "x-request-id") == NULL);
    CHECK_STR(fields_get(reply.upstream, "x-request-id"), "theirs");
    reply_release(&reply);
    reply_init(&reply);
    from_flight(&reply, without, false, "ours");
    CHECK_STR(fields_get(&reply.own, "x-request-id"), "ours");
    reply_release(&reply);
    flight_unref(with);
    flight_unref(without);
}

TEST("every answer says which proxy it came through, and an upstream's how it fared")
{
    struct flight *flight = land(200, 0, NULL, "");
    struct reply reply;

    reply_init(&reply);
    from_flight(&reply, flight, false, "r");
    CHECK_HAS(fields_get(&reply.own, "x-proxy"), "goproxyai/");
    CHECK_INT(fields_count(&reply.own, "x-proxy"), 1);
    CHECK_INT(fields_count(&reply.own, "x-cache"), 1);
    CHECK_HAS(fields_get(&reply.own, "cache-status"), "goproxyai");
    reply_release(&reply);
    flight_unref(flight);
}

/* Our error, with what stood in the reply before. */
static void fail(struct reply *reply, bool under_api)
{
    struct err err;

    reply_init(reply);
    reply->status = 200;
    fields_adds(&reply->own, "Allow", "GET, HEAD");
    str_adds(&reply->text, "left over");
    err_set(&err, ERR_UP_SILENT, "Silent.");
    reply_from_err(reply, &err, under_api ? &bypass : NULL, "req-9");
}

TEST("our own error has its status, OpenAI's shape, and our name")
{
    struct reply reply;

    fail(&reply, false);
    CHECK_INT(reply.status, 504);
    CHECK_INT(reply.kind, REPLY_WHOLE);
    CHECK(reply.upstream == NULL);
    CHECK_INT(reply.len, strlen(reply.bytes));
    CHECK(str_starts(reply.bytes, "{\"error\":{\"message\":\"Silent.\""));
    CHECK_STR(fields_get(&reply.own, "content-type"), "application/json");
    CHECK_STR(fields_get(&reply.own, "x-request-id"), "req-9");
    CHECK_HAS(fields_get(&reply.own, "x-proxy"), "goproxyai/");
    CHECK_INT(fields_count(&reply.own, "x-proxy"), 1);
    CHECK_STR(fields_get(&reply.own, "allow"), "GET, HEAD"); /* what belongs to the error stays */
    reply_release(&reply);
}

TEST("an error says how the cache fared where an answer under /v1 would, and only there")
{
    struct reply reply;

    fail(&reply, true);
    CHECK_INT(fields_count(&reply.own, "x-cache"), 1);
    CHECK_INT(fields_count(&reply.own, "cache-status"), 1);
    reply_release(&reply);
    fail(&reply, false);
    CHECK_INT(fields_count(&reply.own, "x-cache"), 0);
    CHECK_INT(fields_count(&reply.own, "cache-status"), 0);
    reply_release(&reply);
}

TEST("our own JSON goes out as it stands in the reply's text")
{
    struct reply reply;

    reply_init(&reply);
    str_adds(&reply.text, "{\"a\":1}");
    reply_own_json(&reply, 200, NULL);
    CHECK_INT(reply.status, 200);
    CHECK(reply.len == 7 && memcmp(reply.bytes, "{\"a\":1}", 7) == 0);
    CHECK(fields_get(&reply.own, "x-request-id") == NULL);
    reply_release(&reply);
}

static bool passes(const char *name)
{
    struct field h = {.name = name, .value = "v", .name_len = strlen(name)};
    struct reply reply;

    reply_init(&reply);
    return reply_passes(&reply, &h);
}

TEST("an upstream's field reaches the client, but what we say ourselves and CORS")
{
    static const char *const held_back[] = {"X-Cache",
                                            "x-cache",
                                            "X-Proxy",
                                            "X-PROXY",
                                            "Access-Control-Allow-Origin",
                                            "access-control-allow-origin",
                                            "Access-Control-Expose-Headers",
                                            "ACCESS-CONTROL-MAX-AGE",
                                            "Access-Control-Allow-Credentials",
                                            "Access-Control-Allow-Private-Network"};
    static const char *const through[] = {"Content-Type",   "X-Request-ID",
                                          "Set-Cookie",     "X-Cached",
                                          "X-Cache-Hits",   "X-Proxy-By",
                                          "Access-Control", "Accept",
                                          "openai-version", "X-Access-Control-Allow-Origin",
                                          "Date",           "x-ratelimit-remaining-requests",
                                          "Retry-After",    "Vary",
                                          "Server",         "x"};

    for (size_t i = 0; i < countof(held_back); i++) {
        unit_row(held_back[i]);
        CHECK(!passes(held_back[i]));
    }
    for (size_t i = 0; i < countof(through); i++) {
        unit_row(through[i]);
        CHECK(passes(through[i]));
    }
    unit_row(NULL);
}

TEST("Content-Encoding reaches the client, but where the body goes down inflated")
{
    struct field h = {.name = "content-encoding", .value = "gzip", .name_len = 16};
    struct reply reply;

    reply_init(&reply);
    CHECK(reply_passes(&reply, &h));
    reply.inflated = true;
    CHECK(!reply_passes(&reply, &h));
    h.name_len = 7; /* "content" */
    CHECK(reply_passes(&reply, &h));
}

/* The rest is zero. */
static struct object *bare_object(size_t body_len)
{
    struct object *object = object_new(
        &(struct object_parts){.key = &(struct key){{0}}, .body_len = body_len});

    memset(object->body, 0, body_len);
    return object;
}

TEST("what is inflated on its way down has no length that is known, and is read as it comes")
{
    struct flight *flight = land(200, 5, FIELDS("Content-Encoding", "gzip"), "abcde");
    struct object *object = bare_object(0);
    struct reply reply;

    flight_complete(flight);
    reply_init(&reply);
    reply_from_flight(&reply, flight, REPLY_INFLATED, &bypass, "r");
    CHECK(reply.inflated);
    CHECK_INT(reply.kind, REPLY_READ);
    CHECK_INT(reply.length, -1);
    reply_release(&reply);
    reply_init(&reply);
    reply_from_object(&reply, object, true, &bypass, "r");
    CHECK(reply.inflated);
    CHECK_INT(reply.kind, REPLY_READ);
    CHECK_INT(reply.length, -1);
    reply_release(&reply);
    object_unref(object);
    flight_unref(flight);
}

/* ---- pages of other sites ---- */

#define PAGE "https://page.test:8443"

/* What a page of that Origin may read, and that nobody else's cache gives the answer to another. */
static void check_cors(const struct reply *reply, bool wanted)
{
    CHECK_STR(fields_get(&reply->own, "access-control-allow-origin"), wanted ? PAGE : NULL);
    CHECK_INT(fields_count(&reply->own, "access-control-allow-origin"), wanted);
    CHECK_STR(fields_get(&reply->own, "access-control-expose-headers"), wanted ? "*" : NULL);
    CHECK_STR(fields_get(&reply->own, "vary"), wanted ? "Origin" : NULL);
    /* "*" would not stand for all fields then, and cookies are nothing to us. */
    CHECK_INT(fields_count(&reply->own, "access-control-allow-credentials"), 0);
}

TEST("each answer to a page whose Origin is allowed has CORS fields, and no other answer has")
{
    struct flight *flight = land(200, 0, FIELDS("Access-Control-Allow-Origin", "*"), "");
    struct reply_cache hit = {.kind = VERDICT_HIT, .status = "hit", .ttl_ms = -1};

    for (int wanted = 0; wanted < 2; wanted++) {
        struct object *object = bare_object(0);
        struct reply replies[4];
        struct err err;

        for (size_t i = 0; i < countof(replies); i++) {
            reply_init(&replies[i]);
            if (wanted)
                reply_allow_origin(&replies[i], PAGE);
        }
        from_flight(&replies[0], flight, false, "r");
        reply_from_object(&replies[1], object, false, &hit, "r");
        reply_finish_object(&replies[1]);
        err_set(&err, ERR_UP_SILENT, "Silent.");
        reply_from_err(&replies[2], &err, &bypass, "r");
        str_adds(&replies[3].text, "{}");
        reply_own_json(&replies[3], 200, "r");
        for (size_t i = 0; i < countof(replies); i++) {
            check_cors(&replies[i], wanted);
            CHECK_HAS(fields_get(&replies[i].own, "x-proxy"), "goproxyai/");
            reply_release(&replies[i]);
        }
        object_unref(object);
    }
    flight_unref(flight);
}

TEST("the Origin that is allowed is the latest one, and none is allowed by the reply before")
{
    struct reply reply;

    reply_init(&reply);
    reply_allow_origin(&reply, "https://other.test");
    reply_allow_origin(&reply, PAGE);
    str_adds(&reply.text, "{}");
    reply_own_json(&reply, 200, "r");
    check_cors(&reply, true);
    reply_release(&reply);
    reply_init(&reply);
    str_adds(&reply.text, "{}");
    reply_own_json(&reply, 200, "r");
    check_cors(&reply, false);
    reply_release(&reply);
}

TEST("the upstream's own CORS fields do not stand beside ours in what goes down")
{
    struct flight *flight = land(200, 0,
                                 FIELDS("Access-Control-Allow-Origin", "*",
                                        "Access-Control-Allow-Credentials", "true", "A", "b"),
                                 "");
    struct str text = STR_INIT;
    struct reply reply;

    reply_init(&reply);
    reply_allow_origin(&reply, PAGE);
    from_flight(&reply, flight, false, "r");
    reply_write_head(&reply, "OK", &text);
    CHECK_HAS(text.text, "\r\nA: b\r\n");
    CHECK_HAS(text.text, "\r\nAccess-Control-Allow-Origin: " PAGE "\r\n");
    CHECK_HAS_NOT(text.text, "Access-Control-Allow-Origin: *");
    CHECK_HAS_NOT(text.text, "Credentials");
    str_release(&text);
    reply_release(&reply);
    flight_unref(flight);
}

TEST("an answer with CORS fields is none that was made ready for every client")
{
    struct reply_cache hit = {.kind = VERDICT_HIT, .status = "hit", .ttl_ms = -1};
    struct object *object = bare_object(0);

    object->has_id = true;
    atomic_store(&object->warm, true);
    for (int allowed = 0; allowed < 2; allowed++) {
        struct reply reply;

        reply_init(&reply);
        if (allowed)
            reply_allow_origin(&reply, PAGE);
        reply_from_object(&reply, object, false, &hit, "r");
        CHECK(reply_is_ready_made(&reply) == !allowed);
        reply_release(&reply);
    }
    object_unref(object);
}

static void preflight(struct reply *reply, const char *const *pairs)
{
    struct fields request;

    fields_init(&request);
    for (; pairs && pairs[0]; pairs += 2)
        fields_adds(&request, pairs[0], pairs[1]);
    reply_init(reply);
    reply_allow_origin(reply, PAGE);
    reply_preflight(reply, &request, NULL, "req-7");
    fields_release(&request);
}

TEST("a preflight request is answered with what the page may do: all methods, and what it asks for")
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    struct reply reply;

    preflight(&reply, FIELDS("Origin", PAGE, "Access-Control-Request-Method", "POST",
                             "Access-Control-Request-Headers",
                             "authorization,content-type,x-stainless-lang"));
    CHECK_INT(reply.status, 204);
    CHECK_INT(reply.kind, REPLY_WHOLE);
    CHECK_INT(reply.len, 0);
    CHECK(reply.upstream == NULL);
    check_cors(&reply, true);
    for (size_t i = 0; i < countof(methods); i++)
        CHECK_HAS(fields_get(&reply.own, "access-control-allow-methods"), methods[i]);
    CHECK_STR(fields_get(&reply.own, "access-control-allow-headers"),
              "authorization,content-type,x-stainless-lang");
    CHECK_STR(fields_get(&reply.own, "access-control-max-age"), "600");
    CHECK(fields_get(&reply.own, "access-control-allow-private-network") == NULL);
    CHECK_STR(fields_get(&reply.own, "x-request-id"), "req-7");
    CHECK_HAS(fields_get(&reply.own, "x-proxy"), "goproxyai/");
    CHECK(fields_get(&reply.own, "x-cache") == NULL);
    CHECK(fields_get(&reply.own, "content-type") == NULL);
    reply_release(&reply);
}

TEST("a preflight request that asks for no field, or for a private network, is answered so")
{
    struct reply reply;

    preflight(&reply, NULL);
    CHECK(fields_get(&reply.own, "access-control-allow-headers") == NULL);
    reply_release(&reply);
    preflight(&reply, FIELDS("Access-Control-Request-Private-Network", "true"));
    CHECK_STR(fields_get(&reply.own, "access-control-allow-private-network"), "true");
    reply_release(&reply);
}

/* ---- the story of the cache ---- */

TEST("each way that a request went has its word, and its line of Cache-Status")
{
    static const struct {
        enum verdict kind;
        const char *status;
        int64_t ttl_ms;
        const char *word, *line, *age;
    } rows[] = {
        {VERDICT_OWN, "fwd=bypass", -1, "BYPASS", "goproxyai; fwd=bypass", NULL},
        {VERDICT_BYPASS, "fwd=bypass", -1, "BYPASS", "goproxyai; fwd=bypass", NULL},
        {VERDICT_MISS, "fwd=miss; stored", -1, "MISS", "goproxyai; fwd=miss; stored", NULL},
        {VERDICT_HIT, "hit", 212999, "HIT", "goproxyai; hit; ttl=212", "87"},
        {VERDICT_HIT, "hit", 0, "HIT", "goproxyai; hit; ttl=0", "87"},
        {VERDICT_HIT, "hit", -1, "HIT", "goproxyai; hit", "87"},
        {VERDICT_JOIN, "fwd=miss; collapsed", -1, "HIT", "goproxyai; fwd=miss; collapsed", "87"},
    };
    struct flight *flight = land(200, 0, NULL, "");

    for (size_t i = 0; i < countof(rows); i++) {
        struct reply_cache cache = {.kind = rows[i].kind,
                                    .status = rows[i].status,
                                    .now_ms = 1500000087999,
                                    .stored_ms = 1500000000000,
                                    .ttl_ms = rows[i].ttl_ms};
        struct reply reply;

        unit_row(rows[i].line);
        reply_init(&reply);
        reply_from_flight(&reply, flight, 0, &cache, "r");
        CHECK_STR(fields_get(&reply.own, "x-cache"), rows[i].word);
        CHECK_STR(fields_get(&reply.own, "cache-status"), rows[i].line);
        CHECK_STR(fields_get(&reply.own, "age"), rows[i].age);
        CHECK_STR(fields_get(&reply.own, "x-cache-timestamp"),
                  rows[i].age ? "2017-07-14T02:40:00Z" : NULL);
        reply_release(&reply);
    }
    unit_row(NULL);
    flight_unref(flight);
}

static struct key counting_key(void)
{
    struct key key;

    for (unsigned i = 0; i < KEY_BYTES; i++)
        key.bytes[i] = (unsigned char)(0xa1 + 7 * i);
    return key;
}

TEST("Cache-Status names the key, if there is one, by the digits that commands take")
{
    static const struct {
        enum verdict kind;
        const char *status;
        int64_t ttl_ms;
        const char *line;
    } rows[] = {
        {VERDICT_HIT, "hit", 212000, "goproxyai; hit; ttl=212; key=\"a1a8afb6bdc4\""},
        {VERDICT_HIT, "hit", -1, "goproxyai; hit; key=\"a1a8afb6bdc4\""},
        {VERDICT_MISS, "fwd=miss; stored", -1, "goproxyai; fwd=miss; stored; key=\"a1a8afb6bdc4\""},
        {VERDICT_JOIN, "fwd=miss; collapsed", 5000,
         "goproxyai; fwd=miss; collapsed; key=\"a1a8afb6bdc4\""},
        {VERDICT_BYPASS, "fwd=bypass", -1, "goproxyai; fwd=bypass; key=\"a1a8afb6bdc4\""},
    };
    const struct key key = counting_key();
    struct flight *flight = land(200, 0, NULL, "");
    char hex[KEY_HEX_SIZE];

    key_to_hex(&key, hex);
    CHECK(str_starts(hex, "a1a8afb6bdc4"));
    for (size_t i = 0; i < countof(rows); i++) {
        struct reply_cache cache = {
            .kind = rows[i].kind, .status = rows[i].status, .ttl_ms = rows[i].ttl_ms, .key = &key};
        struct object *object = bare_object(0);
        struct reply reply;

        unit_row(rows[i].line);
        reply_init(&reply);
        reply_from_flight(&reply, flight, 0, &cache, "r");
        CHECK_STR(fields_get(&reply.own, "cache-status"), rows[i].line);
        reply_release(&reply);
        reply_init(&reply);
        reply_from_object(&reply, object, false, &cache, "r");
        reply_finish_object(&reply);
        CHECK_STR(fields_get(&reply.own, "cache-status"), rows[i].line);
        reply_release(&reply);
        object_unref(object);
    }
    unit_row(NULL);
    flight_unref(flight);
}

TEST("an answer from a moment that is still to come has the age 0")
{
    struct reply_cache cache = {
        .kind = VERDICT_HIT, .status = "hit", .now_ms = 1000, .stored_ms = 2500, .ttl_ms = -1};
    struct object *object = bare_object(0);
    struct reply reply;

    reply_init(&reply);
    reply_from_object(&reply, object, false, &cache, "r");
    reply_finish_object(&reply);
    CHECK_STR(fields_get(&reply.own, "age"), "0");
    reply_release(&reply);
    object_unref(object);
}

TEST("a replay is the object's status, fields and bytes, in one piece")
{
    struct reply_cache cache = {.kind = VERDICT_HIT, .status = "hit", .ttl_ms = -1};
    struct fields fields;
    struct object *object;
    struct reply reply;

    fields_init(&fields);
    fields_adds(&fields, "X-Request-Id", "theirs");
    object = object_new(
        &(struct object_parts){.key = &(struct key){{0}}, .body_len = 3, .fields = &fields});
    fields_release(&fields);
    object->status = 201;
    memcpy(object->body, "abc", 3);
    CHECK(object->has_id && !object->gzip);
    reply_init(&reply);
    reply_from_object(&reply, object, false, &cache, "ours");
    CHECK_INT(reply.own.count, 0); /* they are not there yet */
    CHECK(reply.object == object);
    CHECK_INT(reply.status, 201);
    CHECK_INT(reply.kind, REPLY_WHOLE);
    CHECK(reply.len == 3 && reply.bytes == object->body);
    reply_finish_object(&reply);
    CHECK_STR(fields_get(&reply.own, "x-cache"), "HIT");
    CHECK(fields_get(&reply.own, "x-request-id") == NULL); /* the upstream's stays */
    CHECK_STR(fields_get(reply.upstream, "x-request-id"), "theirs");
    CHECK_HAS(fields_get(&reply.own, "x-proxy"), "goproxyai/");
    reply_release(&reply);
    object_unref(object);
}

TEST("a long replay is read piece by piece, and announces its length")
{
    struct reply_cache cache = {.kind = VERDICT_HIT, .status = "hit", .ttl_ms = -1};

    for (size_t more = 0; more <= 1; more++) {
        struct object *object = bare_object(REPLY_WHOLE_MAX + more);
        struct reply reply;

        reply_init(&reply);
        reply_from_object(&reply, object, false, &cache, "r");
        CHECK_INT(reply.kind, more ? REPLY_READ : REPLY_WHOLE);
        CHECK_INT(reply.length, object->body_len);
        CHECK(!more || !reply_is_ready_made(&reply));
        reply_release(&reply);
        object_unref(object);
    }
}

static size_t on_the_wire(const struct fields *f)
{
    size_t n = 0;

    fields_each(h, f)
        n += h.name_len + h.value_len + strlen(": \r\n");
    return n;
}

TEST("a head is never larger on the wire than it was said to be")
{
    struct flight *flight = land(200, 0, FIELDS("A", "", "B", "c", "Long-Name", "long value"), "");
    struct reply reply;

    reply_init(&reply);
    CHECK(reply_head_size(&reply) >= 64); /* a status line, and what libmicrohttpd adds */
    from_flight(&reply, flight, false, "req-1");
    CHECK(reply_head_size(&reply) >= on_the_wire(reply.upstream) + on_the_wire(&reply.own) + 64);
    reply_release(&reply);
    flight_unref(flight);
}
