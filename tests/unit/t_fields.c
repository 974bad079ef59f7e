#include "base/fields.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

TEST("fields come out in the order in which they came, repeats kept")
{
    static const char *const rows[][2] = {
        {"Host", "a"}, {"X", "1"}, {"x", "2"}, {"Empty", ""}, {"X", "1"}};
    struct fields f;
    size_t i = 0;

    fields_init(&f);
    CHECK(fields_first(&f).name == NULL);
    for (size_t r = 0; r < countof(rows); r++)
        CHECK(fields_adds(&f, rows[r][0], rows[r][1]));
    fields_each(h, &f) {
        REQUIRE(i < countof(rows));
        CHECK_STR(h.name, rows[i][0]);
        CHECK_STR(h.value, rows[i][1]);
        CHECK_INT(h.name_len, strlen(rows[i][0]));
        CHECK_INT(h.value_len, strlen(rows[i][1]));
        i++;
    }
    CHECK_INT(i, countof(rows));
    CHECK_INT(f.count, countof(rows));
    fields_release(&f);
}

/* Names and values are looked at eight bytes at a time: these lengths lie on both sides of that. */
static const size_t lengths[] = {1, 3, 7, 8, 9, 15, 16, 17, 24};
#define LENGTH_MAX 24
#define each_place(len, at)                                                                        \
    for (const size_t *l_ = lengths; l_ < lengths + sizeof(lengths) / sizeof(*lengths); l_++)      \
        for (size_t len = *l_, at = 0; at < len; at++)

/* The byte at each place of values of several lengths. */
static void check_byte_in_value(unsigned char byte)
{
    each_place(len, at)
    {
        char value[LENGTH_MAX + 1] = "aaaaaaaaaaaaaaaaaaaaaaaa";
        bool refused = byte == '\0' || byte == '\r' || byte == '\n', added;
        struct fields f;

        fields_init(&f);
        value[at] = (char)byte;
        added = fields_add(&f, "n", 1, value, len);
        CHECK(added == !refused);
        CHECK_INT(f.count, added);
        fields_each(h, &f) {
            CHECK(!memchr(h.value, '\0', h.value_len));
            CHECK(!strpbrk(h.value, "\r\n"));
        }
        fields_release(&f);
    }
}

TEST("a value never holds CR, LF or NUL, and may hold every other byte")
{
    for (unsigned byte = 0; byte < 256; byte++)
        check_byte_in_value((unsigned char)byte);
}

TEST("a name is a token: letters, digits and !#$%&'*+-.^_`|~, and never empty")
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[LENGTH_MAX];
        bool is_tchar = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9') ||
                        (byte && strchr("!#$%&'*+-.^_`|~", (int)byte));

        each_place(len, at)
        {
            struct fields f;

            memset(name, at % 2 ? '-' : 'n', len);
            name[at] = (char)byte;
            fields_init(&f);
            REQUIRE(field_is_token(name, len) == is_tchar);
            REQUIRE(fields_add(&f, name, len, "v", 1) == is_tchar);
            REQUIRE(f.count == is_tchar);
            fields_release(&f);
        }
    }
    CHECK(!field_is_token("", 0));
}

TEST("a field that is refused changes nothing")
{
    static const char *const bad[][2] = {
        {"", "v"}, {"a b", "v"}, {"a:", "v"}, {"n", "x\r\nInjected: 1"}, {"n\r\nX: 1", "v"}};
    struct fields f;
    size_t before;

    fields_init(&f);
    CHECK(fields_adds(&f, "a", "b"));
    before = f.bytes.len;
    for (size_t i = 0; i < countof(bad); i++) {
        unit_row(bad[i][1]);
        CHECK(!fields_adds(&f, bad[i][0], bad[i][1]));
        CHECK_INT(f.bytes.len, before);
        CHECK_INT(f.count, 1);
    }
    unit_row(NULL);
    fields_release(&f);
}

TEST("blanks around a value are left out, those inside stay")
{
    static const char *const rows[][2] = {
        {"  v", "v"}, {"v \t ", "v"}, {"\t a  b\t", "a  b"}, {"   ", ""},
        {"", ""},     {"\t", ""},     {"a\tb", "a\tb"},      {" \x0b ", "\x0b"},
    };
    struct fields f;

    fields_init(&f);
    for (size_t i = 0; i < countof(rows); i++) {
        fields_clear(&f);
        CHECK(fields_adds(&f, "n", rows[i][0]));
        CHECK_STR(fields_get(&f, "N"), rows[i][1]);
    }
    fields_release(&f);
}

TEST("a lookup folds case, takes the first one, and does not take a part of a name")
{
    struct fields f;

    fields_init(&f);
    fields_adds(&f, "Content-Length-X", "no");
    fields_adds(&f, "content-length", "first");
    fields_adds(&f, "Content-Length", "second");
    CHECK_STR(fields_get(&f, "CONTENT-LENGTH"), "first");
    CHECK_INT(fields_count(&f, "Content-LENGTH"), 2);
    CHECK(fields_get(&f, "content") == NULL);
    CHECK_INT(fields_count(&f, "content-lengt"), 0);
    fields_clear(&f);
    CHECK(fields_get(&f, "content-length") == NULL);
    CHECK_INT(f.count, 0);
    fields_release(&f);
}

TEST("a set that was cleared is used again without another allocation")
{
    struct fields f;
    const char *memory;

    fields_init(&f);
    fields_adds(&f, "some-name", "some value");
    memory = f.bytes.text;
    fields_clear(&f);
    fields_adds(&f, "n", "v");
    CHECK(f.bytes.text == memory);
    CHECK_INT(f.bytes.text[f.bytes.len], '\0'); /* where the old bytes still lie */
    CHECK_STR(fields_get(&f, "n"), "v");
    fields_release(&f);
}

TEST("a set that was wiped is empty, and may be used again")
{
    struct fields f;

    fields_init(&f);
    fields_wipe(&f); /* even without memory of its own */
    fields_adds(&f, "Authorization", "Bearer sk-secret");
    fields_wipe(&f);
    CHECK_INT(f.count, 0);
    CHECK_INT(f.bytes.len, 0);
    CHECK(fields_get(&f, "authorization") == NULL);
    CHECK(fields_adds(&f, "n", "v"));
    CHECK_STR(fields_get(&f, "n"), "v");
    fields_release(&f);
}

TEST("a folded line goes on with the last field's value, after one space")
{
    struct fields f;

    fields_init(&f);
    CHECK(!fields_continue(&f, "no field yet", 12));
    fields_adds(&f, "a", "1");
    fields_adds(&f, "b", "2");
    CHECK(fields_continue(&f, "\t 3 ", 4));
    CHECK(fields_continue(&f, "4", 1));
    CHECK_STR(fields_get(&f, "a"), "1");
    CHECK_STR(fields_get(&f, "b"), "2 3 4");
    fields_adds(&f, "c", "5");
    CHECK_STR(fields_get(&f, "c"), "5");
    CHECK_INT(f.count, 3);
    fields_each(h, &f) {
        CHECK_INT(h.value_len, strlen(h.value));
    }
    fields_release(&f);
}

TEST("a folded line brings no CR, LF or NUL in either")
{
    static const char *const bad[] = {"a\rb", "a\nb", "a\r\nX: 1", "a\0b"};
    struct fields f;

    fields_init(&f);
    fields_adds(&f, "a", "1");
    for (size_t i = 0; i < countof(bad); i++)
        CHECK(!fields_continue(&f, bad[i], i == 3 ? 3 : strlen(bad[i])));
    CHECK_STR(fields_get(&f, "a"), "1");
    fields_release(&f);
}

TEST("a value has no blanks around it after folded lines either")
{
    struct fields f;

    fields_init(&f);
    fields_adds(&f, "first-line-empty", "");
    fields_continue(&f, " v", 2);
    CHECK_STR(fields_get(&f, "first-line-empty"), "v");
    fields_adds(&f, "last-line-blank", "v");
    fields_continue(&f, "   ", 3);
    CHECK_STR(fields_get(&f, "last-line-blank"), "v");
    fields_release(&f);
}

TEST("a list holds a token that stands whole between its commas, in any case")
{
    static const struct {
        const char *value;
        const char *token;
        bool has;
    } rows[] = {
        {"close", "close", true},
        {"Close", "close", true},
        {"keep-alive, close", "close", true},
        {"keep-alive,close", "close", true},
        {" \tclose\t ,x", "close", true},
        {",,close,,", "close", true},
        {"x ,\tclose", "close", true},
        {"closed", "close", false},
        {"close-x", "close", false},
        {"not close", "close", false},
        {"close;q=1", "close", false},
        {"", "close", false},
        {",", "close", false},
        {"clo,se", "close", false},
        {"\"close\"", "close", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].value);
        CHECK(field_has_token(rows[i].value, rows[i].token, strlen(rows[i].token)) == rows[i].has);
    }
    unit_row(NULL);
}

static bool is_even(const struct field *h)
{
    return (h->name[h->name_len - 1] - '0') % 2 == 0;
}

static void check_copy(const struct fields *f, bool (*keeps)(const struct field *), unsigned count)
{
    size_t len = fields_copy(f, keeps, NULL, NULL);
    char *memory = mem_alloc(len + 1);
    struct fields copy;
    struct field at;

    CHECK_INT(fields_copy(f, keeps, &copy, memory), len);
    CHECK_INT(copy.count, count);
    at = fields_first(&copy);
    fields_each(h, f) {
        if (keeps && !keeps(&h))
            continue;
        REQUIRE(at.name && strcmp(at.name, h.name) == 0 && strcmp(at.value, h.value) == 0);
        at = fields_next(&copy, &at);
    }
    CHECK(!at.name);
    free(memory);
}

TEST("many fields of many lengths all come back, copied as well")
{
    uint64_t random = 7;
    char name[64], value[400];
    struct fields f, copy;
    unsigned n = 0;

    fields_init(&f);
    for (unsigned i = 0; i < 500; i++) {
        size_t len = unit_random_up_to(&random, sizeof(value) - 1);

        memset(value, 'a' + (int)(i % 26), len);
        snprintf(name, sizeof(name), "name-%u", i);
        REQUIRE(fields_add(&f, name, strlen(name), value, len));
    }
    random = 7;
    fields_each(h, &f) {
        size_t len = unit_random_up_to(&random, sizeof(value) - 1);

        snprintf(name, sizeof(name), "name-%u", n);
        REQUIRE(strcmp(h.name, name) == 0 && h.value_len == len);
        REQUIRE(len == 0 || h.value[len - 1] == 'a' + (int)(n % 26));
        n++;
    }
    CHECK_INT(n, 500);
    fields_init(&copy);
    fields_each(h, &f)
        fields_add_field(&copy, &h);
    CHECK_INT(copy.count, 500);
    REQUIRE(copy.bytes.len == f.bytes.len);
    CHECK(memcmp(copy.bytes.text, f.bytes.text, f.bytes.len) == 0);
    fields_release(&copy);
    check_copy(&f, NULL, 500);
    check_copy(&f, is_even, 250);
    fields_release(&f);
}
