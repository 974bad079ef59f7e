#include "base/printable.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "unit.h"

static const struct {
    const char *text, *line, *lines;
} texts[] = {
    {"", "", ""},
    {"plain ~ \"text\" \\x1b", "plain ~ \"text\" \\x1b", "plain ~ \"text\" \\x1b"},
    {"a\x1b[2Jb", "a\\x1b[2Jb", "a\\x1b[2Jb"},
    {"a\tb\nc\rd", "a\\x09b\\x0ac\\x0dd", "a\tb\nc\\x0dd"},
    {"\x7f\x01\x1f ", "\\x7f\\x01\\x1f ", "\\x7f\\x01\\x1f "},
    {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\x89", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\x89",
     "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\x89"},
    {"\xc2\x80\xc2\x9b"
     "2J\xc2\x9f\xc2\xa0",
     "\\u{80}\\u{9b}2J\\u{9f}\xc2\xa0", "\\u{80}\\u{9b}2J\\u{9f}\xc2\xa0"},
    {"\x9b"
     "2J\x80",
     "\\x9b2J\\x80", "\\x9b2J\\x80"},
    {"\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf",
     "\xe2\x80\xa9\\u{202a}\\u{202e}\xe2\x80\xaf", "\xe2\x80\xa9\\u{202a}\\u{202e}\xe2\x80\xaf"},
    {"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
     "\xe2\x81\xa5\\u{2066}\\u{2069}\xe2\x81\xaa", "\xe2\x81\xa5\\u{2066}\\u{2069}\xe2\x81\xaa"},
    {"\xc0\x9b\xe0\x82\x9b\xed\xa0\x80\xf4\x90\x80\x80\xff", /* overlong, surrogate, beyond */
     "\\xc0\\x9b\\xe0\\x82\\x9b\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xff",
     "\\xc0\\x9b\\xe0\\x82\\x9b\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xff"},
    {"x\xe2\x82", "x\\xe2\\x82", "x\\xe2\\x82"}, /* cut off */
};

TEST("text of others is escaped where a terminal would obey it, and nowhere else")
{
    for (size_t i = 0; i < countof(texts); i++) {
        struct str line = STR_INIT, lines = STR_INIT;

        unit_row(texts[i].line);
        printable_adds(&line, texts[i].text);
        CHECK_STR(line.text, texts[i].line);
        printable_add_lines(&lines, texts[i].text, strlen(texts[i].text));
        CHECK_STR(lines.text, texts[i].lines);
        unit_row(NULL);
        str_release(&line);
        str_release(&lines);
    }
}

TEST("a NUL is escaped as well, and what was there before stays")
{
    struct str out = STR_INIT;

    str_adds(&out, "was\n");
    printable_add(&out, "a\0b", 3);
    CHECK_STR(out.text, "was\na\\x00b");
    str_release(&out);
}

/* Whatever the bytes: valid UTF-8 comes out, without any control character. */
TEST("nothing that a terminal obeys comes out of any bytes")
{
    uint64_t state = 7;

    for (int round = 0; round < 2000; round++) {
        struct str out = STR_INIT;
        char text[32];
        size_t len = unit_random_up_to(&state, sizeof(text));

        for (size_t i = 0; i < len; i++)
            text[i] = (char)unit_random(&state);
        printable_add(&out, text, len);
        for (unsigned at = 0, step; at < out.len; at += step) {
            uint32_t code;

            if (!CHECK_INT(printable_look(out.text + at, out.text + out.len, &step, &code),
                           PRINTABLE_PLAIN))
                break;
        }
        str_release(&out);
    }
}

static void check_cut(const char *text, size_t most, const char *expected)
{
    struct str out = STR_INIT;

    printable_add_cut(&out, text, strlen(text), most);
    CHECK_STR(out.text, expected);
    str_release(&out);
}

TEST("a text is cut between characters")
{
    check_cut("abc", 3, "abc");
    check_cut("abcd", 3, "abc...");
    check_cut("ab\xc3\xa9", 3, "ab...");
    check_cut("ab\xc3\xa9", 4, "ab\xc3\xa9");
    check_cut("\xf0\x9f\x8e\x89", 3, "...");
    check_cut("\x80\x80\x80\x80\x80\x80", 4, "\\x80...");
    check_cut("abc", 0, "...");
    check_cut("", 0, "");
}

static void check_json(const char *value, const char *expected)
{
    struct json *object = json_object(), *again;
    struct str out = STR_INIT;

    unit_row(expected);
    json_set_text(object, "a", value);
    json_print(object, &out);
    CHECK_STR(out.text, expected);
    again = json_parse(out.text, out.len);
    CHECK(again != NULL);
    unit_row(NULL);
    str_release(&out);
    json_free(again);
    json_free(object);
}

TEST("JSON that is printed escapes DEL, C1 and bidirectional controls, and has valid UTF-8 only")
{
    check_json("a\x1b\n\t\"\\", "{\"a\":\"a\\u001b\\n\\t\\\"\\\\\"}");
    check_json("\x7f", "{\"a\":\"\\u007f\"}");
    check_json("\xc2\x9b\xc2\x80\xc2\xa0", "{\"a\":\"\\u009b\\u0080\xc2\xa0\"}");
    check_json("\xe2\x80\xae"
               "x\xe2\x81\xa6",
               "{\"a\":\"\\u202ex\\u2066\"}");
    check_json("\xc3\xa9\xf0\x9f\x8e\x89", "{\"a\":\"\xc3\xa9\xf0\x9f\x8e\x89\"}");
    check_json("\x9bq\xff", "{\"a\":\"\xef\xbf\xbdq\xef\xbf\xbd\"}");
    check_json("\xe2\x82", "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"}");
}
