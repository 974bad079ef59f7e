#include "base/printable.h"

#include <stdbool.h>

#include "base/utf8.h"

static uint32_t decode(const char *at, unsigned len)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)at[0] & first_bits[len];

    for (unsigned i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

static bool is_control(uint32_t code)
{
    return code < ' ' || (code >= 0x7f && code <= 0x9f) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

enum printable_kind printable_look(const char *at, const char *end, unsigned *len, uint32_t *code)
{
    *len = (unsigned char)*at < 0x80 ? 1 : utf8_length(at, end);
    if (*len == 0) {
        *len = 1;
        *code = (unsigned char)*at;
        return PRINTABLE_INVALID;
    }
    *code = decode(at, *len);
    return is_control(*code) ? PRINTABLE_CONTROL : PRINTABLE_PLAIN;
}

static bool is_plain_ascii(char c)
{
    return c >= ' ' && c < 0x7f;
}

static void add(struct str *out, const char *at, const char *end, bool lines)
{
    while (at < end) {
        const char *plain = at;
        enum printable_kind kind;
        unsigned len;
        uint32_t code;

        while (at < end && (is_plain_ascii(*at) || (lines && (*at == '\n' || *at == '\t'))))
            at++;
        str_add(out, plain, (size_t)(at - plain));
        if (at == end)
            return;
        kind = printable_look(at, end, &len, &code);
        if (kind == PRINTABLE_PLAIN)
            str_add(out, at, len);
        else
            str_addf(out, code < 0x80 || kind == PRINTABLE_INVALID ? "\\x%02x" : "\\u{%x}", code);
        at += len;
    }
}

void printable_add(struct str *out, const char *text, size_t len)
{
    add(out, text, text + len, false);
}

void printable_adds(struct str *out, const char *text)
{
    printable_add(out, text, strlen(text));
}

void printable_add_lines(struct str *out, const char *text, size_t len)
{
    add(out, text, text + len, true);
}

void printable_add_cut(struct str *out, const char *text, size_t len, size_t most)
{
    size_t cut = len;

    if (len > most) /* at most 3 bytes of a character that is not whole */
        for (cut = most; cut > 0 && most - cut < 3 && utf8_continues_((unsigned char)text[cut]);)
            cut--;
    printable_add(out, text, cut);
    if (cut < len)
        str_adds(out, "...");
}
