#include <stdio.h>

#include "api/key.h"
#include "api/policy.h"
#include "base/mem.h"
#include "fields_help.h"
#include "gzip_help.h"
#include "unit.h"

#define JSON "Content-Type: application/json\n"
#define STREAM "Content-Type: text/event-stream; charset=utf-8\n"

/* A choice that is good: see t_payload.c for those that are not. */
#define CHOICE "{\"text\":\"a\",\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}"
#define CHUNK "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n"

/* ---- the head ---- */

static const struct key_rules key_rules = {.upstream = "http://up/v1"};

/* May it be stored, by its head's fields (lines)? */
static bool may_store(enum cache_class api, unsigned status, const char *lines)
{
    struct fields f;
    bool may;

    read_fields(&f, lines);
    may = policy_head_may_store(api, &key_rules, status, &f);
    fields_release(&f);
    return may;
}

TEST("200, 201, 400 and 401 may be stored, for the APIs that are looked up")
{
    for (unsigned status = 100; status < 600; status++) {
        bool may = status == 200 || status == 201 || status == 400 || status == 401;

        for (enum cache_class api = CACHE_CLASS_CHAT; api <= CACHE_CLASS_GET; api++)
            CHECK_INT(may_store(api, status, JSON), may);
        CHECK(!may_store(CACHE_CLASS_NONE, status, JSON));
    }
}

TEST("a POST's success may be stored if it is JSON or a stream, a GET's if it is no page")
{
    static const struct {
        const char *fields;
        bool post, embeddings, get;
    } rows[] = {
        {"", false, false, true},
        {"Content-Type:\n", false, false, true},
        {JSON, true, true, true},
        {"content-type: APPLICATION/JSON; charset=utf-8\n", true, true, true},
        {"Content-Type: application/vnd.x+json\n", true, true, true},
        {"Content-Type: application/jsonl\n", false, false, true},
        {STREAM, true, false, true}, /* embeddings have no streams */
        {"Content-Type: text/plain\n", false, false, true},
        {"Content-Type: application/octet-stream\n", false, false, true},
        {"Content-Type: audio/mpeg\n", false, false, true},
        {"Content-Type: text/html\n", false, false, false},
        {"Content-Type: TEXT/HTML;charset=utf-8\n", false, false, false},
        {"Content-Type: application/xhtml+xml\n", false, false, false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].fields);
        for (unsigned status = 200; status <= 201; status++) {
            CHECK_INT(may_store(CACHE_CLASS_CHAT, status, rows[i].fields), rows[i].post);
            CHECK_INT(may_store(CACHE_CLASS_COMPLETIONS, status, rows[i].fields), rows[i].post);
            CHECK_INT(may_store(CACHE_CLASS_RESPONSES, status, rows[i].fields), rows[i].post);
            CHECK_INT(may_store(CACHE_CLASS_EMBEDDINGS, status, rows[i].fields),
                      rows[i].embeddings);
            CHECK_INT(may_store(CACHE_CLASS_GET, status, rows[i].fields), rows[i].get);
        }
        for (enum cache_class api = CACHE_CLASS_CHAT; api <= CACHE_CLASS_GET; api++)
            CHECK(may_store(api, 400, rows[i].fields) && may_store(api, 401, rows[i].fields));
    }
    unit_row(NULL);
}

TEST("Vary: Accept may be stored where Accept is in the key: not of a POST")
{
    CHECK(may_store(CACHE_CLASS_GET, 200, "Vary: Accept\n"));
    CHECK(!may_store(CACHE_CLASS_CHAT, 200, "Vary: Accept\nContent-Type: application/json\n"));
}

TEST("fields that forbid to store, and those that only look as if they did")
{
    static const struct {
        const char *fields;
        bool ok, bad; /* may a 200 be stored, a 400? */
    } rows[] = {
        {"", true, true},
        {"x-should-retry: true\n", true, false},
        {"X-Should-Retry: TRUE\n", true, false},
        {"x-should-retry: false\n", true, true},
        {"x-should-retry:\n", true, true},
        {"Retry-After: 5\n", true, true},
        {"Set-Cookie: a=b\n", false, false},
        {"Set-Cookie: __cf_bm=x; path=/\nSet-Cookie: _cfuvid=y; HttpOnly\n", true, true},
        {"Set-Cookie: __cf_bm=x\nSet-Cookie: session=y\n", false, false},
        {"Set-Cookie: x__cf_bm=x\n", false, false},
        {"set-cookie:\n", false, false},
        {"A: b\nSET-COOKIE: a=b; HttpOnly\nC: d\n", false, false},
        {"Cookie: a=b\n", true, true},
        {"Cache-Control: no-store\n", false, false},
        {"cache-control: private, No-Store\n", false, false},
        {"Cache-Control: max-age=5\nCache-Control: no-store\n", false, false},
        {"Cache-Control: no-store, must-understand\n", false, false},
        {"Cache-Control: no-cache\n", false, false},
        {"Cache-Control: no-cache=\"Set-Cookie\"\n", false, false},
        {"Cache-Control: private=\"x, no-store\n", false, false},
        {"Cache-Control: private\n", true, true},
        {"Cache-Control: max-age=0, must-revalidate\n", true, true},
        {"Cache-Control: private=\"no-store, no-cache\"\n", true, true},
        {"Cache-Control: x=no-store, no-stores\n", true, true},
        {"Pragma: no-cache\nExpires: 0\n", true, true},
        {"CDN-Cache-Control: no-store\n", true, true},
        {"Vary: *\n", false, false},
        {"vary: Accept, *\n", false, false},
        {"Vary: Origin\nVary: *\n", false, false},
        {"Vary: Accept-Encoding, Origin\n", true, true},
        {"vary: ORIGIN\tx-region\n", true, true}, /* any other field is in the key */
        {"Vary:\n", true, true},
        {"Vary: , ,\n", true, true},
        {"Vary: Authorization,openai-beta , OpenAI-Organization,OpenAI-Project\n", true, true},
        {"Vary: Content-Type\n", true, true},
        {"Vary: User-Agent\n", false, false},
        {"Vary: Origin\nVary: Accept-Language\n", false, false},
        {"Vary: X-Stainless-Lang\n", false, false},
        {"Vary: Origins\n", true, true},
        {"Vary: Author\n", true, true},
        {"Vary: *x\n", false, false},
        {"Vary: \"Origin\"\n", false, false},
        {"Content-Encoding: gzip\n", true, true},
        {"content-encoding: X-GZIP\n", true, true},
        {"Content-Encoding: identity\n", true, true},
        {"Content-Encoding:\n", true, true},
        {"Content-Encoding: identity, gzip\n", true, true},
        {"Content-Encoding: gzip\nContent-Encoding: identity\n", true, true},
        {"Content-Encoding: br\n", false, false},
        {"Content-Encoding: deflate\n", false, false},
        {"Content-Encoding: zstd\n", false, false},
        {"Content-Encoding: gzip, br\n", false, false},
        {"Content-Encoding: br, gzip\n", false, false},
        {"Content-Encoding: gzip, gzip\n", false, false},
        {"Content-Encoding: gzip\nContent-Encoding: gzip\n", false, false},
        {"Content-Encoding: gzipp\n", false, false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        mem_auto char *lines = NULL;

        unit_row(rows[i].fields);
        REQUIRE(asprintf(&lines, JSON "%s", rows[i].fields) > 0);
        CHECK_INT(may_store(CACHE_CLASS_CHAT, 200, lines), rows[i].ok);
        CHECK_INT(may_store(CACHE_CLASS_GET, 201, lines), rows[i].ok);
        CHECK_INT(may_store(CACHE_CLASS_CHAT, 400, lines), rows[i].bad);
        CHECK_INT(may_store(CACHE_CLASS_GET, 401, lines), rows[i].bad);
    }
    unit_row(NULL);
}

TEST("without rules of the key no answer may vary, but by Accept-Encoding and Origin")
{
    static const struct key_rules shared = {.upstream = "http://up/v1", .share = true};
    struct fields f;

    read_fields(&f, JSON "Vary: Authorization\n");
    CHECK(policy_head_may_store(CACHE_CLASS_CHAT, &key_rules, 200, &f));
    CHECK(!policy_head_may_store(CACHE_CLASS_CHAT, &shared, 200, &f));
    CHECK(!policy_head_may_store(CACHE_CLASS_CHAT, NULL, 200, &f));
    fields_release(&f);
    read_fields(&f, JSON "Vary: Origin, Accept-Encoding\n");
    CHECK(policy_head_may_store(CACHE_CLASS_CHAT, NULL, 200, &f));
    fields_release(&f);
}

/* ---- documents ---- */

/* In pieces of random length, most of them short. */
static void check_proof(enum cache_class api, unsigned status, const struct fields *f,
                        const char *body, size_t len, bool framed, bool whole)
{
    static uint64_t seed = 5;
    struct policy_proof *proof = policy_proof_new(api, status, f);

    for (size_t at = 0, n; at < len; at += n) {
        n = 1 +
            (size_t)unit_random_up_to(&seed, 1 + len / (size_t)(1 + unit_random_up_to(&seed, 19)));
        n = n < len - at ? n : len - at;
        policy_proof_feed(proof, body + at, n);
    }
    if (!policy_proof_gave_up(proof))
        CHECK_INT(policy_proof_holds(proof, framed), whole);
    CHECK(!policy_proof_gave_up(proof) || fields_get(f, "content-encoding"));
    policy_proof_free(proof);
}

static bool is_whole(enum cache_class api, unsigned status, const char *lines, const char *body,
                     size_t len, bool framed)
{
    struct fields f;
    bool whole;

    read_fields(&f, lines);
    whole = policy_answer_is_whole(api, status, &f, &(struct policy_body){body, len, framed});
    check_proof(api, status, &f, body, len, framed, whole);
    fields_release(&f);
    return whole;
}

TEST("what proves an answer whole depends on its content type")
{
    static const struct {
        const char *fields, *body;
        bool framed, unframed;
    } rows[] = {
        {JSON, "{\"a\":1}", true, true},
        {JSON, " [1]\r\n", true, true},
        {JSON, "\"a\"", true, true},
        {JSON, "null", true, true},
        {JSON, "12", true, false}, /* perhaps the beginning of 123 */
        {JSON, "", false, false},
        {JSON, " ", false, false},
        {JSON, "{\"a\":1", false, false},
        {JSON, "{\"a\":1}}", false, false},
        {JSON, "{\"a\":\"\xff\"}", false, false},
        {JSON, "data: [DONE]\n\n", false, false},
        {"content-type: APPLICATION/JSON ;charset=utf-8\n", "{", false, false},
        {"Content-Type: application/problem+json; x\n", "{", false, false},
        {"Content-Type: application/problem+JSON\n", "{}", true, true},
        {"Content-Type: application/x-ndjson\n", "{", true, false},
        {"Content-Type: application/jsonl\n", "{}\n{}", true, false},
        {"Content-Type: +json\n", "{", true, false},
        {"Content-Type: text/plain\n", "{}", true, false},
        {"Content-Type: audio/mpeg\n", "x", true, false},
        {"Content-Type: application/octet-stream\n", "{\"status\":\"queued\"}", true, false},
        {"", "{}", true, false},
        {"", "", true, false},
        {"Content-Type:\n", "{}", true, false},
        {STREAM, "", false, false},
        {STREAM, "{}", false, false},
        {STREAM, "data: [DONE]\n\n", true, true},
        {STREAM, "data: [DONE]\n", false, false},
        {"content-type: TEXT/Event-Stream\n", "data: x\n\n", false, false},
        {"Content-Encoding: br\n" JSON, "{}", false, false},
        {"Content-Encoding: identity\n" JSON, "{}", true, true},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        size_t len = strlen(rows[i].body);

        unit_row(rows[i].body);
        for (unsigned framed = 0; framed < 2; framed++) {
            bool whole = framed ? rows[i].framed : rows[i].unframed;

            CHECK_INT(is_whole(CACHE_CLASS_GET, 200, rows[i].fields, rows[i].body, len, framed),
                      whole);
            CHECK_INT(is_whole(CACHE_CLASS_GET, 400, rows[i].fields, rows[i].body, len, framed),
                      whole);
            CHECK_INT(is_whole(CACHE_CLASS_CHAT, 401, rows[i].fields, rows[i].body, len, framed),
                      whole);
            /* none of these says anything */
            for (enum cache_class api = CACHE_CLASS_CHAT; api < CACHE_CLASS_GET; api++)
                CHECK(!is_whole(api, 200, rows[i].fields, rows[i].body, len, framed));
            CHECK(!is_whole(CACHE_CLASS_NONE, 200, rows[i].fields, rows[i].body, len, framed));
        }
    }
    unit_row(NULL);
}

TEST("a POST's success is JSON or a stream by its type, whatever it says, and a page is neither")
{
    static const char json[] = "{\"choices\":[" CHOICE "]}";
    static const char stream[] = CHUNK "data: [DONE]\n\n";
    static const char page[] = "<!doctype html><title>Sign in</title>";
    static const char *const types[] = {"", "Content-Type: text/plain\n",
                                        "Content-Type: application/octet-stream\n"};

    for (unsigned framed = 0; framed < 2; framed++) {
        CHECK(is_whole(CACHE_CLASS_CHAT, 200, JSON, json, strlen(json), framed));
        CHECK(is_whole(CACHE_CLASS_CHAT, 201, "Content-Type: application/x+json\n", json,
                       strlen(json), framed));
        CHECK(is_whole(CACHE_CLASS_CHAT, 200, STREAM, stream, strlen(stream), framed));
        CHECK(!is_whole(CACHE_CLASS_CHAT, 200, STREAM, json, strlen(json), framed));
        CHECK(!is_whole(CACHE_CLASS_CHAT, 200, JSON, stream, strlen(stream), framed));
    }
    for (size_t i = 0; i < countof(types); i++) {
        CHECK(!is_whole(CACHE_CLASS_CHAT, 200, types[i], json, strlen(json), true));
        CHECK(!is_whole(CACHE_CLASS_CHAT, 200, types[i], stream, strlen(stream), true));
        CHECK(!is_whole(CACHE_CLASS_CHAT, 200, types[i], page, strlen(page), true));
        CHECK(is_whole(CACHE_CLASS_GET, 200, types[i], page, strlen(page), true));
    }
    CHECK(!is_whole(CACHE_CLASS_CHAT, 200, "Content-Type: text/html\n", page, strlen(page), true));
    CHECK(!is_whole(CACHE_CLASS_GET, 200, "Content-Type: text/html\n", page, strlen(page), true));
    CHECK(!is_whole(CACHE_CLASS_GET, 200, "Content-Type: text/html\n", "", 0, true));
    CHECK(is_whole(CACHE_CLASS_GET, 401, "Content-Type: text/html\n", page, strlen(page), true));
}

TEST("a GET whose status is not final is not stored; of a response only the good ends are")
{
    static const struct {
        const char *word;
        bool of_get, of_response;
    } rows[] = {
        {"completed", true, true},
        {"incomplete", true, true},
        {"failed", true, false},
        {"cancelled", true, false},
        {"canceled", true, false},
        {"expired", true, false},
        {"succeeded", true, false},
        {"processed", true, false},
        {"error", true, false},
        {"deleted", true, false},
        {"queued", false, false},
        {"in_progress", false, false},
        {"cancelling", false, false},
        {"validating", false, false},
        {"validating_files", false, false},
        {"finalizing", false, false},
        {"running", false, false},
        {"paused", false, false},
        {"pending", false, false},
        {"uploaded", false, false},
        {"requires_action", false, false},
        {"active", false, false},
        {"Completed", false, false},
        {"comp\\u006ceted", true, true},
        {"in_pr\\u006fgress", false, false},
        {"", false, false},
        {"a word of tomorrow", false, false},
    };
    char body[256];

    for (size_t i = 0; i < countof(rows); i++) {
        int n = snprintf(body, sizeof(body),
                         "{\"choices\":[" CHOICE "],\"output\":[{\"type\":\"x_call\"}],\"status\":"
                         "\"%s\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}",
                         rows[i].word);
        size_t len = (size_t)n;

        unit_row(rows[i].word);
        CHECK_INT(is_whole(CACHE_CLASS_GET, 200, JSON, body, len, true), rows[i].of_get);
        CHECK_INT(is_whole(CACHE_CLASS_GET, 201, JSON, body, len, false), rows[i].of_get);
        CHECK_INT(is_whole(CACHE_CLASS_RESPONSES, 200, JSON, body, len, true), rows[i].of_response);
        CHECK_INT(is_whole(CACHE_CLASS_RESPONSES, 201, JSON, body, len, false),
                  rows[i].of_response);
        CHECK(is_whole(CACHE_CLASS_CHAT, 200, JSON, body, len, true));
        CHECK(is_whole(CACHE_CLASS_GET, 400, JSON, body, len, true));
        CHECK(is_whole(CACHE_CLASS_RESPONSES, 401, JSON, body, len, true));
        n = snprintf(body, sizeof(body),
                     "{\"data\":[1,{},{\"status\":\"completed\"},{\"status\":\"%s\"}]}",
                     rows[i].word);
        len = (size_t)n;
        CHECK_INT(is_whole(CACHE_CLASS_GET, 200, JSON, body, len, true), rows[i].of_get);
        n = snprintf(body, sizeof(body), "{\"data\":[{\"embedding\":[1],\"status\":\"%s\"}]}",
                     rows[i].word);
        CHECK(is_whole(CACHE_CLASS_EMBEDDINGS, 200, JSON, body, (size_t)n, true));
    }
    unit_row(NULL);
}

TEST("only a status that is a string, and where it belongs, is looked at")
{
    static const struct {
        const char *body;
        bool whole;
    } rows[] = {
        {"{\"status\":null}", true},
        {"{\"status\":200}", true},
        {"{\"status\":{\"type\":\"active\"}}", true},
        {"{\"output\":[{\"status\":\"in_progress\"}]}", true},
        {"{\"a\":{\"status\":\"queued\"}}", true},
        {"[{\"status\":\"queued\"}]", true},
        {"{\"data\":{\"status\":\"queued\"}}", true},
        {"{\"data\":[[{\"status\":\"queued\"}]]}", true},
        {"{\"data\":[],\"status\":\"queued\"}", false},
        {"{\"data\":[{\"status\":\"queued\"}],\"status\":\"completed\"}", false},
        {"{\"data\":[{\"status\":\"queued\"},{\"status\":\"completed\"}]}", false},
        {"{\"st\\u0061tus\":\"queued\"}", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].body);
        CHECK_INT(is_whole(CACHE_CLASS_GET, 200, JSON, rows[i].body, strlen(rows[i].body), true),
                  rows[i].whole);
    }
    unit_row(NULL);
}

TEST("an error in the 200 of a POST is not stored, in a 400 it is, and a GET's may have one")
{
    static const char good[] = "\"choices\":[" CHOICE
                               "],\"data\":[{\"embedding\":[1]}],\"status\":\"completed\","
                               "\"output\":[{\"type\":\"x_call\"}]}";
    static const struct {
        const char *error;
        bool failed;
    } rows[] = {{"{\"message\":\"m\"}", true},
                {"\"m\"", true},
                {"true", true},
                {"[]", true},
                {"null", false},
                {"\"\"", false},
                {"false", false}};

    for (size_t i = 0; i < countof(rows); i++) {
        mem_auto char *body = NULL;

        unit_row(rows[i].error);
        REQUIRE(asprintf(&body, "{\"error\":%s,%s", rows[i].error, good) > 0);
        for (enum cache_class api = CACHE_CLASS_CHAT; api <= CACHE_CLASS_GET; api++) {
            CHECK_INT(is_whole(api, 200, JSON, body, strlen(body), true),
                      api == CACHE_CLASS_GET || !rows[i].failed);
            CHECK(is_whole(api, 400, JSON, body, strlen(body), true));
            CHECK(is_whole(api, 401, JSON, body, strlen(body), false));
        }
    }
    unit_row(NULL);
}

/* ---- streams ---- */

#define COMPLETED                                                                                  \
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"error\":"   \
    "null}}\n\n"

TEST("a stream is whole once its own API's terminal event has come, without an error before it")
{
    static const struct {
        const char *body;
        bool chat, responses, get; /* completions is as chat */
    } rows[] = {
        {"data: {}\n\ndata: [DONE]\n\n", true, false, true},
        {"data:[DONE]\r\n\r\n", true, false, true},
        {"data: [DONE]\r\r", true, false, true},
        {"data: [DONE]\n\ndata: {}\n\n", true, false, true},
        {"data: [DONE]\n\ndata: {\"error\":{}}\n\n", true, false, true},
        {"data: [DONE]\n\nda", true, false, true},
        {": ping\n\n\xef\xbb\xbf\n\ndata: [DONE]\n\n", true, false, true},
        {"data: no JSON\n\ndata: [DONE]\n\n", false, false, false},
        {"data:\n\ndata: [DONE]\n\n", false, false, false},
        {"data: {}\n\n", false, false, false},
        {"data: [DONE]\n", false, false, false},
        {"data: [DONE]", false, false, false},
        {": data: [DONE]\n\n", false, false, false},
        {"data: [done]\n\n", false, false, false},
        {"data: [DONE] \n\n", false, false, false},
        {"data: [DONE]\ndata: x\n\n", false, false, false},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"}}]}\n\n", false, false, false},
        {"data: {\"error\":{\"message\":\"m\"}}\n\ndata: [DONE]\n\n", false, false, false},
        {"data: {\"error\":\"m\"}\n\ndata: [DONE]\n\n", false, false, false},
        {"data: {\"err\\u006fr\":true}\n\ndata: [DONE]\n\n", false, false, false},
        {"data: {\ndata: \"error\":1}\n\ndata: [DONE]\n\n", false, false, false},
        {"event: error\ndata: x\n\ndata: [DONE]\n\n", false, false, false},
        {"event: error\ndata: [DONE]\n\n", false, false, false},
        {"data: {\"type\":\"error\"}\n\ndata: [DONE]\n\n", false, false, false},
        {"data: {\"error\":null}\n\ndata: [DONE]\n\n", true, false, true},
        {"data: {\"error\":\"\"}\n\ndata: [DONE]\n\n", true, false, true},
        {"data: {\"a\":{\"error\":1}}\n\ndata: [DONE]\n\n", true, false, true},
        {"event: error\n\ndata: [DONE]\n\n", true, false, true}, /* no data, no event */
        {COMPLETED, false, true, true},
        {"event: response.completed\ndata: x\n\n", false, false, false},
        {"event: response.completed\ndata: {}\n\n", false, true, true},
        {"data: {\"type\":\"response.completed\"}\n\n", false, true, true},
        {"data: {\"type\":\"response.incomplete\"}\n\n", false, true, true},
        {"event: response.incomplete\ndata: {}\n\n", false, true, true},
        {"data: {}\n\n" COMPLETED "data: [DONE]\n\n", true, true, true},
        {"data: [DONE]\n\n" COMPLETED, true, true, true},
        {COMPLETED "event: error\ndata: {}\n\n", false, true, true},
        {"event: response.completed\n\n", false, false, false},
        {"event: response.completed\ndata: {}\n", false, false, false},
        {"event: response.failed\ndata: {}\n\n" COMPLETED, false, false, false},
        {"data: {\"type\":\"response.failed\"}\n\n" COMPLETED, false, false, false},
        {"event: error\ndata: {}\n\n" COMPLETED, false, false, false},
        {"data: {\"type\":\"error\",\"message\":\"m\"}\n\n" COMPLETED, false, false, false},
        {"data: {\"error\":{}}\n\n" COMPLETED, false, false, false},
        {"event: response.completed\ndata: {\"error\":{}}\n\n", false, false, false},
        {"event: response.created\ndata: {\"response\":{\"status\":\"completed\"}}\n\n", false,
         false, false},
        {"event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\"}\n\n",
         false, false, false},
        {"data: {\"delta\":\"response.completed\",\"a\":{\"type\":\"response.completed\"}}\n\n",
         false, false, false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        size_t len = strlen(rows[i].body);
        mem_auto char *said = NULL;

        unit_row(rows[i].body);
        REQUIRE(asprintf(&said, CHUNK "%s", rows[i].body) > 0);
        for (unsigned framed = 0; framed < 2; framed++) {
            CHECK_INT(is_whole(CACHE_CLASS_CHAT, 400, STREAM, rows[i].body, len, framed),
                      rows[i].chat);
            CHECK_INT(is_whole(CACHE_CLASS_COMPLETIONS, 401, STREAM, rows[i].body, len, framed),
                      rows[i].chat);
            CHECK_INT(is_whole(CACHE_CLASS_RESPONSES, 400, STREAM, rows[i].body, len, framed),
                      rows[i].responses);
            CHECK_INT(is_whole(CACHE_CLASS_GET, 200, STREAM, rows[i].body, len, framed),
                      rows[i].get);
            CHECK(!is_whole(CACHE_CLASS_EMBEDDINGS, 400, STREAM, rows[i].body, len, framed));
            /* nothing is said before the end, and then there is */
            for (enum cache_class api = CACHE_CLASS_CHAT; api < CACHE_CLASS_GET; api++)
                CHECK(!is_whole(api, 200, STREAM, rows[i].body, len, framed));
            CHECK_INT(is_whole(CACHE_CLASS_CHAT, 200, STREAM, said, strlen(said), framed),
                      rows[i].chat);
        }
    }
    unit_row(NULL);
}

TEST("a terminal event with a megabyte of images in it ends the stream, by its event field")
{
    struct str body = STR_INIT;

    str_adds(&body, "event: response.completed\ndata: {\"image\":\"");
    for (size_t i = 0; i < (size_t)3 * 1024 * 1024; i++)
        str_addc(&body, 'A');
    str_adds(&body, "\"}\n\n");
    CHECK(is_whole(CACHE_CLASS_GET, 200, STREAM, body.text, body.len, false));
    CHECK(!is_whole(CACHE_CLASS_GET, 200, STREAM, body.text, body.len - 1, false));
    CHECK(!is_whole(CACHE_CLASS_RESPONSES, 200, STREAM, body.text, body.len,
                    false)); /* says nothing */
    str_release(&body);
}

static const char chat_stream[] =
    "data: {\"id\":\"chatcmpl-B9M\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"
    "\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":"
    "\"fp_44709d6fcb\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":"
    "\"\","
    "\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n"
    "data: {\"id\":\"chatcmpl-B9M\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"
    "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
    "\"data: [DONE]\\n\\n\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n"
    "data: {\"id\":\"chatcmpl-B9M\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"
    "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,"
    "\"finish_reason\":\"stop\"}],\"usage\":null}\n\n"
    "data: {\"id\":\"chatcmpl-B9M\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"
    "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[],\"usage\":{\"prompt_tokens\":19,"
    "\"completion_tokens\":10,\"total_tokens\":29}}\n\n";

static const char completions_stream[] =
    "data: {\"id\":\"cmpl-7iA7iJ\",\"object\":\"text_completion\",\"created\":1690759702,"
    "\"choices\":[{\"text\":\"This\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}],"
    "\"model\":\"gpt-3.5-turbo-instruct\"}\r\n\r\n: ping\r\n\r\n"
    "data: {\"id\":\"cmpl-7iA7iJ\",\"object\":\"text_completion\",\"created\":1690759702,"
    "\"choices\":[{\"text\":\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"}],"
    "\"model\":\"gpt-3.5-turbo-instruct\"}\r\n\r\n";

static const char responses_stream[] =
    "event: response.created\n"
    "data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_67c\","
    "\"object\":\"response\",\"status\":\"in_progress\",\"error\":null,\"output\":[]}}\n\n"
    "event: response.output_item.added\n"
    "data: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,"
    "\"item\":{\"id\":\"msg_67c\",\"type\":\"message\",\"status\":\"in_progress\",\"role\":"
    "\"assistant\",\"content\":[]}}\n\n"
    "event: response.output_text.delta\n"
    "data: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"item_id\":\"msg_67c\","
    "\"delta\":\"event: response.completed\\ndata: {}\\n\\n\"}\n\n"
    "event: response.output_item.done\n"
    "data: {\"type\":\"response.output_item.done\",\"sequence_number\":3,\"output_index\":0,"
    "\"item\":{\"id\":\"msg_67c\",\"type\":\"message\",\"status\":\"completed\"}}\n\n";

/* The terminal event follows. Its last byte is the one that makes it whole. */
static void cut_everywhere(enum cache_class api, const char *beginning, const char *terminal)
{
    struct str stream = STR_INIT;

    str_adds(&stream, beginning);
    str_adds(&stream, terminal);
    for (size_t len = 0; len <= stream.len; len++) {
        bool whole = len == stream.len;
        mem_auto char *cut = mem_strndup(stream.text, len);

        CHECK_INT(is_whole(api, 200, STREAM, cut, len, false), whole);
        CHECK_INT(is_whole(api, 200, STREAM, cut, len, true), whole);
    }
    str_release(&stream);
}

TEST("a stream that is cut at any byte before the end of its terminal event is never whole")
{
    cut_everywhere(CACHE_CLASS_CHAT, chat_stream, "data: [DONE]\n\n");
    /* the LF after the last CR is no news */
    cut_everywhere(CACHE_CLASS_COMPLETIONS, completions_stream, "data: [DONE]\r\n\r");
    cut_everywhere(CACHE_CLASS_RESPONSES, responses_stream,
                   "event: response.completed\n"
                   "data: {\"type\":\"response.completed\",\"sequence_number\":4,\"response\":{"
                   "\"id\":\"resp_67c\",\"status\":\"completed\",\"error\":null}}\n\n");
    cut_everywhere(
        CACHE_CLASS_RESPONSES, responses_stream,
        "data: {\"type\":\"response.incomplete\",\"response\":{\"status\":\"incomplete\","
        "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}\n\n");
    cut_everywhere(CACHE_CLASS_GET, responses_stream, COMPLETED);
    cut_everywhere(CACHE_CLASS_GET, chat_stream, "data: [DONE]\n\n");
}

TEST("a stream of another API never ends")
{
    struct str stream = STR_INIT;

    str_adds(&stream, responses_stream);
    str_adds(&stream, COMPLETED);
    CHECK(!is_whole(CACHE_CLASS_CHAT, 200, STREAM, stream.text, stream.len, true));
    str_clear(&stream);
    str_adds(&stream, chat_stream);
    str_adds(&stream, "data: [DONE]\n\n");
    CHECK(!is_whole(CACHE_CLASS_RESPONSES, 200, STREAM, stream.text, stream.len, true));
    str_release(&stream);
}

/* ---- gzip ---- */

#define GZIP "Content-Encoding: gzip\n"
/* {"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]} */
static const unsigned char json_gz[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x0d, 0xc8, 0xb1, 0x0d, 0x80, 0x40,
    0x08, 0x05, 0xd0, 0x5d, 0x7e, 0xed, 0x04, 0xb7, 0x8a, 0x31, 0x86, 0x10, 0xf4, 0x28, 0x84, 0x8b,
    0xd0, 0x11, 0x76, 0xd7, 0x57, 0xbe, 0x02, 0x4f, 0x57, 0x96, 0xc0, 0xd8, 0x0b, 0x8f, 0x44, 0xd0,
    0x2d, 0x18, 0x05, 0x76, 0x4b, 0xb1, 0xc4, 0x00, 0xa1, 0x37, 0x5c, 0x6a, 0x1a, 0xf3, 0x7c, 0x85,
    0xc2, 0xed, 0xcf, 0x48, 0x5f, 0xe8, 0xa3, 0x3f, 0x6f, 0x51, 0x4f, 0x72, 0x40, 0x00, 0x00, 0x00};
/* CHUNK "data: [DONE]\n\n" */
static const unsigned char done_gz[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x4b, 0x49, 0x2c, 0x49, 0xb4,
    0x52, 0xa8, 0x56, 0x4a, 0xce, 0xc8, 0xcf, 0x4c, 0x4e, 0x2d, 0x56, 0xb2, 0x8a, 0xae, 0x56,
    0x4a, 0x49, 0xcd, 0x29, 0x49, 0x54, 0xb2, 0x02, 0x0a, 0xe6, 0xe7, 0x95, 0xa4, 0xe6, 0x95,
    0x28, 0x59, 0x29, 0x25, 0x2a, 0xd5, 0xea, 0x28, 0xa5, 0x65, 0xe6, 0x65, 0x16, 0x67, 0xc4,
    0x17, 0xa5, 0x26, 0x16, 0xe7, 0xe7, 0x01, 0x05, 0x8b, 0x4b, 0xf2, 0x0b, 0x94, 0x6a, 0x63,
    0x6b, 0xb9, 0xb8, 0x52, 0xc0, 0xa6, 0x44, 0xbb, 0xf8, 0xfb, 0xb9, 0xc6, 0x72, 0x71, 0x01,
    0x00, 0x46, 0x84, 0x0c, 0xab, 0x54, 0x00, 0x00, 0x00};
static const unsigned char empty_gz[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00,
                                         0x00, 0x02, 0xff, 0x03, 0x00, 0x00, 0x00,
                                         0x00, 0x00, 0x00, 0x00, 0x00, 0x00};

/* A POST's success. */
static bool gz_is_whole(const char *lines, const unsigned char *gz, size_t len, bool framed)
{
    return is_whole(CACHE_CLASS_CHAT, 200, lines, (const char *)gz, len, framed);
}

/* An answer that is judged by its frame alone. */
static bool gz_file_is_whole(const char *lines, const unsigned char *gz, size_t len, bool framed)
{
    return is_whole(CACHE_CLASS_GET, 200, lines, (const char *)gz, len, framed);
}

TEST("gzip is judged by what it unpacks to")
{
    CHECK(gz_is_whole(GZIP JSON, json_gz, sizeof(json_gz), true));
    CHECK(gz_is_whole("content-encoding: x-gzip\n" JSON, json_gz, sizeof(json_gz), false));
    CHECK(gz_is_whole(GZIP STREAM, done_gz, sizeof(done_gz), false));
    CHECK(!gz_is_whole(GZIP JSON, done_gz, sizeof(done_gz), true));
    CHECK(!gz_is_whole(GZIP STREAM, json_gz, sizeof(json_gz), true));
    CHECK(!gz_is_whole(JSON, json_gz, sizeof(json_gz), true));
    CHECK(!gz_is_whole(GZIP, json_gz, sizeof(json_gz), true));
    CHECK(gz_file_is_whole(GZIP, json_gz, sizeof(json_gz), true));
    CHECK(!gz_file_is_whole(GZIP, json_gz, sizeof(json_gz), false));
    CHECK(!gz_file_is_whole(GZIP JSON, empty_gz, sizeof(empty_gz), true)); /* no JSON is empty */
    CHECK(gz_file_is_whole(GZIP, empty_gz, sizeof(empty_gz), true));
    CHECK(!gz_file_is_whole(GZIP, empty_gz, sizeof(empty_gz), false));
    CHECK(!gz_is_whole(GZIP GZIP JSON, json_gz, sizeof(json_gz), true));
    CHECK(!gz_is_whole("Content-Encoding: gzip, br\n" JSON, json_gz, sizeof(json_gz), true));
    CHECK(gz_file_is_whole(GZIP, empty_gz, 0, true)); /* a body of no bytes is not encoded */
    CHECK(!gz_file_is_whole(GZIP JSON, empty_gz, 0, true));
    CHECK(!gz_is_whole(GZIP STREAM, empty_gz, 0, true));
}

TEST("gzip that is cut, damaged or none is never whole")
{
    for (size_t len = 1; len < sizeof(json_gz); len++) {
        CHECK(!gz_is_whole(GZIP JSON, json_gz, len, true));
        CHECK(!gz_file_is_whole(GZIP, json_gz, len, true));
    }
    for (size_t len = 0; len < sizeof(done_gz); len++)
        CHECK(!gz_is_whole(GZIP STREAM, done_gz, len, true));
    CHECK(!gz_file_is_whole(GZIP, (const unsigned char *)"plain text", 10, true));
}

TEST("what unpacks to more than 64 MiB is not stored")
{
    struct str gz = STR_INIT;

    for (unsigned i = 0; i < 64; i++)
        gzip_blanks(&gz);
    CHECK(is_whole(CACHE_CLASS_GET, 200, GZIP, gz.text, gz.len, true));
    str_add(&gz, json_gz, sizeof(json_gz));
    CHECK(!is_whole(CACHE_CLASS_GET, 200, GZIP, gz.text, gz.len, true));
    str_release(&gz);
}

TEST("a proof in pieces gives up on what unfolds a thousandfold, where it is more than 1 MiB")
{
    struct str gz = STR_INIT;
    struct fields f;

    read_fields(&f, GZIP);
    for (unsigned i = 1; i < 4; i++) {
        struct policy_proof *proof = policy_proof_new(CACHE_CLASS_GET, 200, &f);

        gzip_blanks(&gz);
        policy_proof_feed(proof, gz.text, gz.len);
        CHECK_INT(policy_proof_gave_up(proof), i > 1);
        CHECK_INT(policy_proof_holds(proof, true), i == 1);
        CHECK(policy_answer_is_whole(CACHE_CLASS_GET, 200, &f,
                                     &(struct policy_body){gz.text, gz.len, true}));
        policy_proof_free(proof);
    }
    str_release(&gz);
    fields_release(&f);
}

TEST("a proof in pieces ends where more than 64 MiB have been unpacked")
{
    mem_auto char *text = mem_alloc(65001);
    struct str member = STR_INIT;
    struct fields f;
    struct policy_proof *proof;
    uint64_t unpacked = 0;

    memset(text, 'x', 65000);
    text[65000] = '\0';
    gzip_stored(&member, text);
    read_fields(&f, GZIP);
    proof = policy_proof_new(CACHE_CLASS_GET, 200, &f);
    for (; unpacked + 65000 <= UINT64_C(64) << 20; unpacked += 65000)
        policy_proof_feed(proof, member.text, member.len);
    CHECK(policy_proof_holds(proof, true));
    policy_proof_feed(proof, member.text, member.len);
    CHECK(!policy_proof_holds(proof, true));
    CHECK(!policy_proof_gave_up(proof));
    policy_proof_free(proof);
    str_release(&member);
    fields_release(&f);
}

/* ---- fields ---- */

TEST("fields that would lie, that the proxy writes, and that belong to a connection are not kept")
{
    static const char *const kept[] = {"Content-Type",
                                       "Content-Encoding",
                                       "Content-Disposition",
                                       "x-request-id",
                                       "openai-processing-ms",
                                       "openai-organization",
                                       "openai-version",
                                       "openai-model",
                                       "openai-poll-after-ms",
                                       "ETag",
                                       "Last-Modified",
                                       "Expires",
                                       "Vary",
                                       "Retry-After",
                                       "cf-cache-status",
                                       "cf-ray",
                                       "Server",
                                       "Via",
                                       "Alt-Svc",
                                       "Strict-Transport-Security",
                                       "x-should-retry",
                                       "Location",
                                       "x-rate",
                                       "Dates",
                                       "Ages",
                                       "x-cach",
                                       "x-proxys",
                                       "upgrades",
                                       "Access-Control",
                                       "Cookie",
                                       "content-lengths",
                                       "Cache-Control",
                                       "x-ratelimit"};
    static const char *const dropped[] = {"x-ratelimit-limit-requests",
                                          "x-ratelimit-remaining-tokens",
                                          "X-RateLimit-Reset-Tokens",
                                          "RateLimit",
                                          "ratelimit-policy",
                                          "Date",
                                          "date",
                                          "AGE",
                                          "Set-Cookie",
                                          "set-cookie2",
                                          "Connection",
                                          "Keep-Alive",
                                          "Proxy-Connection",
                                          "Transfer-Encoding",
                                          "TE",
                                          "Trailer",
                                          "Upgrade",
                                          "Proxy-Authenticate",
                                          "Proxy-Authorization",
                                          "Content-Length",
                                          "X-Cache",
                                          "x-cache-timestamp",
                                          "X-Cache-Hits",
                                          "Cache-Status",
                                          "X-Proxy",
                                          "Access-Control-Allow-Origin",
                                          "access-control-expose-headers"};

    for (size_t i = 0; i < countof(kept); i++) {
        struct field h = {.name = kept[i], .name_len = strlen(kept[i]), .value = ""};

        unit_row(kept[i]);
        CHECK(policy_field_is_kept(&h));
    }
    for (size_t i = 0; i < countof(dropped); i++) {
        struct field h = {.name = dropped[i], .name_len = strlen(dropped[i]), .value = ""};

        unit_row(dropped[i]);
        CHECK(!policy_field_is_kept(&h));
    }
    unit_row(NULL);
}
