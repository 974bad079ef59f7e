#include "upstream/request_head.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

/* The lines that are written for these fields (names and values in turn), one "\n" after each. */
static char *lines_with(const char *const *pairs, int64_t length, const char *encodings,
                        const struct request_forwarded *fwd)
{
    struct str lines = STR_INIT;
    struct fields f;

    fields_init(&f);
    for (; pairs[0]; pairs += 2)
        CHECK(fields_adds(&f, pairs[0], pairs[1]));
    request_head_write(&lines, &f, length, encodings, fwd);
    for (size_t i = 0; i < lines.len; i++) {
        CHECK(lines.text[i] != '\n' && lines.text[i] != '\r');
        if (lines.text[i] == '\0')
            lines.text[i] = '\n';
    }
    fields_release(&f);
    char *text = mem_strndup(lines.text, lines.len);
    str_release(&lines);
    return text;
}

static char *lines_for(const char *const *pairs, int64_t length,
                       const struct request_forwarded *fwd)
{
    return lines_with(pairs, length, NULL, fwd);
}

static void check_lines(const char *const *pairs, int64_t length, const char *expected)
{
    mem_auto char *lines = lines_for(pairs, length, NULL);

    CHECK_STR(lines, expected);
}

#define FIELDS(...)                                                                                \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

TEST("end-to-end fields go upstream as they came, in their order, repeats kept")
{
    check_lines(FIELDS("Accept", "*/*", "authorization", "Bearer sk-1", "X-A", "1", "x-a", "2",
                       "User-Agent", "x", "Cookie", "a=b"),
                REQUEST_LENGTH_NONE,
                "Accept: */*\nauthorization: Bearer sk-1\nX-A: 1\nx-a: 2\nUser-Agent: x\n"
                "Cookie: a=b\n");
}

TEST("an empty value is written so that curl sends it, and does not leave it out")
{
    check_lines(FIELDS("Accept", "*/*", "X-Empty", "", "X-Blank", "  "), REQUEST_LENGTH_NONE,
                "Accept: */*\nX-Empty;\nX-Blank;\n");
    check_lines(FIELDS("Accept", ""), REQUEST_LENGTH_NONE, "Accept;\n");
}

TEST("nothing is added: what curl would send by itself is taken away")
{
    check_lines(FIELDS("X", "1"), REQUEST_LENGTH_NONE, "X: 1\nAccept:\n");
    check_lines(FIELDS("X", "1"), 5, "X: 1\nAccept:\nContent-Type:\nExpect:\n");
    check_lines(FIELDS("X", "1"), 0, "X: 1\nAccept:\nContent-Type:\nExpect:\n");
    check_lines(FIELDS("accept", "a", "CONTENT-TYPE", "b"), 5,
                "accept: a\nCONTENT-TYPE: b\nExpect:\n");
    check_lines(FIELDS("Accept", "a", "Content-Type", "b"), REQUEST_LENGTH_NONE,
                "Accept: a\nContent-Type: b\n");
    check_lines(FIELDS("Accept", "a", "Content-Type", ""), 1,
                "Accept: a\nContent-Type;\nExpect:\n");
}

TEST("a body of unknown length is chunked, and no other is")
{
    check_lines(FIELDS("Accept", "a", "Content-Type", "b"), REQUEST_LENGTH_UNKNOWN,
                "Accept: a\nContent-Type: b\nExpect:\nTransfer-Encoding: chunked\n");
    check_lines(FIELDS("Accept", "a", "Content-Type", "b", "Transfer-Encoding", "gzip, chunked"),
                REQUEST_LENGTH_UNKNOWN,
                "Accept: a\nContent-Type: b\nExpect:\nTransfer-Encoding: chunked\n");
}

TEST("hop-by-hop fields stay behind, and what is between curl and the upstream")
{
    check_lines(FIELDS("Host", "localhost:8080", "Accept", "a", "Connection", "keep-alive",
                       "Keep-Alive", "5", "Proxy-Connection", "x", "Proxy-Authorization", "Basic x",
                       "TE", "trailers", "Trailer", "x", "Transfer-Encoding", "chunked", "Upgrade",
                       "h2c", "Expect", "100-continue", "Content-Length", "5", "Content-Type", "c"),
                5, "Accept: a\nContent-Type: c\nExpect:\n");
}

TEST("what the client's Connection names stays behind, even what curl would then add")
{
    check_lines(FIELDS("X-Secret", "1", "Connection", "close, X-Secret, accept", "Accept", "a",
                       "X-Kept", "2"),
                REQUEST_LENGTH_NONE, "X-Kept: 2\nAccept:\n");
}

TEST("X-Goproxyai- fields are for this proxy and stay here")
{
    check_lines(FIELDS("X-Goproxyai-Tag", "t", "x-goproxyai-sample", "2", "X-GOPROXYAI-SALT", "s",
                       "Accept", "a", "X-Goproxyai-Scope", "", "X-Goproxyai-Other", "o",
                       "x-goproxyai-", "p", "X-Goproxyai", "q", "X-Goproxyais", "r"),
                REQUEST_LENGTH_NONE, "Accept: a\nX-Goproxyai: q\nX-Goproxyais: r\n");
}

TEST("names that only begin or end alike go through")
{
    check_lines(FIELDS("Accept", "a", "Hosts", "1", "X-Host", "2", "Expected", "3",
                       "Content-Length-X", "4", "Accept-Encoding", "gzip"),
                REQUEST_LENGTH_NONE,
                "Accept: a\nHosts: 1\nX-Host: 2\nExpected: 3\nContent-Length-X: 4\n"
                "Accept-Encoding: gzip\n");
}

TEST("X-Forwarded-For and X-Request-ID go upstream only if asked for, or as the client's own")
{
    static const struct request_forwarded fwd = {.client = "10.0.0.9", .request_id = "req-1"};
    mem_auto char *added = lines_for(FIELDS("Accept", "a"), REQUEST_LENGTH_NONE, &fwd);
    mem_auto char *chained = lines_for(FIELDS("X-Forwarded-For", "1.1.1.1, 2.2.2.2", "Accept", "a",
                                              "x-forwarded-for", "3.3.3.3", "X-REQUEST-ID", "own"),
                                       REQUEST_LENGTH_NONE, &fwd);

    CHECK_STR(added, "Accept: a\nX-Forwarded-For: 10.0.0.9\nX-Request-ID: req-1\n");
    CHECK_STR(chained, "Accept: a\nX-REQUEST-ID: own\n"
                       "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9\n");
    check_lines(FIELDS("Accept", "a", "X-Forwarded-For", "1.1.1.1", "X-Request-ID", "own"),
                REQUEST_LENGTH_NONE, "Accept: a\nX-Forwarded-For: 1.1.1.1\nX-Request-ID: own\n");
}

TEST("of the client's own forwarding fields none stays that Connection names, and no empty one")
{
    static const struct request_forwarded fwd = {.client = "10.0.0.9", .request_id = "req-1"};
    mem_auto char *named = lines_for(FIELDS("Accept", "a", "X-Forwarded-For", "1.1.1.1",
                                            "X-Request-ID", "own", "Connection",
                                            "x-request-id, X-Forwarded-For"),
                                     REQUEST_LENGTH_NONE, &fwd);
    mem_auto char *empty = lines_for(
        FIELDS("Accept", "a", "X-Forwarded-For", "", "X-Forwarded-For", "2.2.2.2"),
        REQUEST_LENGTH_NONE, &fwd);

    CHECK_STR(named, "Accept: a\nX-Forwarded-For: 10.0.0.9\nX-Request-ID: req-1\n");
    CHECK_STR(empty, "Accept: a\nX-Forwarded-For: 2.2.2.2, 10.0.0.9\nX-Request-ID: req-1\n");
}

TEST("what is offered in the place of Accept-Encoding stands there once, and only if there was one")
{
    const struct {
        const char *const *pairs;
        const char *expected;
    } rows[] = {
        {FIELDS("accept-encoding", "gzip, deflate, br", "Accept", "a"),
         "accept-encoding: gzip\nAccept: a\n"},
        {FIELDS("Accept", "a", "Accept-Encoding", "br", "ACCEPT-ENCODING", "gzip"),
         "Accept: a\nAccept-Encoding: gzip\n"},
        {FIELDS("Accept", "a", "Accept-Encoding", ""), "Accept: a\nAccept-Encoding: gzip\n"},
        {FIELDS("Accept", "a"), "Accept: a\n"},
        {FIELDS("Accept", "a", "Accept-Encodings", "br"), "Accept: a\nAccept-Encodings: br\n"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        mem_auto char *lines = lines_with(rows[i].pairs, REQUEST_LENGTH_NONE, "gzip", NULL);

        CHECK_STR(lines, rows[i].expected);
    }
}

TEST("the lines are a string like every other: NUL-terminated at text[len]")
{
    for (int empty = 0; empty < 2; empty++) {
        struct str lines = STR_INIT;
        struct fields f;

        str_reserve(&lines, 1000);
        memset(lines.text, 'x', lines.cap); /* what lay in the memory before */
        fields_init(&f);
        fields_adds(&f, "Accept", "a");
        fields_adds(&f, "X-Last", empty ? "" : "value");
        request_head_write(&lines, &f, REQUEST_LENGTH_NONE, NULL, NULL);
        CHECK_INT(lines.text[lines.len], '\0');
        str_release(&lines);
        fields_release(&f);
    }
}

TEST("lines are appended to what is there, each with its NUL")
{
    struct str lines = STR_INIT;
    struct fields f;

    fields_init(&f);
    fields_adds(&f, "Accept", "a");
    str_add(&lines, "before", 7);
    request_head_write(&lines, &f, REQUEST_LENGTH_NONE, NULL, NULL);
    CHECK_INT(lines.len, 7 + 10);
    CHECK(memcmp(lines.text, "before\0Accept: a", 17) == 0);
    str_release(&lines);
    fields_release(&f);
}
