#include "api/lex_push.h"

#include <string.h>

#include "api/lex.h"
#include "base/str.h"

static void capture(struct lex_push *t, const char *bytes, size_t len)
{
    const size_t room = t->len < LEX_PUSH_TEXT ? LEX_PUSH_TEXT - t->len : 0;

    if (room)
        memcpy(t->text + t->len, bytes, len < room ? len : room);
    t->len += len;
}

/* ---- strings ---- */

/* How scan_is_filled() tells what is blank. */
static bool is_blank(uint32_t code)
{
    return code == ' ' || code == '\n' || code == '\r' || code == '\t';
}

/* Each of these takes one byte, which is not plain. False: it may not stand here. */

static bool after_hex(struct lex_push *t)
{
    const bool is_low = t->code_ >= 0xdc00 && t->code_ <= 0xdfff;
    const bool is_high = t->code_ >= 0xd800 && t->code_ <= 0xdbff;

    t->filled |= !is_blank(t->code_);
    t->string_ = is_high ? LEX_STRING_LOW : LEX_STRING_PLAIN;
    if (is_low != t->low_)
        return false;
    t->low_ = false;
    return true;
}

static bool begin_utf8(struct lex_push *t, unsigned char c)
{
    t->filled = true;
    t->from_ = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    t->to_ = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    t->wanted_ = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    t->string_ = LEX_STRING_UTF8;
    return c >= 0xc2 && c <= 0xf4;
}

static bool take_utf8(struct lex_push *t, unsigned char c)
{
    const bool fits = c >= t->from_ && c <= t->to_;

    t->from_ = 0x80;
    t->to_ = 0xbf;
    if (--t->wanted_ == 0)
        t->string_ = LEX_STRING_PLAIN;
    return fits;
}

static bool begin_hex(struct lex_push *t)
{
    t->wanted_ = 4;
    t->code_ = 0;
    t->string_ = LEX_STRING_HEX;
    return true;
}

static bool take_hex(struct lex_push *t, char c)
{
    const int digit = str_hex_digit(c);

    if (digit < 0)
        return false;
    t->code_ = t->code_ << 4 | (uint32_t)digit;
    return --t->wanted_ || after_hex(t);
}

static bool take_escape(struct lex_push *t, char c)
{
    if (c == 'u')
        return begin_hex(t);
    t->string_ = LEX_STRING_PLAIN;
    t->filled |= !c || !strchr("fnrt", c);
    return c && strchr("\"\\/bfnrt", c);
}

static bool take_special(struct lex_push *t, unsigned char c)
{
    switch (t->string_) {
    case LEX_STRING_PLAIN:
        if (c >= 0x80)
            return begin_utf8(t, c);
        t->string_ = LEX_STRING_ESCAPE;
        return c == '\\';
    case LEX_STRING_ESCAPE:
        return take_escape(t, (char)c);
    case LEX_STRING_HEX:
        return take_hex(t, (char)c);
    case LEX_STRING_LOW:
        t->string_ = LEX_STRING_LOW_U;
        return c == '\\';
    case LEX_STRING_LOW_U:
        t->low_ = true;
        return begin_hex(t) && c == 'u';
    case LEX_STRING_UTF8:
        return take_utf8(t, c);
    }
    return false;
}

static const char *skip_plain(struct lex_push *t, const char *at, const char *end)
{
    const char *from = at;

    while (end - at >= LEX_STEP) {
        const unsigned plain = lex_plain(at);

        at += plain;
        if (plain < LEX_STEP)
            break;
    }
    while (at < end && (unsigned char)*at >= ' ' && (unsigned char)*at < 0x80 && *at != '"' &&
           *at != '\\')
        at++;
    for (; t->captured && !t->filled && from < at; from++)
        t->filled = *from != ' ';
    return at;
}

/* From behind the opening quote. */
static enum lex_push_result feed_string(struct lex_push *t, const char **at, const char *end)
{
    while (*at < end) {
        if (t->string_ == LEX_STRING_PLAIN)
            *at = skip_plain(t, *at, end);
        if (*at == end)
            break;
        if (t->string_ == LEX_STRING_PLAIN && **at == '"') {
            ++*at;
            return LEX_PUSH_END;
        }
        if (!take_special(t, (unsigned char)*(*at)++))
            return LEX_PUSH_BAD;
    }
    return LEX_PUSH_MORE;
}

/* ---- numbers ---- */

/* The state behind a byte of a number, or -1. */
static int next_number_state(enum lex_number_state state, char c)
{
    const bool digit = c >= '0' && c <= '9', e = (c | 0x20) == 'e';

    switch (state) {
    case LEX_NUMBER_MINUS:
        return c == '0' ? LEX_NUMBER_ZERO : digit ? LEX_NUMBER_DIGITS : -1;
    case LEX_NUMBER_ZERO:
        return c == '.' ? LEX_NUMBER_POINT : e ? LEX_NUMBER_E : -1;
    case LEX_NUMBER_DIGITS:
        return digit ? LEX_NUMBER_DIGITS : c == '.' ? LEX_NUMBER_POINT : e ? LEX_NUMBER_E : -1;
    case LEX_NUMBER_POINT:
        return digit ? LEX_NUMBER_FRACTION : -1;
    case LEX_NUMBER_FRACTION:
        return digit ? LEX_NUMBER_FRACTION : e ? LEX_NUMBER_E : -1;
    case LEX_NUMBER_E:
        return digit ? LEX_NUMBER_EXPONENT : c == '+' || c == '-' ? LEX_NUMBER_SIGN : -1;
    case LEX_NUMBER_SIGN:
    case LEX_NUMBER_EXPONENT:
        return digit ? LEX_NUMBER_EXPONENT : -1;
    }
    return -1;
}

enum lex_push_result lex_push_end(const struct lex_push *t)
{
    const enum lex_number_state n = t->number_;
    const bool whole = n == LEX_NUMBER_ZERO || n == LEX_NUMBER_DIGITS || n == LEX_NUMBER_FRACTION ||
                       n == LEX_NUMBER_EXPONENT;

    return t->kind_ == LEX_PUSH_NUMBER && whole ? LEX_PUSH_END : LEX_PUSH_BAD;
}

static enum lex_push_result feed_number(struct lex_push *t, const char **at, const char *end)
{
    if (t->len == 0 && t->number_ == LEX_NUMBER_MINUS && **at == '-')
        ++*at;
    for (; *at < end; ++*at) {
        const int next = next_number_state(t->number_, **at);

        if (next < 0)
            return lex_push_end(t);
        t->number_ = (enum lex_number_state)next;
        t->filled |= **at >= '1' && **at <= '9' && t->number_ != LEX_NUMBER_EXPONENT;
    }
    return LEX_PUSH_MORE;
}

/* ---- any ---- */

static enum lex_push_result feed_literal(struct lex_push *t, const char **at, const char *end)
{
    for (; *at < end && *t->rest_; ++*at, t->rest_++)
        if (**at != *t->rest_)
            return LEX_PUSH_BAD;
    return *t->rest_ ? LEX_PUSH_MORE : LEX_PUSH_END;
}

void lex_push_begin(struct lex_push *t, char first, bool captured)
{
    static const char *const literals[] = {"true", "false", "null"};

    t->len = 0;
    t->captured = captured;
    t->filled = t->low_ = false;
    t->kind_ = first == '"' ? LEX_PUSH_STRING : LEX_PUSH_NUMBER;
    t->string_ = LEX_STRING_PLAIN;
    t->number_ = LEX_NUMBER_MINUS;
    for (size_t i = 0; i < 3; i++)
        if (first == literals[i][0]) {
            t->kind_ = LEX_PUSH_LITERAL;
            t->rest_ = literals[i];
        }
}

enum lex_push_result lex_push_feed(struct lex_push *t, const char **at, const char *end)
{
    const char *from = *at;
    enum lex_push_result result;

    switch (t->kind_) {
    case LEX_PUSH_STRING:
        if (t->len == 0) /* the opening quote */
            ++*at;
        result = feed_string(t, at, end);
        break;
    case LEX_PUSH_NUMBER:
        result = feed_number(t, at, end);
        break;
    default:
        result = feed_literal(t, at, end);
    }
    if (t->captured)
        capture(t, from, (size_t)(*at - from));
    else
        t->len += (size_t)(*at - from);
    return result;
}
