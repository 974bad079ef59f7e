#include "api/directive.h"
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

static bool forbids_to_store(const struct field *h)
{
    const char *rest = h->value;
    struct directive d;

    if (str_same_nocase(h->name, h->name_len, "set-cookie", 10))
        return !is_networks_cookie(h->value);
    if (str_same_nocase(h->name, h->name_len, "vary", 4))
        return field_has_token(h->value, "*", 1);
    if (!str_same_nocase(h->name, h->name_len, "cache-control", 13))
        return false;
    while (directive_next(&rest, &d))
        if (directive_is(&d, "no-store") || directive_is(&d, "no-cache"))
            return true;
    return false;
}

bool policy_head_may_store(enum policy_api api, unsigned status, const struct fields *fields)
{
    const char *retry = fields_get(fields, "x-should-retry");

    if (api == POLICY_NONE || (!is_success(status) && status != 400 && status != 401))
        return false;
    if (!is_success(status) && retry && str_is_nocase(retry, "true"))
        return false;
    fields_each(h, fields)
        if (forbids_to_store(&h))
            return false;
    return encoding_of(fields) != ENCODING_OTHER;
}

/* ---- the end of a stream ---- */

struct ending {
    enum policy_api api;
    bool whole, failed;
};

/* What an event calls itself: by its `event` field, or by its data's `type`. */
static bool is_of_type(const struct sse_event *event, const struct scan_value *type,
                       const char *name)
{
    return strcmp(event->type, name) == 0 || scan_is_text(type, name);
}

static void look_at_event(void *arg, const struct sse_event *event)
{
    struct scan_member members[] = {{.name = "type"}, {.name = "error"}};
    const struct scan_value *type = &members[0].value, *error = &members[1].value;
    struct ending *ending = arg;
    bool responses = ending->api == POLICY_RESPONSES || ending->api == POLICY_GET;

    if (ending->whole || ending->failed)
        return;
    /* Data that is no JSON, or was cut, has no members: its `event` field alone speaks. */
    scan_document(event->data, event->data_len, NULL, members, countof(members));
    if (is_of_type(event, type, "error") || scan_is_truthy(error))
        ending->failed = true;
    else if (responses && is_of_type(event, type, "response.failed"))
        ending->failed = true;
    else if (responses)
        ending->whole = is_of_type(event, type, "response.completed") ||
                        is_of_type(event, type, "response.incomplete");
    if (ending->api != POLICY_RESPONSES && !ending->failed && event->data_len == 6 &&
        memcmp(event->data, "[DONE]", 6) == 0)
        ending->whole = true;
}

static bool stream_is_whole(enum policy_api api, const char *body, size_t len)
{
    struct ending ending = {.api = api};
    struct sse sse;

    if (api == POLICY_EMBEDDINGS)
        return false; /* has no streams: what could end one is not known */
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

/* A response that failed or was cancelled is like a 5xx: the next try may do better. */
static bool response_is_final(const struct scan_value *status)
{
    return status->kind != SCAN_STRING || scan_is_text(status, "completed") ||
           scan_is_text(status, "incomplete");
}

static bool document_is_whole(enum policy_api api, unsigned status, const char *body, size_t len,
                              bool framed)
{
    struct scan_member members[] = {{.name = "status"}, {.name = "data"}, {.name = "error"}};
    struct scan_value whole;

    if (!scan_document(body, len, &whole, members, countof(members)))
        return false;
    if (whole.kind == SCAN_NUMBER && !framed)
        return false; /* the beginning of a number is a number */
    if (whole.kind != SCAN_OBJECT || !is_success(status))
        return true;
    if (api == POLICY_GET)
        return is_final(&members[0].value) && elements_are_final(&members[1].value);
    if (scan_is_truthy(&members[2].value))
        return false; /* what its SSE stream says in an error event */
    return api != POLICY_RESPONSES || response_is_final(&members[0].value);
}

/* ---- the answer ---- */

enum content { CONTENT_JSON, CONTENT_STREAM, CONTENT_OTHER };

static enum content content_of(const struct fields *fields)
{
    const char *type = fields_get(fields, "content-type");
    size_t len = type ? strcspn(type, "; \t") : 0;

    if (str_same_nocase(type, len, "application/json", 16) ||
        (len > 5 && str_same_nocase(type + len - 5, 5, "+json", 5)))
        return CONTENT_JSON;
    return str_same_nocase(type, len, "text/event-stream", 17) ? CONTENT_STREAM : CONTENT_OTHER;
}

static bool plain_is_whole(enum policy_api api, unsigned status, enum content content,
                           const char *body, size_t len, bool framed)
{
    if (content == CONTENT_STREAM)
        return stream_is_whole(api, body, len);
    if (content == CONTENT_JSON)
        return document_is_whole(api, status, body, len, framed);
    return framed;
}

bool policy_answer_is_whole(enum policy_api api, unsigned status, const struct fields *fields,
                            const char *body, size_t len, bool framed)
{
    enum encoding encoding = encoding_of(fields);
    enum content content = content_of(fields);
    struct str plain = STR_INIT;
    bool whole;

    if (api == POLICY_NONE || encoding == ENCODING_OTHER)
        return false;
    if (encoding == ENCODING_NONE || len == 0)
        return plain_is_whole(api, status, content, body, len, framed);
    whole = gunzip_all(body, len, UNPACKED_MAX, &plain) &&
            plain_is_whole(api, status, content, plain.text, plain.len, framed);
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
