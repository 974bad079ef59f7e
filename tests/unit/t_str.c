#include "base/str.h"

#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

TEST("an empty string is a text without memory of its own")
{
    struct str s = STR_INIT;

    CHECK_STR(s.text, "");
    CHECK_INT(s.len, 0);
    CHECK_INT(s.cap, 0);
    str_clear(&s); /* must not write to the shared empty text */
    str_release(&s);
    CHECK_STR(s.text, "");
}

TEST("a string is NUL-terminated at text[len] after every change")
{
    struct str s = STR_INIT;
    size_t len = 0;

    for (unsigned i = 0; i < 3000; i++) {
        char c = (char)(i % 7 ? 'a' + (int)(i % 26) : '\0'); /* it may hold NULs */
        str_addc(&s, c);
        REQUIRE(s.len == ++len && s.text[s.len] == '\0' && s.len < s.cap);
        REQUIRE(s.text[len - 1] == c);
    }
    str_clear(&s);
    CHECK_STR(s.text, "");
    str_release(&s);
}

TEST("clearing keeps the memory")
{
    struct str s = STR_INIT;
    const char *before;

    str_adds(&s, "a text that is longer than nothing");
    before = s.text;
    str_clear(&s);
    str_adds(&s, "again");
    CHECK(s.text == before);
    CHECK_STR(s.text, "again");
    str_release(&s);
}

TEST("reserving leaves the text as it is and makes room for the NUL as well")
{
    for (size_t more = 0; more < 300; more++) {
        struct str s = STR_INIT;

        str_adds(&s, "ab");
        str_reserve(&s, more);
        CHECK_STR(s.text, "ab");
        CHECK(s.cap >= s.len + more + 1);
        str_release(&s);
    }
}

TEST("formatted text of any length arrives whole, behind what was there")
{
    char expected[701], piece[700];
    struct str s = STR_INIT;

    memset(piece, 'x', sizeof(piece));
    for (size_t n = 0; n < sizeof(piece); n++) {
        str_clear(&s);
        str_adds(&s, "<");
        str_addf(&s, "%.*s%c", (int)n, piece, '>');
        expected[0] = '<';
        memset(expected + 1, 'x', n);
        expected[n + 1 < 700 ? n + 1 : 700] = '\0';
        REQUIRE(s.len == n + 2 && s.text[n + 1] == '>' && s.text[n + 2] == '\0');
        REQUIRE(memcmp(s.text, expected, n + 1) == 0);
        if (n % 50 == 0) /* also from no memory at all */
            str_release(&s);
    }
    str_release(&s);
}

TEST("a detached text is the caller's, and the string is empty afterwards")
{
    struct str s = STR_INIT;
    char *text;

    text = str_detach(&s); /* even the empty text is one that may be freed */
    CHECK_STR(text, "");
    free(text);
    str_adds(&s, "abc");
    text = str_detach(&s);
    CHECK_STR(text, "abc");
    CHECK_STR(s.text, "");
    CHECK_INT(s.cap, 0);
    str_adds(&s, "def");
    CHECK_STR(text, "abc");
    free(text);
    str_release(&s);
}

TEST("case is folded for ASCII letters and nothing else")
{
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char x = (char)a, y = (char)b;
            int low_a = a >= 'A' && a <= 'Z' ? a + 32 : a,
                low_b = b >= 'A' && b <= 'Z' ? b + 32 : b;
            char left[] = {x, 'b', x}, right[] = {y, 'B', y};
            REQUIRE(str_same_nocase(&x, 1, &y, 1) == (low_a == low_b));
            REQUIRE(str_same_nocase(left, 3, right, 3) == (low_a == low_b));
            REQUIRE(str_same_nocase(left, 2, right, 2) == (low_a == low_b));
            REQUIRE(str_same_nocase(left + 1, 2, right + 1, 2) == (low_a == low_b));
        }
    }
    CHECK(str_is_nocase("Content-Type", "cONTENT-tYPE"));
    CHECK(!str_is_nocase("Content-Type", "Content-Typ"));
    CHECK(!str_is_nocase("", "a"));
    CHECK(str_is_nocase("", ""));
    CHECK(!str_same_nocase("ab", 2, "abc", 3));
    CHECK(str_same_nocase("a\0b", 3, "A\0B", 3));
    CHECK(!str_same_nocase("a\0b", 3, "a\0c", 3));
}

TEST("a prefix is one byte for byte")
{
    CHECK(str_starts("http://x", "http://"));
    CHECK(str_starts("x", ""));
    CHECK(str_starts("x", "x"));
    CHECK(!str_starts("", "x"));
    CHECK(!str_starts("HTTP://x", "http://"));
}

TEST("a number is decimal digits only, and fits")
{
    static const struct {
        const char *text;
        bool ok;
        unsigned long long value;
    } rows[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"007", true, 7},
        {"8080", true, 8080},
        {"18446744073709551615", true, 18446744073709551615ULL},
        {"000018446744073709551615", true, 18446744073709551615ULL},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"99999999999999999999", false, 0},
        {"184467440737095516150", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"0x10", false, 0},
        {"/", false, 0}, /* the byte before '0' */
        {":", false, 0}, /* the byte after '9' */
        {"\xb2", false, 0},
        {"1,2", false, 0},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unsigned long long value = 12345;

        unit_row(rows[i].text);
        CHECK(str_to_u64(rows[i].text, strlen(rows[i].text), &value) == rows[i].ok);
        CHECK_INT(value, rows[i].ok ? rows[i].value : 12345);
    }
    unit_row(NULL);
}

TEST("a number ends where its length says")
{
    unsigned long long value;

    CHECK(str_to_u64("123456", 3, &value));
    CHECK_INT(value, 123);
    CHECK(!str_to_u64("1\0002", 3, &value));
}

TEST("what was taken is no longer freed by its block")
{
    char *kept;

    {
        mem_auto char *s = mem_strdup("kept");
        kept = take(s);
        CHECK(s == NULL);
    }
    CHECK_STR(kept, "kept");
    free(kept);
}

TEST("copies end where their length says, and memory of no size is some memory")
{
    char *copy = mem_strndup("abcdef", 3);
    char *zeros = mem_zero(16), *none = mem_alloc(0);

    CHECK_STR(copy, "abc");
    for (int i = 0; i < 16; i++)
        CHECK_INT(zeros[i], 0);
    CHECK(none != NULL);
    none = mem_grow(none, 10);
    memcpy(none, "123456789", 10);
    mem_wipe(none, 10);
    CHECK_INT(none[0] | none[8], 0);
    free(copy);
    free(zeros);
    free(none);
}
