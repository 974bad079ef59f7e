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
    struct key_tag tag;

    *key = (struct key){{0}};
    keyer_tag(keyer, request, &tag);
    memcpy(key->bytes, tag.bytes, sizeof(tag));
}

static char *hex_by(way *make, const struct key_rules *by, const struct ask *ask)
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
         "79ef6d1b9bdf1ff056db9533bfa1fd285e3eeeeb726fd10e0ee327c4d2756c00"},
        {{"POST", "/v1/chat/completions", "", CHAT},
         true,
         "00f44c7bcaf79b405041ea70de38c66652174eca2113b50991a465ab98b5a1c6"},
        {{"POST", "/v1/chat/completions", "Authorization: Bearer sk-1", CHAT},
         false,
         "67190f3f1ceabfe9e3b631717f0cade7be34c0cac318b80ecb6817f171fba886"},
        {{"POST", "/v1/chat/completions", "Content-Type: application/json", CHAT},
         false,
         "8658185588327eb28ff824d6a271c8590b28c47ef96fa47119468a4de60db12b"},
        {{"POST", "/v1/chat/completions",
          "authorization: Bearer sk-1\nOpenAI-Organization: o\nOpenAI-Project: p\n"
          "OpenAI-Beta: b\nCookie: c\napi-key: d\nx-api-key: e\nContent-Type: application/json",
          CHAT},
         false,
         "76b8e55496777d15c8c793461dd1f6d6b94bfa4e3749df4b8760585f1c95d84f"},
        {{"POST", "/v1/chat/completions", "", "{\"b\":[1.0,\"\\u0041\\n\"],\"a\":{}}"},
         false,
         "739f8298c5dd2d954aaf2a65c20471227aaaaaadcc672771a83a501dfeb60193"},
        {{"POST", "/v1/chat/completions", "", "{\"a\":1,\"a\":2}"},
         false,
         "32eb4168a346e26f2c70b16035ad3b8610d0f1b42083a13da9f287cbe623e443"},
        {{"POST", "/v1/chat/completions", "", ""},
         false,
         "dfb3bfe7d276e8da633491edee2f3277276d492184b2a1dde0fe6e95c2a0844b"},
        {{"GET", "/v1/models", "", NULL},
         false,
         "15f728def061d5c94d74e512b1d2c1c5d62454912050caa2624d7a83efba6cca"},
        {{"GET", "/v1/models?limit=2&after=x", "", NULL},
         false,
         "9715b166f797a5250878af93f1b3fd0ccc962b001ab8f6411bd86688e09547f6"},
        {{"GET", "/v1/models", "Authorization: Bearer sk-1", NULL},
         false,
         "81db0d8b68f51ed04a29525ee6ee69b9495009b07f72fcc2bd3cc6b5e61691df"},
        {{"GET", "/v1/models", "Cookie: a\nCookie: b", NULL},
         false,
         "1b37ec53669f4d9d100caaac660f162851b21a0e4e4f687dea8092393692a5d2"},
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
    struct ask ask = {"GET", "/v1/x", "OpenAI-Beta: b", NULL};
    mem_auto char *hex = hex_of(&ask);
    unsigned char inner[32];
    char expected[KEY_HEX_SIZE];
    struct key key;
#define ZEROS "\0\0\0\0\0\0\0"

    crypto_digest_begin(digest);
    for (int i = 0; i < 4; i++)
        crypto_digest_add(digest, ZEROS "\0", 8);
    crypto_digest_end(digest, inner);
    crypto_digest_begin(digest);
#define ADD(text) crypto_digest_add(digest, text, sizeof(text) - 1)
    ADD(ZEROS "\x0fgoproxyai key 1" ZEROS "\3GET");
    ADD(ZEROS "\x19https://api.openai.com/v1" ZEROS "\5/v1/x" ZEROS "\x20");
    crypto_digest_add(digest, inner, sizeof(inner));
    ADD(ZEROS "\0" ZEROS "\0" ZEROS "\1" ZEROS "\1b" ZEROS "\0N" ZEROS "\0");
    crypto_digest_end(digest, key.bytes);
    key_to_hex(&key, expected);
    CHECK_STR(hex, expected);
    crypto_digest_free(digest);
}

TEST("everything that the header names changes the key")
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
    static const char *const names[] = {"Authorization",  "api-key",      "x-api-key",
                                        "Cookie",         "Content-Type", "OpenAI-Organization",
                                        "OpenAI-Project", "OpenAI-Beta"};

    for (size_t i = 0; i < countof(others); i++)
        CHECK(!same(&plain, &others[i]));
    for (size_t i = 0; i < countof(names); i++) {
        char one[64], two[64], empty[64], twice[160], swapped[160];

        snprintf(one, sizeof(one), "%s: 1", names[i]);
        snprintf(two, sizeof(two), "%s: 2", names[i]);
        snprintf(empty, sizeof(empty), "%s:", names[i]);
        snprintf(twice, sizeof(twice), "%s\nX: x\n%s", one, two);
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
                                         "Authorization: a\nAuthorization: a"};
    static const unsigned char one[CRYPTO_SECRET_BYTES] = {1};
    mem_auto char *tags[countof(fields)] = {NULL};
    struct ask ask = plain;
    struct keyer *keyer = keyer_new(&rules, one);
    struct fields none;
    struct key_request request = {.method = "GET", .target = "/v1/x", .fields = &none};
    struct key_tag a, b;

    for (size_t i = 0; i < countof(fields); i++) {
        ask.fields = fields[i];
        tags[i] = hex_by(tag_as_key, &rules, &ask);
        for (size_t n = 0; n < i; n++)
            CHECK(strcmp(tags[i], tags[n]) != 0);
    }
    for (size_t i = 1; i < countof(fields); i++)
        free(tags[i]);
    fields_init(&none);
    keyer_tag(keyer, &request, &a);
    keyer_free(keyer);
    keyer = keyer_new(&rules, secret);
    keyer_tag(keyer, &request, &b);
    CHECK(memcmp(&a, &b, sizeof(a)) != 0);
    keyer_free(keyer);
}

TEST("a shared cache leaves credentials, organization and project out, and no more")
{
    static const struct key_rules shared = {.upstream = "https://api.openai.com/v1", .share = true};
    static const char *const left_out[] = {
        "Authorization: x",       "api-key: x",        "x-api-key: x", "Cookie: x",
        "OpenAI-Organization: x", "OpenAI-Project: x",
    };
    static const char *const kept[] = {"OpenAI-Beta: x", "Content-Type: x"};
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
    struct key_tag tag;
    struct key_request json = {.method = "POST", .target = "/v1/x", .body = CHAT};
    struct key_request other = {.method = "POST", .target = "/v1/x", .body = "{\"a\":"};

    read_fields(&fields, "Authorization: k\nAuthorization: l");
    json.fields = other.fields = &fields;
    json.body_len = strlen(json.body);
    other.body_len = strlen(other.body);
    keyer_key(keyer, &json, &first);
    keyer_key(keyer, &other, &second);
    for (int i = 0; i < 3; i++) {
        keyer_tag(keyer, &json, &tag);
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
