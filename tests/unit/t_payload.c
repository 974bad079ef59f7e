#include "api/payload.h"

#include <stdio.h>
#include <string.h>

#include "api/sse.h"
#include "base/mem.h"
#include "base/str.h"
#include "fields_help.h"
#include "unit.h"

#define JSON "Content-Type: application/json\n"
#define STREAM "Content-Type: text/event-stream; charset=utf-8\n"
#define DONE "data: [DONE]\n\n"

static bool is_stored_in_pieces(enum cache_class api, const struct fields *fields, const char *body,
                                size_t len)
{
    struct policy_proof *proof = policy_proof_new(api, 200, fields);
    bool holds;

    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < 1000 ? len - at : 1000;
        policy_proof_feed(proof, body + at, n);
    }
    holds = policy_proof_holds(proof, true);
    policy_proof_free(proof);
    return holds;
}

static bool is_stored(enum cache_class api, const char *lines, const char *body, size_t len)
{
    struct fields f;
    bool stored, unframed;

    read_fields(&f, lines);
    stored = policy_answer_is_whole(api, 200, &f, &(struct policy_body){body, len, true});
    unframed = policy_answer_is_whole(api, 201, &f, &(struct policy_body){body, len, false});
    CHECK_INT(unframed, stored); /* it proves itself */
    CHECK_INT(is_stored_in_pieces(api, &f, body, len), stored);
    fields_release(&f);
    return stored;
}

static bool document_is_stored(enum cache_class api, const char *body)
{
    return is_stored(api, JSON, body, strlen(body));
}

static bool stream_is_stored(enum cache_class api, const char *body)
{
    return is_stored(api, STREAM, body, strlen(body));
}

struct row {
    const char *body;
    bool stored;
};

static void check_documents(enum cache_class api, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unit_row(rows[i].body);
        CHECK_INT(document_is_stored(api, rows[i].body), rows[i].stored);
    }
    unit_row(NULL);
}

static void check_streams(enum cache_class api, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unit_row(rows[i].body);
        CHECK_INT(stream_is_stored(api, rows[i].body), rows[i].stored);
    }
    unit_row(NULL);
}

/* ---- how a choice ends ---- */

static const struct {
    const char *reason;
    bool well;
    bool open; /* in a stream: none yet */
} reasons[] = {
    {"\"stop\"", true, false},
    {"\"length\"", true, false},
    {"\"tool_calls\"", true, false},
    {"\"function_call\"", true, false},
    {"\"eos_token\"", true, false},
    {"\"stop_sequence\"", true, false},
    {"\"end_turn\"", true, false},
    {"\"s\\u0074op\"", true, false},
    {"\"content_filter\"", false, false},
    {"\"error\"", false, false},
    {"\"insufficient_system_resource\"", false, false},
    {"\"Stop\"", false, false},
    {"\"stop \"", false, false},
    {"\"a word of tomorrow\"", false, false},
    {"{\"stop\":1}", false, false},
    {"1", false, false},
    {"null", false, true},
    {"\"\"", false, true},
};

TEST("a choice ends well with one of the known reasons, or the answer is not stored")
{
    for (size_t i = 0; i < countof(reasons); i++) {
        mem_auto char *chat = NULL, *completion = NULL;
        mem_auto char *chunks = NULL, *texts = NULL, *later = NULL;

        unit_row(reasons[i].reason);
        REQUIRE(asprintf(&chat,
                         "{\"choices\":[{\"finish_reason\":%s,\"message\":{\"content\":\"a\"}}]}",
                         reasons[i].reason) > 0);
        REQUIRE(asprintf(&completion, "{\"choices\":[{\"text\":\"a\",\"finish_reason\":%s}]}",
                         reasons[i].reason) > 0);
        REQUIRE(
            asprintf(
                &chunks,
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
                "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":%s}]}\n\n" DONE,
                reasons[i].reason) > 0);
        REQUIRE(
            asprintf(
                &texts,
                "data: {\"choices\":[{\"index\":0,\"text\":\"a\",\"finish_reason\":%s}]}\n\n" DONE,
                reasons[i].reason) > 0);
        REQUIRE(asprintf(
                    &later,
                    "data: "
                    "{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n"
                    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":%s}]}\n\n" DONE,
                    reasons[i].reason) > 0);
        CHECK_INT(document_is_stored(CACHE_CLASS_CHAT, chat), reasons[i].well);
        CHECK_INT(document_is_stored(CACHE_CLASS_COMPLETIONS, completion), reasons[i].well);
        CHECK_INT(stream_is_stored(CACHE_CLASS_CHAT, chunks), reasons[i].well);
        CHECK_INT(stream_is_stored(CACHE_CLASS_COMPLETIONS, texts), reasons[i].well);
        /* a reason stays, and a bad one after it counts */
        CHECK_INT(stream_is_stored(CACHE_CLASS_CHAT, later), reasons[i].well || reasons[i].open);
    }
    unit_row(NULL);
}

/* ---- what a choice says ---- */

static const struct {
    const char *said;
    bool speaks;
} messages[] = {
    {"\"content\":\"a\"", true},
    {"\"content\":\" \"", false},
    {"\"content\":[{\"type\":\"text\",\"text\":\"a\"}]", true},
    {"\"c\\u006fntent\":\"a\"", true},
    {"\"content\":null,\"tool_calls\":[{\"id\":\"c\"}]", true},
    {"\"content\":\"\",\"function_call\":{\"name\":\"f\"}", true},
    {"\"content\":null,\"refusal\":\"no\"", true},
    {"\"content\":null,\"audio\":{\"id\":\"a\",\"data\":\"AA==\"}", true},
    {"\"role\":\"assistant\"", false},
    {"\"content\":\"\"", false},
    {"\"content\":\" \\n\\t\\r\\u0020\\u000A \"", false},
    {"\"content\":\" \\n\\\\ \"", true},
    {"\"content\":\"\\u00a0\"", true},
    {"\"content\":null", false},
    {"\"content\":[]", false},
    {"\"content\":[{\"type\":\"text\",\"text\":\"\"}]", false},
    {"\"content\":[{\"type\":\"text\",\"text\":\"\"},{\"type\":\"text\",\"text\":\"a\"}]", true},
    {"\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]", true},
    {"\"content\":[{\"text\":\"\"}],\"tool_calls\":[{\"id\":\"c\"}]", true},
    {"\"content\":0", false},
    {"\"content\":\"a\",\"content\":null", false}, /* the last one counts */
    {"\"tool_calls\":[]", false},
    {"\"tool_calls\":null,\"function_call\":null,\"refusal\":null,\"audio\":null", false},
    {"\"function_call\":{}", false},
    {"\"refusal\":\"\"", false},
    {"\"audio\":{}", false},
    {"\"content\":\"\",\"reasoning_content\":\"let me see\"", false},
    {"\"content\":null,\"reasoning\":\"let me see\",\"reasoning_details\":[{\"text\":\"a\"}]",
     false},
    {"\"x\":{\"content\":\"a\"}", false},
};

TEST("a choice without text, call, refusal or audio is not stored, reasoning is none of these")
{
    for (size_t i = 0; i < countof(messages); i++) {
        mem_auto char *whole = NULL, *pieces = NULL, *wrong = NULL;

        unit_row(messages[i].said);
        REQUIRE(asprintf(&whole, "{\"choices\":[{\"message\":{%s},\"finish_reason\":\"length\"}]}",
                         messages[i].said) > 0);
        REQUIRE(
            asprintf(&pieces,
                     "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n"
                     "data: {\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":null}]}\n\n"
                     "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},"
                     "\"finish_reason\":\"length\"}]}\n\n" DONE,
                     messages[i].said) > 0);
        REQUIRE(asprintf(&wrong, "{\"choices\":[{\"delta\":{%s},\"finish_reason\":\"length\"}]}",
                         messages[i].said) > 0);
        CHECK_INT(document_is_stored(CACHE_CLASS_CHAT, whole), messages[i].speaks);
        CHECK_INT(stream_is_stored(CACHE_CLASS_CHAT, pieces), messages[i].speaks);
        CHECK(!document_is_stored(CACHE_CLASS_CHAT, wrong));
    }
    unit_row(NULL);
}

#define GOOD(content) "{\"message\":{\"content\":" content "},\"finish_reason\":\"stop\"}"

TEST("a chat completion is an object with choices, each of which is good")
{
    static const struct row rows[] = {
        {"{\"choices\":[" GOOD("\"a\"") "]}", true},
        {" {\"id\":1,\"choices\" : [ " GOOD("\"a\"") " , " GOOD("\"b\"") " ] ,\"usage\":{}}\n",
         true},
        {"{\"\\u0063hoices\":[" GOOD("\"a\"") "]}", true},
        {"{\"choices\":[" GOOD("\"a\"") "," GOOD("\"\"") "]}", false},
        {"{\"choices\":[" GOOD("\"\"") "," GOOD("\"a\"") "]}", false},
        {"{\"choices\":[" GOOD("\"a\"") ",null]}", false},
        {"{\"choices\":[" GOOD("\"a\"") ",[" GOOD("\"a\"") "]]}", false},
        {"{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", false},
        {"{\"choices\":[{\"message\":\"a\",\"finish_reason\":\"stop\"}]}", false},
        {"{\"choices\":[{\"message\":[{\"content\":\"a\"}],\"finish_reason\":\"stop\"}]}", false},
        {"{\"choices\":[{\"content\":\"a\",\"finish_reason\":\"stop\"}]}", false},
        {"{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}]}", false},
        {"{\"choices\":{\"0\":" GOOD("\"a\"") "}}", false},
        {"{\"choices\":" GOOD("\"a\"") "}", false},
        {"{\"choices\":[" GOOD("\"a\"") "],\"choices\":[]}", false},
        {"{\"choices\":[" GOOD("\"\"") "],\"choices\":[" GOOD("\"a\"") "]}", false},
        {"{\"choices\":[" GOOD("[{\"text\":\"a\"}]") "," GOOD("[{\"text\":\"\"}]") "]}", false},
        {"{\"choices\":[]}", false},
        {"{\"choices\":[ ]}", false},
        {"{\"choices\":null}", false},
        {"{\"choices\":\"a\"}", false},
        {"{\"data\":[" GOOD("\"a\"") "],\"output\":[" GOOD("\"a\"") "]}", false},
        {"{\"response\":{\"choices\":[" GOOD("\"a\"") "]}}", false},
        {"{}", false},
        {"", false},
        {"null", false},
        {"\"a\"", false},
        {"[" GOOD("\"a\"") "]", false},
        {"[{\"choices\":[" GOOD("\"a\"") "]}]", false},
        {"{\"choices\":[" GOOD("\"a\"") "]", false},
        {"{\"choices\":[" GOOD("\"a\"") "]}}", false},
        {"{\"choices\":[" GOOD("\"a\"") "],\"error\":{\"message\":\"m\"}}", false},
        {"{\"error\":\"m\",\"choices\":[" GOOD("\"a\"") "]}", false},
        {"{\"choices\":[" GOOD("\"a\"") "],\"error\":null}", true},
    };

    check_documents(CACHE_CLASS_CHAT, rows, countof(rows));
}

TEST("a document may have as many choices as it likes")
{
    struct str body = STR_INIT;

    str_adds(&body, "{\"choices\":[{\"text\":\"a\",\"index\":0,\"finish_reason\":\"stop\"}");
    for (unsigned i = 1; i < 2000; i++)
        str_addf(&body, ",{\"text\":\"a\",\"index\":%u,\"finish_reason\":\"length\"}", i);
    str_adds(&body, "]}");
    CHECK(document_is_stored(CACHE_CLASS_COMPLETIONS, body.text));
    str_release(&body);
}

TEST("of a completion each choice has a text")
{
    static const struct row rows[] = {
        {"{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}]}", true},
        {"{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"},"
         "{\"text\":\"b\",\"finish_reason\":\"length\"}]}",
         true},
        {"{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"},"
         "{\"text\":\"\",\"finish_reason\":\"stop\"}]}",
         false},
        {"{\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}", false},
        {"{\"choices\":[{\"text\":null,\"finish_reason\":\"stop\"}]}", false},
        {"{\"choices\":[" GOOD("\"a\"") "]}", false},
        {"{\"choices\":[]}", false},
        {"{\"choices\":[{\"text\":\"a\"}]}", false},
    };

    check_documents(CACHE_CLASS_COMPLETIONS, rows, countof(rows));
}

TEST("embeddings are an object with data in it, each with a vector")
{
    static const struct row rows[] = {
        {"{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[0.1,-2]}],\"model\":\"m\"}",
         true},
        {"{\"data\":[{\"embedding\":\"AACAPw==\"}]}", true},
        {"{\"data\":[{\"embedding\":[[1],[2]]},{\"embedding\":[3]}]}", true},
        {"{\"data\":[{\"embedding\":[]}]}", false},
        {"{\"data\":[{\"embedding\":\"\"}]}", false},
        {"{\"data\":[{\"embedding\":null}]}", false},
        {"{\"data\":[{\"embedding\":[1]},{\"embedding\":[]}]}", false},
        {"{\"data\":[{\"embedding\":[]},{\"embedding\":[1]}]}", false},
        {"{\"data\":[{\"index\":0}]}", false},
        {"{\"data\":[{}]}", false},
        {"{\"data\":[null]}", false},
        {"{\"data\":[1]}", false},
        {"{\"data\":[]}", false},
        {"{\"data\":{}}", false},
        {"{\"data\":null}", false},
        {"{}", false},
        {"[[0.1]]", false},
        {"{\"choices\":[" GOOD("\"a\"") "]}", false},
        {"{\"data\":[1],\"error\":{\"message\":\"m\"}}", false},
    };

    check_documents(CACHE_CLASS_EMBEDDINGS, rows, countof(rows));
    CHECK(!stream_is_stored(CACHE_CLASS_EMBEDDINGS, "data: {\"data\":[1]}\n\n" DONE));
}

/* ---- streams of chat and completions ---- */

#define DELTA(index, content) "{\"index\":" index ",\"delta\":{\"content\":" content "}}"
#define ENDED(index) "{\"index\":" index ",\"delta\":{},\"finish_reason\":\"stop\"}"
#define EVENT(choices) "data: {\"choices\":[" choices "]}\n\n"

TEST("in a stream each choice that was begun says something, and ends well before [DONE]")
{
    static const struct row rows[] = {
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) DONE, true},
        {EVENT(DELTA("0", "\"a\"") "," ENDED("0")) DONE, true},
        {EVENT(ENDED("0")) EVENT(DELTA("0", "\"a\"")) DONE, true},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) EVENT("") DONE, true}, /* usage */
        {EVENT("") EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) DONE, true}, /* filter results */
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) "data: {\"choices\":null}\n\n" DONE, true},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) EVENT(DELTA("0", "\"\"")) DONE, true},
        {EVENT(DELTA("0", "\"a\"")) EVENT(DELTA("1", "\"b\"")) EVENT(ENDED("1")) EVENT(ENDED("0"))
             DONE,
         true},
        {EVENT(DELTA("0", "\"a\"")) EVENT(DELTA("1", "\"b\"")) EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) EVENT(ENDED("1")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) EVENT(DELTA("1", "\"b\"")) DONE, false},
        {EVENT(DELTA("1", "\"a\"")) EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) DONE, false},
        {EVENT(ENDED("0")) DONE, false},
        {EVENT("") DONE, false},
        {DONE, false},
        {": hi\n\n" DONE, false},
        {"data: {}\n\n" DONE, false},
        {"data: [" DELTA("0", "\"a\"") "," ENDED("0") "]\n\n" DONE, false},
        /* a server with one choice may leave its index out */
        {EVENT("{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}") DONE, true},
        {EVENT(DELTA("null", "\"a\"")) EVENT(ENDED("0")) DONE, true},
        {EVENT(DELTA("00", "\"a\"")) EVENT(ENDED("00")) DONE, false}, /* no JSON */
        {EVENT(DELTA("127", "\"a\"")) EVENT(ENDED("127")) DONE, true},
        {EVENT(DELTA("64", "\"a\"")) EVENT(ENDED("0")) EVENT(DELTA("0", "\"a\"")) DONE, false},
        {EVENT(DELTA("64", "\"a\"")) EVENT(ENDED("64")) DONE, true},
        {EVENT(DELTA("2047", "\"a\"")) EVENT(ENDED("2047")) DONE, true},
        {EVENT(DELTA("2048", "\"a\"")) EVENT(ENDED("2048")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) EVENT(DELTA("18446744073709551616", "\"a\""))
             DONE,
         false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) EVENT(DELTA("-1", "\"a\"")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) EVENT(DELTA("0.0", "\"a\"")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) EVENT(DELTA("\"0\"", "\"a\"")) DONE, false},
        /* what comes after the end is read by nobody */
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) DONE EVENT(DELTA("1", "\"a\"")), true},
        {DONE EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")), false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) "data: {\"error\":{}}\n\n" DONE, false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) "event: error\ndata: x\n\n" DONE, false},
        /* data that is no chunk says nothing; a chunk that is damaged may have said anything */
        {EVENT(DELTA("0", "\"a\"")) "data: ping\n\n" EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) ": ping\n\n" EVENT(ENDED("0")) DONE, true},
        {EVENT(DELTA("0", "\"a\"")) "data: [ERROR] overloaded\n\n" EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) "data: <html>502</html>\n\n" EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\""))
             EVENT(ENDED("0")) "data: {\"choices\":[" ENDED("0") ",\n\n" DONE,
         false},
        {"data: {\"choices\":[" DELTA("0", "\"a\"") "," ENDED("0") "\n\n" DONE, false},
        {EVENT(DELTA("0", "\"a\"")) "data: {\"cho\n\n" EVENT(ENDED("0")) DONE, false},
    };

    check_streams(CACHE_CLASS_CHAT, rows, countof(rows));
}

TEST("in a stream of completions each choice has a text")
{
    static const struct row rows[] = {
        {EVENT("{\"index\":0,\"text\":\"a\",\"finish_reason\":null}")
             EVENT("{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}") DONE,
         true},
        {EVENT("{\"index\":0,\"text\":\"\",\"finish_reason\":\"length\"}") DONE, false},
        {EVENT("{\"index\":0,\"text\":\"a\"}") EVENT("{\"index\":1,\"text\":\"\"}")
             EVENT("{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}")
                 EVENT("{\"index\":1,\"text\":\"\",\"finish_reason\":\"stop\"}") DONE,
         false},
        {EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) DONE, false},
        {DONE, false},
    };

    check_streams(CACHE_CLASS_COMPLETIONS, rows, countof(rows));
}

/* '@' stands for a text of any length, which changes nothing. */
static void check_streams_of_any_length(enum cache_class api, const struct row *rows, size_t count)
{
    static const size_t lens[] = {1, 300, SSE_WHOLE_MAX, (size_t)2 * 1024 * 1024};

    for (size_t i = 0; i < count; i++) {
        const char *at = strchr(rows[i].body, '@');

        unit_row(rows[i].body);
        for (size_t n = 0; n < countof(lens); n++) {
            struct str body = STR_INIT;

            str_add(&body, rows[i].body, (size_t)(at - rows[i].body));
            for (size_t k = 0; k < lens[n]; k++)
                str_addc(&body, 'A');
            str_adds(&body, at + 1);
            CHECK_INT(stream_is_stored(api, body.text), rows[i].stored);
            str_release(&body);
        }
    }
    unit_row(NULL);
}

TEST("a chunk of any length is read")
{
    static const struct row rows[] = {
        {EVENT(DELTA("0", "\"@\"")) EVENT(ENDED("0")) DONE, true},
        {EVENT(DELTA("0", "\"a\"")) "data: {\"x\":\"@\"}\n\n" EVENT(ENDED("0")) DONE, true},
        {EVENT(DELTA("0", "\"a\"")) "data: @\n\n" EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) ":@\n\n" EVENT(ENDED("0")) DONE, true},
        {EVENT(DELTA("0", "\"@\"")) DONE, false},
        /* it begins a choice that has no end */
        {EVENT(DELTA("1", "\"@\"")) EVENT(DELTA("0", "\"a\"")) EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) "data: {\"x\":\"@\n\n" EVENT(ENDED("0")) DONE, false},
        {EVENT(DELTA("0", "\"a\"")) "data: {\"x\":\"@\",\"error\":{\"code\":1}}\n\n" EVENT(
             ENDED("0")) DONE,
         false},
        {EVENT("{\"x\":\"@\",\"index\":0,\"delta\":{\"content\":\"a\"},"
               "\"finish_reason\":\"content_filter\"}") DONE,
         false},
    };

    check_streams_of_any_length(CACHE_CLASS_CHAT, rows, countof(rows));
}

/* ---- Responses ---- */

#define TEXT "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]}"
#define REASONING                                                                                  \
    "{\"type\":\"reasoning\",\"summary\":[{\"text\":\"a\"}],\"content\":[{\"text\":\"a\"}]}"

static const struct {
    const char *items;
    bool speaks;
} outputs[] = {
    {TEXT, true},
    {REASONING "," TEXT, true},
    {TEXT "," REASONING, true},
    {"{\"content\":[{\"text\":\"a\"}],\"type\":\"message\"}", true},
    {"{\"type\":\"message\",\"content\":[{\"text\":\"\"},{\"refusal\":\"no\"}]}", true},
    {"{\"type\":\"message\",\"content\":[{\"type\":\"output_audio\",\"data\":\"AA==\"}]}", true},
    {"{\"type\":\"message\",\"content\":[{\"type\":\"output_audio\",\"transcript\":\"a\"}]}", true},
    {"{\"type\":\"message\",\"content\":\"a\"}", true},
    {"{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}", true},
    {"{\"type\":\"custom_tool_call\"}", true},
    {"{\"type\":\"web_search_call\"}", true},
    {"{\"type\":\"image_generation_call\",\"result\":\"AA==\"}", true},
    {"{\"type\":\"mcp_call\"}", true},
    {"{\"type\":\"mcp_approval_request\"}", true},
    {REASONING ",{\"type\":\"local_shell_call\"}", true},
    {"{\"type\":\"audio\",\"data\":\"AA==\"}", true},
    {"{\"type\":\"message\",\"content\":[]}", false},
    {"{\"type\":\"message\",\"content\":\"\"}", false},
    {"{\"type\":\"message\",\"content\":null}", false},
    {"{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"\"}]}", false},
    {"{\"type\":\"message\",\"content\":[{\"refusal\":\"\"}]}", false},
    {"{\"type\":\"message\",\"text\":\"a\"}", false},
    {REASONING, false},
    {REASONING ",{\"type\":\"message\",\"content\":[]}", false},
    {"{\"type\":\"mcp_list_tools\",\"tools\":[]}", false},
    {"{\"type\":\"function_call_output\"}", false},
    {"{\"type\":\"something of tomorrow\",\"text\":\"a\"}", false},
    {"{\"content\":[{\"text\":\"a\"}]}", false},
    {"{}", false},
    {"null", false},
    {"\"message\"", false},
    {"[" TEXT "]", false},
};

TEST("a Response has an item with text, a refusal, audio or a call in its output")
{
    for (size_t i = 0; i < countof(outputs); i++) {
        mem_auto char *body = NULL, *stream = NULL, *seen = NULL;

        unit_row(outputs[i].items);
        REQUIRE(asprintf(&body, "{\"status\":\"completed\",\"output\":[%s],\"error\":null}",
                         outputs[i].items) > 0);
        REQUIRE(asprintf(&stream,
                         "data: {\"type\":\"response.created\"}\n\n"
                         "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"
                         "data: {\"type\":\"response.completed\",\"response\":%s}\n\n",
                         body) > 0);
        CHECK_INT(document_is_stored(CACHE_CLASS_RESPONSES, body), outputs[i].speaks);
        CHECK_INT(stream_is_stored(CACHE_CLASS_RESPONSES, stream), outputs[i].speaks);
        /* an item that was finished before a terminal event which says nothing of it */
        REQUIRE(asprintf(&seen,
                         "data: {\"type\":\"response.output_item.done\",\"item\":%s}\n\n"
                         "data: {\"type\":\"response.completed\",\"response\":"
                         "{\"status\":\"completed\",\"output\":[]}}\n\n",
                         outputs[i].items) > 0);
        if (!strstr(outputs[i].items, "},{"))
            CHECK_INT(stream_is_stored(CACHE_CLASS_RESPONSES, seen), outputs[i].speaks);
    }
    unit_row(NULL);
}

#define OUTPUT "\"output\":[" TEXT "]"

static const struct {
    const char *members;
    bool done;
} ends[] = {
    {"\"status\":\"completed\"," OUTPUT, true},
    {OUTPUT ",\"status\":\"completed\",\"incomplete_details\":null", true},
    {"\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}," OUTPUT,
     true},
    {"\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"}," OUTPUT,
     false},
    {"\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_f\\u0069lter\"}"
     "," OUTPUT,
     false},
    {"\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"\"}," OUTPUT, false},
    {"\"status\":\"incomplete\",\"incomplete_details\":{}," OUTPUT, false},
    {"\"status\":\"incomplete\",\"incomplete_details\":null," OUTPUT, false},
    {"\"status\":\"incomplete\"," OUTPUT, false},
    {OUTPUT, false}, /* no status */
    {"\"status\":null," OUTPUT, false},
    {"\"status\":true," OUTPUT, false},
    {"\"status\":\"failed\"," OUTPUT, false},
    {"\"status\":\"queued\"," OUTPUT, false},
    {"\"status\":\"in_progress\"," OUTPUT, false},
    {"\"status\":\"completed\",\"error\":{\"code\":\"server_error\"}," OUTPUT, false},
    {"\"status\":\"completed\",\"output\":[]", false},
    {"\"status\":\"completed\",\"output\":null", false},
    {"\"status\":\"completed\",\"output\":" TEXT, false},
    {"\"status\":\"completed\",\"output\":\"a\"", false},
    {"\"status\":\"completed\",\"output_text\":\"a\"", false},
    {"\"status\":\"completed\",\"choices\":[" GOOD("\"a\"") "]", false},
    {"\"status\":\"completed\"", false},
};

TEST("a Response is completed, or incomplete for another reason than a filter")
{
    for (size_t i = 0; i < countof(ends); i++) {
        mem_auto char *body = NULL, *completed = NULL, *incomplete = NULL;

        unit_row(ends[i].members);
        REQUIRE(asprintf(&body, "{%s}", ends[i].members) > 0);
        REQUIRE(asprintf(&completed,
                         "data: {\"type\":\"response.created\"}\n\nevent: response.completed\n"
                         "data: {\"response\":%s}\n\n",
                         body) > 0);
        REQUIRE(asprintf(&incomplete,
                         "data: {\"type\":\"response.created\"}\n\n"
                         "data: {\"type\":\"response.incomplete\",\"response\":%s}\n\n",
                         body) > 0);
        CHECK_INT(document_is_stored(CACHE_CLASS_RESPONSES, body), ends[i].done);
        CHECK_INT(stream_is_stored(CACHE_CLASS_RESPONSES, completed), ends[i].done);
        CHECK_INT(stream_is_stored(CACHE_CLASS_RESPONSES, incomplete), ends[i].done);
    }
    unit_row(NULL);
}

#define CREATED                                                                                    \
    "data: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}\n\n"
#define NAMED(name, rest) "data: {\"type\":\"" name "\"" rest "}\n\n"
#define COMPLETED(output)                                                                          \
    NAMED("response.completed", ",\"response\":{\"status\":\"completed\",\"output\":[" output "]"  \
                                "}")

TEST("a stream of a Response is judged by its terminal event, and where that is bare by the others")
{
    static const struct row rows[] = {
        {CREATED COMPLETED(TEXT), true},
        {COMPLETED(TEXT), false}, /* no event before the end */
        {": hi\n\n" COMPLETED(TEXT), false},
        {CREATED COMPLETED(""), false},
        {CREATED COMPLETED(REASONING), false},
        {NAMED("response.output_text.delta", ",\"delta\":\"a\"") COMPLETED(""), true},
        {"event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\n" COMPLETED(""), true},
        {NAMED("response.output_text.delta", ",\"delta\":\"a\"")
             NAMED("response.completed", ",\"response\":{\"status\":\"completed\"}"),
         true},
        {NAMED("response.output_text.delta", ",\"delta\":\"a\"") NAMED("response.completed", ""),
         false},
        {NAMED("response.output_text.delta", ",\"delta\":\"a\"") COMPLETED(REASONING), false},
        {NAMED("response.output_text.delta", ",\"delta\":\"\"") COMPLETED(""), false},
        {NAMED("response.output_text.delta", "") COMPLETED(""), false},
        {NAMED("response.refusal.delta", ",\"delta\":\"no\"") COMPLETED(""), true},
        {NAMED("response.audio.delta", ",\"delta\":\"AA==\"") COMPLETED(""), true},
        {NAMED("response.function_call_arguments.delta", ",\"delta\":\"{\"") COMPLETED(""), true},
        {NAMED("response.custom_tool_call_input.delta", ",\"delta\":\"x\"") COMPLETED(""), true},
        {NAMED("response.image_generation_call.completed", "") COMPLETED(""), true},
        {NAMED("response.image_generation_call.in_progress", "") COMPLETED(""), false},
        {NAMED("response.reasoning_text.delta", ",\"delta\":\"a\"") COMPLETED(""), false},
        {NAMED("response.reasoning_summary_text.delta", ",\"delta\":\"a\"") COMPLETED(""), false},
        {NAMED("response.output_item.added", ",\"item\":" TEXT) COMPLETED(""), false},
        {NAMED("response.output_item.done", ",\"item\":" TEXT) COMPLETED(""), true},
        /* what an event says is its own */
        {NAMED("response.output_item.added", ",\"item\":" TEXT)
             NAMED("response.output_item.done", ",\"item\":{\"type\":\"message\"}") COMPLETED(""),
         false},
        {NAMED("response.in_progress", ",\"response\":{\"output\":[" TEXT "]}")
             COMPLETED(REASONING),
         false},
        {CREATED "data: x\n\n" COMPLETED(TEXT), false}, /* clients fail on it */
        {CREATED "data: {\"choices\"\n\n" COMPLETED(TEXT), false},
        {CREATED NAMED("error", "") COMPLETED(TEXT), false},
        {CREATED NAMED("response.failed", "") COMPLETED(TEXT), false},
        {CREATED COMPLETED(TEXT) NAMED("error", ""), true},
        {CREATED COMPLETED("") COMPLETED(TEXT), false}, /* the first end counts */
        {CREATED DONE COMPLETED(TEXT), true},
        {CREATED DONE, false},
        {CREATED, false},
    };

    check_streams(CACHE_CLASS_RESPONSES, rows, countof(rows));
}

TEST("an event of a Response of any length is read")
{
    static const struct row rows[] = {
        {CREATED COMPLETED("{\"type\":\"image_generation_call\",\"result\":\"@\"}"), true},
        {CREATED COMPLETED("{\"result\":\"@\",\"type\":\"image_generation_call\"}"), true},
        {CREATED COMPLETED("{\"type\":\"reasoning\",\"text\":\"@\"}"), false},
        {COMPLETED("{\"type\":\"image_generation_call\",\"result\":\"@\"}"), false},
        {NAMED("response.partial_image", ",\"x\":\"@\"") COMPLETED(TEXT), true},
        {CREATED "data: {\"x\":\"@\",\"type\":\"response.completed\",\"response\":{\"status\":"
                 "\"completed\",\"output\":[" TEXT "]}}\n\n",
         true},
        {CREATED "event: response.incomplete\ndata: {\"response\":{\"output\":[" TEXT "],\"x\":"
                 "\"@\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":"
                 "\"content_filter\"}}}\n\n",
         false},
        {CREATED "event: response.failed\ndata: {\"x\":\"@\"}\n\n" COMPLETED(TEXT), false},
        {"event: response.output_item.done\ndata: {\"item\":{\"result\":\"@\",\"type\":"
         "\"image_generation_call\"}}\n\n" COMPLETED(""),
         true},
        {"event: response.output_item.done\ndata: {\"item\":{\"result\":\"@\"}}\n\n" COMPLETED(""),
         false},
        {NAMED("response.output_text.delta", ",\"delta\":\"@\"") COMPLETED(""), true},
        {CREATED "event: response.completed\ndata: {\"x\":\"@\n\n", false},
    };

    check_streams_of_any_length(CACHE_CLASS_RESPONSES, rows, countof(rows));
}
