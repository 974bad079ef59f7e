#include "api/route.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

TEST("ordinary targets pass, whatever is percent-encoded in them")
{
    static const char *const rows[] = {
        "/",
        "/v1",
        "/v1/chat/completions",
        "/v1/models/gpt-4o",
        "/v1/models/ft:gpt-4o:org::id",
        "/v1/files/file-abc/content?x=1",
        "/v1/models?a=%2e%2e/../..", /* only the path is resolved */
        "/v1/models?..",
        "/v1/models?x=/../",
        "/v1//chat",
        "/v1/...",
        "/v1/.../x",
        "/v1/a.b",
        "/v1/.hidden",
        "/v1/hidden.",
        "/v1/..x",
        "/v1/x..",
        "/v1/%2e%2e%2e",
        "/v1/%2ex",
        "/v1/a%2fb",
        "/v1/a%5cb",
        "/v1/%E4%BD%A0",
        "/v1/\xe4\xbd\xa0",
        "/v1/%",
        "/v1/%2",
        "/v1/%zz",
        "/v1/%0",
        "/v1/%252e%252e/x", /* decodes once to %2e%2e: a name */
        "/v1/%2500",
        "/v1/%23",
        "/v1/%0a",
        "//host/path",
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i]);
        CHECK_STR(route_target_fault(rows[i]), NULL);
    }
    unit_row(NULL);
}

/* All spellings of "." and of "/" that some server takes for one. */
static const char *const dots[] = {".", "%2e", "%2E"};
static const char *const slashes[] = {"/", "\\", "%2f", "%2F", "%5c", "%5C"};

static void check_dots(const char *segment)
{
    char target[100];

    for (size_t before = 0; before < countof(slashes); before++) {
        for (size_t after = 0; after <= countof(slashes); after++) {
            const char *end = after < countof(slashes) ? slashes[after] : "";

            snprintf(target, sizeof(target), "/v1%s%s%sx", slashes[before], segment, end);
            if (!*end)
                target[strlen(target) - 1] = '\0';
            unit_row(target);
            CHECK_HAS(route_target_fault(target), "dot segment");
            strcat(target, "?query=1");
            CHECK_HAS(route_target_fault(target), "dot segment");
        }
    }
    unit_row(NULL);
}

TEST("a dot segment is refused in every spelling of its dots and of the slashes around it")
{
    char segment[16];

    for (size_t a = 0; a < countof(dots); a++) {
        check_dots(dots[a]);
        for (size_t b = 0; b < countof(dots); b++) {
            snprintf(segment, sizeof(segment), "%s%s", dots[a], dots[b]);
            check_dots(segment);
        }
    }
}

TEST("a dot segment is found wherever it stands")
{
    static const char *const rows[] = {"/.",          "/..",
                                       "/./v1",       "/../v1",
                                       "/v1/x/..",    "/v1/x/../..",
                                       "/v1/a/b/./c", "/v1/chat/..%2fadmin",
                                       "/v1//..//x",  "/%2e%2e/",
                                       "/v1/.?x",     "/v1/..?",
                                       "/v1/..%5c",   "/a/b/c/d/e/f/%2e%2E/g"};

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i]);
        CHECK_HAS(route_target_fault(rows[i]), "dot segment");
    }
    unit_row(NULL);
}

TEST("a target is origin-form: it begins with a slash")
{
    static const char *const rows[] = {
        "",      "*",    "v1/models", "http://a/v1/models",       "host:443", "?x",
        "%2fv1", "\\v1", ".",         "https://api.openai.com/v1"};

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i]);
        CHECK_HAS(route_target_fault(rows[i]), "slash");
    }
    unit_row(NULL);
}

TEST("no control character, blank, fragment or NUL passes, in the path or in the query")
{
    char target[64];

    for (unsigned byte = 1; byte < 256; byte++) {
        bool bad = byte <= ' ' || byte == 0x7f || byte == '#';

        snprintf(target, sizeof(target), "/v1/a%cb", (int)byte);
        CHECK((route_target_fault(target) != NULL) == bad);
        snprintf(target, sizeof(target), "/v1/a?b%cc", (int)byte);
        CHECK((route_target_fault(target) != NULL) == bad);
        snprintf(target, sizeof(target), "/v1/a%c", (int)byte);
        CHECK((route_target_fault(target) != NULL) == bad);
    }
    CHECK_HAS(route_target_fault("/v1/a%00"), "NUL");
    CHECK_HAS(route_target_fault("/v1/%00.json"), "NUL");
    CHECK_HAS(route_target_fault("/v1/a?x=%00"), "NUL");
    CHECK_HAS(route_target_fault("/v1/a#b"), "fragment");
    CHECK_HAS(route_target_fault("/v1/a%20b\r\nX: 1"), "control");
}

TEST("a route is its path: /v1 and below, /health, and nothing that only looks like them")
{
    static const struct {
        const char *target;
        enum route route;
    } rows[] = {
        {"/v1", ROUTE_API},
        {"/v1/", ROUTE_API},
        {"/v1?x", ROUTE_API},
        {"/v1/?x", ROUTE_API},
        {"/v1/chat/completions", ROUTE_API},
        {"/v1//", ROUTE_API},
        {"/v1/health", ROUTE_API},
        {"/health", ROUTE_HEALTH},
        {"/health?x=1", ROUTE_HEALTH},
        {"/health?", ROUTE_HEALTH},
        {"/", ROUTE_NONE},
        {"", ROUTE_NONE},
        {"/v", ROUTE_NONE},
        {"/v1x", ROUTE_NONE},
        {"/v10", ROUTE_NONE},
        {"/v1.0", ROUTE_NONE},
        {"/v1%2fchat", ROUTE_NONE},
        {"/v1\\chat", ROUTE_NONE},
        {"/v1;x", ROUTE_NONE},
        {"/V1/chat", ROUTE_NONE},
        {"/%761/chat", ROUTE_NONE},
        {"//v1/chat", ROUTE_NONE},
        {"/v2/chat", ROUTE_NONE},
        {"/openai/v1/chat", ROUTE_NONE},
        {"/?/v1/chat", ROUTE_NONE},
        {"/cache", ROUTE_CACHE},
        {"/cache?model=x", ROUTE_CACHE},
        {"/cache/verify", ROUTE_CACHE_VERIFY},
        {"/cache/verify?x", ROUTE_CACHE_VERIFY},
        {"/cache/0", ROUTE_CACHE_ENTRY},
        {"/cache/0aF?x", ROUTE_CACHE_ENTRY},
        {"/cache/0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF",
         ROUTE_CACHE_ENTRY},
        {"/cache/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", ROUTE_NONE},
        {"/cache/", ROUTE_NONE},
        {"/cache/?0", ROUTE_NONE},
        {"/cache/0/", ROUTE_NONE},
        {"/cache/0g", ROUTE_NONE},
        {"/cache/%30", ROUTE_NONE},
        {"/cache/Verify", ROUTE_NONE},
        {"/cache/verify/", ROUTE_NONE},
        {"/cachex", ROUTE_NONE},
        {"/health/", ROUTE_NONE},
        {"/healthz", ROUTE_NONE},
        {"/healt", ROUTE_NONE},
        {"/Health", ROUTE_NONE},
        {"/healt?h", ROUTE_NONE},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].target);
        CHECK_INT(route_of(rows[i].target), rows[i].route);
    }
    unit_row(NULL);
}

TEST("the path ends at the first question mark")
{
    CHECK_INT(route_path_len("/v1/x"), 5);
    CHECK_INT(route_path_len("/v1/x?y?z"), 5);
    CHECK_INT(route_path_len("?"), 0);
    CHECK_INT(route_path_len(""), 0);
    CHECK_INT(route_path_len("/a%3fb"), 6);
}
