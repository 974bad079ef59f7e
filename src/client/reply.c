#include "client/reply.h"

#include "config.h"

#include <inttypes.h>

#include "api/apierr.h"
#include "api/policy.h"
#include "base/clock.h"

#define X_PROXY "goproxyai/" PACKAGE_VERSION

void reply_init(struct reply *reply)
{
    *reply = (struct reply){.status = 0};
    fields_init(&reply->own);
    str_init(&reply->text);
    str_init(&reply->origin);
}

void reply_release(struct reply *reply)
{
    fields_release(&reply->own);
    str_release(&reply->text);
    str_release(&reply->origin);
}

bool reply_passes(const struct reply *reply, const struct field *h)
{
    if (str_same_nocase(h->name, h->name_len, STR_LIT("x-cache")) ||
        str_same_nocase(h->name, h->name_len, STR_LIT("x-proxy")))
        return false;
    /* A joined client gets the fields of a replay: cookies and counters belong to the first client.
     */
    if (reply->cache.kind == VERDICT_JOIN && !policy_field_is_kept(h))
        return false;
    if (reply->inflated && str_same_nocase(h->name, h->name_len, STR_LIT("content-encoding")))
        return false;
    return h->name_len < 15 || !str_same_nocase(h->name, 15, STR_LIT("access-control-"));
}

void reply_allow_origin(struct reply *reply, const char *origin)
{
    str_clear(&reply->origin);
    str_adds(&reply->origin, origin);
}

/* No Access-Control-Allow-Credentials: an allowed page sends the API key itself. Without
 * credentials "*" exposes all fields. */
static void add_cors(struct reply *reply)
{
    fields_adds(&reply->own, "Access-Control-Allow-Origin", reply->origin.text);
    fields_adds(&reply->own, "Access-Control-Expose-Headers", "*");
    fields_adds(&reply->own, "Vary", "Origin");
}

static void add_own(struct reply *reply, const char *request_id)
{
    if (reply->origin.len)
        add_cors(reply);
    fields_adds(&reply->own, "X-Proxy", X_PROXY);
    if (request_id && !(reply->upstream && fields_get(reply->upstream, "x-request-id")))
        fields_adds(&reply->own, "X-Request-ID", request_id);
}

static void add_time(struct reply *reply, const char *name, int64_t unix_ms)
{
    char text[32];

    clock_format_rfc3339(text, sizeof(text), unix_ms);
    fields_adds(&reply->own, name, text);
}

static int64_t age_s(const struct reply_cache *cache)
{
    return cache->now_ms > cache->stored_ms ? (cache->now_ms - cache->stored_ms) / 1000 : 0;
}

static void add_hit(struct reply *reply, const struct reply_cache *cache)
{
    struct str number = STR_INIT;

    add_time(reply, "X-Cache-Timestamp", cache->stored_ms);
    str_add_number(&number, (uint64_t)age_s(cache));
    fields_adds(&reply->own, "Age", number.text);
    str_release(&number);
}

/* Enough digits to tell entries apart; `cache show` accepts them. */
#define KEY_DIGITS_SHOWN 12

static void add_key(struct str *status, const struct key *key)
{
    char hex[KEY_HEX_SIZE];

    key_to_hex(key, hex);
    str_adds(status, "; key=\"");
    str_add(status, hex, KEY_DIGITS_SHOWN);
    str_addc(status, '"');
}

static void add_cache_story(struct reply *reply, const struct reply_cache *cache)
{
    static const char *const words[] = {[VERDICT_OWN] = "BYPASS",
                                        [VERDICT_BYPASS] = "BYPASS",
                                        [VERDICT_MISS] = "MISS",
                                        [VERDICT_HIT] = "HIT",
                                        [VERDICT_JOIN] = "HIT"};
    struct str status = STR_INIT;

    reply->cache = *cache;
    fields_adds(&reply->own, "X-Cache", words[cache->kind]);
    if (cache->kind == VERDICT_HIT || cache->kind == VERDICT_JOIN)
        add_hit(reply, cache);
    str_adds(&status, "goproxyai; ");
    str_adds(&status, cache->status);
    if (cache->kind == VERDICT_HIT && cache->ttl_ms >= 0) {
        str_adds(&status, "; ttl=");
        str_add_number(&status, (uint64_t)cache->ttl_ms / 1000);
    }
    if (cache->key)
        add_key(&status, cache->key);
    fields_adds(&reply->own, "Cache-Status", status.text);
    str_release(&status);
}

void reply_from_flight(struct reply *reply, struct flight *flight, unsigned form,
                       const struct reply_cache *cache, const char *request_id)
{
    const struct head *head = &flight->head;
    const bool head_only = form & REPLY_HEAD_ONLY, inflated = form & REPLY_INFLATED;

    reply->status = head->status;
    reply->upstream = &head->fields;
    reply->inflated = inflated;
    reply->length = inflated ? -1 : head->length;
    reply->until_close = head->until_close && !head_only;
    reply->kind = REPLY_READ;
    /* A short answer is mostly complete by now: one buffer, one system call. Not for HEAD: its
     * length announces a body that is not sent. */
    if (!head_only && head->status != 304 && !reply->until_close && !inflated &&
        body_whole(&flight->body, &reply->bytes, &reply->len) && reply->len <= REPLY_WHOLE_MAX)
        reply->kind = REPLY_WHOLE;
    add_own(reply, request_id);
    add_cache_story(reply, cache);
}

void reply_from_object(struct reply *reply, struct object *object, bool inflated,
                       const struct reply_cache *cache, const char *request_id)
{
    reply->id = request_id;
    reply->status = object->status;
    reply->upstream = &object->fields;
    reply->cache = *cache;
    reply->object = object;
    reply->inflated = inflated;
    reply->length = inflated ? -1 : (int64_t)object->body_len;
    reply->kind = inflated || object->body_len > REPLY_WHOLE_MAX ? REPLY_READ : REPLY_WHOLE;
    reply->bytes = object->body;
    reply->len = object->body_len;
}

bool reply_is_ready_made(const struct reply *reply)
{
    return reply->object && reply->kind == REPLY_WHOLE && reply->object->has_id &&
           reply->origin.len == 0 &&
           atomic_load_explicit(&reply->object->warm, memory_order_relaxed);
}

void reply_finish_object(struct reply *reply)
{
    const struct reply_cache cache = reply->cache;

    add_own(reply, reply->id);
    add_cache_story(reply, &cache);
}

void reply_own_json(struct reply *reply, unsigned status, const char *request_id)
{
    reply_own(reply, status, "application/json", request_id);
}

void reply_own(struct reply *reply, unsigned status, const char *type, const char *request_id)
{
    reply->status = status;
    reply->upstream = NULL;
    reply->kind = REPLY_WHOLE;
    reply->bytes = reply->text.text;
    reply->len = reply->text.len;
    add_own(reply, request_id);
    fields_adds(&reply->own, "Content-Type", type);
}

void reply_preflight(struct reply *reply, const struct fields *request,
                     const struct reply_cache *cache, const char *request_id)
{
    const char *asked = fields_get(request, "access-control-request-headers");

    reply->status = 204;
    reply->upstream = NULL;
    reply->kind = REPLY_WHOLE;
    reply->bytes = "";
    reply->len = 0;
    add_own(reply, request_id);
    fields_adds(&reply->own, "Access-Control-Allow-Methods",
                "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    /* "*" would not cover Authorization. */
    if (asked)
        fields_adds(&reply->own, "Access-Control-Allow-Headers", asked);
    if (fields_get(request, "access-control-request-private-network"))
        fields_adds(&reply->own, "Access-Control-Allow-Private-Network", "true");
    fields_adds(&reply->own, "Access-Control-Max-Age", "600");
    if (cache)
        add_cache_story(reply, cache);
}

void reply_from_err(struct reply *reply, const struct err *err, const struct reply_cache *cache,
                    const char *request_id)
{
    str_clear(&reply->text);
    apierr_body(&reply->text, err);
    reply_own_json(reply, err_status(err->code), request_id);
    if (cache)
        add_cache_story(reply, cache);
}

size_t reply_head_size_with(const struct fields *upstream)
{
    /* In `bytes` a field's lengths and NULs outweigh its ": " and CRLF. */
    return 512 + (upstream ? upstream->bytes.len : 0) + REPLY_OWN_BYTES;
}

size_t reply_head_size(const struct reply *reply)
{
    const size_t own = reply->own.bytes.len;

    return reply_head_size_with(reply->upstream) +
           (own > REPLY_OWN_BYTES ? own - REPLY_OWN_BYTES : 0);
}

static void write_fields(struct str *text, const struct reply *reply, const struct fields *fields)
{
    if (!fields)
        return;
    fields_each(h, fields)
        if (fields == &reply->own || reply_passes(reply, &h))
            str_addf(text, "%s: %s\r\n", h.name, h.value);
}

void reply_write_head(const struct reply *reply, const char *reason, struct str *text)
{
    str_addf(text, "HTTP/1.1 %u %s\r\nConnection: close\r\n", reply->status, reason);
    write_fields(text, reply, reply->upstream);
    write_fields(text, reply, &reply->own);
    if (reply->kind == REPLY_WHOLE)
        str_addf(text, "Content-Length: %zu\r\n", reply->len);
    else if (reply->length >= 0)
        str_addf(text, "Content-Length: %" PRId64 "\r\n", reply->length);
    str_adds(text, "\r\n");
}
