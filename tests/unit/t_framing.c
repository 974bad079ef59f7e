#include "base/framing.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "framing_reference.h"
#include "unit.h"

/* Feeds a copy of its own size, so that ASan sees a step beyond it. */
static size_t feed(struct framing *f, const char *text, size_t len)
{
    mem_auto char *piece = mem_alloc(len ? len : 1);

    memcpy(piece, text, len);
    return framing_take(f, piece, len);
}

/* Pieces of `first` bytes and then `step` bytes each, up to a fault. Returns what was taken. */
static size_t feed_in_pieces(struct framing *f, const char *text, size_t len, size_t first,
                             size_t step)
{
    size_t at = 0, n = first, taken;

    framing_init(f);
    for (; at < len; at += n, n = step) {
        if (n > len - at)
            n = len - at;
        taken = feed(f, text + at, n);
        CHECK((taken == n) == (f->fault == NULL));
        if (f->fault) {
            CHECK_INT(feed(f, text + at, n), 0); /* for ever */
            return at + taken;
        }
    }
    return at;
}

enum end { HEAD, BODY, START }; /* where a connection without fault is at the end */

static bool check_end(const struct framing *f, enum end end)
{
    return CHECK_INT(framing_in_body(f), end == BODY) &&
           CHECK_INT(framing_at_start(f), end == START);
}

static bool check_split(const char *text, size_t len, size_t first, size_t step, size_t good,
                        const char *fault, enum end end)
{
    struct framing f;

    if (!CHECK_INT(feed_in_pieces(&f, text, len, first, step), good) ||
        !CHECK_INT(f.fault != NULL, fault != NULL))
        return false;
    return fault ? CHECK_HAS(f.fault, fault) : check_end(&f, end);
}

/* Whole, byte by byte, a few bytes at a time, in two at each byte; up to the first that fails. */
static void check_text(const char *text, size_t len, size_t good, const char *fault, enum end end)
{
    bool same = true;

    for (size_t step = 1; step <= 20 && same; step++)
        same = check_split(text, len, step, step, good, fault, end);
    for (size_t first = 0; first <= len && same; first++)
        same = check_split(text, len, first, len, good, fault, end);
}

struct row {
    const char *good; /* what is taken */
    const char *bad;  /* from the byte at fault on */
    size_t good_len, bad_len;
    const char *fault; /* part of the sentence; NULL: none */
    enum end end;
};
#define GOOD(text, end)                                                                            \
    {                                                                                              \
        text, "", sizeof(text) - 1, 0, NULL, end                                                   \
    }
#define BAD(good, bad, fault)                                                                      \
    {                                                                                              \
        good, bad, sizeof(good) - 1, sizeof(bad) - 1, fault, HEAD                                  \
    }

/* Each row behind a prefix of a connection without fault. */
static void check_rows(const char *prefix, const struct row *rows, size_t count)
{
    struct str text = STR_INIT;

    for (size_t i = 0; i < count; i++) {
        str_clear(&text);
        str_adds(&text, prefix);
        str_add(&text, rows[i].good, rows[i].good_len);
        unit_row(text.text);
        str_add(&text, rows[i].bad, rows[i].bad_len);
        check_text(text.text, text.len, text.len - rows[i].bad_len, rows[i].fault, rows[i].end);
    }
    unit_row(NULL);
    str_release(&text);
}

/* The same by themselves, behind an empty line, and as a later request of a connection. */
static void check_requests(const struct row *rows, size_t count)
{
    check_rows("", rows, count);
    check_rows("\r\n", rows, count);
    check_rows("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", rows, count);
    check_rows("POST /1 HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", rows, count);
    check_rows("POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", rows,
               count);
}

#define POST "POST /v1/x HTTP/1.1\r\nHost: localhost\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

TEST("a head ends with its empty line, whichever line ends it has")
{
    static const struct row rows[] = {
        GOOD("", START),
        GOOD("\n", START),
        GOOD("\r\n\n\r\n", START),
        GOOD("\r", HEAD),
        GOOD("G", HEAD),
        GOOD("GET / HTTP/1.1", HEAD),
        GOOD("GET / HTTP/1.1\r", HEAD),
        GOOD("GET / HTTP/1.1\r\n", HEAD),
        GOOD("GET / HTTP/1.1\r\n\r", HEAD),
        GOOD("GET / HTTP/1.1\r\n\r\n", START),
        GOOD("GET / HTTP/1.1\n\n", START),
        GOOD("GET / HTTP/1.1\n\r\n", START),
        GOOD("GET / HTTP/1.1\r\n\n", START),
        GOOD("GET / HTTP/1.1\r\nA: b\r\n\r\n", START),
        GOOD("GET / HTTP/1.1\nA: b\nC:\n\n", START),
        GOOD("GET / HTTP/1.1\nA: b\r\nC:d\n\r\n", START),
        GOOD("GET / HTTP/1.1\r\nA: b\r\n", HEAD),
        GOOD("GET / HTTP/1.1\r\nA: b: c:\t\x01\xff\r\n\r\n", START),
        GOOD("GET / HTTP/1.1\r\nA\x7f(): b\r\nB:\r\nCC:c\r\n\r\n", START),
        GOOD("GET / HTTP/1.1\r\nX-A-Name-Of-More-Than-Sixteen-Bytes: a value that is longer\r\n"
             "X-A-Name-Of-More-Bytes-Than-A-Block-Has-That-Is-Looked-At-In-One-Go-0123456789: a\r\n"
             "\r\n",
             START),
        GOOD("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n", START),
        GOOD("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n", HEAD),
    };

    check_requests(rows, countof(rows));
}

TEST("a NUL, a lone CR, a folded or malformed field line in a head is a fault")
{
    static const struct row rows[] = {
        BAD("", "\0GET / HTTP/1.1\r\n\r\n", "head has a NUL"),
        BAD("GET /", "\0 HTTP/1.1\r\n\r\n", "head has a NUL"),
        BAD("GET / HTTP/1.1\r\n", "\0", "head has a NUL"),
        BAD("GET / HTTP/1.1\r\nA", "\0: b\r\n\r\n", "head has a NUL"),
        BAD("GET / HTTP/1.1\r\nA:", "\0", "head has a NUL"),
        BAD("GET / HTTP/1.1\r\nA: some value or other", "\0b\r\n\r\n", "head has a NUL"),
        BAD("GET / HTTP/1.1\r\nContent-Length: 1", "\0\r\n", "head has a NUL"),
        BAD("GET / HTTP/1.1\r\nTransfer-Encoding: chunked", "\0\r\n", "head has a NUL"),
        BAD("GET / HTTP/1.1\r\nTransfer-Encoding: chunked ", "\0\r\n", "head has a NUL"),
        BAD("\r", "GET / HTTP/1.1\r\n\r\n", "head has a CR"),
        BAD("\r", "\r\n", "head has a CR"),
        BAD("GET / HTTP/1.1\r", "\r\n", "head has a CR"),
        BAD("GET / HTTP/1.1\r", "\0", "head has a CR"),
        BAD("GET / HTTP/1.1\r\nA: a value\r", "b: c\r\n\r\n", "head has a CR"),
        BAD("GET / HTTP/1.1\r\nContent-Length: 1\r", "0\r\n", "head has a CR"),
        BAD("GET / HTTP/1.1\r\n\r", "GET", "head has a CR"),
        BAD("GET / HTTP/1.1\r\nA: b\r\n\r", "\r\n", "head has a CR"),
        BAD("GET / HTTP/1.1\r\n", " A: b\r\n\r\n", "begins with a blank"),
        BAD("GET / HTTP/1.1\n", "\tA: b\r\n\r\n", "begins with a blank"),
        BAD("GET / HTTP/1.1\r\nA: b\r\n", " c\r\n\r\n", "begins with a blank"),
        BAD("GET / HTTP/1.1\r\nA: b\n", "\tc\r\n\r\n", "begins with a blank"),
        BAD("GET / HTTP/1.1\r\nTransfer-Encoding:\r\n", " chunked\r\n", "begins with a blank"),
        BAD("GET / HTTP/1.1\r\n", ":\r\n\r\n", "has no name"),
        BAD("GET / HTTP/1.1\r\nA: some value or other\r\n", ": b\r\n\r\n", "has no name"),
        BAD("GET / HTTP/1.1\r\nA", "\r\n\r\n", "no colon"),
        BAD("GET / HTTP/1.1\r\nA", "\n\n", "no colon"),
        BAD("GET / HTTP/1.1\r\nA: b\r\nContent-Length", "\r\n\r\n", "no colon"),
        BAD("GET / HTTP/1.1\r\nA", " : b\r\n\r\n", "name of the request has a blank"),
        BAD("GET / HTTP/1.1\r\nA", "\t: b\r\n\r\n", "name of the request has a blank"),
        BAD("GET / HTTP/1.1\r\nA", " b: c\r\n\r\n", "name of the request has a blank"),
        BAD("GET / HTTP/1.1\r\nTransfer-Encoding", " : chunked\r\n", "name of the request"),
        BAD("GET / HTTP/1.1\r\nContent-Length", "\x0b: 1\r\n", "name of the request"),
        BAD("GET / HTTP/1.1\r\n", "\x01: b\r\n", "name of the request"),
        BAD("GET / HTTP/1.1\r\nA", "\x80: b\r\n", "name of the request"),
        BAD("GET / HTTP/1.1\r\n", "\xff: b\r\n", "name of the request"),
    };

    check_requests(rows, countof(rows));
}

TEST("a Content-Length is the body's length, and the next request begins behind it")
{
    static const struct row rows[] = {
        GOOD(POST "Content-Length: 0\r\n\r\n", START),
        GOOD(POST "Content-Length: 1\r\n\r\n", BODY),
        GOOD(POST "Content-Length: 1\r\n\r\na", START),
        GOOD(POST "Content-Length: 3\r\n\r\n\0\r", BODY),
        GOOD(POST "Content-Length: 3\r\n\r\n\0\r\r", START),
        GOOD(POST "CONTENT-LENGTH:12\r\n\r\n0123456789ab", START),
        GOOD(POST "conTent-lEngth: \t \t0012\r\n\r\n0123456789ab", START),
        GOOD(POST "Content-Length: 40\nA: b\n\n0123456789012345678901234567890123456789", START),
        GOOD("POST / HTTP/1.0\r\nContent-Length: 9223372036854775807\r\n\r\na\0\r\r", BODY),
        GOOD(POST "Content-Length: 1\r\n\r\naG", HEAD),
        BAD(POST "Content-Length: 1\r\n\r\na", "\0", "NUL"),
        BAD(POST "Content-Length: 0\r\n\r\n", "\0", "NUL"),
        /* names that are not its */
        BAD(POST "Content-Lengt: 1\r\n\r\n", "\0", "NUL"),
        BAD(POST "Content-Lengthh: 1\r\n\r\n", "\0", "NUL"),
        BAD(POST "Content-LengthContent-Length: 1\r\n\r\n", "\0", "NUL"),
        BAD(POST "XContent-Length: 1\r\n\r\n", "\0", "NUL"),
        BAD(POST "Content-Langth: 1\r\n\r\n", "\0", "NUL"),
        BAD(POST "Content_Length: 1\r\n\r\n", "\0", "NUL"),
        BAD(POST "A: Content-Length: 1\r\n\r\n", "\0", "NUL"),
    };

    check_requests(rows, countof(rows));
}

TEST("a Content-Length that is no number below 2^63, or has a blank behind it, is a fault where "
     "that shows")
{
    static const struct row rows[] = {
        BAD(POST "Content-Length: ", "\r\n\r\n", "no number"),
        BAD(POST "Content-Length:", "\n\n", "no number"),
        BAD(POST "Content-Length: ", "+1\r\n\r\n", "no number"),
        BAD(POST "Content-Length: ", "-1\r\n\r\n", "no number"),
        BAD(POST "Content-Length: 1", "a\r\n\r\n", "no number"),
        BAD(POST "Content-Length: 0", "x1\r\n\r\n", "no number"),
        BAD(POST "Content-Length: 1", ",1\r\n\r\n", "no number"),
        BAD(POST "Content-Length: 1 ", "1\r\n\r\n", "no number"),
        BAD(POST "Content-Length: 1 ", "x\r\n\r\n", "no number"),
        BAD(POST "Content-Length: 1 ", "\r\n\r\na", "blank at its end"),
        BAD(POST "Content-Length: 0\t \t", "\n\n", "blank at its end"),
        BAD(POST "Content-Length: 922337203685477580", "8\r\n\r\n", "too large"),
        BAD(POST "Content-Length: 1844674407370955161", "7\r\n\r\n", "too large"),
        BAD(POST "Content-Length: 1\r\nContent-Length: ", "x\r\n\r\n", "no number"),
    };

    check_requests(rows, countof(rows));
}

#define NO_LINE "does not begin with a line of method"

TEST("a request line is a method, a target and HTTP/1.x, with one blank between them")
{
    static const struct row rows[] = {
        GOOD("GET / HTTP/1.0\r\n\r\n", START),
        GOOD("M-SEARCH * HTTP/1.9\n\n", START),
        GOOD("x /\x7f\xff?a=\"b\" HTTP/1.1\r\n\r\n", START),
        BAD("", " GET / HTTP/1.1\r\n\r\n", NO_LINE),
        BAD("", ":\r\n\r\n", NO_LINE),
        BAD("", "\x01\r\n\r\n", NO_LINE),
        BAD("", "\tGET / HTTP/1.1\r\n\r\n", NO_LINE),
        BAD("", "\x7f", NO_LINE),
        BAD("", "{\"model\":1}\r\n", NO_LINE),
        BAD("GET", "\r\n\r\n", NO_LINE),
        BAD("GET", "\n\n", NO_LINE),
        BAD("GET", "\t/ HTTP/1.1\r\n\r\n", NO_LINE),
        BAD("Content-Length", ": 1\r\n\r\n", NO_LINE),
        BAD("GET ", " / HTTP/1.1\r\n\r\n", NO_LINE),
        BAD("GET ", "\r\n\r\n", NO_LINE),
        BAD("GET /", "\r\n\r\n", NO_LINE), /* HTTP/0.9 */
        BAD("GET /", "\n", NO_LINE),
        BAD("GET /", "\t HTTP/1.1\r\n\r\n", NO_LINE),
        GOOD("GET /  HTTP/1.1\r\n\r\n", START),
        GOOD("GET /a b HTTP/1.1 HTTP/1.1\r\n\r\n", START),
        GOOD("GET /a H HTTP/1.1\r\n\r\n", START),
        GOOD("GET /a HTTP/1.x HTTP/1.1\n\n", START),
        BAD("GET /a b", "\r\n\r\n", NO_LINE),
        BAD("GET HTTP/1.1", "\r\n\r\n", NO_LINE),
        BAD("GET / http/1.1", "\r\n\r\n", NO_LINE),
        BAD("GET / HTTPS/1.1", "\r\n\r\n", NO_LINE),
        BAD("GET / HTTP/x.1", "\r\n\r\n", NO_LINE),
        BAD("GET / HTTP/1", "\r\n\r\n", NO_LINE),
        BAD("GET / HTTP/1.", "\r\n\r\n", NO_LINE),
        BAD("GET / HTTP/1.10", "\r\n\r\n", NO_LINE),
        BAD("GET / HTTP/1.1 ", "\r\n\r\n", NO_LINE),
        BAD("GET / HTTP/", "0.9\r\n\r\n", "speaks HTTP/1 only"),
        BAD("PRI * HTTP/", "2.0\r\n\r\nSM\r\n\r\n", "speaks HTTP/1 only"),
    };

    check_requests(rows, countof(rows));
}

/* Has a fault wherever a request would begin in it. */
#define REST "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

TEST("where there are two lengths all that comes after the head is let through")
{
    static const struct row rows[] = {
        GOOD(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n" REST, BODY),
        GOOD(POST "Content-Length: 1\r\ncontent-length: 2\r\n\r\n" REST, BODY),
        GOOD(POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" REST, BODY),
        GOOD(POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n" REST, BODY),
        GOOD(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" REST, BODY),
    };

    check_requests(rows, countof(rows));
}

TEST("after a Transfer-Encoding a chunked body follows, with extensions and trailers")
{
    static const struct row rows[] = {
        GOOD(CHUNKED, BODY),
        GOOD(CHUNKED "0\r\n\r\n", START),
        GOOD(CHUNKED "0\r\n\r", BODY),
        GOOD(CHUNKED "0\r\n", BODY),
        GOOD(CHUNKED "3\r\nabc\r\n0\r\n\r\n", START),
        GOOD(CHUNKED "3\r\n\0\r\n\r\n1\r\n\n\r\n0\r\n\r\n", START),
        GOOD(CHUNKED "00000000000000000000A\r\n0123456789\r\n000\r\n\r\n", START),
        GOOD(CHUNKED "1a\r\n01234567890123456789012345\r\n1B", BODY),
        GOOD(CHUNKED "7fffffffffffffff\r\nabc", BODY),
        GOOD(CHUNKED "1;a\r\nb\r\n0;a=\"b\t;\xff\"\r\n\r\n", START),
        GOOD(CHUNKED "1;a = b\r\nb\r\n0;\t\r\n\r\n", START),
        GOOD(CHUNKED "0\r\nA: b\r\nC:\r\n\r\n", START),
        GOOD(CHUNKED "0\r\nContent-Length: 7\r\nTransfer-Encoding: chunked \r\n\r\n", START),
        GOOD(CHUNKED "0\r\nA: b\r\n\r\nGET / HTTP/1.1\n\n", START),
        GOOD("POST / HTTP/1.0\nTRANSFER-ENCODING:chunked\n\n1\r\na\r\n0\r\n\r\n", START),
        GOOD(POST "transfeR-encodinG: \t chunked\r\nA: b\r\n\r\n0\r\n\r\n", START),
        GOOD(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", START),
        GOOD(POST "Transfer-Encoding: identity\r\n\r\n", BODY),
        GOOD(POST "Transfer-Encoding: \r\n\r\n", BODY),
        GOOD(POST "Transfer-Encodin: chunked\r\n\r\n", START),
        GOOD(POST "Transfer-Encodings: chunked\r\n\r\n", START),
        GOOD(POST "Transfer_Encoding: chunked\r\n\r\n", START),
        BAD(POST "Transfer-Encoding: chunked ", "\r\n\r\n0\r\n\r\n", "blank at its end"),
        BAD(POST "Transfer-Encoding: a b \t", "\n\n0\r\n\r\n", "blank at its end"),
        BAD(POST "Transfer-Encoding:a\t", "\n", "blank at its end"),
    };

    check_requests(rows, countof(rows));
}

TEST("what a chunked body may not have is a fault at its first byte")
{
    static const struct row rows[] = {
        BAD(CHUNKED, "\r\n", "without a size"),
        BAD(CHUNKED, "\n", "without a size"),
        BAD(CHUNKED, ";a\r\n", "without a size"),
        BAD(CHUNKED, " 1\r\n", "without a size"),
        BAD(CHUNKED, "-1\r\n", "without a size"),
        BAD(CHUNKED, "g\r\n", "without a size"),
        BAD(CHUNKED, "\0", "without a size"),
        BAD(CHUNKED "0", "x1\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", ":\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", "/\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", "\0\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", "@\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", "`\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", " \r\na\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", "\t1\r\na\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", " ;a\r\na\r\n", "not a hexadecimal number"),
        BAD(CHUNKED "1", "\na\r\n0\r\n\r\n", "ends in LF alone"),
        BAD(CHUNKED "1;a", "\na\r\n0\r\n\r\n", "ends in LF alone"),
        BAD(CHUNKED "1\r", "a\r\n", "CR in a chunk-size line"),
        BAD(CHUNKED "1\r", "\r\n", "CR in a chunk-size line"),
        BAD(CHUNKED "1;a\r", ";\r\n", "CR in a chunk-size line"),
        BAD(CHUNKED "1;a", "\0\r\n", "control character"),
        BAD(CHUNKED "1;a", "\x1f\r\n", "control character"),
        BAD(CHUNKED "1;a=\"", "\x7f\"\r\n", "control character"),
        BAD(CHUNKED "800000000000000", "0\r\n", "too large"),
        BAD(CHUNKED "000001000000000000000", "0\r\n", "too large"),
        BAD(CHUNKED "fffffffffffffff", "f\r\n", "too large"),
        BAD(CHUNKED "3\r\nabc", "d\r\n0\r\n\r\n", "no CRLF follows"),
        BAD(CHUNKED "3\r\nabc", "0\r\n\r\n", "no CRLF follows"),
        BAD(CHUNKED "3\r\nabc", "\n0\r\n\r\n", "no CRLF follows"),
        BAD(CHUNKED "3\r\nabc\r", "0\r\n\r\n", "no CRLF follows"),
        BAD(CHUNKED "3\r\nabc\r", "\r\n", "no CRLF follows"),
        BAD(CHUNKED "3\r\nabc\r\n", "\r\n0\r\n\r\n", "without a size"),
        BAD(CHUNKED "1;a\r\na\r\n", "\n", "without a size"),
        BAD(CHUNKED "0", "\n\r\n", "ends in LF alone"),
        BAD(CHUNKED "0\r\n", "\n", "trailer section has a line that ends in LF alone"),
        BAD(CHUNKED "0\r\nA: b", "\n\r\n", "trailer section has a line that ends in LF alone"),
        BAD(CHUNKED "0\r\nA: b\r\n", "\n", "trailer section has a line that ends in LF alone"),
        BAD(CHUNKED "0\r\n\r", "0", "trailer section has a CR"),
        BAD(CHUNKED "0\r\nA: b\r", "c", "trailer section has a CR"),
        BAD(CHUNKED "0\r\nA: b", "\0", "trailer section has a NUL"),
        BAD(CHUNKED "0\r\n", "\0", "trailer section has a NUL"),
        BAD(CHUNKED "0\r\n", " A: b\r\n\r\n", "begins with a blank"),
        BAD(CHUNKED "0\r\nA: b\r\n", "\tc\r\n\r\n", "begins with a blank"),
        BAD(CHUNKED "0\r\n", ": b\r\n\r\n", "no name"),
        BAD(CHUNKED "0\r\nA", "\r\n\r\n", "no colon"),
        BAD(CHUNKED "0\r\nGET", " / HTTP/1.1\r\n\r\n", "name of the request has a blank"),
    };

    check_requests(rows, countof(rows));
}

TEST("TLS is recognised by the first byte of a connection, and by no other")
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01";
    static const struct row rows[] = {
        BAD("GET ", "\x16 HTTP/1.1\r\n\r\n", NO_LINE),
        BAD("\r\n", "\x16\x03\x01", NO_LINE),
        BAD("GET / HTTP/1.1\r\n\r\n", "\x16\x03", NO_LINE),
        BAD("", "\x15\x03\x01", NO_LINE),
    };
    struct framing f;

    check_text(hello, sizeof(hello) - 1, 0, "not TLS: use http://", HEAD);
    CHECK_INT(feed_in_pieces(&f, hello, sizeof(hello) - 1, 1, 1), 0);
    CHECK(f.tls);
    check_rows("", rows, countof(rows));
    CHECK_INT(feed_in_pieces(&f, "\0", 1, 1, 1), 0);
    CHECK(!f.tls);
}

/* text and then c, n times, and the end */
static void add_long(struct str *s, const char *text, char c, size_t n, const char *end)
{
    str_adds(s, text);
    for (size_t i = 0; i < n; i++)
        str_addc(s, c);
    str_adds(s, end);
}

/* How much is taken of a chunked body, and why not all; some splits. */
static void check_long(const struct str *body, size_t good, const char *fault, enum end end)
{
    struct str text = STR_INIT;

    str_adds(&text, CHUNKED);
    good += text.len;
    str_add(&text, body->text, body->len);
    for (size_t step = 1; step < text.len; step = step * 3 + 1)
        check_split(text.text, text.len, step, step, good, fault, end);
    check_split(text.text, text.len, text.len, 1, good, fault, end);
    str_release(&text);
}

TEST("a chunk-size line has 1024 bytes at most, its CRLF included, of zeros or extensions")
{
    struct str body = STR_INIT;

    add_long(&body, "", '0', 1021, "1\r\n");
    CHECK_INT(body.len, FRAMING_CHUNK_LINE_MAX);
    check_long(&body, body.len, NULL, BODY);
    str_clear(&body);
    add_long(&body, "", '0', 1022, "1\r\n");
    check_long(&body, 1024, "chunk-size line of more than 1 KiB", HEAD);
    str_clear(&body);
    add_long(&body, "1;", 'a', 1020, "\r\n");
    check_long(&body, body.len, NULL, BODY);
    str_adds(&body, "a\r\n"); /* and the next line again */
    add_long(&body, "1;", 'a', 1020, "\r\n");
    check_long(&body, body.len, NULL, BODY);
    str_clear(&body);
    add_long(&body, "1;", 'a', 1021, "\r\n");
    check_long(&body, 1024, "chunk-size line of more than 1 KiB", HEAD);
    str_clear(&body);
    add_long(&body, "1;", ' ', 1500, "");
    check_long(&body, 1024, "chunk-size line of more than 1 KiB", HEAD);
    str_release(&body);
}

TEST("a chunked body has 16 KiB of extensions at most, and the next one again")
{
    struct str body = STR_INIT;
    size_t good;

    for (unsigned i = 0; i < 16; i++)
        add_long(&body, "1;", 'a', 999, "\r\nx\r\n");
    add_long(&body, "1;", 'a', FRAMING_EXTENSIONS_MAX - 16 * 1000 - 1, "\r\nx\r\n1");
    good = body.len;
    str_adds(&body, ";");
    check_long(&body, good, "more than 16 KiB of chunk extensions", HEAD);
    body.len = good;
    str_adds(&body, "\r\nx\r\n0\r\n\r\n" CHUNKED "1;a\r\n");
    check_long(&body, body.len, NULL, BODY);
    str_release(&body);
}

TEST("a trailer section has 8 KiB at most, its empty line included, and the next one again")
{
    struct str body = STR_INIT;

    add_long(&body, "0\r\nA:", 'a', 8000, "\r\nB:");
    add_long(&body, "", 'b', FRAMING_TRAILERS_MAX - 8000 - 10, "\r\n\r\n");
    CHECK_INT(body.len, FRAMING_TRAILERS_MAX + 3);
    str_adds(&body, CHUNKED "0\r\nA: b\r\n\r\n");
    check_long(&body, body.len, NULL, START);
    str_clear(&body);
    add_long(&body, "0\r\nA:", 'a', FRAMING_TRAILERS_MAX - 2 - 4 + 1, "\r\n\r\n");
    check_long(&body, FRAMING_TRAILERS_MAX + 3, "trailer section is larger than 8 KiB", HEAD);
    str_release(&body);
}

/* `line` comes `count` times behind a request line, and then `rest`. */
static void check_large(const char *line, size_t count, const char *rest, size_t good,
                        const char *fault, enum framing_reason reason)
{
    struct str s = STR_INIT;
    struct framing f;

    str_adds(&s, "GET / HTTP/1.1\r\n");
    while (count-- > 0)
        str_adds(&s, line);
    str_adds(&s, rest);
    for (size_t step = 1; step <= s.len; step = step * 3 + 1) {
        CHECK_INT(feed_in_pieces(&f, s.text, s.len, step, step), good ? good : s.len);
        CHECK(fault ? f.fault && strstr(f.fault, fault) : !f.fault);
        CHECK_INT(f.reason, fault ? reason : FRAMING_MALFORMED);
    }
    str_release(&s);
}

#define FIELDS "fields are too large"

/* One field line of `len` bytes, in a buffer of FRAMING_HEAD_MAX. */
static const char *field_line(char *line, const char *name, size_t len)
{
    memset(line, 'v', len);
    memcpy(line, name, strlen(name));
    strcpy(line + len - 2, "\r\n");
    return line;
}

TEST("a head has 18 KiB at most, its empty line included, and a Cookie's value counts twice")
{
    const size_t request_line = sizeof("GET / HTTP/1.1\r\n") - 1;
    const size_t room = FRAMING_HEAD_MAX - request_line - 2;
    const size_t cookie = (room - sizeof("Cookie:\r\n") + 1) / 2 + sizeof("Cookie:\r\n") - 1;
    char line[FRAMING_HEAD_MAX];

    check_large(field_line(line, "A:", room), 1, "\r\nGET", 0, NULL, FRAMING_MALFORMED);
    check_large(field_line(line, "A:", room + 1), 1, "\r\n", FRAMING_HEAD_MAX, FIELDS,
                FRAMING_HEAD_TOO_LARGE);
    check_large(field_line(line, "CooKie:", cookie), 1, "\r\nGET", 0, NULL, FRAMING_MALFORMED);
    check_large(field_line(line, "CooKie:", cookie + 1), 1, "\r\n",
                request_line + cookie + 1 + (room - cookie) % 2, FIELDS, FRAMING_HEAD_TOO_LARGE);
}

TEST("a request has 100 fields at most, of which each cookie is one, and trailers are some")
{
    const size_t line = sizeof("GET / HTTP/1.1\r\n") - 1;

    check_large("A: b\r\n", 100, "\r\nGET", 0, NULL, FRAMING_MALFORMED);
    check_large("A: b\r\n", 100, "Content-Length: 1\r\n\r\n", line + 600, FIELDS,
                FRAMING_HEAD_TOO_LARGE);
    check_large("A: b\r\n", 101, "\r\n", line + 600, FIELDS, FRAMING_HEAD_TOO_LARGE);
    check_large("A: b\r\n", 98, "Cookie: a=b; c=d\r\n\r\nGET", 0, NULL, FRAMING_MALFORMED);
    check_large("A: b\r\n", 98, "Cookie: a=b; c=d; e\r\n\r\n", line + 98 * 6 + 16, FIELDS,
                FRAMING_HEAD_TOO_LARGE);
    check_large("A: b\r\n", 98, "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\nGET", 0, NULL,
                FRAMING_MALFORMED);
    check_large("A: b\r\n", 98, "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\nC: d\r\n\r\n",
                line + 98 * 6 + 28 + 2 + 3 + 6, "more than 100 fields", FRAMING_MALFORMED);
}

TEST("a request line has 18 KiB at most, and another major version its own reason")
{
    char target[FRAMING_HEAD_MAX + 2];
    struct framing f;

    memset(target, 't', sizeof(target));
    memcpy(target, "GET /", 5);
    for (size_t step = 1; step <= sizeof(target); step = step * 3 + 1) {
        CHECK_INT(feed_in_pieces(&f, target, sizeof(target), step, step), FRAMING_HEAD_MAX);
        CHECK_HAS(f.fault, "target is too long");
        CHECK_INT(f.reason, FRAMING_TARGET_TOO_LONG);
    }
    memcpy(target + FRAMING_HEAD_MAX - 10, " HTTP/1.1\r\n", 11);
    for (size_t step = 1; step <= sizeof(target); step = step * 3 + 1) {
        CHECK_INT(feed_in_pieces(&f, target, FRAMING_HEAD_MAX + 1, step, step), FRAMING_HEAD_MAX);
        CHECK_INT(f.reason, FRAMING_HEAD_TOO_LARGE);
    }
    CHECK_INT(feed_in_pieces(&f, target, FRAMING_HEAD_MAX + 1, sizeof(target), 1),
              FRAMING_HEAD_MAX);
    feed_in_pieces(&f, "GET / HTTP/2.0\r\n", 16, 16, 1);
    CHECK_INT(f.reason, FRAMING_VERSION);
    feed_in_pieces(&f, "GET / HTTP/x.0\r\n", 16, 16, 1);
    CHECK_INT(f.reason, FRAMING_MALFORMED);
}

TEST("a body is expected from the end of its head to its last byte")
{
    static const struct {
        const char *piece;
        enum end end;
    } pieces[] = {
        {"\r\n", START},
        {"P", HEAD},
        {"OST / HTTP/1.1\r\nContent-Length: 3\r\n\r", HEAD},
        {"\n", BODY},
        {"ab", BODY},
        {"c", START},
        {"GET / HTTP/1.1\r\n", HEAD},
        {"\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r", HEAD},
        {"\n", BODY},
        {"1\r\na\r\n", BODY},
        {"0\r\n", BODY},
        {"A: b\r\n", BODY},
        {"\r", BODY},
        {"\n", START},
        {"GET / HTTP/1.1\r\n\r", HEAD},
        {"\n", START},
    };
    struct framing f;

    framing_init(&f);
    CHECK(framing_at_start(&f) && !framing_in_body(&f));
    for (size_t i = 0; i < countof(pieces); i++) {
        unit_row(pieces[i].piece);
        CHECK_INT(feed(&f, pieces[i].piece, strlen(pieces[i].piece)), strlen(pieces[i].piece));
        check_end(&f, pieces[i].end);
    }
    unit_row(NULL);
    CHECK(sizeof(f) < 64);
}

/* ---- against the reference ---- */

static const char *any(uint64_t *random, const char *const *of, size_t count)
{
    return of[unit_random_up_to(random, count - 1)];
}

static void add_fields(struct str *s, uint64_t *random)
{
    static const char *const names[] = {
        "Host",           "accept",         "A",
        "x-padded",       "authorization",  "x-stainless-package-version",
        "User-Agent",     "x-stainless-os", "Transfer-Encodinh",
        "Content-Lengtj", "Cookie"};
    static const char *const colons[] = {":", ": ", ":\t ", ": ", ": "};
    static const char *const ends[] = {"\r\n", "\r\n", "\r\n", "\r\n", "\n"};

    for (size_t n = unit_random_up_to(random, 8); n > 0; n--) {
        str_adds(s, any(random, names, countof(names)));
        str_adds(s, any(random, colons, countof(colons)));
        for (size_t len = unit_random_up_to(random, 1) * unit_random_up_to(random, 150); len; len--)
            str_addc(s, "abc: \t\xe4-;0"[unit_random_up_to(random, 9)]);
        str_adds(s, unit_random_up_to(random, 30) ? "\r\n" : any(random, ends, countof(ends)));
    }
}

/* About as large as a head may be. */
static void add_large_fields(struct str *s, uint64_t *random)
{
    switch (unit_random_up_to(random, 3)) {
    case 0:
        add_long(s, "A: ", 'v', 18000 + unit_random_up_to(random, 500), "\r\n");
        break;
    case 1:
        add_long(s, "cookie: ", 'v', 9000 + unit_random_up_to(random, 250), "\r\n");
        break;
    case 2:
        add_long(s, "cookie: ", ';', 90 + unit_random_up_to(random, 10), "\r\n");
        break;
    default:
        for (size_t n = 90 + unit_random_up_to(random, 10); n > 0; n--)
            str_adds(s, "A: b\r\n");
    }
}

static void add_chunks(struct str *s, uint64_t *random)
{
    static const char *const behind[] = {"", "", "", ";a=b", " ;a", ";\"\t\xff\""};

    for (size_t n = unit_random_up_to(random, 4); n > 0; n--) {
        const size_t len = 1 + unit_random_up_to(random, 70);

        str_addf(s, unit_random_up_to(random, 1) ? "%zx%s\r\n" : "00%zX%s\r\n", len,
                 any(random, behind, countof(behind)));
        add_long(s, "", 'x', len, "\r\n");
    }
    str_addf(s, "0%s\r\n", any(random, behind, countof(behind)));
    if (unit_random_up_to(random, 2) == 0)
        add_fields(s, random);
    str_adds(s, "\r\n");
}

static void add_request(struct str *s, uint64_t *random)
{
    static const char *const framings[] = {"",
                                           "",
                                           "Content-Length: 0\r\n",
                                           "content-length:1x\r\n",
                                           "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
                                           "Content-Length: 2\r\nContent-Length: 2\r\n"};
    const size_t len = unit_random_up_to(random, 150);

    str_adds(s, unit_random_up_to(random, 5) ? "" : "\r\n");
    str_adds(s, "POST /v1/some/path?with=query HTTP/1.1\r\n");
    if (unit_random_up_to(random, 40) == 0)
        add_large_fields(s, random);
    add_fields(s, random);
    switch (unit_random_up_to(random, 3)) {
    case 0:
        str_addf(s, "conTent-length: %zu\r\n", len);
        add_fields(s, random);
        add_long(s, "\r\n", '\n', len, "");
        break;
    case 1:
        str_adds(s, "Transfer-Encoding: chunked\r\n");
        add_fields(s, random);
        str_adds(s, "\r\n");
        add_chunks(s, random);
        break;
    default:
        str_adds(s, any(random, framings, countof(framings)));
        add_fields(s, random);
        str_adds(s, "\r\n");
    }
}

/* Some bytes changed, put in or taken out. */
static void damage(struct str *s, uint64_t *random)
{
    static const char bytes[] = "\0\r\n\t :;0f8aZ\x7f\x80\x16\x01-";

    for (size_t n = unit_random_up_to(random, 3); n > 0 && s->len > 1; n--) {
        const size_t at = unit_random_up_to(random, s->len - 1);
        const char byte = bytes[unit_random_up_to(random, sizeof(bytes) - 2)];

        switch (unit_random_up_to(random, 2)) {
        case 0:
            s->text[at] = byte;
            break;
        case 1:
            memmove(s->text + at, s->text + at + 1, s->len - at - 1);
            s->len--;
            break;
        default:
            str_addc(s, byte);
            memmove(s->text + at + 1, s->text + at, s->len - at - 1);
            s->text[at] = byte;
        }
    }
}

static bool is_verdict(const struct framing *f, size_t taken, const struct framing_verdict *wanted)
{
    bool same = true;

    same &= CHECK_INT(taken, wanted->taken);
    same &= CHECK_INT(f->fault != NULL, wanted->fault);
    same &= CHECK_INT(f->tls, wanted->tls);
    if (!f->fault) {
        same &= CHECK_INT(framing_in_body(f), wanted->in_body);
        same &= CHECK_INT(framing_at_start(f), wanted->at_start);
    }
    return same;
}

TEST("whole requests are counted, up to the fault")
{
    static const char text[] = "\r\nGET / HTTP/1.1\r\n\r\n" CHUNKED
                               "1\r\na\r\n0\r\nA: b\r\n\r\n" POST "Content-Length: 2\r\n\r\n{}" POST
                               "Content-Length: 0\r\n\r\n\r\n" CHUNKED "1\na\r\n0\r\n\r\n";
    struct framing f;

    for (size_t step = 1; step < sizeof(text); step++) {
        feed_in_pieces(&f, text, sizeof(text) - 1, step, step);
        CHECK_INT(f.requests, 4);
        CHECK_HAS(f.fault, "LF alone");
    }
}

static bool check_random(const struct str *s, uint64_t *random)
{
    const struct framing_verdict wanted = framing_reference(s->text, s->len);
    const char *fault = NULL;
    struct framing f;
    size_t taken, first, step;

    for (unsigned i = 0; i < 4; i++) {
        first = i == 0 ? s->len : 1 + unit_random_up_to(random, s->len);
        step = i == 1 ? 1 : 1 + unit_random_up_to(random, 200);
        taken = feed_in_pieces(&f, s->text, s->len, first, step);
        if (!is_verdict(&f, taken, &wanted) || !CHECK(i == 0 || f.fault == fault))
            return false;
        fault = f.fault;
    }
    return true;
}

TEST("connections of all kinds are read as a simple parser of the whole text reads them")
{
    uint64_t random = 9112;
    struct str s = STR_INIT;
    unsigned faults = 0;
    bool same = true;

    for (unsigned round = 0; round < 20000 && same; round++) {
        str_clear(&s);
        for (size_t n = 1 + unit_random_up_to(&random, 2); n > 0; n--)
            add_request(&s, &random);
        damage(&s, &random);
        unit_row(s.text);
        same = check_random(&s, &random);
        faults += framing_reference(s.text, s.len).fault;
    }
    unit_row(NULL);
    CHECK(faults > 2000 && faults < 18000); /* both happen often */
    str_release(&s);
}
