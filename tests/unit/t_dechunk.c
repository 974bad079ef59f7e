#include "upstream/dechunk.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

static bool on_data(void *arg, const char *bytes, size_t len)
{
    str_add(arg, bytes, len);
    return true;
}

/* In pieces of that many bytes. */
static void check(const char *raw, size_t len, size_t piece, const char *data, bool is_whole)
{
    struct str out = STR_INIT;
    struct dechunk d;
    bool all = true, sound = true;

    dechunk_init(&d, on_data, &out);
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        mem_auto char *exact = mem_alloc(n); /* ASan sees a step beyond it */

        memcpy(exact, raw + at, n);
        sound = dechunk_take(&d, exact, n, &all);
    }
    CHECK_INT(sound, data != NULL);
    CHECK_INT(dechunk_is_whole(&d), is_whole);
    CHECK(all);
    if (data)
        CHECK_STR(out.text ? out.text : "", data);
    str_release(&out);
}

TEST("a chunked body is its data, however it is split; it is whole at its end, and not before")
{
    static const struct {
        const char *raw, *data;
        bool is_whole;
    } rows[] = {
        {"3\r\nabc\r\n0\r\n\r\n", "abc", true},
        {"3\r\nabc\r\n00a \r\n0123456789\r\n0\r\n\r\n", "abc0123456789", true},
        {"3;name=\"v\"\r\nabc\r\n0;x\r\nTrailer: 1\r\nOther: 2\r\n\r\nmore", "abc", true},
        {"3\r\nabc\r\n0\r\n\n", "abc", true},
        {"0\r\n\r\n", "", true},
        {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n", true},
        {"A\r\n0123456789\r\na\r\n0123456789\r\n", "01234567890123456789", false},
        {"3\r\nabc\r\n0\r\n", "abc", false},
        {"3\r\nabc", "abc", false},
        {"3\r\nab", "ab", false},
        {"", "", false},
        /* a byte short, a byte long, a line end that is none */
        {"4\r\nabc\r\n0\r\n\r\n", NULL, false},
        {"2\r\nabc\r\n0\r\n\r\n", NULL, false},
        {"3\r\nabc\n0\r\n\r\n", NULL, false},
        {"3\nabc\r\n0\r\n\r\n", NULL, false},
        {"3;x\nabc\r\n0\r\n\r\n", NULL, false},
        {"3\rabc\r\n0\r\n\r\n", NULL, false},
        {"3\r\nabcx\n0\r\n\r\n", NULL, false},
        {"3\r\nabc\r0\r\n\r\n", NULL, false},
        {"3\r\nabc\r\n\r\n", NULL, false},
        {"\r\nabc\r\n", NULL, false},
        {"x\r\nabc\r\n", NULL, false},
        {"-3\r\nabc\r\n", NULL, false},
        {"3x\r\nabc\r\n", NULL, false},
        {"0x3\r\nabc\r\n", NULL, false},
        {"3\r\nabc\r\n0\r\n\rx", NULL, false},
        {"7fffffffffffffff\r\na", NULL, false}, /* 16 digits */
        {"fffffffffffffff\r\na", "a", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].raw);
        for (size_t piece = 1; piece < 40; piece++)
            check(rows[i].raw, strlen(rows[i].raw), piece, rows[i].data, rows[i].is_whole);
    }
    unit_row(NULL);
}

static bool refuse_second(void *arg, const char *bytes, size_t len)
{
    (void)bytes, (void)len;
    return ++*(unsigned *)arg != 2;
}

TEST("who wants no more after one of the chunks has said so, though others follow")
{
    static const char raw[] = "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n";
    unsigned calls = 0;
    struct dechunk d;
    bool all = true;

    dechunk_init(&d, refuse_second, &calls);
    CHECK(dechunk_take(&d, raw, sizeof(raw) - 1, &all));
    CHECK_INT(calls, 3);
    CHECK(!all);
}
