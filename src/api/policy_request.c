#include "api/directive.h"
#include "api/policy.h"
#include "api/route.h"
#include "api/scan.h"
#include "base/mem.h"

/* Does the request ask for a part, or for a comparison? (One that asks for another protocol is
 * answered in this one.) */
static bool asks_for_something_else(const struct fields *fields)
{
    return fields_get(fields, "range") || fields_get(fields, "if-range") ||
           fields_get(fields, "if-match") || fields_get(fields, "if-none-match") ||
           fields_get(fields, "if-modified-since") || fields_get(fields, "if-unmodified-since");
}

static enum cache_class api_of_post(const char *target)
{
    static const struct {
        const char *path;
        enum cache_class api;
    } rows[] = {
        {"/v1/chat/completions", CACHE_CLASS_CHAT},
        {"/v1/completions", CACHE_CLASS_COMPLETIONS},
        {"/v1/embeddings", CACHE_CLASS_EMBEDDINGS},
        {"/v1/responses", CACHE_CLASS_RESPONSES},
    };
    size_t len = route_path_len(target);

    for (size_t i = 0; i < countof(rows); i++)
        if (len == strlen(rows[i].path) && memcmp(target, rows[i].path, len) == 0)
            return rows[i].api;
    return CACHE_CLASS_NONE;
}

/* Has the body a Content-Encoding, so that its members are unknown? */
static bool is_encoded(const struct fields *fields)
{
    const char *encoding = fields_get(fields, "content-encoding");

    return encoding && !str_is_nocase(encoding, "identity");
}

enum cache_class cache_class_of(const char *method, const char *target, const struct fields *fields)
{
    enum cache_class api = CACHE_CLASS_NONE;

    if (strcmp(method, "POST") == 0)
        api = api_of_post(target);
    else if (strcmp(method, "GET") == 0 && route_of(target) == ROUTE_API)
        api = CACHE_CLASS_GET;
    if (api == CACHE_CLASS_RESPONSES && is_encoded(fields))
        return CACHE_CLASS_NONE; /* it may belong to a conversation */
    return api != CACHE_CLASS_NONE && asks_for_something_else(fields) ? CACHE_CLASS_NONE : api;
}

bool policy_is_generation(const char *method, const char *target)
{
    enum cache_class api = strcmp(method, "POST") == 0 ? api_of_post(target) : CACHE_CLASS_NONE;

    return api == CACHE_CLASS_CHAT || api == CACHE_CLASS_COMPLETIONS ||
           api == CACHE_CLASS_RESPONSES;
}

/* Could a lenient server read `conversation` or `background` in a body that is no strict JSON?
 * Signs are the names, an escaped ASCII character (which may spell a name), and a NUL (UTF-16). */
static bool may_be_stateful(const char *body, size_t len)
{
    static const char *const signs[] = {"conversation", "background", "\\u00"};

    for (size_t i = 0; i < countof(signs); i++)
        if (memmem(body, len, signs[i], strlen(signs[i])))
            return true;
    return memchr(body, '\0', len) != NULL;
}

void policy_inspect_body(enum cache_class class, const char *body, size_t len,
                         struct body_facts *facts)
{
    struct scan_member members[] = {
        {.name = "model"}, {.name = "stream"}, {.name = "background"}, {.name = "conversation"}};

    *facts = (struct body_facts){.model = ""};
    if (len == 0)
        return;
    if (!scan_document(body, len, NULL, members, countof(members))) {
        facts->is_stateful = class == CACHE_CLASS_RESPONSES && may_be_stateful(body, len);
        return;
    }
    if (members[0].value.kind == SCAN_STRING)
        scan_copy_text(&members[0].value, facts->model, sizeof(facts->model));
    facts->is_stream = members[1].value.kind == SCAN_TRUE;
    if (class == CACHE_CLASS_RESPONSES)
        facts->is_stateful = members[2].repeated || members[3].repeated || /* which one counts? */
                             scan_is_truthy(&members[2].value) ||
                             (members[3].value.kind != SCAN_MISSING &&
                              members[3].value.kind != SCAN_NULL);
}

static void take_directive(struct cache_control *asks, const struct directive *d)
{
    int64_t seconds = directive_seconds(d);

    if (directive_is(d, "no-cache")) {
        asks->no_cache = true;
    } else if (directive_is(d, "no-store")) {
        asks->no_store = true;
    } else if (directive_is(d, "only-if-cached")) {
        asks->only_if_cached = true;
    } else if (directive_is(d, "max-age")) {
        if (seconds < 0)
            seconds = 0;
        if (asks->max_age_s < 0 || seconds < asks->max_age_s)
            asks->max_age_s = seconds;
    } else if (directive_is(d, "min-fresh")) {
        if (seconds < 0)
            seconds = DIRECTIVE_SECONDS_MAX;
        if (seconds > asks->min_fresh_s)
            asks->min_fresh_s = seconds;
    }
}

void cache_control_of(const struct fields *fields, struct cache_control *asks)
{
    bool said = false, pragma = false;
    struct directive d;

    *asks = (struct cache_control){.max_age_s = -1};
    if (!fields_may_have(fields, "cache-control") && !fields_may_have(fields, "pragma"))
        return;
    fields_each(h, fields) {
        const char *rest = h.value;

        if (str_same_nocase(h.name, h.name_len, STR_LIT("cache-control"))) {
            said = true;
            while (directive_next(&rest, &d))
                take_directive(asks, &d);
        } else if (str_same_nocase(h.name, h.name_len, STR_LIT("pragma"))) {
            while (directive_next(&rest, &d))
                pragma |= directive_is(&d, "no-cache");
        }
    }
    if (pragma && !said)
        asks->no_cache = true;
}

bool policy_is_write(const char *method)
{
    /* those that IANA's registry calls safe */
    static const char *const safe[] = {"GET",      "HEAD",   "OPTIONS", "TRACE",
                                       "PROPFIND", "REPORT", "SEARCH",  "QUERY"};

    for (size_t i = 0; i < countof(safe); i++)
        if (strcmp(method, safe[i]) == 0)
            return false;
    return true;
}

/* FNV-1a, whose high bits are poor for short texts, and so MurmurHash3's last step after it. */
uint64_t policy_collection_of(const char *target)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    size_t end = route_path_len(target), at = 3, len;

    if (route_of(target) != ROUTE_API)
        return 1;
    at += target[at] == '/';
    for (; at < end && target[at] != '/'; at += len) {
        hash ^= route_byte(target + at, end - at, &len);
        hash *= UINT64_C(0x100000001b3);
    }
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    hash ^= hash >> 33;
    return hash ? hash : 1;
}
