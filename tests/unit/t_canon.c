#include "api/canon.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

/* The canonical form, which the caller frees; NULL if there is none. The text stands in memory of
 * exactly its size, so that ASan sees a step beyond it. */
static char *form_of(const char *json, size_t len, char *const *ignored)
{
    struct canon *canon = canon_new();
    struct str out = STR_INIT;
    char *exact = mem_alloc(len);
    bool has;

    memcpy(exact, json, len);
    str_adds(&out, "kept:");
    has = canon_write(canon, exact, len, ignored, &out);
    CHECK(has || strcmp(out.text, "kept:") == 0);
    CHECK_INT(strncmp(out.text, "kept:", 5), 0);
    CHECK_INT(strlen(out.text), out.len); /* a canonical form holds no NUL */
    free(exact);
    canon_free(canon);
    if (has) {
        memmove(out.text, out.text + 5, out.len - 4);
        return str_detach(&out);
    }
    str_release(&out);
    return NULL;
}

static void check_form(const char *json, const char *form)
{
    mem_auto char *got = form_of(json, strlen(json), NULL);

    unit_row(json);
    CHECK_STR(got, form);
    unit_row(NULL);
}

/* ---- the contract's vectors ---- */

static char *unhex(const char *hex, size_t *len)
{
    char *bytes = mem_alloc(strlen(hex) / 2);

    *len = strlen(hex) / 2;
    for (size_t i = 0; i < *len; i++)
        bytes[i] = (char)(str_hex_digit(hex[2 * i]) << 4 | str_hex_digit(hex[2 * i + 1]));
    return bytes;
}

static char *form_of_hex(const char *hex)
{
    size_t len;
    mem_auto char *bytes = unhex(hex, &len);

    return form_of(bytes, len, NULL);
}

static void check_vector(const char *a_hex, const char *b_hex, const char *verdict)
{
    mem_auto char *a = form_of_hex(a_hex), *b = form_of_hex(b_hex);

    if (strcmp(verdict, "raw") == 0) {
        CHECK_STR(a, NULL);
    } else {
        REQUIRE(a && b);
        CHECK_INT(strcmp(a, b) == 0, strcmp(verdict, "same") == 0);
    }
}

TEST("every vector of the contract gets its verdict")
{
    mem_auto char *text = unit_data("canonical-json-vectors.tsv");
    char *rest = text, *line;
    unsigned count = 0;

    while ((line = strsep(&rest, "\n"))) {
        const char *name = strsep(&line, "\t"), *a = strsep(&line, "\t"), *b = strsep(&line, "\t");

        if (!line || strcmp(name, "name") == 0)
            continue;
        unit_row(name);
        CHECK(strcmp(line, "same") == 0 || strcmp(line, "differ") == 0 || strcmp(line, "raw") == 0);
        check_vector(a, b, line);
        count++;
    }
    unit_row(NULL);
    CHECK_INT(count, 71);
}

/* ---- spelling ---- */

TEST("blanks go away, and tokens stay as they were written")
{
    check_form(" \t\r\n[ 1 , -0 ,\t0.10 , 1E+5,1e05 , true ,false, null ] \n",
               "[1,-0,0.10,1E+5,1e05,true,false,null]");
    check_form("{ }", "{}");
    check_form("[ ]", "[]");
    check_form("{ \"a\" : { } , \"b\" : [ ] }", "{\"a\":{},\"b\":[]}");
    check_form("1", "1");
    check_form(" \"x y\" ", "\"x y\"");
    check_form("null", "null");
}

TEST("a string has one spelling, the shortest")
{
    check_form("\"\\u0022\\u005c\\u002f\\u0008\\u000c\\u000a\\u000d\\u0009\"",
               "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    check_form("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    check_form("\"\\u0000\\u001F\\u0020\\u007f\"", "\"\\u0000\\u001f \x7f\"");
    check_form("\"\\u0080\\u07ff\\u0800\\uffff\"", "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\"");
    check_form("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
    check_form("\"\\ud7ff\\ue000\"", "\"\xed\x9f\xbf\xee\x80\x80\"");
}

/* Each place in the blocks of 8 and 16 bytes that are looked at in one go. */
TEST("an escape is respelled wherever it stands in a long string")
{
    for (size_t before = 0; before < 40; before++) {
        for (size_t after = 0; after < 40; after += 3) {
            char json[160], form[160];

            snprintf(json, sizeof(json), "[\"%.*s\\u0041\\u00e9\\/%.*s\\n\"]", (int)before,
                     "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", (int)after,
                     "0123456789012345678901234567890123456789");
            snprintf(form, sizeof(form), "[\"%.*sA\xc3\xa9/%.*s\\n\"]", (int)before,
                     "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", (int)after,
                     "0123456789012345678901234567890123456789");
            check_form(json, form);
        }
    }
}

/* ---- order ---- */

TEST("members are sorted by the bytes of their names, whatever the spelling")
{
    check_form("{\"b\":1,\"a\":2,\"\":3,\"ab\":4,\"B\":5}",
               "{\"\":3,\"B\":5,\"a\":2,\"ab\":4,\"b\":1}");
    /* escapes sort as what they spell: LF < '"' < 'A' < '\' < 'a' */
    check_form("{\"a\":1,\"\\\\\":2,\"A\":3,\"\\\"\":4,\"\\n\":5}",
               "{\"\\n\":5,\"\\\"\":4,\"A\":3,\"\\\\\":2,\"a\":1}");
    check_form("{\"x\\n\":1,\"x\":2,\"x\\t\":3,\"x\\u0000\":4,\"x\\u0001\":5}",
               "{\"x\":2,\"x\\u0000\":4,\"x\\u0001\":5,\"x\\t\":3,\"x\\n\":1}");
    check_form("{\"\\u0041b\":1,\"Aa\":2}", "{\"Aa\":2,\"Ab\":1}");
    /* UTF-8's order, which is not UTF-16's */
    check_form("{\"\\ud83d\\ude00\":1,\"\\uff01\":2,\"z\":3}",
               "{\"z\":3,\"\xef\xbc\x81\":2,\"\xf0\x9f\x98\x80\":1}");
}

TEST("members move with all that is in them, at every depth")
{
    check_form("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"},"
               "{\"role\":\"tool\",\"content\":[{\"type\":\"text\",\"text\":\"y\"}]}]}",
               "{\"messages\":[{\"content\":\"x\",\"role\":\"user\"},"
               "{\"content\":[{\"text\":\"y\",\"type\":\"text\"}],\"role\":\"tool\"}],"
               "\"model\":\"m\"}");
    /* objects in order around, between and within objects that are not */
    check_form("{\"a\":{\"x\":{\"d\":1,\"c\":2},\"y\":{}},\"b\":{\"q\":{\"e\":1},\"p\":[{},{}]},"
               "\"c\":[{\"k\":{\"z\":1,\"y\":{\"b\":1,\"a\":2}}}]}",
               "{\"a\":{\"x\":{\"c\":2,\"d\":1},\"y\":{}},\"b\":{\"p\":[{},{}],\"q\":{\"e\":1}},"
               "\"c\":[{\"k\":{\"y\":{\"a\":2,\"b\":1},\"z\":1}}]}");
    check_form("{\"b\":{\"b\":{\"b\":1,\"a\":1},\"a\":{\"b\":1,\"a\":1}},\"a\":{\"a\":1,\"b\":2}}",
               "{\"a\":{\"a\":1,\"b\":2},\"b\":{\"a\":{\"a\":1,\"b\":1},\"b\":{\"a\":1,\"b\":1}}}");
}

TEST("below a schema members keep their order, and around it they are sorted")
{
    check_form(
        "{\"z\":{\"b\":1,\"a\":2},\"schema\":{\"z\":{\"b\":1,\"a\":2},\"b\":[{\"d\":1,\"c\":{}}]},"
        "\"a\":{\"b\":1,\"a\":2}}",
        "{\"a\":{\"a\":2,\"b\":1},\"schema\":{\"z\":{\"b\":1,\"a\":2},\"b\":[{\"d\":1,\"c\":{}}]},"
        "\"z\":{\"a\":2,\"b\":1}}");
    check_form("{\"b\":{\"parameters\":{\"y\":1,\"x\":2},\"name\":\"f\"},\"a\":1}",
               "{\"a\":1,\"b\":{\"name\":\"f\",\"parameters\":{\"y\":1,\"x\":2}}}");
    /* in an object that is in order, beside one that is not, after an empty one */
    check_form("{\"a\":{\"schema\":{\"y\":{},\"x\":{}}},\"b\":[{\"json_schema\":[{\"y\":1,\"x\":{"
               "\"q\":1,\"p\":1}}],"
               "\"k\":{\"n\":1,\"m\":1}}]}",
               "{\"a\":{\"schema\":{\"y\":{},\"x\":{}}},\"b\":[{\"json_schema\":[{\"y\":1,\"x\":{"
               "\"q\":1,\"p\":1}}],"
               "\"k\":{\"m\":1,\"n\":1}}]}");
    check_form("{\"input_schema\":{\"schema\":{\"b\":1,\"a\":1},\"b\":1,\"a\":{\"b\":1,\"a\":1}},"
               "\"b\":{\"b\":1,\"a\":1}}",
               "{\"b\":{\"a\":1,\"b\":1},\"input_schema\":{\"schema\":{\"b\":1,\"a\":1},\"b\":1,"
               "\"a\":{\"b\":1,\"a\":1}}}");
    /* spelled otherwise, and not at all */
    check_form("{\"\\u0073chema\":{\"b\":1,\"\\u0061\":\"\\/\"}}",
               "{\"schema\":{\"b\":1,\"a\":\"/\"}}");
    check_form(
        "{\"Schema\":{\"b\":1,\"a\":1},\"schema\\n\":{\"b\":1,\"a\":1},\"schem\":{\"b\":1,\"a\":1},"
        "\"parameterz\":{\"b\":1,\"a\":1},\"jsonxschema\":{\"b\":1,\"a\":1},\"input-schema\":{"
        "\"b\":1,\"a\":1}}",
        "{\"Schema\":{\"a\":1,\"b\":1},\"input-schema\":{\"a\":1,\"b\":1},\"jsonxschema\":{\"a\":1,"
        "\"b\":1},"
        "\"parameterz\":{\"a\":1,\"b\":1},\"schem\":{\"a\":1,\"b\":1},\"schema\\n\":{\"a\":1,\"b\":"
        "1}}");
    check_form("[\"schema\",{\"b\":\"schema\",\"a\":1}]",
               "[\"schema\",{\"a\":1,\"b\":\"schema\"}]");
}

TEST("below a schema a name that is there twice leaves no canonical form")
{
    static const char *const rows[] = {
        "{\"schema\":{\"b\":1,\"b\":1}}",
        "{\"schema\":{\"b\":1,\"a\":1,\"b\":1}}",
        "{\"schema\":[{\"x\":{\"c\":1,\"b\":{},\"a\":1,\"\\u0063\":1}}]}",
        "{\"b\":1,\"parameters\":{\"y\":{\"d\":1,\"c\":1,\"d\":1}},\"a\":1}",
        "{\"schema\":{\"b\":1,\"a\":1},\"b\":1,\"schema\":{\"b\":1,\"a\":1}}",
    };

    for (size_t i = 0; i < countof(rows); i++)
        check_form(rows[i], NULL);
    check_form("{\"schema\":{\"b\":{\"b\":1,\"a\":1},\"a\":{\"b\":1,\"a\":1}}}",
               "{\"schema\":{\"b\":{\"b\":1,\"a\":1},\"a\":{\"b\":1,\"a\":1}}}");
}

TEST("a document that broke off below a schema leaves the next one as it is")
{
    struct canon *canon = canon_new();
    struct str out = STR_INIT;

    CHECK(!canon_write(canon, "{\"schema\":{\"b\":1,", 18, NULL, &out));
    CHECK(canon_write(canon, "{\"b\":1,\"a\":1}", 13, NULL, &out));
    CHECK_STR(out.text, "{\"a\":1,\"b\":1}");
    str_release(&out);
    canon_free(canon);
}

/* {"<prefix>00000001":1,…} with the members in the order that `step` makes of them. */
static char *many(unsigned count, unsigned step, const char *prefix)
{
    struct str s = STR_INIT;

    for (unsigned i = 0; i < count; i++)
        str_addf(&s, "%c\"%s%08u\":%u", i ? ',' : '{', prefix,
                 (unsigned)((uint64_t)i * step % count), i % 10);
    str_addc(&s, '}');
    return str_detach(&s);
}

TEST("many members are sorted, whatever their order was")
{
    static const unsigned counts[] = {2, 3, 11, 12, 13, 14, 25, 100, 101, 1000, 1009};

    for (size_t i = 0; i < countof(counts); i++) {
        for (unsigned step = 1; step < 8; step++) {
            mem_auto char *in = many(counts[i], counts[i] + 1 - step, "x");
            mem_auto char *form = form_of(in, strlen(in), NULL);
            char name[32];
            size_t at = 1;

            if (!form) /* step and count have a common divisor: names repeat */
                continue;
            for (unsigned n = 0; n < counts[i]; n++, at += 14) {
                snprintf(name, sizeof(name), "\"x%08u\":", n);
                CHECK_INT(strncmp(form + at, name, 12), 0);
            }
            CHECK_INT(strlen(form), at);
        }
    }
}

TEST("a hundred thousand members with a long common beginning take no long time in any order")
{
    static const unsigned steps[] = {1, 99999, 77773};
    char prefix[101];

    memset(prefix, 'p', 100);
    prefix[100] = '\0';
    for (size_t i = 0; i < countof(steps); i++) {
        mem_auto char *in = many(100000, steps[i], prefix);
        mem_auto char *form = form_of(in, strlen(in), NULL);

        REQUIRE(form);
        CHECK_INT(strlen(form), strlen(in));
        CHECK_INT(strncmp(form + strlen(form) - 12, "00099999\":", 10), 0);
    }
}

TEST("objects out of order within objects out of order cost no copy each")
{
    struct str in = STR_INIT;
    char *form;

    for (int i = 0; i < 127; i++)
        str_adds(&in, "{\"b\":");
    str_addc(&in, '"');
    for (int i = 0; i < 400000; i++)
        str_adds(&in, "0123456789");
    str_addc(&in, '"');
    for (int i = 0; i < 127; i++)
        str_adds(&in, ",\"a\":1}");
    form = form_of(in.text, in.len, NULL);
    REQUIRE(form);
    CHECK_INT(strlen(form), in.len);
    CHECK_INT(strncmp(form, "{\"a\":1,\"b\":{\"a\":1,\"b\":{", 23), 0);
    free(form);
    str_release(&in);
}

/* ---- what has no canonical form ---- */

TEST("a name that is there twice, in any spelling and at any depth, leaves no canonical form")
{
    static const char *const rows[] = {
        "{\"a\":1,\"a\":1}",
        "{\"b\":1,\"a\":1,\"b\":1}",
        "{\"c\":1,\"b\":1,\"a\":1,\"\\u0062\":1}",
        "{\"b\":1,\"a\":1,\"c\":1,\"a\":1}",
        "{\"\":1,\"\":1}",
        "{\"\\n\":1,\"\\u000A\":1}",
        "{\"x\\ud83d\\ude00\":1,\"x\xf0\x9f\x98\x80\":1}",
        "[1,{\"z\":{\"b\":{},\"a\":[],\"b\":{}}}]",
        "{\"b\":{\"x\":1},\"a\":{\"x\":1,\"x\":1}}",
        ("{\"n\":1,\"m\":1,\"l\":1,\"k\":1,\"j\":1,\"i\":1,\"h\":1,\"g"
         "\":1,\"f\":1,\"e\":1,\"d\":1,\"c\":1,\"b\":1,\"a\":1,\"n\":1}"),
    };

    for (size_t i = 0; i < countof(rows); i++)
        check_form(rows[i], NULL);
    check_form("{\"a\":{\"a\":1},\"b\":{\"a\":1}}", "{\"a\":{\"a\":1},\"b\":{\"a\":1}}");
}

TEST("what is no strict JSON has no canonical form")
{
    static const char *const rows[] = {
        "",
        " ",
        "{",
        "[",
        "\"",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "[1",
        "[1,",
        "{,}",
        "[,]",
        "{\"a\":1,}",
        "[1,]",
        "[1 2]",
        "[1,,2]",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1;\"b\":2}",
        "{\"a\":}",
        "{:1}",
        "[}",
        "{]",
        "[1}",
        "{\"a\":1]",
        "]",
        "}",
        ",",
        ":",
        "[]]",
        "{}}",
        "1 2",
        "1,",
        "[] x",
        "\"a\"\"b\"",
        /* numbers */
        "-",
        "+1",
        "01",
        "-01",
        "00",
        ".5",
        "-.5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "1E-",
        "1e1.5",
        "0x10",
        "1_0",
        "--1",
        "Infinity",
        "-Infinity",
        "NaN",
        "1f",
        "[1.]",
        "[0e]",
        "1 e5",
        /* words */
        "tru",
        "truee",
        "True",
        "nul",
        "nulll",
        "fals",
        "falsey",
        "t",
        "f",
        "n",
        "undefined",
        /* strings */
        "\"\\",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\a\"",
        "\"\\'\"",
        "\"\\u\"",
        "\"\\u123\"",
        "\"\\u12g4\"",
        "\"\\U0041\"",
        "\"\\u+041\"",
        "\"\\u 041\"",
        "\"\\u00:1\"",
        "\"\\\n\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"\x1f\"",
        "'a'",
        /* surrogates */
        "\"\\ud800\"",
        "\"\\udbff\"",
        "\"\\udc00\"",
        "\"\\udfff\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud800\\ud800\"",
        "\"\\udc00\\udc00\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\ue000\"",
        "\"\\ud800\\udbff\"",
        "\"\\ud800\\u\"",
        "\"\\ud800\\udc0\"",
        /* UTF-8 */
        "\"\x80\"",
        "\"\xbf\"",
        "\"\xc0\xaf\"",
        "\"\xc1\xbf\"",
        "\"\xc3\"",
        "\"\xc3(\"",
        "\"\xe0\x80\x80\"",
        "\"\xe0\x9f\xbf\"",
        "\"\xe2\x82\"",
        "\"\xe2(\xac\"",
        "\"\xe2\x82(\"",
        "\"\xed\xa0\x80\"",
        "\"\xed\xbf\xbf\"",
        "\"\xf0\x80\x80\x80\"",
        "\"\xf0\x8f\xbf\xbf\"",
        "\"\xf0\x9f\x98\"",
        "\"\xf0(\x98\x80\"",
        "\"\xf0\x9f(\x80\"",
        "\"\xf0\x9f\x98(\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf5\x80\x80\x80\"",
        "\"\xff\"",
        "\"\xfe\"",
        "\"\xc3",
        "\"\xe2\x82",
        "\"\xf0\x9f\x98",
        "{\"\xff\":1}",
        /* around */
        "\xef\xbb\xbf{}",
        "{}\xef\xbb\xbf",
        "\v1",
        "\f1",
        "1\v",
        "\xc2\xa0[]",
        "// x\n1",
        "/**/1",
        "1/**/",
        "[1]#",
    };

    for (size_t i = 0; i < countof(rows); i++)
        check_form(rows[i], NULL);
}

TEST("a NUL is nothing that JSON has, in a string or anywhere")
{
    static const char *const rows[] = {"[1]\0", "\0[1]", "[\0]1", "\"\0\"x", "\"\\\0\"", "1\0 2"};

    for (size_t i = 0; i < countof(rows); i++)
        CHECK_STR(form_of(rows[i], 4, NULL), NULL);
}

/* As one string among others, or at the end of the text. */
TEST("a fault is found wherever it stands in a long string")
{
    static const char *const faults[] = {"\x01", "\xff", "\\x", "\xc3(", "\\ud800", "\x80"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

    for (size_t i = 0; i < countof(faults); i++) {
        for (int before = 0; before < 40; before++) {
            char json[128];

            snprintf(json, sizeof(json), "\"%.*s%s\"", before, letters, faults[i]);
            check_form(json, NULL);
            snprintf(json, sizeof(json), "[\"%.*s%s%s\"]", before, letters, faults[i], letters);
            check_form(json, NULL);
        }
    }
}

static char *nested(unsigned levels, const char *open, char close)
{
    struct str s = STR_INIT;

    for (unsigned i = 0; i < levels; i++)
        str_adds(&s, open);
    str_addc(&s, '1');
    for (unsigned i = 0; i < levels; i++)
        str_addc(&s, close);
    return str_detach(&s);
}

TEST("128 levels are a document, and 129 are none")
{
    mem_auto char *arrays = nested(CANON_DEPTH_MAX, "[", ']');
    mem_auto char *objects = nested(CANON_DEPTH_MAX, "{\"a\":", '}');
    mem_auto char *more_arrays = nested(CANON_DEPTH_MAX + 1, "[", ']');
    mem_auto char *more_objects = nested(CANON_DEPTH_MAX + 1, "{\"a\":", '}');
    mem_auto char *most = nested(1000000, "[", ']');

    check_form(arrays, arrays);
    check_form(objects, objects);
    check_form(more_arrays, NULL);
    check_form(more_objects, NULL);
    check_form(most, NULL);
}

/* ---- members that are left out ---- */

static void check_without(char *const *ignored, const char *json, const char *form)
{
    mem_auto char *got = form_of(json, strlen(json), ignored);

    unit_row(json);
    CHECK_STR(got, form);
    unit_row(NULL);
}

TEST("ignored members of the outermost object are left out, and no others")
{
    static char user[] = "user", metadata[] = "metadata", odd[] = "\"\xc3\xa9";
    char *const names[] = {user, metadata, odd, NULL};
    char *const none[] = {NULL};

    check_without(names, "{\"user\":\"u\",\"a\":1,\"metadata\":{\"z\":1,\"y\":{\"b\":1,\"a\":1}}}",
                  "{\"a\":1}");
    check_without(names, "{\"b\":1,\"metadata\":[],\"a\":1}", "{\"a\":1,\"b\":1}");
    check_without(names, "{\"\\u0075ser\":1}", "{}");
    check_without(names, "{\"\\\"\\u00e9\":1,\"\\\"\":2,\"\\\"\xc3\xa9x\":3}",
                  "{\"\\\"\":2,\"\\\"\xc3\xa9x\":3}");
    check_without(names, "{}", "{}");
    check_without(names,
                  "{\"b\":{\"schema\":{\"user\":1,\"a\":2}},\"a\":1,\"user\":{\"schema\":1}}",
                  "{\"a\":1,\"b\":{\"schema\":{\"user\":1,\"a\":2}}}");
    check_without(names, "{\"users\":1,\"use\":2,\"User\":3}",
                  "{\"User\":3,\"use\":2,\"users\":1}");
    check_without(names, "{\"a\":{\"user\":{\"d\":1,\"c\":2}},\"user\":0}",
                  "{\"a\":{\"user\":{\"c\":2,\"d\":1}}}");
    check_without(names, "[{\"user\":1}]", "[{\"user\":1}]");
    check_without(names, "\"user\"", "\"user\"");
    check_without(none, "{\"user\":1,\"a\":2}", "{\"a\":2,\"user\":1}");
}

TEST("an ignored member must be strict JSON as all others, and there once")
{
    static char user[] = "user";
    char *const names[] = {user, NULL};

    check_without(names, "{\"user\":1,\"user\":2}", NULL);
    check_without(names, "{\"user\":1,\"a\":1,\"\\u0075ser\":2}", NULL);
    check_without(names, "{\"user\":01}", NULL);
    check_without(names, "{\"user\":{\"a\":1,\"a\":1}}", NULL);
    check_without(names, "{\"user\":1,}", NULL);
}

/* ---- memory ---- */

TEST("a canon serves any number of documents, good and bad, and forgets each")
{
    struct canon *canon = canon_new();
    struct str out = STR_INIT;

    for (int i = 0; i < 100; i++) {
        mem_auto char *big = many((unsigned)i + 1, 1, "x");

        CHECK(!canon_write(canon, "{\"b\":{\"d\":1,\"c\":2},\"a\":[", 26, NULL, &out));
        CHECK_INT(out.len, 0);
        CHECK(canon_write(canon, big, strlen(big), NULL, &out));
        CHECK_STR(out.text, big);
        str_clear(&out);
        CHECK(canon_write(canon, "{\"b\":1,\"a\":{}}", 14, NULL, &out));
        CHECK_STR(out.text, "{\"a\":{},\"b\":1}");
        str_clear(&out);
    }
    canon_free(canon);
    canon_free(NULL);
    str_release(&out);
}

TEST("what is longer than 2 GiB has no canonical form, and is not looked at")
{
    struct canon *canon = canon_new();
    struct str out = STR_INIT;
    mem_auto char *one = mem_alloc(1);

    *one = '1';
    CHECK(!canon_write(canon, one, (size_t)CANON_BYTES_MAX + 1, NULL, &out));
    CHECK_INT(out.len, 0);
    canon_free(canon);
}

TEST("32 MiB of members in reverse order are a document")
{
    mem_auto char *in = many(2600000, 2599999, "");
    mem_auto char *form = form_of(in, strlen(in), NULL);

    CHECK(strlen(in) > (size_t)32 << 20);
    REQUIRE(form);
    CHECK_INT(strlen(form), strlen(in));
    CHECK_INT(strncmp(form, "{\"00000000\":", 12), 0);
}
