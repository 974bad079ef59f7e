#include "api/scan.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

static bool is_document(const char *json)
{
    mem_auto char *exact = mem_alloc(strlen(json)); /* ASan sees a step beyond it */

    memcpy(exact, json, strlen(json));
    return scan_document(exact, strlen(json), NULL, NULL, 0);
}

/* A value's text, which the caller frees; NULL if it is missing. */
static char *text_of(const struct scan_value *value)
{
    return value->kind == SCAN_MISSING ? NULL : mem_strndup(value->at, value->len);
}

static void check_value(const struct scan_value *value, enum scan_kind kind, const char *text)
{
    mem_auto char *got = text_of(value);

    CHECK_INT(value->kind, kind);
    CHECK_STR(got, text);
}

TEST("each kind of value is a document, blanks around it")
{
    static const struct {
        const char *json, *text;
        enum scan_kind kind;
    } rows[] = {
        {"null", "null", SCAN_NULL},
        {" false ", "false", SCAN_FALSE},
        {"\ttrue\n", "true", SCAN_TRUE},
        {"\r-1.5e+3", "-1.5e+3", SCAN_NUMBER},
        {" 0 ", "0", SCAN_NUMBER},
        {" \"a\\\"b\" ", "\"a\\\"b\"", SCAN_STRING},
        {" [ ] ", "[ ]", SCAN_ARRAY},
        {"\n[1, [2 ,{}], \"x\"]\n", "[1, [2 ,{}], \"x\"]", SCAN_ARRAY},
        {" { } ", "{ }", SCAN_OBJECT},
        {" {\"a\" : 1 , \"b\":{\"a\":[]}} ", "{\"a\" : 1 , \"b\":{\"a\":[]}}", SCAN_OBJECT},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct scan_value whole;

        unit_row(rows[i].json);
        CHECK(scan_document(rows[i].json, strlen(rows[i].json), &whole, NULL, 0));
        check_value(&whole, rows[i].kind, rows[i].text);
    }
    unit_row(NULL);
}

TEST("what is no strict JSON is no document")
{
    static const char *const rows[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":1}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1]",
        "1 2",
        "{}{}",
        "[]x",
        "tru",
        "truex",
        "nul",
        "fals",
        "True",
        "-",
        "+1",
        "01",
        ".5",
        "1.",
        "1e",
        "1e+",
        "NaN",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u00g0\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\\udc00\\udc00\"",
        "\"\n\"",
        "\"\x80\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "\"\xc3",
        "\xef\xbb\xbf{}",
        "{\"\xff\":1}",
        "[1]/**/",
        "\v1",
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i]);
        CHECK(!is_document(rows[i]));
    }
    unit_row(NULL);
    CHECK(is_document("{\"a\":1,\"a\":2}"));
    CHECK(!scan_document("[1]\0", 4, NULL, NULL, 0));
}

/* As a start of a document, and as its end. */
TEST("no part of a document is one, and nothing beyond its end is looked at")
{
    static const char json[] = "{\"key \\u00e9\\n long enough for a block\": [-1.5e3, true, null, "
                               "false, {\"\xe2\x82\xac\": \"\\ud83d\\ude00\"}], \"b\": {}}";

    CHECK(is_document(json));
    for (size_t len = 0; len < sizeof(json) - 1; len++) {
        mem_auto char *part = mem_strndup(json, len);

        unit_row(part);
        CHECK(!is_document(part));
    }
    unit_row(NULL);
}

TEST("128 levels are a document, and 129 are none")
{
    struct str s = STR_INIT;

    for (int levels = SCAN_DEPTH_MAX; levels <= SCAN_DEPTH_MAX + 1; levels++) {
        for (int kind = 0; kind < 2; kind++) {
            str_clear(&s);
            for (int i = 0; i < levels; i++)
                str_adds(&s, kind ? "[" : "{\"a\":");
            str_adds(&s, "1");
            for (int i = 0; i < levels; i++)
                str_addc(&s, kind ? ']' : '}');
            CHECK_INT(is_document(s.text), levels == SCAN_DEPTH_MAX);
        }
    }
    str_release(&s);
}

TEST("members of the outermost object are found by name, in any spelling; the last one counts")
{
    static const char json[] = "{\"model\":\"m\", \"n\" : 1 ,\"\\u0073tream\":true,\"n\":[2],"
                               "\"x\":{\"model\":0,\"deep\":1},\"\\n\":1,\"mode\":3,\"models\":4}";
    struct scan_member members[] = {{.name = "model"}, {.name = "n"},     {.name = "stream"},
                                    {.name = "x"},     {.name = "deep"},  {.name = "missing"},
                                    {.name = "mod"},   {.name = "model"}, {.name = ""}};
    static const char *const texts[] = {
        "\"m\"", "[2]", "true", "{\"model\":0,\"deep\":1}", NULL, NULL, NULL, "\"m\"", NULL};

    REQUIRE(scan_document(json, strlen(json), NULL, members, countof(members)));
    for (size_t i = 0; i < countof(members); i++) {
        mem_auto char *text = text_of(&members[i].value);

        CHECK_STR(text, texts[i]);
    }
}

TEST("what is no object has no members, and of what is no document nothing is left")
{
    struct scan_member member = {.name = "a", .value = {.kind = SCAN_TRUE}};
    struct scan_value whole;

    CHECK(scan_document("[{\"a\":1}]", 9, &whole, &member, 1));
    CHECK_INT(member.value.kind, SCAN_MISSING);
    CHECK(!scan_document("{\"a\":1}x", 8, &whole, &member, 1));
    CHECK_INT(member.value.kind, SCAN_MISSING);
    CHECK_INT(whole.kind, SCAN_MISSING);
    CHECK(!scan_document("{\"a\":1,", 7, &whole, &member, 1));
    CHECK_INT(member.value.kind, SCAN_MISSING);
}

/* What is looked for in the tests below: a{x, y}, list[{x, in{y}}], and what each element said. */
struct nested {
    struct scan_member in[1], element[2], a[2], top[2];
    struct scan_inside of_in, of_element, of_a;
    struct str said;
};

static void add_text(struct str *s, const struct scan_value *value)
{
    if (value->kind == SCAN_MISSING)
        str_addc(s, '-');
    else
        str_add(s, value->at, value->len);
}

static void on_element(void *arg)
{
    struct nested *n = arg;

    add_text(&n->said, &n->element[0].value);
    add_text(&n->said, &n->element[1].value);
    add_text(&n->said, &n->in[0].value);
    str_addc(&n->said, ';');
}

static bool scan_nested(struct nested *n, const char *json)
{
    n->in[0] = (struct scan_member){.name = "y"};
    n->of_in = (struct scan_inside){.members = n->in, .count = 1};
    n->element[0] = (struct scan_member){.name = "x"};
    n->element[1] = (struct scan_member){.name = "in", .inside = &n->of_in};
    n->of_element = (struct scan_inside){
        .members = n->element, .count = 2, .on_element = on_element, .arg = n};
    n->a[0] = (struct scan_member){.name = "x"};
    n->a[1] = (struct scan_member){.name = "y"};
    n->of_a = (struct scan_inside){.members = n->a, .count = 2};
    n->top[0] = (struct scan_member){.name = "a", .inside = &n->of_a};
    n->top[1] = (struct scan_member){.name = "list", .inside = &n->of_element};
    str_init(&n->said);
    str_adds(&n->said, "");
    return scan_document(json, strlen(json), NULL, n->top, countof(n->top));
}

TEST("what is within a member is found in the same pass: of objects, and of each array's element")
{
    static const struct {
        const char *json, *x, *y, *said;
        bool is;
    } rows[] = {
        {"{}", NULL, NULL, "", true},
        {"{\"a\":{\"x\":1,\"z\":{\"y\":2}}}", "1", NULL, "", true},
        {"{\"a\":{\"\\u0078\":[1],\"y\":{}},\"x\":3}", "[1]", "{}", "", true},
        {"{\"a\":1,\"list\":2}", NULL, NULL, "", true},
        {"{\"list\":[]}", NULL, NULL, "", true},
        {"{\"list\":[{\"x\":1}]}", NULL, NULL, "1--;", true},
        {"{\"list\":[{\"x\":1,\"in\":{\"y\":2}}, {\"in\":3} ,{}]}", NULL, NULL,
         "1{\"y\":2}2;-3-;---;", true},
        {"{\"list\":[1,null,[{\"x\":1}],{\"x\":2}]}", NULL, NULL, "---;---;---;2--;", true},
        {"{\"list\":{\"x\":1},\"a\":[{\"x\":1}]}", NULL, NULL, "", true}, /* of another kind */
        {"{\"b\":{\"list\":[{\"x\":1}],\"a\":{\"x\":1}}}", NULL, NULL, "", true},
        {"[{\"a\":{\"x\":1}}]", NULL, NULL, "", true},
        /* of a name that comes twice the last one counts, and what was in it */
        {"{\"a\":{\"x\":1},\"a\":{\"y\":2}}", NULL, "2", "", true},
        {"{\"a\":{\"x\":1},\"a\":null}", NULL, NULL, "", true},
        {"{\"list\":[{\"in\":{\"y\":1},\"in\":2}]}", NULL, NULL, "-2-;", true},
        {"{\"list\":[{\"x\":1}],\"list\":[{\"x\":2}]}", NULL, NULL, "1--;2--;", true},
        /* no document has members, but its first elements have been told */
        {"{\"a\":{\"x\":1},\"list\":[{\"x\":1},{\"x\":2},", NULL, NULL, "1--;2--;", false},
        {"{\"a\":{\"x\":1},\"list\":[{\"x\":1", NULL, NULL, "", false},
        {"{\"a\":{\"x\":1,}}", NULL, NULL, "", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct nested n;
        mem_auto char *x = NULL, *y = NULL;

        unit_row(rows[i].json);
        CHECK_INT(scan_nested(&n, rows[i].json), rows[i].is);
        x = text_of(&n.a[0].value);
        y = text_of(&n.a[1].value);
        CHECK_STR(x, rows[i].x);
        CHECK_STR(y, rows[i].y);
        CHECK_STR(n.said.text, rows[i].said);
        CHECK(rows[i].is || n.element[0].value.kind == SCAN_MISSING);
        str_release(&n.said);
    }
    unit_row(NULL);
}

TEST("filled is a string, an array or an object in which there is something")
{
    static const char *const filled[] = {"\"a\"", "\" .\"", "[0]", "[ [] ]", "{\"\":0}", "[null]"};
    static const char *const others[] = {"\"\"", "\" \"", "\"\\n\"", "[]",   "[ \n]",
                                         "{}",   "{ }",   "1",       "true", "null"};
    const struct scan_value missing = {.kind = SCAN_MISSING};
    struct scan_value whole;

    for (size_t i = 0; i < countof(filled); i++) {
        REQUIRE(scan_document(filled[i], strlen(filled[i]), &whole, NULL, 0));
        CHECK(scan_is_filled(&whole));
    }
    for (size_t i = 0; i < countof(others); i++) {
        REQUIRE(scan_document(others[i], strlen(others[i]), &whole, NULL, 0));
        CHECK(!scan_is_filled(&whole));
    }
    CHECK(!scan_is_filled(&missing));
}

static struct scan_value value(const char *json)
{
    struct scan_value whole;

    CHECK(scan_document(json, strlen(json), &whole, NULL, 0));
    return whole;
}

TEST("a string is a text, whatever its spelling")
{
    static const struct {
        const char *json, *text;
        bool is;
    } rows[] = {
        {"\"stop\"", "stop", true},
        {"\"\\u0073top\"", "stop", true},
        {"\"sto\\u0070\"", "stop", true},
        {"\"a\\/b\\n\"", "a/b\n", true},
        {"\"\"", "", true},
        {"\"stopx\"", "stop", false},
        {"\"sto\"", "stop", false},
        {"\"stoq\"", "stop", false},
        {"\"stop\\u0000\"", "stop", false},
        {"\"\\u0000\"", "", false},
        {"\"\\u0073to\"", "stop", false},
        {"\"\\u0173top\"", "stop", false},
        {"\"s\\\\\"", "s\\\\", false}, /* the bytes, but not what they spell */
        {"\"\xc3\xa9xxxxx\"", "stop", false},
        {"stop", "stop", false},
        {"null", "null", false},
        {"1", "1", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct scan_value v = {.kind = SCAN_NULL, .at = "stop", .len = 4};

        if (strcmp(rows[i].json, "stop") != 0)
            v = value(rows[i].json);
        unit_row(rows[i].json);
        CHECK_INT(scan_is_text(&v, rows[i].text), rows[i].is);
    }
    unit_row(NULL);
}

static void check_copy(const char *json, size_t size, const char *text)
{
    const struct scan_value v = value(json);
    char *buf = mem_alloc(size);

    unit_row(json);
    CHECK(scan_copy_text(&v, buf, size));
    CHECK_STR(buf, text);
    unit_row(NULL);
    free(buf);
}

TEST("a string is copied unescaped, and cut at a character's end")
{
    char buf[8] = "x";
    struct scan_value v = {.kind = SCAN_MISSING};

    check_copy("\"gpt-4o\"", 7, "gpt-4o");
    check_copy("\"gpt-4o\"", 6, "gpt-4");
    check_copy("\"gpt-4o\"", 1, "");
    check_copy("\"\"", 4, "");
    check_copy("\"a\\n\\u00e9\\ud83d\\ude00\\/\"", 32, "a\n\xc3\xa9\xf0\x9f\x98\x80/");
    check_copy("\"a\xc3\xa9\"", 4, "a\xc3\xa9");
    check_copy("\"a\xc3\xa9\"", 3, "a");
    check_copy("\"\\ud83d\\ude00\"", 4, "");
    check_copy("\"\xf0\x9f\x98\x80x\"", 4, "");
    check_copy("\"a\\u0000b\"", 8, "a");
    CHECK(!scan_copy_text(&v, buf, sizeof(buf)));
    CHECK_STR(buf, "");
    v = value("12");
    buf[0] = 'x';
    CHECK(!scan_copy_text(&v, buf, sizeof(buf)));
    CHECK_STR(buf, "");
}

TEST("truthy is what JavaScript calls true")
{
    static const char *const no[] = {"null",  "false", "0",    "-0",  "0.0",
                                     "-0.00", "0e5",   "0E+9", "\"\""};
    static const char *const yes[] = {"true",  "1",     "-1",        "0.1", "0.001e5", "1e0",
                                      "\"0\"", "\" \"", "\"false\"", "[]",  "{}",      "10"};
    struct scan_value v = {.kind = SCAN_MISSING};

    CHECK(!scan_is_truthy(&v));
    for (size_t i = 0; i < countof(no); i++) {
        v = value(no[i]);
        CHECK(!scan_is_truthy(&v));
    }
    for (size_t i = 0; i < countof(yes); i++) {
        v = value(yes[i]);
        CHECK(scan_is_truthy(&v));
    }
}
