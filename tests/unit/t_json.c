#include "base/json.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

TEST("what was set is printed, in order and escaped")
{
    struct json *root = json_object(), *inner, *array;
    struct str out = STR_INIT;

    json_set_text(root, "a", "q\"b\\c\n");
    json_set_text(root, "n", NULL);
    json_set_number(root, "i", 42);
    inner = json_set_object(root, "o");
    json_set_text(inner, "k", "v");
    array = json_set_array(root, "l");
    json_set_number(json_add_object(array), "x", 1);
    json_add_object(array);
    json_print(root, &out);
    CHECK_STR(out.text, "{\"a\":\"q\\\"b\\\\c\\n\",\"n\":null,\"i\":42,\"o\":{\"k\":\"v\"},"
                        "\"l\":[{\"x\":1},{}]}");
    json_free(root);
    str_release(&out);
}

TEST("a member that is not there, or of another kind, is NULL or 0")
{
    static const char text[] = "{\"s\":\"t\",\"n\":7,\"S\":\"other\"}";
    struct json *root = json_parse(text, strlen(text));

    REQUIRE(root != NULL);
    CHECK_STR(json_text(json_member(root, "s")), "t");
    CHECK_STR(json_text(json_member(root, "S")), "other");
    CHECK_INT(json_number(json_member(root, "n")), 7);
    CHECK(json_member(root, "none") == NULL);
    CHECK(json_member(NULL, "s") == NULL);
    CHECK(json_text(json_member(root, "n")) == NULL);
    CHECK_INT(json_number(json_member(root, "s")), 0);
    CHECK(json_text(NULL) == NULL);
    CHECK(json_number(NULL) >= 0);
    json_free(root);
}

TEST("a text that is no JSON is NULL")
{
    static const char *const rows[] = {"",    " ",   "{",     "[1,", "{\"a\":}",
                                       "nul", "'a'", "{a:1}", "\"a"};

    for (size_t i = 0; i < countof(rows); i++) {
        struct json *root = json_parse(rows[i], strlen(rows[i]));

        unit_row(rows[i]);
        CHECK(root == NULL);
        json_free(root);
    }
    unit_row(NULL);
}

TEST("a text with something after its JSON is no JSON")
{
    static const char *const rows[] = {"{} x", "{}{}", "1 2", "{\"a\":1}]"};

    for (size_t i = 0; i < countof(rows); i++) {
        struct json *root = json_parse(rows[i], strlen(rows[i]));

        unit_row(rows[i]);
        CHECK(root == NULL);
        json_free(root);
    }
    unit_row(NULL);
}

TEST("a list is walked through in its order, an object as well")
{
    static const char text[] = "{\"a\":[1,\"b\",true],\"c\":[]}";
    struct json *root = json_parse(text, strlen(text));
    const struct json *at = json_first(json_member(root, "a"));

    CHECK_INT(json_number(at), 1);
    at = json_next(at);
    CHECK_STR(json_text(at), "b");
    CHECK(!json_is_true(at));
    at = json_next(at);
    CHECK(json_is_true(at));
    CHECK(json_next(at) == NULL);
    CHECK(json_first(json_member(root, "c")) == NULL);
    CHECK(json_first(NULL) == NULL);
    CHECK(json_first(root) == json_member(root, "a"));
    CHECK(!json_is_true(NULL));
    json_free(root);
}

TEST("a list of texts and a truth value are written")
{
    struct json *root = json_object(), *list = json_set_array(root, "l");
    struct str out = STR_INIT;

    json_add_text(list, "a");
    json_add_text(list, "b");
    json_set_bool(root, "t", true);
    json_set_bool(root, "f", false);
    json_print(root, &out);
    CHECK_STR(out.text, "{\"l\":[\"a\",\"b\"],\"t\":true,\"f\":false}");
    str_release(&out);
    json_free(root);
}
