#include "api/directive.h"
#include "api/key.h"
#include "api/policy.h"
#include "api/policy_internal.h"
#include "base/mem.h"

static enum policy_encoding and_encoding(enum policy_encoding so_far, const char *token, size_t len)
{
    if (len == 0 || str_same_nocase(token, len, STR_LIT("identity")))
        return so_far;
    if (so_far == POLICY_ENCODING_NONE && (str_same_nocase(token, len, STR_LIT("gzip")) ||
                                           str_same_nocase(token, len, STR_LIT("x-gzip"))))
        return POLICY_ENCODING_GZIP;
    return POLICY_ENCODING_OTHER;
}

enum policy_encoding policy_encoding_of(const struct fields *fields)
{
    enum policy_encoding encoding = POLICY_ENCODING_NONE;
    size_t len;

    fields_each(h, fields) {
        if (!str_same_nocase(h.name, h.name_len, STR_LIT("content-encoding")))
            continue;
        for (const char *at = h.value; *at; at += len) {
            at += strspn(at, ", \t");
            len = strcspn(at, ", \t");
            encoding = and_encoding(encoding, at, len);
        }
    }
    return encoding;
}

bool policy_is_gzip(const struct fields *fields)
{
    return policy_encoding_of(fields) == POLICY_ENCODING_GZIP;
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
        if (len == 0 || str_same_nocase(at, len, STR_LIT("accept-encoding")) ||
            str_same_nocase(at, len, STR_LIT("origin")))
            continue;
        if (!rules || *at == '*' || !field_is_token(at, len) ||
            !key_counts_field(rules, method, at, len))
            return true;
    }
    return false;
}

/* shared: by a cache that answers others than the one who asked (RFC 9111 section 5.2.2.7). */
static bool forbids_to_store(const struct field *h, bool shared)
{
    const char *rest = h->value;
    struct directive d;

    if (str_same_nocase(h->name, h->name_len, STR_LIT("set-cookie")))
        return !is_networks_cookie(h->value);
    if (!str_same_nocase(h->name, h->name_len, STR_LIT("cache-control")))
        return false;
    while (directive_next(&rest, &d))
        if (directive_is(&d, "no-store") || directive_is(&d, "no-cache") ||
            (shared && directive_is(&d, "private")))
            return true;
    return false;
}

enum policy_content policy_content_of(const struct fields *fields)
{
    const char *type = fields_get(fields, "content-type");
    size_t len = type ? strcspn(type, "; \t") : 0;

    if (str_same_nocase(type, len, STR_LIT("application/json")) ||
        (len > 5 && str_same_nocase(type + len - 5, 5, STR_LIT("+json"))))
        return POLICY_CONTENT_JSON;
    if (str_same_nocase(type, len, STR_LIT("text/html")) ||
        str_same_nocase(type, len, STR_LIT("application/xhtml+xml")))
        return POLICY_CONTENT_HTML;
    return str_same_nocase(type, len, STR_LIT("text/event-stream")) ? POLICY_CONTENT_STREAM
                                                                    : POLICY_CONTENT_OTHER;
}

bool policy_ends_by_itself(const struct fields *fields)
{
    return policy_content_of(fields) == POLICY_CONTENT_STREAM;
}

/* A POST's answer says something in JSON or in events. A GET's may be a file of any type, but no
 * API answers with a page: that is a login or a notice of a network in between. */
bool policy_fits_success(enum cache_class api, enum policy_content content)
{
    if (api == CACHE_CLASS_GET)
        return content != POLICY_CONTENT_HTML;
    return content == POLICY_CONTENT_JSON ||
           (content == POLICY_CONTENT_STREAM && api != CACHE_CLASS_EMBEDDINGS);
}

bool policy_head_may_store(enum cache_class api, const struct key_rules *rules, unsigned status,
                           const struct fields *fields)
{
    const char *retry = fields_get(fields, "x-should-retry");
    const char *method = api == CACHE_CLASS_GET ? "GET" : "POST";

    if (api == CACHE_CLASS_NONE || (!policy_is_success(status) && status != 400 && status != 401))
        return false;
    /* A 401 is about the credentials, which such a key leaves out. */
    if (status == 401 && rules && rules->share)
        return false;
    if (policy_is_success(status) ? !policy_fits_success(api, policy_content_of(fields))
                                  : retry && str_is_nocase(retry, "true"))
        return false;
    fields_each(h, fields)
        if (forbids_to_store(&h, rules && rules->share) ||
            (str_same_nocase(h.name, h.name_len, STR_LIT("vary")) &&
             varies_beyond_key(rules, method, h.value)))
            return false;
    return policy_encoding_of(fields) != POLICY_ENCODING_OTHER;
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
