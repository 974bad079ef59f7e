#include "api/lex.h"

#include "base/mem.h"
#include "unit.h"

static unsigned plain_one_by_one(const unsigned char *at, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (at[i] < ' ' || at[i] >= 0x80 || at[i] == '"' || at[i] == '\\')
            return i;
    return count;
}

static void check_plain(const unsigned char *bytes)
{
    const char *at = (const char *)bytes;

    CHECK_INT(lex_plain8(at), plain_one_by_one(bytes, 8));
    CHECK_INT(lex_plain(at), plain_one_by_one(bytes, LEX_STEP));
}

/* Whatever stands behind it: neighbours may not be taken for each other. */
TEST("looking at many bytes in one go finds the first that is not plain, as one by one does")
{
    static const unsigned char edges[] = {0,    1,   0x1f, ' ',  '!',  '"',  '#',  '[',
                                          '\\', ']', 0x7e, 0x7f, 0x80, 0xa2, 0xdc, 0xff};
    unsigned char bytes[16];
    uint64_t state = 1;

    for (unsigned byte = 0; byte < 256; byte++) {
        for (unsigned place = 0; place < 16; place++) {
            memset(bytes, 'x', sizeof(bytes));
            bytes[place] = (unsigned char)byte;
            check_plain(bytes);
        }
    }
    for (unsigned round = 0; round < 200000; round++) {
        for (unsigned i = 0; i < sizeof(bytes); i++)
            bytes[i] = unit_random_up_to(&state, 3)
                           ? (unsigned char)(' ' + unit_random_up_to(&state, 1))
                           : edges[unit_random_up_to(&state, countof(edges) - 1)];
        check_plain(bytes);
    }
}

TEST("every character of Unicode is UTF-8 as it is written, and nothing shorter is")
{
    char utf8[4];

    for (uint32_t code = 0x80; code <= 0x10ffff; code++) {
        unsigned len;

        if (code == 0xd800)
            code = 0xe000;
        len = lex_put_utf8(code, utf8);
        if (lex_utf8(utf8, utf8 + len) != len || lex_utf8(utf8, utf8 + len - 1) != 0)
            CHECK_INT(code, -1);
    }
}

TEST("of all sequences of bytes, exactly as many are UTF-8 as there are characters")
{
    unsigned count[5] = {0};
    char utf8[4];

    for (uint32_t all = 0x8080; all <= 0xffff; all++) { /* two bytes, and two more below */
        utf8[0] = (char)(all >> 8), utf8[1] = (char)all;
        utf8[2] = utf8[3] = (char)0x80;
        count[lex_utf8(utf8, utf8 + 4)]++;
    }
    CHECK_INT(count[2], 0x800 - 0x80);
    CHECK_INT(count[3], (0x10000 - 0x800 - 0x800) / 0x40);
    CHECK_INT(count[4], 0x100000 / 0x1000);
}

/* lex_string() and lex_respell() read the same language. */
TEST("a string that is skipped is one that can be respelled, and ends at the same place")
{
    static const char *const parts[] = {"a",       "abcdefgh", "\\n",      "\\\"",     "\\u0041",
                                        "\\ud83d", "\\ude00",  "\xc3\xa9", "\xe2\x82", "\xac",
                                        "\"",      "\\",       "\x01",     "\x7f",     "\\/"};
    uint64_t state = 7;

    for (unsigned round = 0; round < 100000; round++) {
        char text[128] = "\"", spelled[128], *to = spelled;
        size_t len = 1;
        const char *skipped, *respelled;
        bool escaped;

        for (size_t n = unit_random_up_to(&state, 10); n > 0; n--) {
            const char *part = parts[unit_random_up_to(&state, countof(parts) - 1)];

            memcpy(text + len, part, strlen(part));
            len += strlen(part);
        }
        text[len++] = '"';
        skipped = lex_string(text, text + len);
        respelled = lex_respell(text, text + len, &to, &escaped);
        CHECK(skipped == respelled);
        if (respelled) {
            CHECK(to - spelled <= respelled - text);
            CHECK_INT(escaped, memchr(spelled, '\\', (size_t)(to - spelled)) != NULL);
        }
    }
}
