#include "api/sse.h"

#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

/* What a stream said, as one text: [type|data] for each event. */
static void note_event(void *arg, const struct sse_event *event)
{
    struct str *seen = arg;

    str_addf(seen, "[%s|", event->type);
    str_add(seen, event->data, event->data_len);
    str_adds(seen, "]");
}

static void note_piece(void *arg, const char *bytes, size_t len)
{
    (void)bytes;
    str_addf(arg, "{%zu bytes too many}", len); /* no event here is as long */
}

static const struct sse_ops note_ops = {note_event, note_piece};

/* Feeds the parts [0, first), [first, second), … of `step` bytes each. */
static char *read_in_pieces(const char *stream, size_t len, size_t first, size_t step)
{
    struct str seen = STR_INIT;
    struct sse sse;
    char *piece;
    size_t n;

    sse_init(&sse, &note_ops, &seen);
    for (size_t at = 0; at < len; at += n) {
        n = at == 0 && first ? first : step;
        if (n > len - at)
            n = len - at;
        piece = mem_alloc(n ? n : 1); /* of its size, so that ASan sees a step beyond it */
        memcpy(piece, stream + at, n);
        sse_feed(&sse, piece, n);
        free(piece);
    }
    sse_release(&sse);
    return str_detach(&seen);
}

static void check_stream(const char *stream, size_t len, const char *events)
{
    unit_row(stream);
    for (size_t step = 1; step <= 3; step++) {
        mem_auto char *seen = read_in_pieces(stream, len, 0, step);
        CHECK_STR(seen, events);
    }
    for (size_t split = 0; split <= len; split++) {
        mem_auto char *seen = read_in_pieces(stream, len, split, len);
        CHECK_STR(seen, events);
    }
    unit_row(NULL);
}

struct row {
    const char *stream;
    const char *events;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_stream(rows[i].stream, strlen(rows[i].stream), rows[i].events);
}

TEST("the examples of the standard give the events that it says")
{
    static const struct row rows[] = {
        {"data: YHOO\ndata: +2\ndata: 10\n\n", "[message|YHOO\n+2\n10]"},
        {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third "
         "event\n",
         "[message|first event][message|second event]"},
        {"data\n\ndata\ndata\n\ndata:", "[message|][message|\n]"},
        {"data:test\n\ndata: test\n\n", "[message|test][message|test]"},
        {"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
         "[add|73857293][remove|2153]"},
    };

    check_rows(rows, countof(rows));
}

TEST("a line ends with LF, CR or CRLF, mixed as they come")
{
    static const struct row rows[] = {
        {"data: a\r\rdata: b\r\r", "[message|a][message|b]"},
        {"data: a\r\n\r\ndata: b\r\n\r\n", "[message|a][message|b]"},
        {"data: a\n\r\n", "[message|a]"},
        {"data: a\r\n\n", "[message|a]"},
        {"data: a\r\n\r", "[message|a]"},
        {"data: a\n\r", "[message|a]"},
        {"data: a\r\ndata: b\rdata: c\ndata: d\n\r", "[message|a\nb\nc\nd]"},
        {"data: a\n\ndata: b\r\n\r\ndata: c\r\r", "[message|a][message|b][message|c]"},
        {"data: a\r\n", ""}, /* one line end, not two */
        {"data: a\r\ndata: b\r\n", ""},
    };

    check_rows(rows, countof(rows));
}

TEST("a BOM is skipped at the very start, once, and only if it is all there")
{
    static const struct row rows[] = {
        {"\xef\xbb\xbf"
         "data: a\n\n",
         "[message|a]"},
        {"\xef\xbb\xbf\xef\xbb\xbf"
         "data: a\n\ndata: b\n\n",
         "[message|b]"},
        {"\xef\xbb"
         "data: a\n\ndata: b\n\n",
         "[message|b]"},
        {"\xef"
         "data: a\n\ndata: b\n\n",
         "[message|b]"},
        {"data: a\n\n\xef\xbb\xbf"
         "data: b\n\ndata: c\n\n",
         "[message|a][message|c]"},
        {"\xef\xbb\xbf", ""},
        {"\xef\xbb\n\ndata: a\n\n", "[message|a]"},
    };

    check_rows(rows, countof(rows));
}

TEST("fields: data and event count, the rest does not; names are exact")
{
    static const struct row rows[] = {
        {"", ""},
        {"\n\n\n", ""},
        {": ping\n\n: ping\n\n", ""},
        {":data: a\n\n", ""},
        {"id: 7\nretry: 10\ndata: a\n\n", "[message|a]"},
        {"retry\nid\n\n", ""},
        {"Data: a\n\nDATA: b\n\n", ""},
        {" data: a\n\n", ""},
        {"data : a\n\n", ""},
        {"datum: a\n\n", ""},
        {"dat: a\n\n", ""},
        {"data:: a\n\n", "[message|: a]"},
        {"data: a: b\n\n", "[message|a: b]"},
        {"data:\ta\n\n", "[message|\ta]"},
        {"data:   a \n\n", "[message|  a ]"},
        {"data:\n\n", "[message|]"},
        {"data: \n\n", "[message|]"},
        {"data\n\n", "[message|]"},
        {"data:\ndata:\n\n", "[message|\n]"},
        {"data: a\ndata\ndata: b\n\n", "[message|a\n\nb]"},
        {"data: a\n: ping\ndata: b\n\n", "[message|a\nb]"},
        {"unknown: a\nunknown\ndata: b\n\n", "[message|b]"},
    };

    check_rows(rows, countof(rows));
}

TEST("an event's type is the last that it gives, and is not the next one's")
{
    static const struct row rows[] = {
        {"event: a\ndata: 1\n\ndata: 2\n\n", "[a|1][message|2]"},
        {"event: a\n\ndata: 1\n\n", "[message|1]"},
        {"event: a\nevent: b\ndata: 1\n\n", "[b|1]"},
        {"event: a\nevent: \ndata: 1\n\n", "[message|1]"},
        {"event: a\nevent\ndata: 1\n\n", "[message|1]"},
        {"data: 1\nevent:a\n\n", "[a|1]"},
        {"events: a\nEvent: b\ndata: 1\n\n", "[message|1]"},
    };

    check_rows(rows, countof(rows));
}

TEST("an event that the stream ends in the middle of is dropped")
{
    static const struct row rows[] = {
        {"data: a", ""},
        {"data: a\n", ""},
        {"data: a\r", ""},
        {"data: a\n\ndata: b\nevent: c\n", "[message|a]"},
        {"data: a\n\nd", "[message|a]"},
    };

    check_rows(rows, countof(rows));
}

TEST("bytes are passed on as they are, NULs too")
{
    static const char stream[] = "data: a\0b\ndata: \xff\xf0\x9f\n\n";
    struct str seen = STR_INIT;
    struct sse sse;

    sse_init(&sse, &note_ops, &seen);
    for (size_t i = 0; i < sizeof(stream) - 1; i++)
        sse_feed(&sse, stream + i, 1);
    CHECK_INT(seen.len, 17);
    CHECK(memcmp(seen.text, "[message|a\0b\n\xff\xf0\x9f]", seen.len) == 0);
    str_clear(&seen);
    sse_feed(&sse, "event: a\0b\ndata: c\n\n", 21);
    CHECK_STR(seen.text, "[message|c]"); /* and not type "a" */
    sse_release(&sse);
    str_release(&seen);
}

struct measured {
    size_t events, len, type_len, pieces, sum;
    bool in_pieces;
};

static void measure_piece(void *arg, const char *bytes, size_t len)
{
    struct measured *m = arg;

    CHECK(len > 0);
    if (m->pieces++ == 0)
        m->len = m->sum = 0;
    for (size_t i = 0; i < len; i++)
        m->sum += (size_t)(unsigned char)bytes[i] * (++m->len % 251 + 1);
}

static void measure(void *arg, const struct sse_event *event)
{
    struct measured *m = arg;

    if (!event->in_pieces && event->data_len)
        measure_piece(m, event->data, event->data_len);
    CHECK(!event->in_pieces || (m->pieces > 0 && event->data_len == 0));
    m->events++;
    m->type_len = strlen(event->type);
    m->in_pieces = event->in_pieces;
    m->pieces = 0;
}

static const struct sse_ops measure_ops = {measure, measure_piece};

/* `len` bytes of data in `lines` lines, fed in pieces of so many bytes */
static struct measured measure_long(size_t len, size_t lines, size_t piece)
{
    struct measured m = {0};
    struct str stream = STR_INIT;
    struct sse sse;

    for (size_t i = 0, left = len - (lines - 1); i < lines; i++) {
        size_t n = i + 1 < lines ? left / lines : left - (lines - 1) * (left / lines);

        str_adds(&stream, "data: ");
        for (size_t k = 0; k < n; k++)
            str_addc(&stream, (char)('A' + (i + k) % 53));
        str_addc(&stream, '\n');
    }
    str_adds(&stream, "\n");
    sse_init(&sse, &measure_ops, &m);
    for (size_t at = 0; at < stream.len; at += piece)
        sse_feed(&sse, stream.text + at, piece < stream.len - at ? piece : stream.len - at);
    sse_release(&sse);
    str_release(&stream);
    return m;
}

TEST("the data of a long event comes in pieces, and these are the same bytes however it was split")
{
    static const size_t pieces[] = {7, 511, 1000, 65536, (size_t)8 * 1024 * 1024};
    static const size_t lines[] = {1, 2, 1000};
    static const size_t lens[] = {SSE_WHOLE_MAX, SSE_WHOLE_MAX + 1, 3 * SSE_WHOLE_MAX};

    for (size_t n = 0; n < countof(lens); n++) {
        for (size_t l = 0; l < countof(lines); l++) {
            const struct measured first = measure_long(lens[n], lines[l], SIZE_MAX);

            for (size_t p = 0; p < countof(pieces); p++) {
                const struct measured m = measure_long(lens[n], lines[l], pieces[p]);

                CHECK_INT(m.events, 1);
                CHECK_INT(m.len, lens[n]);
                CHECK_INT(m.sum, first.sum);
                CHECK(m.in_pieces == (lens[n] > SSE_WHOLE_MAX));
            }
        }
    }
}

TEST("after an event in pieces the next one is whole; one that has no end has none")
{
    struct measured m = {0};
    struct str stream = STR_INIT;
    struct sse sse;

    str_adds(&stream, "data:");
    for (size_t i = 0; i < SSE_WHOLE_MAX; i++)
        str_addc(&stream, 'x');
    sse_init(&sse, &measure_ops, &m);
    sse_feed(&sse, stream.text, stream.len);
    sse_feed(&sse, "x\ndata\ndata:y\n\ndata: ax\n\n", 25);
    CHECK_INT(m.events, 2);
    CHECK_INT(m.len, 2);
    CHECK(!m.in_pieces);
    sse_feed(&sse, stream.text, stream.len);
    sse_feed(&sse, "xyz\n", 4);
    CHECK_INT(m.events, 2);
    CHECK_INT(m.len, SSE_WHOLE_MAX + 3);
    sse_release(&sse);
    str_release(&stream);
}

TEST("of a long type the beginning is kept, and a long line of anything else but data is no matter")
{
    struct measured m = {0};
    struct str stream = STR_INIT;
    struct sse sse;

    str_adds(&stream, ": ");
    for (size_t i = 0; i < 3 * SSE_WHOLE_MAX; i++)
        str_addc(&stream, 't');
    str_adds(&stream, "\ndata: ax\n\n");
    for (size_t piece = 1; piece < 100000; piece *= 8) {
        m = (struct measured){0};
        sse_init(&sse, &measure_ops, &m);
        for (size_t at = 0; at < stream.len; at += piece)
            sse_feed(&sse, stream.text + at, piece < stream.len - at ? piece : stream.len - at);
        CHECK_INT(m.events, 1);
        CHECK_INT(m.type_len, 7);
        sse_feed(&sse, "event", 5);
        sse_feed(&sse, stream.text, stream.len);
        CHECK_INT(m.events, 2);
        CHECK_INT(m.type_len, SSE_TYPE_MAX);
        CHECK_INT(m.len, 2);
        sse_feed(&sse, "data: ax\n\n", 10);
        CHECK_INT(m.type_len, 7);
        sse_release(&sse);
    }
    str_release(&stream);
}

TEST("once warmed up, no event costs an allocation")
{
    static const char stream[] = "event: e\ndata: some text\ndata: more\n\nda";
    struct measured m = {0};
    struct sse sse;
    const char *texts[3];

    sse_init(&sse, &measure_ops, &m);
    sse_feed(&sse, stream, sizeof(stream) - 1);
    texts[0] = sse.line_.text;
    texts[1] = sse.type_.text;
    texts[2] = sse.data_.text;
    for (size_t i = 0; i < 100; i++) {
        sse_feed(&sse, "ta: x\n\n", 7);
        sse_feed(&sse, stream, sizeof(stream) - 1);
    }
    CHECK(texts[0] == sse.line_.text && texts[1] == sse.type_.text && texts[2] == sse.data_.text);
    CHECK_INT(m.events, 201);
    sse_release(&sse);
}
