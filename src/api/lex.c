#include "api/lex.h"

#include "base/str.h"

/* \uXXXX, from the backslash: one unit of UTF-16. */
static const char *unit(const char *at, const char *end, uint32_t *code)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return NULL;
    *code = 0;
    for (int i = 2; i < 6; i++) {
        int digit = str_hex_digit(at[i]);

        if (digit < 0)
            return NULL;
        *code = *code << 4 | (uint32_t)digit;
    }
    return at + 6;
}

static const char *unicode(const char *at, const char *end, uint32_t *code)
{
    uint32_t low;

    at = unit(at, end, code);
    if (!at || *code < 0xd800 || *code > 0xdfff)
        return at;
    if (*code > 0xdbff)
        return NULL;
    at = unit(at, end, &low);
    if (!at || low < 0xdc00 || low > 0xdfff)
        return NULL;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return at;
}

const char *lex_escape(const char *at, const char *end, uint32_t *code)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *name;

    if (end - at < 2 || at[1] == '\0')
        return NULL;
    if (at[1] == 'u')
        return unicode(at, end, code);
    name = strchr(names, at[1]);
    if (!name)
        return NULL;
    *code = (uint32_t)meanings[name - names];
    return at + 2;
}

unsigned lex_put_utf8(uint32_t code, char *to)
{
    const unsigned len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (unsigned i = len - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(first[len] | code);
    return len;
}

/* Skips one escape or non-ASCII character; returns the position after it, NULL if it is malformed.
 */
static const char *skip_special(const char *at, const char *end)
{
    const unsigned char c = (unsigned char)*at;
    uint32_t code;
    unsigned len;

    if (c == '\\')
        return end - at >= 2 && (at[1] == 'n' || at[1] == '"') ? at + 2
                                                               : lex_escape(at, end, &code);
    if (c < ' ')
        return NULL;
    if (c < 0x80) /* plain: near the end of the text, the caller goes byte by byte */
        return at + 1;
    do {
        len = lex_utf8(at, end);
        if (len == 0)
            return NULL;
        at += len;
    } while (at < end && (unsigned char)*at >= 0x80);
    return at;
}

const char *lex_string(const char *at, const char *end)
{
    if (at == end || *at != '"')
        return NULL;
    for (at++; at && at < end; at = skip_special(at, end)) {
        while (end - at >= LEX_STEP) {
            const unsigned plain = lex_plain(at);

            at += plain;
            if (plain < LEX_STEP)
                break;
        }
        if (at == end)
            return NULL;
        if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* The shortest spelling of a character that was escaped: itself, where that may be. */
static unsigned spell(uint32_t code, char *to)
{
    static const char meanings[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\",
                      hex[] = "0123456789abcdef";
    const char *meaning;

    if (code >= ' ' && code != '"' && code != '\\')
        return lex_put_utf8(code, to);
    to[0] = '\\';
    meaning = code ? strchr(meanings, (int)code) : NULL;
    if (meaning) {
        to[1] = names[meaning - meanings];
        return 2;
    }
    memcpy(to + 1, STR_LIT("u00"));
    to[4] = hex[code >> 4];
    to[5] = hex[code & 15];
    return 6;
}

/* Copies one escape or non-ASCII character in canonical spelling; returns the position after it,
 * NULL if it is malformed. */
static inline const char *respell_special(const char *at, const char *end, char **to, bool *escaped)
{
    uint32_t code;
    unsigned len;

    if (*at == '\\' && end - at >= 2 && (at[1] == 'n' || at[1] == '"')) { /* most are, and stay */
        memcpy(*to, at, len = 2);
        *escaped = true;
    } else if (*at == '\\') {
        at = lex_escape(at, end, &code);
        if (!at)
            return NULL;
        len = spell(code, *to);
        *escaped |= **to == '\\';
        *to += len;
        return at;
    } else {
        len = (unsigned char)*at < 0x80 ? (unsigned char)*at >= ' ' : lex_utf8(at, end);
        memcpy(*to, at, len);
    }
    *to += len;
    return len ? at + len : NULL;
}

const char *lex_respell(const char *at, const char *end, char **result, bool *escaped)
{
    char *to = *result;

    *escaped = false;
    if (at == end || *at != '"')
        return NULL;
    *to++ = *at++;
    while (at < end) {
        while (end - at >= LEX_STEP) {
            const unsigned plain = lex_plain(at);

            memcpy(to, at, LEX_STEP); /* perhaps too much, which is written over */
            at += plain, to += plain;
            if (plain < LEX_STEP)
                break;
        }
        if (at < end && *at == '"') {
            *to++ = *at++;
            *result = to;
            return at;
        }
        while (at < end) {
            at = respell_special(at, end, &to, escaped);
            if (!at)
                return NULL;
            if (at == end || (unsigned char)*at < 0x80)
                break;
        }
    }
    return NULL;
}

static const char *digits(const char *at, const char *end)
{
    const char *first = at;

    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at > first ? at : NULL;
}

const char *lex_number(const char *at, const char *end)
{
    if (at < end && *at == '-')
        at++;
    at = at < end && *at == '0' ? at + 1 : digits(at, end);
    if (at && at < end && *at == '.')
        at = digits(at + 1, end);
    if (!at || at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    return digits(at, end);
}

const char *lex_literal(const char *at, const char *end)
{
    const size_t left = (size_t)(end - at);

    if (left >= 4 && (memcmp(at, STR_LIT("true")) == 0 || memcmp(at, STR_LIT("null")) == 0))
        return at + 4;
    return left >= 5 && memcmp(at, STR_LIT("false")) == 0 ? at + 5 : NULL;
}
