#include "api/key_field.h"

#include <stdlib.h>
#include <string.h>

#include "api/key.h"
#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

static const struct key_rules plain = {.upstream = "u"};
static const struct key_rules shared = {.upstream = "u", .share = true};

static bool counts(const struct key_rules *rules, const char *method, const char *name)
{
    return key_counts_field(rules, method, name, strlen(name));
}

/* The verdict for the name as it stands, and in capitals; the text has exactly its length, so that
 * ASan sees a step beyond it. */
static void check(const struct key_rules *rules, const char *name, enum key_field expected)
{
    const size_t len = strlen(name);
    mem_auto char *exact = mem_alloc(len + 1);

    unit_row(name);
    memcpy(exact, name, len);
    CHECK_INT(key_field_judge(rules, true, exact, len), expected);
    for (size_t i = 0; i < len; i++)
        exact[i] = (char)(exact[i] >= 'a' && exact[i] <= 'z' ? exact[i] - 32 : exact[i]);
    CHECK_INT(key_field_judge(rules, true, exact, len), expected);
    unit_row(NULL);
}

TEST("known noise is no part of the key")
{
    static const char *const names[] = {
        /* hop-by-hop and framing */
        "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade",
        "proxy-authenticate", "proxy-authorization", "content-length", "expect",
        /* by name */
        "host", "user-agent", "accept-encoding", "accept-language", "accept", "cache-control",
        "pragma", "priority", "date", "origin", "referer", "via", "forwarded", "traceparent",
        "tracestate", "baggage", "b3", "newrelic", "idempotency-key", "x-goproxyai-tag",
        "x-goproxyai-scope",
        /* by pattern */
        "x-forwarded-for", "x-forwarded-", "sec-fetch-mode", "sec-ch-ua", "x-stainless-lang",
        "x-stainless-retry-count", "x-stainless-runtime-version", "x-datadog-parent-id",
        "x-cloud-trace-context", "x-trace", "x-amzn-trace-id", "x-request-id",
        "x-client-request-id", "-request-id", "x-correlation-id", "x-span", "my-span-id",
        "x-b3-traceid", "x-b3-", "retry", "x-retry-count", "retrying", "my-retry", "xretryx",
        "attempt", "x-attempts", "reattempted", "timestamp", "x-timestamp-ms", "mytimestamps"};

    for (size_t i = 0; i < countof(names); i++) {
        check(&plain, names[i], KEY_FIELD_NOISE);
        CHECK(!counts(&plain, "POST", names[i]));
        CHECK(strcmp(names[i], "accept") == 0 || !counts(&plain, "GET", names[i]));
    }
    check(&plain, "connection", KEY_FIELD_CONNECTION);
    CHECK(!counts(&plain, "POST", "Connection"));
}

TEST("any other field is part of the key, however much it looks like noise")
{
    static const char *const names[] = {"content-type",
                                        "content-encoding",
                                        "content-language",
                                        "openai-organization",
                                        "openai-project",
                                        "openai-beta",
                                        "x-script",
                                        "x",
                                        "a",
                                        "",
                                        "_",
                                        "1",
                                        "x-portkey-config",
                                        "anthropic-version",
                                        "x-goproxyai-sample",
                                        "x-goproxyai-salt",
                                        "x-goproxyai-tags",
                                        "x-goproxyai-scop",
                                        "x-goproxyai-",
                                        "accepts",
                                        "accep",
                                        "hosts",
                                        "hos",
                                        "x-host",
                                        "te-x",
                                        "t",
                                        "trailers",
                                        "vi",
                                        "vias",
                                        "dated",
                                        "x-forwarded",
                                        "xx-forwarded-for",
                                        "sec",
                                        "sec_x",
                                        "x-stainless",
                                        "x-stainles-x",
                                        "x-datadog",
                                        "newrelics",
                                        "trace-id",
                                        "x_trace",
                                        "tracer",
                                        "traceparents",
                                        "request-id",
                                        "request-ids",
                                        "x-request-ids",
                                        "x-request-id-2",
                                        "correlation-id",
                                        "x-correlation",
                                        "span",
                                        "x_span",
                                        "b3-x",
                                        "x-b3",
                                        "b33",
                                        "x-b3_",
                                        "retr",
                                        "retrz",
                                        "xretr",
                                        "attemp",
                                        "timestam",
                                        "time-stamp",
                                        "idempotency",
                                        "x-cookie",
                                        "cookie2",
                                        "cookies",
                                        "x-api",
                                        "api",
                                        "apikey",
                                        "authorizations",
                                        "x-authorize",
                                        "virtual-key",
                                        "x-virtualkey",
                                        "x-api-keys",
                                        "rate-limit",
                                        "x-api-key-id"};

    for (size_t i = 0; i < countof(names); i++) {
        check(&plain, names[i], KEY_FIELD_COUNTS);
        CHECK(counts(&plain, "POST", names[i]));
        CHECK(counts(&plain, "GET", names[i]));
        CHECK(counts(&shared, "POST", names[i]));
    }
}

TEST("Accept counts except of a POST")
{
    CHECK(!counts(&plain, "POST", "Accept"));
    CHECK(counts(&plain, "GET", "Accept"));
    CHECK(counts(&plain, "HEAD", "accept"));
    CHECK(counts(&plain, "post", "accept")); /* methods are case-sensitive */
}

TEST("credentials count unless the cache is shared, and no pattern of noise hides them")
{
    static const char *const names[] = {"authorization",
                                        "api-key",
                                        "x-api-key",
                                        "cookie",
                                        "x-authorization",
                                        "-authorization",
                                        "x-upstream-authorization",
                                        "dd-api-key",
                                        "x-goog-api-key",
                                        "x-portkey-virtual-key",
                                        "-virtual-key",
                                        "x-retry-api-key",
                                        "x-stainless-api-key",
                                        "x-forwarded-authorization",
                                        "x-trace-virtual-key",
                                        "sec-api-key"};

    for (size_t i = 0; i < countof(names); i++) {
        check(&plain, names[i], KEY_FIELD_CREDENTIAL);
        CHECK(counts(&plain, "POST", names[i]));
        CHECK(counts(&plain, "GET", names[i]));
        CHECK(!counts(&shared, "POST", names[i]));
        CHECK(!counts(&shared, "GET", names[i]));
    }
}

TEST("ignored fields are noise, by their whole names in any case, but for the four credentials")
{
    static char run[] = "X-Run-ID", type[] = "content-TYPE", virtual[] = "x-portkey-virtual-key";
    static char accept[] = "accept", salt[] = "x-goproxyai-salt", key[] = "Authorization";
    char *const names[] = {run, type, virtual, accept, salt, key, NULL};
    char *const none[] = {NULL};
    struct key_rules rules = {.upstream = "u", .ignored_fields = names};

    check(&rules, "x-run-id", KEY_FIELD_NOISE);
    check(&rules, "content-type", KEY_FIELD_NOISE);
    check(&rules, "x-portkey-virtual-key", KEY_FIELD_NOISE);
    check(&rules, "x-goproxyai-salt", KEY_FIELD_NOISE);
    CHECK(!counts(&rules, "GET", "Accept"));
    check(&rules, "authorization", KEY_FIELD_CREDENTIAL);
    check(&rules, "x-run-id2", KEY_FIELD_COUNTS);
    check(&rules, "x-run-i", KEY_FIELD_COUNTS);
    check(&rules, "x-other-virtual-key", KEY_FIELD_CREDENTIAL);
    rules.ignored_fields = none;
    check(&rules, "x-run-id", KEY_FIELD_COUNTS);
}

TEST("the four credentials may not be ignored, all else may")
{
    static const char *const not [] = {"Authorization", "api-key", "X-API-Key", "cookie"};
    static const char *const may[] = {"X-Run-ID", "x-portkey-virtual-key", "Content-Type",
                                      "Host",     "x-authorization",       "Cookies"};

    for (size_t i = 0; i < countof(not ); i++)
        CHECK(!key_may_ignore_field(not [i]));
    for (size_t i = 0; i < countof(may); i++)
        CHECK(key_may_ignore_field(may[i]));
}
