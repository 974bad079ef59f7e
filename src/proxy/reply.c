#include "proxy/reply.h"

#include "config.h"

#include <inttypes.h>

#include "api/apierr.h"

#define X_PROXY "goproxyai/" PACKAGE_VERSION

void reply_init(struct reply *reply)
{
    *reply = (struct reply){.status = 0};
    fields_init(&reply->own);
    str_init(&reply->text);
}

void reply_release(struct reply *reply)
{
    fields_release(&reply->own);
    str_release(&reply->text);
}

bool reply_passes(const struct field *h)
{
    if (str_same_nocase(h->name, h->name_len, "x-cache", 7) ||
        str_same_nocase(h->name, h->name_len, "x-proxy", 7))
        return false;
    return h->name_len < 15 || !str_same_nocase(h->name, 15, "access-control-", 15);
}

static void add_own(struct reply *reply, const char *request_id)
{
    fields_adds(&reply->own, "X-Proxy", X_PROXY);
    if (request_id && !(reply->upstream && fields_get(reply->upstream, "x-request-id")))
        fields_adds(&reply->own, "X-Request-ID", request_id);
}

static void add_cache_story(struct reply *reply)
{
    fields_adds(&reply->own, "X-Cache", "BYPASS");
    fields_adds(&reply->own, "Cache-Status", "goproxyai; fwd=bypass");
}

void reply_from_flight(struct reply *reply, struct flight *flight, bool head_only,
                       const char *request_id)
{
    const struct head *head = &flight->head;

    reply->status = head->status;
    reply->upstream = &head->fields;
    reply->length = head->length;
    reply->until_close = head->until_close && !head_only;
    reply->kind = REPLY_GROWING;
    /* A short answer is mostly all there by now: one buffer, one system call. A HEAD's is
     * not: its length is that of a body which does not come. */
    if (!head_only && head->status != 304 && !reply->until_close &&
        body_whole(&flight->body, &reply->bytes, &reply->len))
        reply->kind = REPLY_WHOLE;
    add_own(reply, request_id);
    add_cache_story(reply);
}

void reply_own_json(struct reply *reply, unsigned status, const char *request_id)
{
    reply->status = status;
    reply->upstream = NULL;
    reply->kind = REPLY_WHOLE;
    reply->bytes = reply->text.text;
    reply->len = reply->text.len;
    add_own(reply, request_id);
    fields_adds(&reply->own, "Content-Type", "application/json");
}

void reply_from_err(struct reply *reply, const struct err *err, bool under_api,
                    const char *request_id)
{
    str_clear(&reply->text);
    apierr_body(&reply->text, err);
    reply_own_json(reply, err_status(err->code), request_id);
    if (under_api)
        add_cache_story(reply);
}

static size_t size_of(const struct fields *fields)
{
    return fields ? fields->bytes.len : 0; /* lengths and NULs outweigh ": " and CRLF */
}

size_t reply_head_size(const struct reply *reply)
{
    return 256 + size_of(reply->upstream) + size_of(&reply->own);
}

static void write_fields(struct str *text, const struct fields *fields, bool filter)
{
    if (!fields)
        return;
    fields_each(h, fields)
        if (!filter || reply_passes(&h))
            str_addf(text, "%s: %s\r\n", h.name, h.value);
}

void reply_write_head(const struct reply *reply, const char *reason, struct str *text)
{
    str_addf(text, "HTTP/1.1 %u %s\r\nConnection: close\r\n", reply->status, reason);
    write_fields(text, reply->upstream, true);
    write_fields(text, &reply->own, false);
    if (reply->kind == REPLY_WHOLE)
        str_addf(text, "Content-Length: %zu\r\n", reply->len);
    else if (reply->length >= 0)
        str_addf(text, "Content-Length: %" PRId64 "\r\n", reply->length);
    str_adds(text, "\r\n");
}
