#include "api/scan_push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

/* What a table finds, as text; with both scanners it must be the same. */
struct finder {
    struct scan_member top[5], inner[3], part[2];
    struct scan_inside in_list, in_inner, in_parts;
    struct str said;
};

static void say(struct str *said, const struct scan_member *member)
{
    char text[64];

    str_addf(said, "%s=%d%d%d", member->name, (int)member->value.kind,
             scan_is_filled(&member->value), scan_is_truthy(&member->value));
    if (scan_copy_text(&member->value, text, sizeof(text)) && member->value.len < SCAN_PUSH_TEXT)
        str_addf(said, "(%s)", text);
    if (scan_is_text(&member->value, "stop"))
        str_adds(said, "!");
    str_adds(said, " ");
}

static void on_inner(void *arg)
{
    struct finder *f = arg;

    str_adds(&f->said, "[");
    for (size_t i = 0; i < countof(f->inner); i++)
        say(&f->said, &f->inner[i]);
    str_adds(&f->said, "]");
}

static void on_part(void *arg)
{
    struct finder *f = arg;

    str_adds(&f->said, "<");
    for (size_t i = 0; i < countof(f->part); i++)
        say(&f->said, &f->part[i]);
    str_adds(&f->said, ">");
}

static void finder_init(struct finder *f)
{
    memset(f, 0, sizeof(*f));
    str_init(&f->said);
    f->part[0].name = "text";
    f->part[1].name = "a";
    f->in_parts = (struct scan_inside){f->part, countof(f->part), on_part, f};
    f->inner[0].name = "a";
    f->inner[1].name = "finish_reason";
    f->inner[2].name = "content";
    f->inner[2].inside = &f->in_parts;
    f->in_list = (struct scan_inside){f->inner, countof(f->inner), on_inner, f};
    f->in_inner = (struct scan_inside){f->inner, countof(f->inner), NULL, NULL};
    f->top[0].name = "a";
    f->top[1].name = "choices";
    f->top[1].inside = &f->in_list;
    f->top[2].name = "message";
    f->top[2].inside = &f->in_inner;
    f->top[3].name = "a"; /* twice */
    f->top[4].name = "status";
}

static void finish(struct finder *f, bool is_document)
{
    str_addf(&f->said, "%s: ", is_document ? "document" : "no document");
    for (size_t i = 0; i < countof(f->top); i++)
        say(&f->said, &f->top[i]);
    for (size_t i = 0; is_document && i < countof(f->inner); i++)
        say(&f->said, &f->inner[i]);
}

static char *by_one(const char *json, size_t len)
{
    struct finder f;

    finder_init(&f);
    finish(&f, scan_document(json, len, NULL, f.top, countof(f.top)));
    return str_detach(&f.said);
}

/* piece 0: of random length. */
static char *by_pieces(const char *json, size_t len, size_t piece, uint64_t *seed)
{
    struct scan_push *scan;
    struct finder f;
    bool sound = true;

    finder_init(&f);
    scan = scan_push_new(f.top, countof(f.top));
    for (size_t at = 0, n; at < len; at += n) {
        mem_auto char *exact = NULL;

        n = piece ? piece : 1 + (size_t)unit_random_up_to(seed, 40);
        n = n < len - at ? n : len - at;
        exact = mem_alloc(n); /* ASan sees a step beyond it */
        memcpy(exact, json + at, n);
        sound = scan_push_feed(scan, exact, n);
    }
    sound = scan_push_end(scan, NULL) && sound;
    CHECK_INT(scan_push_end(scan, NULL), sound); /* may be asked again */
    finish(&f, sound);
    scan_push_free(scan);
    return str_detach(&f.said);
}

/* Elements of what turns out to be no document may have been told of or not. */
static const char *verdict(const char *said)
{
    const char *at = strstr(said, "no document");

    return at ? at : said;
}

static void compare(const char *json, size_t len, uint64_t *seed)
{
    mem_auto char *one = by_one(json, len);

    for (size_t piece = 0; piece < 4; piece++) {
        mem_auto char *pieces = by_pieces(json, len, piece, seed);

        CHECK_STR(verdict(pieces), verdict(one));
    }
    mem_auto char *all = by_pieces(json, len, len ? len : 1, seed);
    CHECK_STR(verdict(all), verdict(one));
}

static const char *const documents[] = {
    "",
    " ",
    "null",
    " true ",
    "\tfalse\n",
    "0",
    "-0",
    "-",
    "01",
    "1.",
    "1.5e+10",
    "1e",
    "1E-3 ",
    "-12.50",
    "tru",
    "truex",
    "nulL",
    "\"a\"",
    "\"a",
    "\"\\u00e9\\ud83d\\ude00\\n\\/\"",
    "\"\\ud83d\"",
    "\"\\ud83dx\"",
    "\"\\ud83d\\n\"",
    "\"\\ude00\"",
    "\"\\ud83d\\ud83d\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\x01\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    "\"\xc3\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xe0\x80\x80\"",
    "\xef\xbb\xbf{}",
    "[]",
    "[",
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
    "{\"a\":1,}",
    "{a:1}",
    "{\"a\":1}x",
    "{\"a\":1} {}",
    "{} ",
    "{\"a\":1}",
    "{\"a\":\"stop\",\"status\":\"st\\u006fp\"}",
    "{\"\\u0061\":0,\"status\":0.0e5}",
    "{\"a\":\" \\n\\t\\u0020\\u000a\",\"status\":\"\\u000c\"}",
    "{\"a\":\"\\f\\r\",\"status\":\" x\"}",
    "{\"a\":[],\"status\":{}}",
    "{\"a\":[ 0],\"status\":{\"x\":null}}",
    "{\"a\":1,\"a\":2,\"a\":null}",
    "{\"choices\":[]}",
    "{\"choices\":[{\"a\":1,\"finish_reason\":\"stop\",\"content\":[{\"text\":\"x\"},3,[{\"text\":"
    "1}]]}]}",
    "{\"choices\":[{\"content\":\"y\"},7,\"z\",{},[{\"a\":1}],{\"a\":null}]}",
    "{\"choices\":{\"a\":1},\"message\":[{\"a\":1}]}",
    "{\"message\":{\"a\":{\"a\":2},\"content\":[{\"a\":[]}]},\"message\":{\"finish_reason\":3}}",
    "{\"message\":{\"a\":1},\"message\":4}",
    "{\"choices\":[{\"a\":1}],\"choices\":[{\"a\":2},{\"a\":3}]}",
    "{\"choices\":[{\"a\":1},{\"a\":2}",
    "{\"x\":{\"choices\":[{\"a\":1}]},\"y\":[{\"a\":1}]}",
    "{\"choices\":[{\"a\":123456789012345678901234567890,\"finish_reason\":\"\xc3\xa9\"}]}",
};

TEST("a document in pieces is judged, and its members are found, as in one")
{
    uint64_t seed = 7;

    for (size_t i = 0; i < countof(documents); i++) {
        unit_row(documents[i]);
        compare(documents[i], strlen(documents[i]), &seed);
    }
    unit_row(NULL);
}

TEST("the same of 20000 documents with a random byte changed, cut or put in")
{
    static const char bytes[] = "{}[]\",:\\u0nte-.1 \n\x01\x80\xc3\xed\xf0x";
    uint64_t seed = 11;

    for (unsigned i = 0; i < 20000; i++) {
        const char *from = documents[unit_random_up_to(&seed, countof(documents) - 1)];
        char json[512];
        size_t len = strlen(from), at;

        memcpy(json, from, len);
        at = (size_t)unit_random_up_to(&seed, len);
        switch (unit_random_up_to(&seed, 2)) {
        case 0:
            len = at;
            break;
        case 1:
            if (at < len)
                json[at] = bytes[unit_random_up_to(&seed, sizeof(bytes) - 2)];
            break;
        default:
            memmove(json + at + 1, json + at, len - at);
            json[at] = bytes[unit_random_up_to(&seed, sizeof(bytes) - 2)];
            len++;
        }
        compare(json, len, &seed);
    }
}

static void check_deep(unsigned depth, bool is_document)
{
    struct scan_push *scan = scan_push_new(NULL, 0);

    for (unsigned i = 0; i < depth; i++)
        scan_push_feed(scan, "[", 1);
    for (unsigned i = 0; i < depth; i++)
        scan_push_feed(scan, "]", 1);
    CHECK_INT(scan_push_end(scan, NULL), is_document);
    scan_push_free(scan);
}

TEST("as many levels are read as in one, and no more")
{
    check_deep(SCAN_DEPTH_MAX, true);
    check_deep(SCAN_DEPTH_MAX + 1, false);
}

/* A member `a` of so many bytes, the last of which is that one. */
static void check_long(size_t len, const char *kind, char fill, char last, bool filled, bool truthy)
{
    struct scan_member member = {.name = "a"};
    mem_auto char *json = mem_alloc(len + 32);
    struct scan_push *scan = scan_push_new(&member, 1);
    size_t at = (size_t)sprintf(json, "{\"a\":%s", kind);

    memset(json + at, fill, len);
    json[at + len - 1] = last;
    at += len;
    at += (size_t)sprintf(json + at, "%s}", kind);
    for (size_t i = 0; i < at; i += 100)
        scan_push_feed(scan, json + i, at - i < 100 ? at - i : 100);
    CHECK(scan_push_end(scan, NULL));
    CHECK_INT(member.value.kind, *kind ? SCAN_STRING : SCAN_NUMBER);
    CHECK_INT(scan_is_filled(&member.value), filled);
    CHECK_INT(scan_is_truthy(&member.value), truthy);
    CHECK(member.value.len < SCAN_PUSH_TEXT);
    scan_push_free(scan);
}

/* A member `a` of so many escapes, and then that text. */
static bool is_filled_by(const char *escape, const char *text)
{
    struct scan_member member = {.name = "a"};
    struct scan_push *scan = scan_push_new(&member, 1);
    bool filled;

    scan_push_feed(scan, "{\"a\":\"", 6);
    for (unsigned i = 0; i < SCAN_PUSH_TEXT; i++)
        scan_push_feed(scan, escape, strlen(escape));
    scan_push_feed(scan, text, strlen(text));
    scan_push_feed(scan, "\"}", 2);
    CHECK(scan_push_end(scan, NULL));
    filled = scan_is_filled(&member.value);
    scan_push_free(scan);
    return filled;
}

TEST("a long string of escapes is blank if each of them is, as in one")
{
    static const char *const blanks[] = {"\\n",     "\\r",     "\\t",    "\\f",
                                         "\\u0020", "\\u000a", "\\u000D"};
    static const char *const others[] = {"\\b",     "\\\"",    "\\/",
                                         "\\u0041", "\\u000c", "\\ud83d\\ude00"};

    for (size_t i = 0; i < countof(blanks); i++) {
        CHECK(!is_filled_by(blanks[i], ""));
        CHECK(is_filled_by(blanks[i], "x"));
        CHECK(is_filled_by(blanks[i], "\xc3\xa9"));
    }
    for (size_t i = 0; i < countof(others); i++)
        CHECK(is_filled_by(others[i], ""));
}

TEST("of a long string or number is known whether it is blank, or 0, and nothing else is kept")
{
    check_long(SCAN_PUSH_TEXT - 3, "\"", ' ', ' ', false, true);
    for (size_t len = SCAN_PUSH_TEXT - 3; len < 2000; len += 97) {
        check_long(len, "\"", ' ', ' ', false, true);
        check_long(len, "\"", ' ', 'x', true, true);
        check_long(len, "\"", 'x', ' ', true, true);
        check_long(len, "", '7', '0', false, true);
    }
}
