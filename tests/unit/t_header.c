#include "base/header.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

static bool is_hop(const char *name)
{
    struct field h = {.name = name, .value = "", .name_len = strlen(name)};

    return header_is_hop_by_hop(&h);
}

TEST("hop-by-hop are the fields of RFC 9110 section 7.6.1, in any case, and no others")
{
    static const char *const hop[] = {"Connection",
                                      "Keep-Alive",
                                      "Proxy-Connection",
                                      "Transfer-Encoding",
                                      "TE",
                                      "Trailer",
                                      "Upgrade",
                                      "Proxy-Authenticate",
                                      "Proxy-Authorization",
                                      "connection",
                                      "CONNECTION",
                                      "te",
                                      "tE",
                                      "uPGRADE",
                                      "kEEP-alive",
                                      "TRAILER"};
    static const char *const end[] = {"Host",
                                      "Content-Length",
                                      "Content-Type",
                                      "Authorization",
                                      "Cookie",
                                      "Set-Cookie",
                                      "T",
                                      "TEX",
                                      "Connections",
                                      "Connectio",
                                      "Keep-Alive2",
                                      "Upgrades",
                                      "Upgrade-Insecure-Requests",
                                      "Trailers",
                                      "Transfer",
                                      "Proxy",
                                      "Proxy-Status",
                                      "Cache-Control",
                                      "X-Connection",
                                      "Accept",
                                      "Via",
                                      "Tracestate",
                                      "User-Agent",
                                      "!"};

    for (size_t i = 0; i < countof(hop); i++) {
        unit_row(hop[i]);
        CHECK(is_hop(hop[i]));
    }
    for (size_t i = 0; i < countof(end); i++) {
        unit_row(end[i]);
        CHECK(!is_hop(end[i]));
    }
    unit_row(NULL);
}

/* Is X-Hop end-to-end in a message with these Connection values? */
static bool travels(const char *connection, const char *another)
{
    bool result = false;
    struct fields f;

    fields_init(&f);
    fields_adds(&f, "X-Hop", "1");
    fields_adds(&f, "Connection", connection);
    if (another)
        fields_adds(&f, "CONNECTION", another);
    struct header_hops hops = header_hops_of(&f);

    fields_each(h, &f)
        if (strcmp(h.name, "X-Hop") == 0)
            result = header_is_end_to_end(&hops, &h);
    fields_release(&f);
    return result;
}

TEST("what any Connection field names stays behind, whole and in any case")
{
    CHECK(travels("close", NULL));
    CHECK(travels("", NULL));
    CHECK(travels("x-hop-2", NULL));
    CHECK(travels("x-ho", NULL));
    CHECK(travels("x hop", NULL));
    CHECK(!travels("X-Hop", NULL));
    CHECK(!travels("x-hop", NULL));
    CHECK(!travels("close, X-HOP", NULL));
    CHECK(!travels("x-hop,close", NULL));
    CHECK(!travels("close", "foo ,\tx-hop"));
    CHECK(!travels("x-hop", "close"));
    CHECK(!travels("Keep-Alive", "x-hop"));
    CHECK(!travels("close, keep-alive", "keep-alive, X-Hop"));
    CHECK(travels("Keep-Alive", "CLOSE"));
}

TEST("what is meant for all who get an answer is no connection's own, whatever Connection says")
{
    static const char *const names[] = {"Cache-Control", "set-cookie", "Vary", "X-Should-Retry"};

    for (size_t i = 0; i < countof(names); i++) {
        struct fields f;
        struct header_hops hops;
        struct field h;

        fields_init(&f);
        fields_adds(&f, names[i], "x");
        fields_adds(&f, "Connection", names[i]);
        hops = header_hops_of(&f);
        h = fields_first(&f);
        unit_row(names[i]);
        CHECK(header_is_end_to_end(&hops, &h));
        fields_release(&f);
    }
    unit_row(NULL);
}

TEST("a field is hop-by-hop by its name even if no Connection names it")
{
    struct fields f;
    struct header_hops hops;

    fields_init(&f);
    fields_adds(&f, "TE", "trailers");
    hops = header_hops_of(&f);
    CHECK(hops.message == NULL);
    fields_adds(&f, "Connection", "Keep-Alive");
    fields_adds(&f, "connection", "close");
    hops = header_hops_of(&f); /* said of the connection, not of a field */
    CHECK(hops.message == NULL);
    fields_each(h, &f)
        CHECK(!header_is_end_to_end(&hops, &h));
    fields_clear(&f);
    fields_adds(&f, "X-Connection", "a"); /* another field whose name ends alike */
    fields_adds(&f, "a", "b");
    hops = header_hops_of(&f);
    fields_each(h, &f)
        CHECK(header_is_end_to_end(&hops, &h));
    fields_release(&f);
}

static bool wants(const char *upgrade, const char *connection)
{
    struct fields f;
    bool result;

    fields_init(&f);
    if (upgrade)
        fields_adds(&f, "upgrade", upgrade);
    if (connection)
        fields_adds(&f, "Connection", connection);
    result = header_wants_websocket(&f);
    fields_release(&f);
    return result;
}

TEST("a WebSocket is asked for by Upgrade: websocket")
{
    CHECK(wants("websocket", "Upgrade"));
    CHECK(wants("WebSocket", "keep-alive, upgrade"));
    CHECK(wants("h2c, websocket", "upgrade"));
    CHECK(!wants("h2c", "upgrade"));
    CHECK(!wants(NULL, "upgrade"));
    CHECK(!wants(NULL, "websocket"));
    CHECK(!wants("websockets", "upgrade"));
    CHECK(!wants(NULL, NULL));
}

TEST("an Upgrade that no Connection field names asks for nothing (RFC 9110 section 7.8)")
{
    CHECK(!wants("websocket", NULL));
    CHECK(!wants("websocket", "close"));
}

TEST("gzip is taken where Accept-Encoding says so, by name or by *, with a weight above 0")
{
    static const struct {
        const char *first, *second;
        bool taken;
    } rows[] = {
        {NULL, NULL, false}, /* RFC 9110 section 12.5.3 would let us, no client expects it */
        {"", NULL, false},
        {"gzip", NULL, true},
        {"GZIP", NULL, true},
        {"x-gzip", NULL, true},
        {"gzip, deflate, br", NULL, true},
        {"deflate,br,gzip", NULL, true},
        {"br;q=1.0, gzip;q=0.8, *;q=0.1", NULL, true},
        {"gzip;q=0", NULL, false},
        {"gzip;q=0.0", NULL, false},
        {"gzip;q=0.000", NULL, false},
        {"gzip;q=0.001", NULL, true},
        {"gzip; q=0", NULL, false},
        {"gzip ; q = 1", NULL, true},
        {"gzip;q=0, *", NULL, false},
        {"*, gzip;q=0", NULL, false},
        {"*", NULL, true},
        {"*;q=0", NULL, false},
        {"*;q=0.5", NULL, true},
        {"*;q=0, gzip", NULL, true},
        {"identity", NULL, false},
        {"identity;q=0", NULL, false},
        {"identity, *;q=0", NULL, false},
        {"deflate, br, zstd", NULL, false},
        {"gzipped", NULL, false},
        {"x-gzipx", NULL, false},
        {"bgzip", NULL, false},
        {"br", "gzip", true},
        {"gzip;q=0", "br", false},
        {" , ,gzip", NULL, true},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct fields f;

        unit_row(rows[i].first ? rows[i].first : "(none)");
        fields_init(&f);
        fields_adds(&f, "Accept", "gzip"); /* another field */
        if (rows[i].first)
            fields_adds(&f, "accept-encoding", rows[i].first);
        if (rows[i].second)
            fields_adds(&f, "Accept-Encoding", rows[i].second);
        CHECK(header_accepts_gzip(&f) == rows[i].taken);
        fields_release(&f);
    }
    unit_row(NULL);
}
