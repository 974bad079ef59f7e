#include "api/key.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/mem.h"
#include "fields_help.h"
#include "unit.h"

#define CHAT "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"

static struct key_rules rules = {.upstream = "https://api.openai.com/v1"};

/* One request: "Name: value" lines are its fields. */
struct ask {
    const char *method, *target, *fields, *body;
};
static const struct ask plain = {"POST", "/v1/chat/completions",
                                 "Authorization: Bearer sk-1\nContent-Type: application/json",
                                 CHAT};

typedef void way(struct keyer *, const struct key_request *, struct key *);

static const unsigned char secret[CRYPTO_SECRET_BYTES] = {7};

/* A tag, in a key's clothes. */
static void tag_as_key(struct keyer *keyer, const struct key_request *request, struct key *key)
{
    struct request_fingerprint tag;

    *key = (struct key){{0}};
    keyer_fingerprint(keyer, request, &tag);
    memcpy(key->bytes, tag.bytes, sizeof(tag));
}

static char *hex_by(way *make, struct key_rules *by, const struct ask *ask)
{
    struct keyer *keyer = keyer_new(by, secret);
    struct key_request request = {.method = ask->method, .target = ask->target};
    struct fields fields;
    struct key key;
    char *hex = mem_alloc(KEY_HEX_SIZE);

    read_fields(&fields, ask->fields);
    request.fields = &fields;
    request.body = ask->body;
    request.body_len = ask->body ? strlen(ask->body) : 0;
    make(keyer, &request, &key);
    key_to_hex(&key, hex);
    fields_release(&fields);
    keyer_free(keyer);
    return hex;
}

static char *hex_of(const struct ask *ask)
{
    return hex_by(keyer_key, &rules, ask);
}

static bool same(const struct ask *a, const struct ask *b)
{
    mem_auto char *x = hex_of(a), *y = hex_of(b);

    return strcmp(x, y) == 0;
}

static bool same_fields(const char *a, const char *b)
{
    struct ask x = plain, y = plain;

    x.fields = a;
    y.fields = b;
    return same(&x, &y);
}

static bool same_body(const char *a, const char *b)
{
    struct ask x = plain, y = plain;

    x.body = a;
    y.body = b;
    return same(&x, &y);
}

/* Keys are on users' disks: when one of these changes, so must `format` in key.c. */
TEST("golden keys: a request's key is the same in every version of the program")
{
    static const struct {
        struct ask ask;
        bool share;
        const char *key;
    } rows[] = {
        {{"POST", "/v1/chat/completions", "", CHAT},
         false,
         "4b1069bf0c26079ad0a2333104ede3a9034316cb7fe783212008ec2014a0b3ff"},
        {{"POST", "/v1/chat/completions", "", CHAT},
         true,
         "4858538204c5482ec6f3c4ae29c364d827e0c7da467987e09ac9249eb6a7a45b"},
        {{"POST", "/v1/chat/completions", "Authorization: Bearer sk-1", CHAT},
         false,
         "fca8e951e4eadc4e288456dda5399e135c4d9493679cd89f4ee6a35a5a8177a0"},
        {{"POST", "/v1/chat/completions", "Content-Type: application/json", CHAT},
         false,
         "2f3666403136cf8e6ebcfbb66af7f10b7ba0dc185cdbb71ac4d544e351a1e8e5"},
        {{"POST", "/v1/chat/completions",
          "authorization: Bearer sk-1\nOpenAI-Organization: o\nOpenAI-Project: p\n"
          "OpenAI-Beta: b\nCookie: c\napi-key: d\nx-api-key: e\nContent-Type: application/json",
          CHAT},
         false,
         "661531989a29303b26ff6988b26dbc62cdc0f3ddce9c82cae120446fdb84641a"},
        {{"POST", "/v1/chat/completions", "", "{\"b\":[1.0,\"\\u0041\\n\"],\"a\":{}}"},
         false,
         "aa9719ef0f8f49188234677d7ad45fce36ff585745d571203ca19c12a493c939"},
        {{"POST", "/v1/chat/completions", "", "{\"a\":1,\"a\":2}"},
         false,
         "99844f89cbe1b8618535b5bf8d5d64f72df010ebb1c2a27c054960f60dc1c25c"},
        {{"POST", "/v1/chat/completions", "", ""},
         false,
         "a6017867c68e3bbb1fb5555b8e0aa1ff713757074590af026ba75d189b7d960c"},
        {{"GET", "/v1/models", "", NULL},
         false,
         "7f339996dccf39dcaea50760979b5e6e0f240e0a9f9297877e827682d5f35bde"},
        {{"GET", "/v1/models?limit=2&after=x", "", NULL},
         false,
         "154c429b7022f8970f7d5bc938b3d8f8a8f2b228d5cd2fe6e4ed5222cfcb3b65"},
        {{"GET", "/v1/models", "Authorization: Bearer sk-1", NULL},
         false,
         "6b125573249d725299121993c9baa13e9d3083343864f4d58a46620ddf31292d"},
        {{"GET", "/v1/models", "Cookie: a\nCookie: b", NULL},
         false,
         "008835085ed834a5448eb4afc7d572168f11c5c7921aea7391f8d0154605bdd1"},
        {{"GET", "/v1/models",
          "X-b: 2\nZ: z\nAccept: text/csv\nx-B: 1\nHost: h\nx-any-Virtual-Key: v", NULL},
         false,
         "72be1bd94cf895bdcd5faf7f2079cd085ef5c3b425f348c4ed44747d1383a8df"},
        {{"POST", "/v1/chat/completions", "",
          "{\"tools\":[{\"parameters\":{\"y\":1,\"x\":2}}],\"a\":1}"},
         false,
         "e38eaf20d3a23ea574958869672cf8b792cc26c92b124a783217de443d88187f"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct key_rules by = rules;
        mem_auto char *hex = NULL;

        by.share = rows[i].share;
        hex = hex_by(keyer_key, &by, &rows[i].ask);
        CHECK_STR(hex, rows[i].key);
    }
}

/* Computed by hand from what key.h says: length-prefixed, big-endian. */
TEST("the key is SHA-256 over what the header says")
{
    struct crypto_digest *digest = crypto_digest_new();
    struct ask ask = {"GET", "/v1/x",
                      "X-b: 2\nOpenAI-Beta: b\nHost: h\nx-any-Virtual-Key: v\nx-B:\napi-key: k",
                      NULL};
    mem_auto char *hex = hex_of(&ask);
    unsigned char inner[32];
    char expected[KEY_HEX_SIZE];
    struct key key;
#define ZEROS "\0\0\0\0\0\0\0"

    crypto_digest_begin(digest);
#define ADD(text) crypto_digest_add(digest, text, sizeof(text) - 1)
    ADD(ZEROS "\2" ZEROS "\7api-key" ZEROS "\1" ZEROS "\1k");
    ADD(ZEROS "\x11x-any-virtual-key" ZEROS "\1" ZEROS "\1v");
    crypto_digest_end(digest, inner);
    crypto_digest_begin(digest);
    ADD(ZEROS "\x0fgoproxyai key 3" ZEROS "\0" ZEROS "\3GET");
    ADD(ZEROS "\x19https://api.openai.com/v1" ZEROS "\5/v1/x" ZEROS "\x20");
    crypto_digest_add(digest, inner, sizeof(inner));
    ADD(ZEROS "\2" ZEROS "\x0bopenai-beta" ZEROS "\1" ZEROS "\1b");
    ADD(ZEROS "\3x-b" ZEROS "\2" ZEROS "\1"
              "2" ZEROS "\0"
              "N" ZEROS "\0");
    crypto_digest_end(digest, key.bytes);
    key_to_hex(&key, expected);
    CHECK_STR(hex, expected);
    crypto_digest_free(digest);
}

TEST("whatever the header names, and any field that is not known noise, changes the key")
{
    static const struct ask others[] = {
        {"PUT", "/v1/chat/completions",
         "Authorization: Bearer sk-1\nContent-Type: application/json", CHAT},
        {"POST", "/v1/chat/completions?",
         "Authorization: Bearer sk-1\nContent-Type: application/json", CHAT},
        {"POST", "/v1/chat/completions",
         "Authorization: Bearer sk-1\nContent-Type: application/json", CHAT "x"},
        {"POST", "/v1/chat/completions",
         "Authorization: Bearer sk-1\nContent-Type: application/json", NULL},
    };
    static const char *const names[] = {"Authorization",
                                        "api-key",
                                        "x-api-key",
                                        "Cookie",
                                        "Content-Type",
                                        "OpenAI-Organization",
                                        "OpenAI-Project",
                                        "OpenAI-Beta",
                                        "x-portkey-virtual-key",
                                        "X-Upstream-Authorization",
                                        "Content-Encoding",
                                        "Nobody-Knows",
                                        "Zz",
                                        "1"};

    for (size_t i = 0; i < countof(others); i++)
        CHECK(!same(&plain, &others[i]));
    for (size_t i = 0; i < countof(names); i++) {
        char one[64], two[64], empty[64], twice[160], swapped[160];

        snprintf(one, sizeof(one), "%s: 1", names[i]);
        snprintf(two, sizeof(two), "%s: 2", names[i]);
        snprintf(empty, sizeof(empty), "%s:", names[i]);
        snprintf(twice, sizeof(twice), "%s\nHost: x\nX-Request-ID: y\n%s", one, two);
        snprintf(swapped, sizeof(swapped), "%s\n%s", two, one);
        unit_row(names[i]);
        CHECK(!same_fields("", one));
        CHECK(!same_fields("", empty));
        CHECK(!same_fields(one, two));
        CHECK(!same_fields(one, empty));
        CHECK(!same_fields(one, twice));
        CHECK(!same_fields(twice, swapped));
        for (size_t j = 0; j < i; j++) { /* the same value under another name */
            snprintf(two, sizeof(two), "%s: 1", names[j]);
            CHECK(!same_fields(one, two));
        }
    }
    unit_row(NULL);
}

TEST("the upstream changes the key")
{
    struct key_rules other = rules;
    mem_auto char *a = hex_of(&plain), *b = NULL;

    other.upstream = "https://api.openai.com/v2";
    b = hex_by(keyer_key, &other, &plain);
    CHECK(strcmp(a, b) != 0);
}

TEST("what changes from try to try, and the order and case of names, do not change the key")
{
    static const char base[] = "Authorization: k\nContent-Type: t\nCookie: c";

    CHECK(same_fields(base, "Authorization: k\nContent-Type: t\nCookie: c\nUser-Agent: x\n"
                            "Accept: */*\nAccept-Encoding: gzip\nX-Stainless-Retry-Count: 2\n"
                            "x-stainless-lang: js\ntraceparent: 00-1\ntracestate: x\n"
                            "Cache-Control: no-cache\nContent-Length: 3\nX-Request-ID: 7\n"
                            "Idempotency-Key: 9\nHost: h"));
    CHECK(same_fields(base, "Cookie: c\nContent-Type: t\nAuthorization: k"));
    CHECK(same_fields(base, "COOKIE: c\ncontent-type: t\nauthorization:k"));
    CHECK(same_fields("A: 1\nX-B: 2\na: 3\nx-c: 4\nX-B: 5", "x-C: 4\nx-b: 2\nX-b: 5\nA: 1\nA: 3"));
    CHECK(!same_fields("A: 1\nA: 3", "A: 3\nA: 1"));
    CHECK(same_fields("Ab: 1\nA: 2", "A: 2\nAb: 1"));
    CHECK(same_fields("a-: 1\nA: 2\na_: 3\nAA: 4", "aa: 4\nA_: 3\na: 2\nA-: 1"));
}

TEST("Accept counts of a GET, and not of a POST")
{
    struct ask a = {"GET", "/v1/files", "Accept: text/csv", NULL}, b = a, none = a;

    b.fields = "Accept: application/json";
    none.fields = "";
    CHECK(!same(&a, &b));
    CHECK(!same(&a, &none));
    CHECK(same_fields("Accept: text/csv", "Accept: application/json"));
}

TEST("a sample of 1 is the same as none; tag and scope do not change the key")
{
    CHECK(same_fields("", "X-Goproxyai-Sample: 1"));
    CHECK(same_fields("", "x-goproxyai-sample:  1 "));
    CHECK(same_fields("A: a\nZ: z", "A: a\nX-Goproxyai-Sample: 1\nZ: z"));
    CHECK(!same_fields("", "X-Goproxyai-Sample: 2"));
    CHECK(!same_fields("", "X-Goproxyai-Sample: 11"));
    CHECK(!same_fields("", "X-Goproxyai-Sample:"));
    CHECK(!same_fields("X-Goproxyai-Sample: 2", "X-Goproxyai-Sample: 3"));
    CHECK(!same_fields("X-Goproxyai-Sample: 2", "X-Goproxyai-Sample: 1\nX-Goproxyai-Sample: 2"));
    CHECK(!same_fields("", "X-Goproxyai-Salt: 1"));
    CHECK(!same_fields("X-Goproxyai-Salt: a", "X-Goproxyai-Salt: b"));
    CHECK(!same_fields("X-Goproxyai-Salt: a", "X-Goproxyai-Sample: a"));
    CHECK(same_fields("", "X-Goproxyai-Tag: a\nX-Goproxyai-Scope: b"));
}

TEST("what Connection names does not go upstream and is no part of the key")
{
    CHECK(same_fields("", "X-Hop: 1\nConnection: X-Hop"));
    CHECK(same_fields("X-End: 1",
                      "Connection: close, x-hop,x-other\nX-Hop: 1\nX-End: 1\nX-Other: 2"));
    CHECK(same_fields("", "Connection: keep-alive\nX-Hop: 1\nConnection: x-hop"));
    CHECK(same_fields("", "Connection: keep-alive"));
    CHECK(same_fields("", "Connection: close"));
    CHECK(!same_fields("", "Connection: close\nX-Hop: 1"));
    CHECK(!same_fields("", "X-Hop-2: 1\nConnection: X-Hop"));
    CHECK(same_fields("", "Authorization: 1\nConnection: Authorization"));
}

TEST("ignored fields do not change the key, nor the tag")
{
    static char run[] = "X-Run-ID";
    static char *const names[] = {run, NULL};
    struct key_rules by = rules;
    struct ask a = plain, b = plain;
    mem_auto char *x = NULL, *y = NULL, *v = NULL, *w = NULL;

    a.fields = "A: a\nx-run-id: 1";
    b.fields = "X-RUN-ID: 2\nA: a\nX-Run-ID: 3";
    by.ignored_fields = names;
    x = hex_by(keyer_key, &by, &a);
    y = hex_by(keyer_key, &by, &b);
    v = hex_by(tag_as_key, &by, &a);
    w = hex_by(tag_as_key, &by, &b);
    CHECK_STR(x, y);
    CHECK_STR(v, w);
    CHECK(!same(&a, &b));
}

TEST("what is kept under one list of ignored names is not found under another; the list is a set")
{
    static char a[] = "user", b[] = "metadata", c[] = "X-A", d[] = "x-a", e[] = "X-B", f[] = "User";
    static char *const none[] = {NULL}, *const user[] = {a, NULL}, *const both[] = {a, b, NULL},
                       *const turned[] = {b, a, a, NULL}, *const upper[] = {f, NULL},
                       *const field[] = {c, NULL}, *const lower[] = {d, d, NULL},
                       *const fields[] = {c, e, NULL}, *const as_field[] = {a, NULL};
    /* rows with one number are the same list */
    static const struct {
        char *const *members, *const *fields;
        unsigned number;
    } rows[] = {
        {NULL, NULL, 0},  {none, NULL, 0},     {NULL, none, 0},   {user, NULL, 1},
        {user, none, 1},  {both, NULL, 2},     {turned, NULL, 2}, {upper, NULL, 3},
        {NULL, field, 4}, {NULL, lower, 4},    {NULL, fields, 5}, {user, field, 6},
        {user, lower, 6}, {NULL, as_field, 7}, {both, fields, 8}, {turned, fields, 8},
    };
    char *hex[countof(rows)];
    struct ask ask = plain;

    for (size_t i = 0; i < countof(rows); i++) {
        struct key_rules by = rules;

        by.ignored = rows[i].members;
        by.ignored_fields = rows[i].fields;
        hex[i] = hex_by(keyer_key, &by, &ask);
        for (size_t before = 0; before < i; before++)
            CHECK_INT(strcmp(hex[before], hex[i]) == 0, rows[before].number == rows[i].number);
    }
    for (size_t i = 0; i < countof(rows); i++)
        free(hex[i]);
}

TEST("Content-Type counts as it is written")
{
    CHECK(!same_fields("Content-Type: application/json", "Content-Type: Application/JSON"));
    CHECK(!same_fields("Content-Type: application/json",
                       "Content-Type: application/json; charset=utf-8"));
}

TEST("bytes that move from one field into the next make another key")
{
    struct ask a = plain, b = plain;

    CHECK(!same_fields("Cookie: ab", "Cookie: a\nCookie: b"));
    CHECK(!same_fields("Authorization: a\napi-key: b", "Authorization: ab\napi-key:"));
    CHECK(!same_fields("Authorization: a", "api-key: a"));
    CHECK(!same_fields("A: b", "Ab:"));
    CHECK(!same_fields("A: b\nC: d", "A: bC: d"));
    CHECK(!same_fields("A:\nB:", "A: B:"));
    a.method = "GET", a.target = "/x";
    b.method = "GET/", b.target = "x";
    CHECK(!same(&a, &b));
}

TEST("a JSON body counts by its canonical form, and another by its bytes")
{
    CHECK(same_body(CHAT, " {\"messages\" : [{\"content\":\"\\u0048i\",\"role\":\"user\"}],\r\n"
                          "\"model\":\"gpt-4o\"} "));
    CHECK(!same_body("{\"seed\":9007199254740992}", "{\"seed\":9007199254740993}"));
    CHECK(!same_body("{\"a\":1}", "{\"a\":1.0}"));
    CHECK(!same_body("{\"a\":1,\"a\":2}", "{\"a\":1, \"a\":2}"));
    CHECK(!same_body("x", "x "));
    CHECK(same_body("x", "x"));
    CHECK(!same_body("", NULL));
}

TEST("tags are equal only where the bytes are")
{
    static const char *const bodies[] = {CHAT, "{\"a\":1,\"a\":2}", "x", "", NULL};

    for (size_t i = 0; i < countof(bodies); i++) {
        struct ask ask = plain, spaced = plain;
        mem_auto char *tag = NULL, *other = NULL, *again = NULL;

        ask.body = bodies[i];
        tag = hex_by(tag_as_key, &rules, &ask);
        again = hex_by(tag_as_key, &rules, &ask);
        CHECK_STR(tag, again);
        spaced.body = i == 0 ? " " CHAT : bodies[i - 1];
        other = hex_by(tag_as_key, &rules, &spaced);
        CHECK(strcmp(tag, other) != 0);
    }
}

TEST("a tag tells apart whatever the key tells apart, and is another one under another secret")
{
    static const char *const fields[] = {"",
                                         "Authorization: a",
                                         "api-key: a",
                                         "x-api-key: a",
                                         "Cookie: a",
                                         "OpenAI-Organization: a",
                                         "OpenAI-Project: a",
                                         "OpenAI-Beta: a",
                                         "Content-Type: a",
                                         "Authorization: b",
                                         "Authorization:",
                                         "Authorization: a\nAuthorization: a",
                                         "X-Any: a",
                                         "X-Any: b",
                                         "X-An: ya",
                                         "X-Any: a\nX-Any: b",
                                         "X-Any: b\nX-Any: a",
                                         "x-portkey-virtual-key: a",
                                         "X-Goproxyai-Sample: 2",
                                         "X-Goproxyai-Salt: 2"};
    static const unsigned char one[CRYPTO_SECRET_BYTES] = {1};
    mem_auto char *tags[countof(fields)] = {NULL};
    struct ask ask = plain;
    struct keyer *keyer = keyer_new(&rules, one);
    struct fields none;
    struct key_request request = {.method = "GET", .target = "/v1/x", .fields = &none};
    struct request_fingerprint a, b;

    for (size_t i = 0; i < countof(fields); i++) {
        ask.fields = fields[i];
        tags[i] = hex_by(tag_as_key, &rules, &ask);
        for (size_t n = 0; n < i; n++)
            CHECK(strcmp(tags[i], tags[n]) != 0);
    }
    for (size_t i = 1; i < countof(fields); i++)
        free(tags[i]);
    fields_init(&none);
    keyer_fingerprint(keyer, &request, &a);
    keyer_free(keyer);
    keyer = keyer_new(&rules, secret);
    keyer_fingerprint(keyer, &request, &b);
    CHECK(memcmp(&a, &b, sizeof(a)) != 0);
    keyer_free(keyer);
}

TEST("a shared cache leaves credentials out, and no more")
{
    static struct key_rules shared = {.upstream = "https://api.openai.com/v1", .share = true};
    static const char *const left_out[] = {
        "Authorization: x",
        "api-key: x",
        "x-api-key: x",
        "Cookie: x",
        "x-portkey-virtual-key: x",
        "X-Upstream-Authorization: x",
        "dd-api-key: x",
    };
    static const char *const kept[] = {
        "OpenAI-Beta: x",    "Content-Type: x", "OpenAI-Organization: x",
        "OpenAI-Project: x", "X-Any: x",        "virtual-key: x"};
    struct ask ask = plain;
    mem_auto char *bare = NULL, *private = NULL;

    ask.fields = "";
    bare = hex_by(keyer_key, &shared, &ask);
    private = hex_of(&ask);
    CHECK(strcmp(bare, private) != 0); /* what was shared once is not for all for ever */
    for (size_t i = 0; i < countof(left_out) + countof(kept); i++) {
        const bool out = i < countof(left_out);
        mem_auto char *hex = NULL;

        ask.fields = out ? left_out[i] : kept[i - countof(left_out)];
        unit_row(ask.fields);
        hex = hex_by(keyer_key, &shared, &ask);
        CHECK((strcmp(bare, hex) == 0) == out);
    }
    unit_row(NULL);
}

TEST("members that are ignored do not change the key, but the tag")
{
    static char user[] = "user";
    static char *const names[] = {user, NULL};
    struct key_rules by = rules;
    struct ask a = plain, b = plain, c = plain;
    mem_auto char *x = NULL, *y = NULL, *z = NULL, *v = NULL, *w = NULL;

    by.ignored = names;
    a.body = "{\"user\":\"a\",\"model\":\"m\"}";
    b.body = "{\"model\":\"m\",\"user\":[\"b\"]}";
    c.body = "{\"model\":\"m\",\"metadata\":\"b\"}";
    x = hex_by(keyer_key, &by, &a);
    y = hex_by(keyer_key, &by, &b);
    z = hex_by(keyer_key, &by, &c);
    v = hex_by(tag_as_key, &by, &a);
    w = hex_by(tag_as_key, &by, &b);
    CHECK_STR(x, y);
    CHECK(strcmp(x, z) != 0);
    CHECK(strcmp(v, w) != 0);
    CHECK(!same(&a, &b));
}

TEST("a keyer gives the same keys in any order of requests")
{
    struct keyer *keyer = keyer_new(&rules, secret);
    struct fields fields;
    struct key first, second, key;
    struct request_fingerprint tag;
    struct key_request json = {.method = "POST", .target = "/v1/x", .body = CHAT};
    struct key_request other = {.method = "POST", .target = "/v1/x", .body = "{\"a\":"};

    read_fields(&fields, "Authorization: k\nAuthorization: l");
    json.fields = other.fields = &fields;
    json.body_len = strlen(json.body);
    other.body_len = strlen(other.body);
    keyer_key(keyer, &json, &first);
    keyer_key(keyer, &other, &second);
    for (int i = 0; i < 3; i++) {
        keyer_fingerprint(keyer, &json, &tag);
        keyer_key(keyer, &json, &key);
        CHECK(memcmp(&key, &first, sizeof(key)) == 0);
        keyer_key(keyer, &other, &key);
        CHECK(memcmp(&key, &second, sizeof(key)) == 0);
    }
    fields_release(&fields);
    keyer_free(keyer);
    keyer_free(NULL);
}

TEST("a key is 64 hexadecimal digits, and back")
{
    char hex[KEY_HEX_SIZE], upper[KEY_HEX_SIZE];
    struct key key, back;
    unsigned bits = 0;

    for (unsigned i = 0; i < KEY_BYTES; i++)
        key.bytes[i] = (unsigned char)(i * 37 + 11);
    key_to_hex(&key, hex);
    CHECK_INT(strlen(hex), 64);
    CHECK_INT(strspn(hex, "0123456789abcdef"), 64);
    CHECK(key_from_hex(hex, &back, &bits));
    CHECK_INT(bits, 256);
    CHECK(memcmp(&key, &back, sizeof(key)) == 0);
    for (size_t i = 0; i < sizeof(hex); i++)
        upper[i] = (char)(hex[i] >= 'a' ? hex[i] - 32 : hex[i]);
    CHECK(key_from_hex(upper, &back, &bits));
    CHECK(memcmp(&key, &back, sizeof(key)) == 0);
}

TEST("the beginning of a key is 1 to 64 digits, the rest is 0")
{
    static const char digits[] =
        "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCDEF";
    struct key key;
    unsigned bits = 0;

    CHECK(key_from_hex("a", &key, &bits));
    CHECK_INT(bits, 4);
    CHECK_INT(key.bytes[0], 0xa0);
    CHECK(key_from_hex("0Bc", &key, &bits));
    CHECK_INT(bits, 12);
    CHECK_INT(key.bytes[0], 0x0b);
    CHECK_INT(key.bytes[1], 0xc0);
    for (size_t i = 2; i < KEY_BYTES; i++)
        CHECK_INT(key.bytes[i], 0);
    CHECK(!key_from_hex("", &key, &bits));
    CHECK(!key_from_hex("g", &key, &bits));
    CHECK(!key_from_hex("0x12", &key, &bits));
    CHECK(!key_from_hex("12 ", &key, &bits));
    CHECK(!key_from_hex("-1", &key, &bits));
    CHECK(key_from_hex(digits + 2, &key, &bits));
    CHECK_INT(bits, 256);
    CHECK(!key_from_hex(digits + 1, &key, &bits));
    CHECK(!key_from_hex(digits, &key, &bits));
}
