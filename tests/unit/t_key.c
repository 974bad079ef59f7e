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
         "8e673663bf84f8a8a7e321ac658f386f0502740afac22aab1897e51102190a31"},
        {{"POST", "/v1/chat/completions", "", CHAT},
         true,
         "6e192aab911d9031b1d6b13a80d6d319b1f07c93b6c75abaea2266fac63c23db"},
        {{"POST", "/v1/chat/completions", "Authorization: Bearer sk-1", CHAT},
         false,
         "80f8546c97ab4eead2f48b9ff609c984a44160a1bbf3ebbf42a4635381888607"},
        {{"POST", "/v1/chat/completions", "Content-Type: application/json", CHAT},
         false,
         "c2efd4bb12f7d0cf2df7580755e37b412cc58eb1bc5c16ec7f96f2bec4863baa"},
        {{"POST", "/v1/chat/completions",
          "authorization: Bearer sk-1\nOpenAI-Organization: o\nOpenAI-Project: p\n"
          "OpenAI-Beta: b\nCookie: c\napi-key: d\nx-api-key: e\nContent-Type: application/json",
          CHAT},
         false,
         "9438c7dcdae78e04976a0b94940edea8b1d901b28c62646476219e0580243971"},
        {{"POST", "/v1/chat/completions", "", "{\"b\":[1.0,\"\\u0041\\n\"],\"a\":{}}"},
         false,
         "8b0b09cd462b3303298e6133f5efe5d7810fddbb0e033f70de91f6dcc621c110"},
        {{"POST", "/v1/chat/completions", "", "{\"a\":1,\"a\":2}"},
         false,
         "74a45d05fe46ca76ade4f800e24e36319991bfb6e581cf398a3eedfc6aee4838"},
        {{"POST", "/v1/chat/completions", "", ""},
         false,
         "7101ac3a4389bc3a30b33f92668ad90e67280a0c1349085f2737d473c7b1fe03"},
        {{"GET", "/v1/models", "", NULL},
         false,
         "dd7a832edaff4c737946c5c3944357917d756b9782f850063c2d462ef7369825"},
        {{"GET", "/v1/models?limit=2&after=x", "", NULL},
         false,
         "25a0beebae16ccfaaf323a12baaf8f495090586e2e42c65029c38c133d4a748e"},
        {{"GET", "/v1/models", "Authorization: Bearer sk-1", NULL},
         false,
         "e22215f74d9a2d1cd3ed690ef7fbb3ea8ec865fad4114a03ff8fe8aa47fcdb45"},
        {{"GET", "/v1/models", "Cookie: a\nCookie: b", NULL},
         false,
         "f728d84641daacf79b65a27825d873a1f0c1bb4c378b752d771af5654e3f711d"},
        {{"GET", "/v1/models",
          "X-b: 2\nZ: z\nAccept: text/csv\nx-B: 1\nHost: h\nx-any-Virtual-Key: v", NULL},
         false,
         "95b6aa91a5f5f12328e6ac22342189e88eb48ac992b80852cf9a92d24ac5e6e4"},
        {{"POST", "/v1/chat/completions", "",
          "{\"tools\":[{\"parameters\":{\"y\":1,\"x\":2}}],\"a\":1}"},
         false,
         "ef46b00e20687cfdab1b91dd291173675feefb780a4dfbeaf612b70a66537d27"},
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
    ADD(ZEROS "\x0fgoproxyai key 2" ZEROS "\3GET");
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
