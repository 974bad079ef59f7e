/* Is an answer whole, and does it say something: at once, or as it comes. */
#include <stdlib.h>
#include <string.h>

#include "api/payload.h"
#include "api/policy.h"
#include "api/policy_internal.h"
#include "api/scan.h"
#include "api/scan_push.h"
#include "api/sse.h"
#include "base/mem.h"
#include "base/zip.h"

#define INFLATED_MAX ((size_t)64 * 1024 * 1024)
#define INFLATED_FREE ((size_t)1024 * 1024)
#define INFLATED_RATIO 100
#define INFLATE_PIECE ((size_t)16 * 1024)

/* ---- the end of a stream ---- */

struct ending {
    enum cache_class api;
    bool judged; /* a success of a POST: complete is not enough */
    struct payload payload;
    bool whole, failed;
};

/* The type of an event: its `event` field, or its data's `type`. */
static bool is_of_type(const struct sse_event *event, const struct scan_value *type,
                       const char *name)
{
    return strcmp(event->type, name) == 0 || scan_is_text(type, name);
}

static void note_event(struct ending *ending, const struct sse_event *event)
{
    const struct scan_value *type = &ending->payload.type;
    char name[64];

    if (ending->api == CACHE_CLASS_RESPONSES && ending->judged)
        payload_note_event(&ending->payload,
                           scan_copy_text(type, name, sizeof(name)) ? name : event->type);
}

/* The terminal event of a Response. */
static void end_response(struct ending *ending)
{
    ending->whole = !ending->judged || payload_response_is_good(&ending->payload);
    ending->failed = !ending->whole;
}

static void end_choices(struct ending *ending)
{
    ending->whole = !ending->judged || payload_is_good(&ending->payload);
    ending->failed = !ending->whole;
}

static bool is_done(const struct sse_event *event)
{
    return event->data_len == 6 && memcmp(event->data, STR_LIT("[DONE]")) == 0;
}

static void look_at_piece(void *arg, const char *bytes, size_t len)
{
    struct ending *ending = arg;

    if (!ending->whole && !ending->failed)
        payload_feed(&ending->payload, bytes, len);
}

static void judge_event(struct ending *ending, const struct sse_event *event)
{
    const struct scan_value *type = &ending->payload.type;
    const bool responses = ending->api == CACHE_CLASS_RESPONSES || ending->api == CACHE_CLASS_GET;

    if (is_of_type(event, type, "error") || scan_is_truthy(&ending->payload.error))
        ending->failed = true;
    else if (responses && is_of_type(event, type, "response.failed"))
        ending->failed = true;
    else if (responses && (is_of_type(event, type, "response.completed") ||
                           is_of_type(event, type, "response.incomplete")))
        end_response(ending);
    else
        note_event(ending, event);
}

/* Clients parse the data of every event. Where it is no JSON they would fail at each hit. */
static void look_at_event(void *arg, const struct sse_event *event)
{
    struct ending *ending = arg;

    if (ending->whole || ending->failed)
        return;
    if (is_done(event) && strcmp(event->type, "error") != 0) {
        if (ending->api != CACHE_CLASS_RESPONSES)
            end_choices(ending);
    } else if (event->in_pieces ? payload_end(&ending->payload)
                                : payload_read(&ending->payload, event->data, event->data_len)) {
        judge_event(ending, event);
    } else {
        ending->failed = true;
    }
}

static const struct sse_ops ending_ops = {.on_event = look_at_event, .on_piece = look_at_piece};

/* ---- the document of a GET, or of an error ---- */

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

/* The members that are looked for in a resource. Must not be moved. */
struct resource {
    struct scan_member top[2], element[1];
    struct scan_inside in_data;
    bool changes; /* an element's status is not final */
};

enum { RESOURCE_STATUS, RESOURCE_DATA };

static void on_data_element(void *arg)
{
    struct resource *resource = arg;

    resource->changes |= !is_final(&resource->element[0].value);
}

static void resource_init(struct resource *resource)
{
    *resource = (struct resource){.changes = false};
    resource->element[0].name = "status";
    resource->in_data = (struct scan_inside){resource->element, countof(resource->element),
                                             on_data_element, resource};
    resource->top[RESOURCE_STATUS].name = "status";
    resource->top[RESOURCE_DATA].name = "data";
    resource->top[RESOURCE_DATA].inside = &resource->in_data;
}

static bool resource_is_final(const struct resource *resource)
{
    return is_final(&resource->top[RESOURCE_STATUS].value) && !resource->changes;
}

/* ---- a proof ---- */

/* Must stay where it is. */
struct policy_proof {
    enum cache_class api;
    enum policy_content content;
    enum policy_encoding encoding;
    bool is_success,
        judged;  /* judged: a success of a POST, for which to be complete is not enough */
    bool failed; /* nothing that may follow makes it good */
    bool gave_up;

    struct ending ending; /* a stream's; the payload of a document as well */
    struct sse sse;
    struct resource resource;
    struct scan_push *scan; /* of a document that is not judged */
    bool scan_ended, is_document;
    enum scan_kind kind;

    struct gunzip *gunzip;
    uint64_t deflated, inflated;
};

static void proof_init(struct policy_proof *p, enum cache_class api, unsigned status,
                       const struct fields *fields)
{
    memset(p, 0, sizeof(*p));
    p->api = api;
    p->content = policy_content_of(fields);
    p->encoding = policy_encoding_of(fields);
    p->is_success = policy_is_success(status);
    p->judged = p->is_success && api != CACHE_CLASS_GET;
    p->failed = api == CACHE_CLASS_NONE || p->encoding == POLICY_ENCODING_OTHER ||
                (p->is_success && !policy_fits_success(api, p->content)) ||
                (p->content == POLICY_CONTENT_STREAM && api == CACHE_CLASS_EMBEDDINGS);
    p->ending = (struct ending){.api = api, .judged = p->judged};
    payload_init(&p->ending.payload, p->judged ? api : CACHE_CLASS_NONE,
                 p->content == POLICY_CONTENT_STREAM);
    sse_init(&p->sse, &ending_ops, &p->ending);
    resource_init(&p->resource);
}

static void proof_release(struct policy_proof *p)
{
    sse_release(&p->sse);
    payload_release(&p->ending.payload);
    scan_push_free(p->scan);
    gunzip_free(p->gunzip);
}

/* Of a document that was read. */
static bool document_is_good(const struct policy_proof *p, bool framed)
{
    if (!p->is_document)
        return false;
    if (p->judged)
        return payload_is_good(&p->ending.payload);
    if (p->kind == SCAN_NUMBER && !framed)
        return false; /* the beginning of a number is a number */
    return !p->is_success || resource_is_final(&p->resource);
}

/* ---- in pieces ---- */

static bool scan_piece(struct policy_proof *p, const char *bytes, size_t len)
{
    if (p->judged)
        return payload_feed(&p->ending.payload, bytes, len);
    if (!p->scan)
        p->scan = scan_push_new(p->resource.top, countof(p->resource.top));
    return scan_push_feed(p->scan, bytes, len);
}

static void take_plain(struct policy_proof *p, const char *bytes, size_t len)
{
    if (p->content == POLICY_CONTENT_STREAM)
        sse_feed(&p->sse, bytes, len);
    else if (p->content == POLICY_CONTENT_JSON)
        p->failed |= !scan_piece(p, bytes, len);
}

static void take_gzip(struct policy_proof *p, const char *bytes, size_t len)
{
    const unsigned char *in = (const unsigned char *)bytes;
    enum gunzip_result result = GUNZIP_FULL;
    unsigned char plain[INFLATE_PIECE];

    if (!p->gunzip)
        p->gunzip = gunzip_new();
    p->deflated += len;
    while (result == GUNZIP_FULL && !p->failed) {
        size_t n = sizeof(plain);

        result = gunzip_take(p->gunzip, &in, &len, plain, &n);
        p->inflated += n;
        p->failed |= result == GUNZIP_BAD || p->inflated > INFLATED_MAX;
        p->gave_up = p->inflated > INFLATED_FREE && p->inflated / INFLATED_RATIO > p->deflated;
        if (p->gave_up)
            return;
        if (n)
            take_plain(p, (const char *)plain, n);
    }
}

struct policy_proof *policy_proof_new(enum cache_class api, unsigned status,
                                      const struct fields *fields)
{
    struct policy_proof *p = mem_alloc(sizeof(*p));

    proof_init(p, api, status, fields);
    return p;
}

void policy_proof_free(struct policy_proof *p)
{
    if (p)
        proof_release(p);
    free(p);
}

void policy_proof_feed(struct policy_proof *p, const char *bytes, size_t len)
{
    if (p->failed || p->gave_up || len == 0)
        return;
    if (p->encoding == POLICY_ENCODING_GZIP)
        take_gzip(p, bytes, len);
    else
        take_plain(p, bytes, len);
}

static void end_document(struct policy_proof *p)
{
    if (p->scan_ended)
        return;
    p->scan_ended = true;
    p->is_document = p->judged ? payload_end(&p->ending.payload)
                               : p->scan && scan_push_end(p->scan, &p->kind);
}

bool policy_proof_gave_up(const struct policy_proof *p)
{
    return p->gave_up && !p->failed;
}

bool policy_proof_holds(struct policy_proof *p, bool framed)
{
    if (p->failed || p->gave_up || (p->gunzip && !gunzip_is_whole(p->gunzip)))
        return false;
    if (p->content == POLICY_CONTENT_STREAM)
        return p->ending.whole;
    if (p->content != POLICY_CONTENT_JSON)
        return framed;
    end_document(p);
    return document_is_good(p, framed);
}

/* ---- at once ---- */

static void read_document(struct policy_proof *p, const char *text, size_t len)
{
    struct scan_value whole;

    if (p->judged) {
        p->is_document = payload_read(&p->ending.payload, text, len);
        return;
    }
    p->is_document = scan_document(text, len, &whole, p->resource.top, countof(p->resource.top));
    p->kind = whole.kind;
}

static bool plain_is_whole(struct policy_proof *p, const struct policy_body *body)
{
    if (p->content == POLICY_CONTENT_STREAM) {
        sse_feed(&p->sse, body->bytes, body->len);
        return p->ending.whole;
    }
    if (p->content != POLICY_CONTENT_JSON)
        return body->framed;
    read_document(p, body->bytes, body->len);
    return document_is_good(p, body->framed);
}

static bool gzip_is_whole(struct policy_proof *p, const struct policy_body *body)
{
    struct str plain = STR_INIT;
    bool whole = false;

    if (gunzip_all(body->bytes, body->len, INFLATED_MAX, &plain))
        whole = plain_is_whole(p, &(struct policy_body){plain.text, plain.len, body->framed});
    str_release(&plain);
    return whole;
}

bool policy_answer_is_whole(enum cache_class api, unsigned status, const struct fields *fields,
                            const struct policy_body *body)
{
    struct policy_proof proof;
    bool whole = false;

    proof_init(&proof, api, status, fields);
    if (!proof.failed && (proof.encoding == POLICY_ENCODING_NONE || body->len == 0))
        whole = plain_is_whole(&proof, body);
    else if (!proof.failed)
        whole = gzip_is_whole(&proof, body);
    proof_release(&proof);
    return whole;
}
