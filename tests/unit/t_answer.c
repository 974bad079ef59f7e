#include "upstream/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

struct scene {
    struct answer answer;
    struct head head;
    struct err err;
    enum answer_line result;
};

static void begin(struct scene *s)
{
    answer_init(&s->answer);
    head_init(&s->head);
    s->err.code = ERR_NONE;
    s->result = ANSWER_MORE;
}

static void end(struct scene *s)
{
    answer_release(&s->answer);
    head_release(&s->head);
}

static enum answer_line take_line(struct scene *s, const char *line, size_t len)
{
    /* In memory of exactly its size: a step beyond it is seen by the sanitizer. */
    mem_auto char *copy = mem_strndup(line, len);
    mem_auto char *exact = mem_alloc(len);

    memcpy(exact, copy, len);
    s->result = answer_take(&s->answer, exact, len, &s->head, &s->err);
    return s->result;
}

/* Line by line, with their ends, as curl does; stops at what is not MORE. */
static enum answer_line feed(struct scene *s, const char *text)
{
    while (*text) {
        const char *newline = strchr(text, '\n');
        size_t len = newline ? (size_t)(newline - text) + 1 : strlen(text);

        if (take_line(s, text, len) != ANSWER_MORE)
            break;
        text += len;
    }
    return s->result;
}

TEST("a head is its status, its end-to-end fields in order, and its length")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a\r\n"
                       "Content-Length: 12\r\nset-cookie:b\r\nEmpty:\r\n\r\n"),
              ANSWER_HEAD);
    CHECK_INT(s.head.status, 200);
    CHECK_INT(s.head.length, 12);
    CHECK(!s.head.until_close);
    CHECK_INT(s.head.fields.count, 4);
    CHECK_STR(fields_get(&s.head.fields, "content-type"), "text/plain");
    CHECK_INT(fields_count(&s.head.fields, "Set-Cookie"), 2);
    CHECK_STR(fields_get(&s.head.fields, "empty"), "");
    CHECK(fields_get(&s.head.fields, "content-length") == NULL);
    CHECK_INT(s.err.code, ERR_NONE);
    end(&s);
}

TEST("lines end with CRLF, with LF, or with nothing")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "HTTP/1.1 201 Created\nA: 1\nContent-Length: 3\n\n"), ANSWER_HEAD);
    CHECK_INT(s.head.status, 201);
    CHECK_STR(fields_get(&s.head.fields, "a"), "1");
    end(&s);
    begin(&s);
    CHECK_INT(take_line(&s, "HTTP/2 204", 10), ANSWER_MORE);
    CHECK_INT(take_line(&s, "A: 1", 4), ANSWER_MORE);
    CHECK_INT(take_line(&s, "", 0), ANSWER_HEAD);
    CHECK_INT(s.head.status, 204);
    end(&s);
}

TEST("hop-by-hop fields stay behind, those that Connection names too")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "HTTP/1.1 200 OK\r\nX-Gone: 1\r\nConnection: x-gone, close\r\n"
                       "Keep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n"
                       "Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Stays: 2\r\n\r\n"),
              ANSWER_HEAD);
    CHECK_INT(s.head.fields.count, 1);
    CHECK_STR(fields_get(&s.head.fields, "x-stays"), "2");
    end(&s);
}

TEST("heads of 1xx are passed over, and nothing of them stays")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"
                       "Content-Length: 99\r\nConnection: x-b\r\n\r\n"),
              ANSWER_MORE);
    CHECK_INT(feed(&s, "HTTP/1.1 200 OK\r\nX-B: 1\r\nContent-Length: 5\r\n\r\n"), ANSWER_HEAD);
    CHECK_INT(s.head.status, 200);
    CHECK_INT(s.head.length, 5);
    CHECK_INT(s.head.fields.count, 1);
    CHECK_STR(fields_get(&s.head.fields, "x-b"), "1");
    end(&s);
}

TEST("folded lines are one value")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\t c \r\nY: d\r\nContent-Length: 0\r\n"
                       "\r\n"),
              ANSWER_HEAD);
    CHECK_STR(fields_get(&s.head.fields, "x"), "a b c");
    CHECK_STR(fields_get(&s.head.fields, "y"), "d");
    end(&s);
}

TEST("a folded line that continues nothing is a broken answer")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "HTTP/1.1 200 OK\r\n folded\r\n"), ANSWER_BAD);
    CHECK_INT(s.err.code, ERR_UP_ANSWER);
    end(&s);
}

TEST("a folded line goes to the line that it follows, not to an earlier field")
{
    struct scene s;

    begin(&s);
    if (feed(&s, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nBad Name: x\r\n y\r\n"
                 "Content-Length: 0\r\n\r\n") == ANSWER_HEAD)
        CHECK_STR(fields_get(&s.head.fields, "content-type"), "text/plain");
    end(&s);
}

TEST("a status is three digits between blanks, or at the line's end")
{
    static const struct {
        const char *line;
        enum answer_line result;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n", ANSWER_MORE}, {"HTTP/1.1 200\r\n", ANSWER_MORE},
        {"HTTP/1.1 200 \r\n", ANSWER_MORE},   {"HTTP/1.1 200OK\r\n", ANSWER_BAD},
        {"HTTP/1.1 2000 OK\r\n", ANSWER_BAD}, {"HTTP/1.1 20 OK\r\n", ANSWER_BAD},
        {"HTTP/1.1 OK\r\n", ANSWER_BAD},      {"HTTP/1.1\r\n", ANSWER_BAD},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct scene s;

        unit_row(rows[i].line);
        begin(&s);
        CHECK_INT(feed(&s, rows[i].line), rows[i].result);
        end(&s);
    }
    unit_row(NULL);
}

TEST("a body has no other coding than chunked; identity is none")
{
    static const struct {
        const char *value;
        enum answer_line result;
        bool chunked;
    } rows[] = {
        {"chunked", ANSWER_HEAD, true},          {"Chunked", ANSWER_HEAD, true},
        {"identity", ANSWER_HEAD, false},        {"gzip, chunked", ANSWER_BAD, false},
        {"chunked, chunked", ANSWER_BAD, false}, {"gzip", ANSWER_BAD, false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct str text = STR_INIT;
        struct scene s;

        unit_row(rows[i].value);
        begin(&s);
        str_addf(&text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n", rows[i].value);
        CHECK_INT(feed(&s, text.text), rows[i].result);
        str_release(&text);
        if (rows[i].result == ANSWER_HEAD)
            CHECK(s.answer.chunked == rows[i].chunked);
        end(&s);
    }
    unit_row(NULL);
}

static void check_length(const char *fields, enum answer_line result, int64_t length,
                         bool until_close)
{
    struct scene s;

    begin(&s);
    unit_row(fields);
    feed(&s, "HTTP/1.1 200 OK\r\n");
    feed(&s, fields);
    if (s.result == ANSWER_MORE)
        feed(&s, "\r\n");
    CHECK_INT(s.result, result);
    if (result == ANSWER_HEAD) {
        CHECK_INT(s.head.length, length);
        CHECK(s.head.until_close == until_close);
    } else {
        CHECK_INT(s.err.code, ERR_UP_ANSWER);
        CHECK_HAS(s.err.text, "Content-Length");
    }
    unit_row(NULL);
    end(&s);
}

TEST("a length is one number, repeats agree, and Transfer-Encoding is stronger")
{
    check_length("", ANSWER_HEAD, -1, true);
    check_length("Content-Length: 0\r\n", ANSWER_HEAD, 0, false);
    check_length("content-length:  7 \r\n", ANSWER_HEAD, 7, false);
    check_length("Content-Length: 9223372036854775807\r\n", ANSWER_HEAD, INT64_MAX, false);
    check_length("Content-Length: 5\r\nContent-Length: 5\r\n", ANSWER_HEAD, 5, false);
    check_length("Content-Length: 5\r\nContent-Length: 005\r\n", ANSWER_HEAD, 5, false);
    check_length("Transfer-Encoding: chunked\r\n", ANSWER_HEAD, -1, false);
    check_length("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ANSWER_HEAD, -1, false);
    check_length("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", ANSWER_HEAD, -1, false);
    check_length("Content-Length: 5\r\nContent-Length: 6\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: 6\r\nContent-Length: 5\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: 0\r\nContent-Length: 5\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: 5, 6\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: -1\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: +1\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: 0x10\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: 1 2\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length:\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: x\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: 9223372036854775808\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: 18446744073709551617\r\n", ANSWER_BAD, 0, false);
    check_length("Content-Length: 5\r\n 6\r\n", ANSWER_BAD, 0, false); /* folded: "5 6" */
}

TEST("only an HTTP/1 answer without a length ends with its connection, and 204 and 304 do not")
{
    static const struct {
        const char *text;
        bool until_close, unframed;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", true, true},
        {"HTTP/1.0 200 OK\r\n\r\n", true, true},
        {"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n", true, true},
        {"HTTP/2 200\r\n\r\n", false, true}, /* a reset may look like the end */
        {"HTTP/3 200\r\n\r\n", false, true},
        {"HTTP/2 200\r\ncontent-length: 1\r\n\r\n", false, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, false},
        {"HTTP/1.1 204 No Content\r\n\r\n", false, false},
        {"HTTP/1.1 304 Not Modified\r\n\r\n", false, false},
        {"HTTP/1.1 205 Reset\r\n\r\n", true, true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", false, false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct scene s;

        unit_row(rows[i].text);
        begin(&s);
        CHECK_INT(feed(&s, rows[i].text), ANSWER_HEAD);
        CHECK(s.head.until_close == rows[i].until_close);
        CHECK(s.head.unframed == rows[i].unframed);
        end(&s);
    }
    unit_row(NULL);
}

TEST("a status is three digits, or the answer is broken")
{
    static const struct {
        const char *line;
        unsigned status; /* 0: bad */
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n", 200},
        {"HTTP/1.1 200\r\n", 200},
        {"HTTP/2 404 \r\n", 404},
        {"HTTP/1.1 999 x\r\n", 999},
        {"HTTP/1.1 100 x\r\n", 100},
        {"HTTP/1.1 599\r\n", 599},
        {"HTTP/1.1\r\n", 0},
        {"HTTP/1.1 \r\n", 0},
        {"HTTP/1.1 OK\r\n", 0},
        {"HTTP/1.1 20\r\n", 0},
        {"HTTP/1.1 99 x\r\n", 0},
        {"HTTP/1.1 000 x\r\n", 0},
        {"HTTP/1.1 1000 x\r\n", 0},
        {"HTTP/1.1 2000\r\n", 0},
        {"HTTP/1.1 -200\r\n", 0},
        {"HTTP/1.1 99999999999999999999999999200 x\r\n", 0},
        {"HTTP/1.1 4294967496 x\r\n", 0}, /* 2^32 + 200 */
        {"HTTP/1.1  200 OK\r\n", 0},
        {"HTTP/x\r\n", 0},
        {"HTTP/1.1\t200\r\n", 0},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct scene s;

        unit_row(rows[i].line);
        begin(&s);
        CHECK_INT(feed(&s, rows[i].line), rows[i].status ? ANSWER_MORE : ANSWER_BAD);
        CHECK_INT(s.answer.status, rows[i].status);
        CHECK_INT(s.err.code, rows[i].status ? ERR_NONE : ERR_UP_ANSWER);
        end(&s);
    }
    unit_row(NULL);
}

TEST("lines that are no fields are left out, and cannot become one")
{
    struct scene s;

    begin(&s);
    feed(&s, "HTTP/1.1 200 OK\r\nno colon here\r\n: no name\r\nname with blanks: x\r\n"
             "trailing-blank : x\r\nquo\"ted: x\r\nbr(acket): x\r\nGood: 1\r\n");
    CHECK_INT(take_line(&s, "Nul: a\0b\r\n", 10), ANSWER_MORE);
    CHECK_INT(take_line(&s, "Cr: a\rSet-Cookie: b\r\n", 21), ANSWER_MORE);
    CHECK_INT(take_line(&s, "Lf: a\nSet-Cookie: b\r\n", 21), ANSWER_MORE);
    CHECK_INT(take_line(&s, "N\0ul: a\r\n", 9), ANSWER_MORE);
    CHECK_INT(feed(&s, "Content-Length: 0\r\n\r\n"), ANSWER_HEAD);
    CHECK_INT(s.head.fields.count, 1);
    CHECK_STR(fields_get(&s.head.fields, "good"), "1");
    end(&s);
}

TEST("a value may hold colons and any byte that is no line end")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "HTTP/1.1 200 OK\r\nX: a: b:c\r\nY: \xe4\xbd\xa0\x01\r\n"
                       "Content-Length: 0\r\n\r\n"),
              ANSWER_HEAD);
    CHECK_STR(fields_get(&s.head.fields, "x"), "a: b:c");
    CHECK_STR(fields_get(&s.head.fields, "y"), "\xe4\xbd\xa0\x01");
    end(&s);
}

/* Feeds fields of `size` bytes until it says something, 64 KiB and a little at most. */
static enum answer_line feed_much(struct scene *s, size_t size, size_t limit, bool fold)
{
    mem_auto char *line = mem_alloc(size + 1);
    size_t fed = 0;

    memset(line, 'x', size);
    line[1] = ':';
    line[size - 1] = '\n';
    feed(s, "HTTP/1.1 200 OK\r\n");
    take_line(s, line, size);
    if (fold)
        line[0] = ' ';
    while (s->result == ANSWER_MORE && fed < limit) {
        take_line(s, line, size);
        fed += size;
    }
    return s->result;
}

TEST("a head of more than 64 KiB is refused, in one line, many, or folded ones")
{
    static const size_t sizes[] = {100, 1000, 40000, 70000};

    for (size_t i = 0; i < countof(sizes); i++) {
        for (int fold = 0; fold < 2; fold++) {
            struct scene s;

            begin(&s);
            CHECK_INT(feed_much(&s, sizes[i], 80000, fold), ANSWER_BAD);
            CHECK_INT(s.err.code, ERR_UP_ANSWER);
            CHECK_HAS(s.err.text, "64 KiB");
            CHECK(s.answer.fields.bytes.len <= 65536 + 1000);
            end(&s);
        }
    }
}

TEST("a head of many kilobytes is taken")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed_much(&s, 1000, 60000, false), ANSWER_MORE);
    CHECK_INT(feed(&s, "\r\n"), ANSWER_HEAD);
    CHECK(s.head.fields.count >= 60);
    end(&s);
}

TEST("trailers are ignored, and the head stays as it was")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
              ANSWER_HEAD);
    CHECK_INT(feed(&s, "Trailer-Field: 2\r\nContent-Length: 7\r\nHTTP/1.1 500 x\r\n folded\r\n"
                       "\r\n"),
              ANSWER_MORE);
    CHECK_INT(s.head.fields.count, 1);
    CHECK_INT(s.head.status, 200);
    CHECK_INT(s.head.length, -1);
    end(&s);
}

TEST("an answer that was cleared is a new one")
{
    struct scene s;

    begin(&s);
    feed(&s, "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 1\r\n\r\n");
    answer_clear(&s.answer);
    head_release(&s.head);
    head_init(&s.head);
    CHECK_INT(feed(&s, "HTTP/1.1 404 No\r\nB: 2\r\nContent-Length: 3\r\n\r\n"), ANSWER_HEAD);
    CHECK_INT(s.head.status, 404);
    CHECK_INT(s.head.length, 3);
    CHECK_INT(s.head.fields.count, 1);
    CHECK(fields_get(&s.head.fields, "a") == NULL);
    end(&s);
}

TEST("a head without a status is no head")
{
    struct scene s;

    begin(&s);
    CHECK_INT(feed(&s, "A: 1\r\n\r\n"), ANSWER_MORE);
    CHECK_INT(feed(&s, "\r\n\r\n"), ANSWER_MORE);
    CHECK_INT(s.head.status, 0);
    end(&s);
}
