#include "api/key_field.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Rules 1 and 4 together, by the first letter of the name, so that a name is compared with a few
 * texts only. The order within a row is the frequency in the requests of the SDKs. */
enum verdict { COUNTS, CREDENTIAL, NOISE, CONNECTION, ACCEPT, NOISE_PREFIX };

struct known {
    const char *text; /* lower-case letters, digits and '-' only: see same() */
    unsigned char len;
    unsigned char verdict;
};

#define KNOWN(text, verdict)                                                                       \
    {                                                                                              \
        text, sizeof(text) - 1, verdict                                                            \
    }
#define ROW(letter, ...)                                                                           \
    [letter - 'a'] = (const struct known[])                                                        \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, 0, COUNTS                                                                        \
        }                                                                                          \
    }

static const struct known *const by_letter[26] = {
    ROW('a', KNOWN("accept", ACCEPT), KNOWN("accept-encoding", NOISE),
        KNOWN("authorization", CREDENTIAL), KNOWN("accept-language", NOISE),
        KNOWN("api-key", CREDENTIAL)),
    ROW('b', KNOWN("baggage", NOISE), KNOWN("b3", NOISE)),
    ROW('c', KNOWN("connection", CONNECTION), KNOWN("content-type", COUNTS),
        KNOWN("content-length", NOISE), KNOWN("cache-control", NOISE), KNOWN("cookie", CREDENTIAL)),
    ROW('d', KNOWN("date", NOISE)),
    ROW('e', KNOWN("expect", NOISE)),
    ROW('f', KNOWN("forwarded", NOISE)),
    ROW('h', KNOWN("host", NOISE)),
    ROW('i', KNOWN("idempotency-key", NOISE)),
    ROW('k', KNOWN("keep-alive", NOISE)),
    ROW('n', KNOWN("newrelic", NOISE)),
    ROW('o', KNOWN("openai-organization", COUNTS), KNOWN("openai-project", COUNTS),
        KNOWN("openai-beta", COUNTS), KNOWN("origin", NOISE)),
    ROW('p', KNOWN("pragma", NOISE), KNOWN("priority", NOISE), KNOWN("proxy-connection", NOISE),
        KNOWN("proxy-authorization", NOISE), KNOWN("proxy-authenticate", NOISE)),
    ROW('r', KNOWN("referer", NOISE)),
    ROW('s', KNOWN("sec-", NOISE_PREFIX)),
    ROW('t', KNOWN("traceparent", NOISE), KNOWN("tracestate", NOISE),
        KNOWN("transfer-encoding", NOISE), KNOWN("te", NOISE), KNOWN("trailer", NOISE)),
    ROW('u', KNOWN("user-agent", NOISE), KNOWN("upgrade", NOISE)),
    ROW('v', KNOWN("via", NOISE)),
    ROW('x', KNOWN("x-stainless-", NOISE_PREFIX), KNOWN("x-api-key", CREDENTIAL),
        KNOWN("x-forwarded-", NOISE_PREFIX), KNOWN("x-datadog-", NOISE_PREFIX),
        KNOWN("x-goproxyai-tag", NOISE), KNOWN("x-goproxyai-scope", NOISE)),
};

static inline bool same_eight(const char *name, const char *text)
{
    uint64_t a, b;

    memcpy(&a, name, sizeof(a));
    memcpy(&b, text, sizeof(b));
    return (a | UINT64_C(0x2020202020202020)) == b;
}

/* Compares a name with a text of the table, both `len` bytes long, 8 at a time; the last 8 overlap
 * with those before them. Setting 0x20 makes capital letters small, changes neither digits nor '-',
 * and makes none of these from another byte of a token. */
static bool same(const char *name, const char *text, size_t len)
{
    if (len < 8) {
        for (size_t i = 0; i < len; i++)
            if ((name[i] | 0x20) != text[i])
                return false;
        return true;
    }
    for (size_t at = 0; at + 8 < len; at += 8)
        if (!same_eight(name + at, text + at))
            return false;
    return same_eight(name + len - 8, text + len - 8);
}

static const struct known *find(const char *name, size_t len)
{
    const unsigned letter = ((unsigned char)name[0] | 0x20U) - 'a';
    const struct known *row = letter < countof(by_letter) ? by_letter[letter] : NULL;

    for (; row && row->text; row++) {
        const bool fits = row->verdict == NOISE_PREFIX ? len >= row->len : len == row->len;

        if (fits && same(name, row->text, row->len))
            return row;
    }
    return NULL;
}

static bool is_ignored(const struct key_rules *rules, const char *name, size_t len)
{
    if (!rules->ignored_fields)
        return false;
    for (char *const *ignored = rules->ignored_fields; *ignored; ignored++)
        if (str_same_nocase(name, len, *ignored, strlen(*ignored)))
            return true;
    return false;
}

struct part {
    const char *text;
    size_t len;
};
#define PART(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static bool ends_in(const char *name, size_t len, const struct part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (len >= parts[i].len && same(name + len - parts[i].len, parts[i].text, parts[i].len))
            return true;
    return false;
}

static bool is_credential(const char *name, size_t len)
{
    static const struct part ends[] = {PART("-authorization"), PART("-api-key"),
                                       PART("-virtual-key")};
    const char last = (char)(len ? name[len - 1] | 0x20 : 0);

    return (last == 'n' || last == 'y') && ends_in(name, len, ends, countof(ends));
}

/* Patterns of tracing and of tries that may begin anywhere in a name. */
static bool holds_noise(const char *name, size_t len)
{
    static const struct part ends[] = {PART("-request-id"), PART("-correlation-id")};
    static const struct part parts[] = {PART("-trace"), PART("-span"),   PART("-b3-"),
                                        PART("retry"),  PART("attempt"), PART("timestamp")};

    for (size_t at = 0; at < len; at++) {
        const char c = (char)(name[at] | 0x20);

        if (c != '-' && c != 'r' && c != 'a' && c != 't')
            continue;
        for (size_t i = 0; i < countof(parts); i++)
            if (c == parts[i].text[0] && parts[i].len <= len - at &&
                same(name + at, parts[i].text, parts[i].len))
                return true;
    }
    return ends_in(name, len, ends, countof(ends));
}

enum key_field key_field_judge(const struct key_rules *rules, bool is_post, const char *name,
                               size_t name_len)
{
    const struct known *known = find(name, name_len);

    switch (known ? (enum verdict)known->verdict : COUNTS) {
    case CREDENTIAL:
        return KEY_FIELD_CREDENTIAL;
    case CONNECTION:
        return KEY_FIELD_CONNECTION;
    case NOISE:
        return KEY_FIELD_NOISE;
    case ACCEPT:
        if (is_post)
            return KEY_FIELD_NOISE;
        break;
    case COUNTS:
    case NOISE_PREFIX:
        break;
    }
    if (is_ignored(rules, name, name_len))
        return KEY_FIELD_NOISE;
    if (is_credential(name, name_len))
        return KEY_FIELD_CREDENTIAL;
    if (known ? known->verdict == NOISE_PREFIX : holds_noise(name, name_len))
        return KEY_FIELD_NOISE;
    return KEY_FIELD_COUNTS;
}
