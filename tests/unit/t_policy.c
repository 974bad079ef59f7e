#include "api/policy.h"

#include <stdio.h>

#include "api/directive.h"
#include "base/mem.h"
#include "fields_help.h"
#include "unit.h"

/* ---- which API ---- */

TEST("four POSTs and every GET are looked up, by their exact path")
{
    static const struct {
        const char *method, *target;
        enum cache_class api;
    } rows[] = {
        {"POST", "/v1/chat/completions", CACHE_CLASS_CHAT},
        {"POST", "/v1/completions", CACHE_CLASS_COMPLETIONS},
        {"POST", "/v1/embeddings", CACHE_CLASS_EMBEDDINGS},
        {"POST", "/v1/responses", CACHE_CLASS_RESPONSES},
        {"POST", "/v1/chat/completions?a=/b", CACHE_CLASS_CHAT},
        {"POST", "/v1/responses?", CACHE_CLASS_RESPONSES},
        {"POST", "/v1/chat/completions/", CACHE_CLASS_NONE},
        {"POST", "/v1/chat/completions/id", CACHE_CLASS_NONE},
        {"POST", "/v1/chat/completion", CACHE_CLASS_NONE},
        {"POST", "/v1/chat", CACHE_CLASS_NONE},
        {"POST", "/v1/chat%2fcompletions", CACHE_CLASS_NONE},
        {"POST", "/v1/c%68at/completions", CACHE_CLASS_NONE},
        {"POST", "/v1//chat/completions", CACHE_CLASS_NONE},
        {"POST", "/V1/chat/completions", CACHE_CLASS_NONE},
        {"POST", "/v1/Chat/Completions", CACHE_CLASS_NONE},
        {"POST", "/v1/responses/id/cancel", CACHE_CLASS_NONE},
        {"POST", "/v1/responses/input_tokens", CACHE_CLASS_NONE},
        {"POST", "/v1/images/generations", CACHE_CLASS_NONE},
        {"POST", "/v1/audio/speech", CACHE_CLASS_NONE},
        {"POST", "/v1/files", CACHE_CLASS_NONE},
        {"POST", "/v1", CACHE_CLASS_NONE},
        {"POST", "/chat/completions", CACHE_CLASS_NONE},
        {"POST", "/?/v1/chat/completions", CACHE_CLASS_NONE},
        {"POST", "", CACHE_CLASS_NONE},
        {"GET", "/v1/models", CACHE_CLASS_GET},
        {"GET", "/v1/models/gpt-4o?x", CACHE_CLASS_GET},
        {"GET", "/v1/files/file-1/content", CACHE_CLASS_GET},
        {"GET", "/v1/chat/completions", CACHE_CLASS_GET},
        {"GET", "/v1/a%2fb/", CACHE_CLASS_GET},
        {"GET", "/v1", CACHE_CLASS_GET},
        {"GET", "/v1/", CACHE_CLASS_GET},
        {"GET", "/v1?x", CACHE_CLASS_GET},
        {"GET", "/v1x", CACHE_CLASS_NONE},
        {"GET", "/v10/models", CACHE_CLASS_NONE},
        {"GET", "/health", CACHE_CLASS_NONE},
        {"GET", "/", CACHE_CLASS_NONE},
        {"HEAD", "/v1/models", CACHE_CLASS_NONE},
        {"OPTIONS", "/v1/models", CACHE_CLASS_NONE},
        {"DELETE", "/v1/models/x", CACHE_CLASS_NONE},
        {"PUT", "/v1/chat/completions", CACHE_CLASS_NONE},
        {"PATCH", "/v1/chat/completions", CACHE_CLASS_NONE},
        {"get", "/v1/models", CACHE_CLASS_NONE},
        {"post", "/v1/chat/completions", CACHE_CLASS_NONE},
    };
    struct fields fields;

    fields_init(&fields);
    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].target);
        CHECK_INT(cache_class_of(rows[i].method, rows[i].target, &fields), rows[i].api);
    }
    unit_row(NULL);
}

TEST("a request for a part, with a condition or for another protocol is passed on")
{
    static const struct {
        const char *fields;
        bool passed;
    } rows[] = {
        {"Range: bytes=0-1\n", true},
        {"range: lines=1\n", true},
        {"If-Match: \"a\"\n", true},
        {"If-None-Match: *\n", true},
        {"If-Modified-Since: x\n", true},
        {"IF-UNMODIFIED-SINCE: x\n", true},
        {"if-range: x\n", true},
        {"Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\n", false}, /* Java's HttpClient */
        {"a: b\nRange: x\nc: d\n", true},
        {"", false},
        {"Accept-Ranges: bytes\nContent-Range: x\nIf: x\nRang: x\nRanges: x\n", false},
        {"Upgrade-Insecure-Requests: 1\nUser-Agent: x\nReferer: range\n", false},
        {"Connection: Upgrade\n", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct fields f;

        unit_row(rows[i].fields);
        read_fields(&f, rows[i].fields);
        CHECK_INT(cache_class_of("GET", "/v1/models", &f),
                  rows[i].passed ? CACHE_CLASS_NONE : CACHE_CLASS_GET);
        CHECK_INT(cache_class_of("POST", "/v1/chat/completions", &f),
                  rows[i].passed ? CACHE_CLASS_NONE : CACHE_CLASS_CHAT);
        fields_release(&f);
    }
    unit_row(NULL);
}

/* ---- the body ---- */

static struct body_facts facts_of(enum cache_class class, const char *body)
{
    struct body_facts facts;

    memset(&facts, 'x', sizeof(facts)); /* all of it is set */
    policy_inspect_body(class, body, strlen(body), &facts);
    return facts;
}

TEST("a response in the background or in a conversation is stateful; other bodies are not")
{
    static const struct {
        enum cache_class api;
        const char *body;
        bool cacheable;
    } rows[] = {
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\"}", true},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"background\":true}", false},
        {CACHE_CLASS_RESPONSES, "{\"background\":1,\"model\":\"m\"}", false},
        {CACHE_CLASS_RESPONSES, "{\"background\":\"yes\",\"model\":\"m\"}", false},
        {CACHE_CLASS_RESPONSES, "{\"b\\u0061ckground\":true,\"model\":\"m\"}", false},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"background\":false}", true},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"background\":null}", true},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"background\":0}", true},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"conversation\":\"conv_1\"}", false},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"conversation\":{\"id\":\"conv_1\"}}", false},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"conversation\":\"\"}", false},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"conversation\":false}", false},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"conversation\":null}", true},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"input\":{\"background\":true}}", true},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"metadata\":{\"conversation\":\"c\"}}", true},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"previous_response_id\":\"r\"}", true},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"background\":true,\"background\":false}",
         false},
        {CACHE_CLASS_RESPONSES, "{\"background\":false,\"model\":\"m\",\"background\":false}",
         false},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"conversation\":\"c\",\"conversation\":null}",
         false},
        {CACHE_CLASS_RESPONSES,
         "{\"model\":\"m\",\"conv\\u0065rsation\":{\"id\":\"c\"},\"conversation\":null}", false},
        {CACHE_CLASS_RESPONSES, "{\"model\":\"m\",\"model\":\"m\",\"background\":false}", true},
        {CACHE_CLASS_CHAT, "{\"model\":\"m\",\"background\":true,\"conversation\":1}", true},
        {CACHE_CLASS_COMPLETIONS, "{\"model\":\"m\",\"background\":true}", true},
        {CACHE_CLASS_EMBEDDINGS, "{\"model\":\"m\",\"background\":true}", true},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct body_facts facts = facts_of(rows[i].api, rows[i].body);

        unit_row(rows[i].body);
        CHECK_INT(!facts.is_stateful, rows[i].cacheable);
        CHECK_STR(facts.model, "m");
        CHECK(!facts.is_stream);
    }
    unit_row(NULL);
}

TEST("a body that is no JSON object is cacheable and has no model")
{
    static const char *const rows[] = {
        "",
        " ",
        "{\"model\":\"m\",\"store\":true",
        "{\"model\":\"m\",\"input\":\"\\ud83d\"}",
        "{\"model\":\"m\"}}",
        "[{\"model\":\"m\",\"background\":true}]",
        "\"model\"",
        "{\"model\":1,\"MODEL\":\"m\",\"x\":{\"model\":\"m\"}}",
        "{\"model\":null}",
        "{}",
        "model=m&store=true",
    };
    /* no strict JSON, but some servers take it for JSON */
    static const char *const stateful[] = {
        "{\"model\":\"m\",\"background\":true",
        "{\"model\":\"m\",\"conversation\":1}}",
        "{\"conversation\":\"c\",\"input\":\"\\ud83d\"}",
        "{\"\\u0063onversation\":\"c\",\"input\":\"\\ud83d\"}",
    };
    static const char utf16[] = "{\0\"\0m\0\"\0:\0001\0}\0";
    struct body_facts facts;

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i]);
        facts = facts_of(CACHE_CLASS_RESPONSES, rows[i]);
        CHECK(!facts.is_stateful);
        CHECK(!facts.is_stream);
        CHECK_STR(facts.model, "");
    }
    unit_row(NULL);
    for (size_t i = 0; i < countof(stateful); i++) {
        unit_row(stateful[i]);
        CHECK(facts_of(CACHE_CLASS_RESPONSES, stateful[i]).is_stateful);
        CHECK(!facts_of(CACHE_CLASS_CHAT, stateful[i]).is_stateful);
    }
    unit_row(NULL);
    policy_inspect_body(CACHE_CLASS_RESPONSES, utf16, sizeof(utf16) - 1, &facts);
    CHECK(facts.is_stateful);
    policy_inspect_body(CACHE_CLASS_GET, NULL, 0, &facts);
    CHECK(!facts.is_stateful);
}

TEST("only a stream that is true asks for one")
{
    static const struct {
        const char *body;
        bool is_stream;
    } rows[] = {
        {"{\"stream\":true}", true},
        {"{\"model\":\"m\",\"str\\u0065am\": true }", true},
        {"{\"stream\":false}", false},
        {"{\"stream\":null}", false},
        {"{\"stream\":1}", false},
        {"{\"stream\":\"true\"}", false},
        {"{\"input\":{\"stream\":true}}", false},
        {"{\"stream\":true", false},
        {"{}", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].body);
        CHECK_INT(facts_of(CACHE_CLASS_CHAT, rows[i].body).is_stream, rows[i].is_stream);
        CHECK_INT(facts_of(CACHE_CLASS_RESPONSES, rows[i].body).is_stream, rows[i].is_stream);
    }
    unit_row(NULL);
}

TEST("the model is unescaped and cut to fit at a character's end")
{
    char body[512], wanted[POLICY_MODEL_SIZE];

    /* up to which character it fits: \u00e4 takes two bytes */
    for (unsigned before = 0; before < 2; before++) {
        memset(wanted, 'a', sizeof(wanted));
        wanted[POLICY_MODEL_SIZE - 3 + before] = '\0';
        snprintf(body, sizeof(body), "{\"model\":\"%s\\u00e4b\",\"stream\":true}", wanted);
        if (!before) {
            wanted[POLICY_MODEL_SIZE - 3] = '\xc3';
            wanted[POLICY_MODEL_SIZE - 2] = '\xa4';
            wanted[POLICY_MODEL_SIZE - 1] = '\0';
        }
        CHECK_STR(facts_of(CACHE_CLASS_CHAT, body).model, wanted);
        CHECK(facts_of(CACHE_CLASS_CHAT, body).is_stream);
    }
}

/* ---- Cache-Control ---- */

#define FAR DIRECTIVE_SECONDS_MAX

TEST("what a request asks of caches is read as RFC 9111 says, and what is unreadable strictly")
{
    static const struct {
        const char *fields;
        struct cache_control asks;
    } rows[] = {
        {"", {.max_age_s = -1}},
        {"Cache-Control: no-cache\n", {.no_cache = true, .max_age_s = -1}},
        {"CACHE-CONTROL: No-Store\n", {.no_store = true, .max_age_s = -1}},
        {"cache-control: only-if-cached\n", {.only_if_cached = true, .max_age_s = -1}},
        {"Cache-Control: max-age=5\n", {.max_age_s = 5}},
        {"Cache-Control: MAX-AGE=\"5\"\n", {.max_age_s = 5}},
        {"Cache-Control: max-age=\"\\5\"\n", {.max_age_s = 5}},
        {"Cache-Control: max-age=0\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=007\n", {.max_age_s = 7}},
        {"Cache-Control: max-age\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=\"\"\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=-5\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=+5\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=5s\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=1.5\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=5 6\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=\\5\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=\"5\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=\"5\\\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=\"5\"6\n", {.max_age_s = 0}},
        {"Cache-Control: max-age=2147483647\n", {.max_age_s = FAR - 1}},
        {"Cache-Control: max-age=2147483649\n", {.max_age_s = FAR}},
        {"Cache-Control: max-age=99999999999999999999999999\n", {.max_age_s = FAR}},
        {"Cache-Control: max-age=9, max-age=5, max-age=7\n", {.max_age_s = 5}},
        {"Cache-Control: max-age=9\nCache-Control: max-age=5\n", {.max_age_s = 5}},
        {"Cache-Control: max-age=9, max-age=x\n", {.max_age_s = 0}},
        {"Cache-Control: min-fresh=5\n", {.max_age_s = -1, .min_fresh_s = 5}},
        {"Cache-Control: min-fresh=5, min-fresh=9,min-fresh=7\n",
         {.max_age_s = -1, .min_fresh_s = 9}},
        {"Cache-Control: min-fresh=x\n", {.max_age_s = -1, .min_fresh_s = FAR}},
        {"Cache-Control: min-fresh\n", {.max_age_s = -1, .min_fresh_s = FAR}},
        {"Cache-Control: no-cache=\"x\", no-store=1\n",
         {.no_cache = true, .no_store = true, .max_age_s = -1}},
        {"Cache-Control:\tno-cache\t,,  ,max-age=5 , only-if-cached\n",
         {.no_cache = true, .only_if_cached = true, .max_age_s = 5}},
        {"Cache-Control: no-cache\nX: y\ncache-control: no-store\n",
         {.no_cache = true, .no_store = true, .max_age_s = -1}},
        {"Cache-Control: unknown, no-caches, no, no-cach, max-stale=5, x=no-store\n",
         {.max_age_s = -1}},
        {"Cache-Control: x=\"no-store, no-cache\"\n", {.max_age_s = -1}},
        {"Cache-Control: x=\"a\\\", no-store, b\"\n", {.max_age_s = -1}},
        {"Cache-Control: x=\"a\" , no-store\n", {.no_store = true, .max_age_s = -1}},
        {"Cache-Control: x=\"a\\\\\", no-store\n", {.no_store = true, .max_age_s = -1}},
        {"Cache-Control: x=\"a, no-store\n", {.no_store = true, .max_age_s = -1}},
        {"Cache-Control: x=\"a\"b, no-store\n", {.no_store = true, .max_age_s = -1}},
        {"Cache-Control: \"x, no-store\n", {.no_store = true, .max_age_s = -1}},
        {"Cache-Control: =no-store, =\n", {.max_age_s = -1}},
        {"Cache-Control: max-age = 5\n", {.max_age_s = 5}},
        {"Pragma: no-cache\n", {.no_cache = true, .max_age_s = -1}},
        {"pragma: x, NO-CACHE\n", {.no_cache = true, .max_age_s = -1}},
        {"Pragma: x=\"no-cache\"\n", {.max_age_s = -1}},
        {"Pragma: no-store\n", {.max_age_s = -1}},
        {"Pragma: no-cache\nCache-Control: max-age=5\n", {.max_age_s = 5}},
        {"Cache-Control:\nPragma: no-cache\n", {.max_age_s = -1}},
        {"Surrogate-Control: no-store\nX-Cache-Control: no-store\n", {.max_age_s = -1}},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        const struct cache_control *wanted = &rows[i].asks;
        struct cache_control asks = {true, true, true, 99, 99};
        struct fields f;

        unit_row(rows[i].fields);
        read_fields(&f, rows[i].fields);
        cache_control_of(&f, &asks);
        CHECK_INT(asks.no_cache, wanted->no_cache);
        CHECK_INT(asks.no_store, wanted->no_store);
        CHECK_INT(asks.only_if_cached, wanted->only_if_cached);
        CHECK_INT(asks.max_age_s, wanted->max_age_s);
        CHECK_INT(asks.min_fresh_s, wanted->min_fresh_s);
        fields_release(&f);
    }
    unit_row(NULL);
}

/* ---- writes and collections ---- */

TEST("all methods write but those that are known to be safe")
{
    static const char *const writes[] = {"POST", "PUT", "PATCH", "DELETE",
                                         "MOVE", "FOO", "get",   ""};
    static const char *const others[] = {"GET",      "HEAD",   "OPTIONS", "TRACE",
                                         "PROPFIND", "REPORT", "SEARCH",  "QUERY"};

    for (size_t i = 0; i < countof(writes); i++)
        CHECK(policy_is_write(writes[i]));
    for (size_t i = 0; i < countof(others); i++)
        CHECK(!policy_is_write(others[i]));
}

TEST("a collection is the first segment after /v1, decoded once")
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"/v1/files", "/v1/files/file-1/content?x", true},
        {"/v1/files", "/v1/files?limit=1", true},
        {"/v1/files", "/v1/files/", true},
        {"/v1/files", "/v1/f%69les/a", true},
        {"/v1/files", "/v1/%66%69%6C%65%73", true},
        {"/v1/files", "/v1/Files", false},
        {"/v1/files", "/v1/file", false},
        {"/v1/files", "/v1/filess", false},
        {"/v1/files", "/v1/selif", false},
        {"/v1/files", "/v1/models", false},
        {"/v1/files", "/v1//files", false},
        {"/v1/files", "/v1/fi%2569les", false},
        {"/v1/fi%2569les", "/v1/fi%25%369les", true},
        {"/v1/a/b", "/v1/a%2fb", false},
        {"/v1/a%2Fb", "/v1/a%2fb/c", true},
        {"/v1/a?b", "/v1/a%3fb", false},
        {"/v1", "/v1/", true},
        {"/v1", "/v1?files", true},
        {"/v1", "/v1/files", false},
        {"/v1/a%", "/v1/a%25", true},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].b);
        CHECK_INT(policy_collection_of(rows[i].a) == policy_collection_of(rows[i].b), rows[i].same);
        CHECK(policy_collection_of(rows[i].a) != 0);
    }
    unit_row(NULL);
    CHECK(policy_collection_of("/health") != 0);
    CHECK(policy_collection_of("") != 0);
    CHECK(policy_collection_of("/v") != 0);
}

TEST("collections' numbers differ in their low and in their high bits")
{
    bool low[256] = {false}, high[256] = {false};
    unsigned lows = 0, highs = 0;
    char target[32];

    for (unsigned i = 0; i < 256; i++) {
        uint64_t number;

        snprintf(target, sizeof(target), "/v1/c%u", i);
        number = policy_collection_of(target);
        lows += !low[number & 255];
        highs += !high[number >> 56];
        low[number & 255] = high[number >> 56] = true;
    }
    CHECK(lows > 130 && highs > 130); /* 162 is what chance gives */
}
