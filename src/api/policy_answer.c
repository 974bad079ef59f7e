#include "api/directive.h"
#include "api/key.h"
#include "api/payload.h"
#include "api/policy.h"
#include "api/scan.h"
#include "api/sse.h"
#include "base/mem.h"
#include "base/zip.h"

#define UNPACKED_MAX ((size_t)64 * 1024 * 1024)

static bool is_success(unsigned status)
{
    return status == 200 || status == 201;
}

/* ---- the head ---- */

enum encoding {
    ENCODING_NONE,
    ENCODING_GZIP,
    ENCODING_OTHER /* also gzip in gzip */
};

static enum encoding and_encoding(enum encoding so_far, const char *token, size_t len)
{
    if (len == 0 || str_same_nocase(token, len, "identity", 8))
        return so_far;
    if (so_far == ENCODING_NONE &&
        (str_same_nocase(token, len, "gzip", 4) || str_same_nocase(token, len, "x-gzip", 6)))
        return ENCODING_GZIP;
    return ENCODING_OTHER;
}

static enum encoding encoding_of(const struct fields *fields)
{
    enum encoding encoding = ENCODING_NONE;
    size_t len;

    fields_each(h, fields) {
        if (!str_same_nocase(h.name, h.name_len, "content-encoding", 16))
            continue;
        for (const char *at = h.value; *at; at += len) {
            at += strspn(at, ", \t");
            len = strcspn(at, ", \t");
            encoding = and_encoding(encoding, at, len);
        }
    }
    return encoding;
}

/* The delivery network in front of api.openai.com marks every client that brings no cookie with
 * these two, SDKs among them: were they the answer's, none would ever be stored. They say nothing
 * about the answer, and are not replayed. */
static bool is_networks_cookie(const char *value)
{
    return str_starts(value, "__cf_bm=") || str_starts(value, "_cfuvid=");
}

/* Vary (RFC 9111 section 4.1): who asks with other fields must get another answer. That holds for
 * fields that are in the key, and for nothing where Vary is "*" (which is a token as well);
 * Accept-Encoding is the proxy's own matter, and Origin changes none but the fields for browsers,
 * which are not replayed. */
static bool varies_beyond_key(const struct key_rules *rules, const char *method, const char *list)
{
    size_t len;

    for (const char *at = list; *at; at += len) {
        at += strspn(at, ", \t");
        len = strcspn(at, ", \t");
        if (len == 0 || str_same_nocase(at, len, "accept-encoding", 15) ||
            str_same_nocase(at, len, "origin", 6))
            continue;
        if (!rules || *at == '*' || !field_is_token(at, len) ||
            !key_counts_field(rules, method, at, len))
            return true;
    }
    return false;
}

static bool forbids_to_store(const struct field *h)
{
    const char *rest = h->value;
    struct directive d;

    if (str_same_nocase(h->name, h->name_len, "set-cookie", 10))
        return !is_networks_cookie(h->value);
    if (!str_same_nocase(h->name, h->name_len, "cache-control", 13))
        return false;
    while (directive_next(&rest, &d))
        if (directive_is(&d, "no-store") || directive_is(&d, "no-cache"))
            return true;
    return false;
}

enum content { CONTENT_JSON, CONTENT_STREAM, CONTENT_HTML, CONTENT_OTHER };

static enum content content_of(const struct fields *fields)
{
    const char *type = fields_get(fields, "content-type");
    size_t len = type ? strcspn(type, "; \t") : 0;

    if (str_same_nocase(type, len, "application/json", 16) ||
        (len > 5 && str_same_nocase(type + len - 5, 5, "+json", 5)))
        return CONTENT_JSON;
    if (str_same_nocase(type, len, "text/html", 9) ||
        str_same_nocase(type, len, "application/xhtml+xml", 21))
        return CONTENT_HTML;
    return str_same_nocase(type, len, "text/event-stream", 17) ? CONTENT_STREAM : CONTENT_OTHER;
}

/* Can a success of this type be an answer of the API? A POST's says something in JSON or in
 * events. A GET's may be a file of any type, but no API answers with a page: that is a login or a
 * notice of a network in between. */
static bool fits_success(enum cache_class api, enum content content)
{
    if (api == CACHE_CLASS_GET)
        return content != CONTENT_HTML;
    return content == CONTENT_JSON || (content == CONTENT_STREAM && api != CACHE_CLASS_EMBEDDINGS);
}

bool policy_head_may_store(enum cache_class api, const struct key_rules *rules, unsigned status,
                           const struct fields *fields)
{
    const char *retry = fields_get(fields, "x-should-retry");
    const char *method = api == CACHE_CLASS_GET ? "GET" : "POST";

    if (api == CACHE_CLASS_NONE || (!is_success(status) && status != 400 && status != 401))
        return false;
    /* A 401 is about the credentials, which such a key leaves out. */
    if (status == 401 && rules && rules->share)
        return false;
    if (is_success(status) ? !fits_success(api, content_of(fields))
                           : retry && str_is_nocase(retry, "true"))
        return false;
    fields_each(h, fields)
        if (forbids_to_store(&h) || (str_same_nocase(h.name, h.name_len, "vary", 4) &&
                                     varies_beyond_key(rules, method, h.value)))
            return false;
    return encoding_of(fields) != ENCODING_OTHER;
}

/* ---- the end of a stream ---- */

struct ending {
    enum cache_class api;
    bool judged; /* a success of a POST: complete is not enough */
    struct payload payload;
    bool whole, failed;
};

/* What an event calls itself: by its `event` field, or by its data's `type`. */
static bool is_of_type(const struct sse_event *event, const struct scan_value *type,
                       const char *name)
{
    return strcmp(event->type, name) == 0 || scan_is_text(type, name);
}

static void note_event(struct ending *ending, const struct sse_event *event)
{
    const struct scan_value *type = &ending->payload.type;
    char name[64];

    /* What a chunk that was cut says of which choice is not known. */
    if (ending->api != CACHE_CLASS_RESPONSES)
        ending->failed = ending->judged && event->cut;
    else if (ending->judged)
        payload_note_event(&ending->payload,
                           scan_copy_text(type, name, sizeof(name)) ? name : event->type);
}

/* The terminal event of a Response. */
static void end_response(struct ending *ending, const struct sse_event *event, bool complete)
{
    ending->whole = !ending->judged ||
                    payload_response_is_good(&ending->payload, event->cut, complete);
    ending->failed = !ending->whole;
}

static void end_choices(struct ending *ending)
{
    ending->whole = !ending->judged || payload_is_good(&ending->payload);
    ending->failed = !ending->whole;
}

static bool is_done(const struct sse_event *event)
{
    return event->data_len == 6 && memcmp(event->data, "[DONE]", 6) == 0;
}

static void look_at_event(void *arg, const struct sse_event *event)
{
    struct ending *ending = arg;
    const struct scan_value *type = &ending->payload.type;
    const bool responses = ending->api == CACHE_CLASS_RESPONSES || ending->api == CACHE_CLASS_GET;

    if (ending->whole || ending->failed)
        return;
    /* Data that is no JSON, or was cut, has no members: its `event` field alone speaks. */
    payload_read(&ending->payload, event->data, event->data_len);
    if (is_of_type(event, type, "error") || scan_is_truthy(&ending->payload.error))
        ending->failed = true;
    else if (responses && is_of_type(event, type, "response.failed"))
        ending->failed = true;
    else if (responses && is_of_type(event, type, "response.completed"))
        end_response(ending, event, true);
    else if (responses && is_of_type(event, type, "response.incomplete"))
        end_response(ending, event, false);
    else if (ending->api != CACHE_CLASS_RESPONSES && is_done(event))
        end_choices(ending);
    else
        note_event(ending, event);
}

static bool stream_is_whole(enum cache_class api, bool judged, const char *body, size_t len)
{
    struct ending ending = {.api = api, .judged = judged};
    struct sse sse;

    if (api == CACHE_CLASS_EMBEDDINGS)
        return false; /* has no streams: what could end one is not known */
    payload_init(&ending.payload, judged ? api : CACHE_CLASS_NONE, true);
    sse_init(&sse, look_at_event, &ending);
    sse_feed(&sse, body, len);
    sse_release(&sse);
    return ending.whole;
}

/* ---- documents ---- */

/* Of OpenAI's objects. What is not among them may change: `queued`, `in_progress`, `validating`,
 * `paused`, `uploaded`, `active`, and the words of tomorrow. */
static bool is_final(const struct scan_value *status)
{
    static const char *const words[] = {
        "completed", "failed",    "cancelled", "canceled", "expired",
        "succeeded", "processed", "error",     "deleted",  "incomplete",
    };

    if (status->kind != SCAN_STRING)
        return true; /* another kind of status */
    for (size_t i = 0; i < countof(words); i++)
        if (scan_is_text(status, words[i]))
            return true;
    return false;
}

static bool elements_are_final(const struct scan_value *array)
{
    struct scan_member members[] = {{.name = "status"}};
    struct scan_value rest = *array, element;

    while (scan_element(&rest, &element)) {
        scan_members(&element, members, countof(members));
        if (!is_final(&members[0].value))
            return false;
    }
    return true;
}

/* The document of a GET, or an error's. */
static bool document_is_whole(enum cache_class api, unsigned status, const char *body, size_t len,
                              bool framed)
{
    struct scan_member members[] = {{.name = "status"}, {.name = "data"}};
    struct scan_value whole;

    if (!scan_document(body, len, &whole, members, countof(members)))
        return false;
    if (whole.kind == SCAN_NUMBER && !framed)
        return false; /* the beginning of a number is a number */
    if (api != CACHE_CLASS_GET || !is_success(status))
        return true;
    return is_final(&members[0].value) && elements_are_final(&members[1].value);
}

/* ---- the answer ---- */

static bool document_is_good(enum cache_class api, const char *body, size_t len)
{
    struct payload payload;

    payload_init(&payload, api, false);
    return payload_read(&payload, body, len) && payload_is_good(&payload);
}

/* What is asked of an answer, beside that it is complete. */
struct question {
    enum cache_class api;
    unsigned status;
    enum content content;
    bool framed;
};

static bool plain_is_whole(const struct question *q, const char *body, size_t len)
{
    const bool judged = is_success(q->status) && q->api != CACHE_CLASS_GET;

    if (is_success(q->status) && !fits_success(q->api, q->content))
        return false;
    if (q->content == CONTENT_STREAM)
        return stream_is_whole(q->api, judged, body, len);
    if (q->content != CONTENT_JSON)
        return q->framed;
    return judged ? document_is_good(q->api, body, len)
                  : document_is_whole(q->api, q->status, body, len, q->framed);
}

bool policy_answer_is_whole(enum cache_class api, unsigned status, const struct fields *fields,
                            const char *body, size_t len, bool framed)
{
    const struct question question = {
        .api = api, .status = status, .content = content_of(fields), .framed = framed};
    enum encoding encoding = encoding_of(fields);
    struct str plain = STR_INIT;
    bool whole;

    if (api == CACHE_CLASS_NONE || encoding == ENCODING_OTHER)
        return false;
    if (encoding == ENCODING_NONE || len == 0)
        return plain_is_whole(&question, body, len);
    whole = gunzip_all(body, len, UNPACKED_MAX, &plain) &&
            plain_is_whole(&question, plain.text, plain.len);
    str_release(&plain);
    return whole;
}

/* ---- fields ---- */

bool policy_field_is_kept(const struct field *h)
{
    static const char *const names[] = {
        /* the connection's (RFC 9110 section 7.6.1) */
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer",
        "upgrade", "proxy-authenticate", "proxy-authorization", "content-length",
        /* the proxy's own */
        "cache-status", "x-proxy",
        /* what is another's, or another time's */
        "set-cookie", "set-cookie2", "date", "age"};
    static const char *const beginnings[] = {"x-cache", "access-control-", "x-ratelimit-",
                                             "ratelimit"};

    /* The first letter rules out most fields. */
    if (!strchr("acdkprstuxACDKPRSTUX", h->name[0]))
        return true;
    for (size_t i = 0; i < countof(names); i++)
        if (names[i][0] == (h->name[0] | 0x20) &&
            str_same_nocase(h->name, h->name_len, names[i], strlen(names[i])))
            return false;
    for (size_t i = 0; i < countof(beginnings); i++) {
        size_t len = strlen(beginnings[i]);

        if (h->name_len >= len && str_same_nocase(h->name, len, beginnings[i], len))
            return false;
    }
    return true;
}
