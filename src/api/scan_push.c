/* A push-down automaton: a stack of the objects and arrays that are open, and within a string,
 * number or literal the state of its own small automaton, so that a piece may end anywhere.
 *
 *      VALUE ─┬─ string, number, literal ─► AFTER ─┬─ , ─► VALUE, or NAME ─► COLON ─► VALUE
 *             └─ { [ ─► (one level deeper)         └─ } ] ─► (one level up) AFTER
 */
#include "api/scan_push.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/lex.h"
#include "base/mem.h"
#include "base/str.h"

enum state {
    STATE_VALUE,
    STATE_ELEMENT_OR_END, /* behind '[' */
    STATE_NAME_OR_END,    /* behind '{' */
    STATE_NAME,           /* behind ',' */
    STATE_COLON,
    STATE_AFTER, /* behind a value */
    STATE_STRING,
    STATE_NUMBER,
    STATE_LITERAL,
    STATE_BAD
};

/* Within a string. */
enum string_state {
    STRING_PLAIN,
    STRING_ESCAPE,
    STRING_HEX,
    STRING_LOW,
    STRING_LOW_U,
    STRING_UTF8
};

/* Within a number: what was read last. */
enum number_state {
    NUMBER_MINUS,
    NUMBER_ZERO,
    NUMBER_DIGITS,
    NUMBER_POINT,
    NUMBER_FRACTION,
    NUMBER_E,
    NUMBER_SIGN,
    NUMBER_EXPONENT
};

struct level {
    bool is_array, filled;
    const struct scan_inside *inside; /* what is looked for within, or NULL */
    struct scan_member *member;       /* the one whose value is being read, or NULL */
};

struct kept {
    struct scan_member *member;
    char text[SCAN_PUSH_TEXT];
};

struct scan_push {
    struct scan_inside top;
    enum state state;
    enum scan_kind kind; /* of the outermost value */
    struct level levels[SCAN_DEPTH_MAX];
    unsigned depth; /* of open objects and arrays */

    /* the token that is being read */
    enum scan_kind token;
    bool is_name, is_captured;
    char text[SCAN_PUSH_TEXT]; /* how it is written, as far as that fits */
    size_t len;                /* of all of it */
    bool filled;               /* a string: not blank; a number: not 0 */
    enum string_state string;
    unsigned wanted; /* hex digits, or bytes of a character, to come */
    uint32_t code;
    bool low;               /* the second half of a surrogate pair is being read */
    unsigned char from, to; /* where the next byte of a character must lie */
    enum number_state number;
    const char *rest; /* of a literal */

    struct kept *kept;
    size_t kept_count;
};

/* ---- values that are kept ---- */

static char *keep_for(struct scan_push *s, struct scan_member *member)
{
    for (size_t i = 0; i < s->kept_count; i++)
        if (s->kept[i].member == member)
            return s->kept[i].text;
    return NULL;
}

static size_t count_members(const struct scan_member *members, size_t count)
{
    size_t sum = count;

    for (size_t i = 0; i < count; i++)
        if (members[i].inside)
            sum += count_members(members[i].inside->members, members[i].inside->count);
    return sum;
}

/* Members may be found by several ways (payload.c): each has one place. */
static void make_places(struct scan_push *s, struct scan_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!keep_for(s, &members[i]))
            s->kept[s->kept_count++].member = &members[i];
        if (members[i].inside)
            make_places(s, members[i].inside->members, members[i].inside->count);
    }
}

static void set_value(struct scan_push *s, struct scan_member *member, enum scan_kind kind,
                      const char *text, size_t len)
{
    char *place = keep_for(s, member);

    memcpy(place, text, len);
    member->value = (struct scan_value){.kind = kind, .at = place, .len = len};
}

/* For each that looks for this name, the first of which was found. */
static void note(struct scan_push *s, const struct scan_inside *inside, struct scan_member *found,
                 enum scan_kind kind, const char *text)
{
    const size_t len = strlen(text);

    set_value(s, found, kind, text, len);
    for (struct scan_member *m = found + 1; m < inside->members + inside->count; m++)
        if (strcmp(m->name, found->name) == 0)
            set_value(s, m, kind, text, len);
}

/* A value has ended. text: what is kept of it. */
static void end_value(struct scan_push *s, enum scan_kind kind, const char *text)
{
    struct level *level = s->depth ? &s->levels[s->depth - 1] : NULL;

    s->state = STATE_AFTER;
    if (!level)
        return;
    level->filled = true;
    if (level->member)
        note(s, level->inside, level->member, kind, text);
    else if (level->is_array && level->inside && level->inside->on_element)
        level->inside->on_element(level->inside->arg);
}

/* ---- where a value begins ---- */

static void begin_token(struct scan_push *s, enum scan_kind kind, bool captured)
{
    s->token = kind;
    s->is_name = false;
    s->is_captured = captured;
    s->len = 0;
    s->filled = false;
}

static void begin_string(struct scan_push *s, bool is_name, bool captured)
{
    begin_token(s, SCAN_STRING, captured);
    s->is_name = is_name;
    s->text[s->len++] = '"';
    s->string = STRING_PLAIN;
    s->state = STATE_STRING;
}

/* What is looked for within a value that begins with that byte. */
static const struct scan_inside *inside_of(struct scan_push *s, const struct level *level,
                                           char first)
{
    const struct scan_inside *inside;

    if (!level)
        return first == '{' ? &s->top : NULL;
    if (level->is_array) /* an array in an array is not looked into */
        return first == '{' ? level->inside : NULL;
    inside = level->member ? level->member->inside : NULL;
    return inside && first == (inside->on_element ? '[' : '{') ? inside : NULL;
}

static void open_level(struct scan_push *s, const struct level *level, char first)
{
    const struct scan_inside *inside = inside_of(s, level, first);

    if (s->depth == SCAN_DEPTH_MAX) {
        s->state = STATE_BAD;
        return;
    }
    s->levels[s->depth++] = (struct level){.is_array = first == '[', .inside = inside};
    s->state = first == '[' ? STATE_ELEMENT_OR_END : STATE_NAME_OR_END;
}

static const char *begin_value(struct scan_push *s, const char *at)
{
    const struct level *level = s->depth ? &s->levels[s->depth - 1] : NULL;
    const enum scan_kind kind = scan_kind_of(*at);
    const bool captured = level && level->member;

    if (!level)
        s->kind = kind;
    else if (level->is_array && level->inside)
        scan_forget_members(level->inside->members, level->inside->count);
    switch (kind) {
    case SCAN_STRING:
        begin_string(s, false, captured);
        return at + 1;
    case SCAN_OBJECT:
    case SCAN_ARRAY:
        open_level(s, level, *at);
        return at + 1;
    case SCAN_NUMBER:
        begin_token(s, kind, captured);
        s->number = NUMBER_MINUS; /* or nothing: the same may follow */
        s->state = STATE_NUMBER;
        if (*at != '-')
            return at;
        s->text[s->len++] = '-';
        return at + 1;
    case SCAN_TRUE:
    case SCAN_FALSE:
    case SCAN_NULL:
    case SCAN_MISSING:
        break;
    }
    begin_token(s, kind, captured);
    s->rest = kind == SCAN_TRUE ? "true" : kind == SCAN_FALSE ? "false" : "null";
    s->state = STATE_LITERAL;
    return at;
}

static void close_level(struct scan_push *s, char c)
{
    const struct level level = s->levels[s->depth - 1];

    if (c != (level.is_array ? ']' : '}')) {
        s->state = STATE_BAD;
        return;
    }
    s->depth--;
    if (level.is_array)
        end_value(s, SCAN_ARRAY, level.filled ? "[0]" : "[]");
    else
        end_value(s, SCAN_OBJECT, level.filled ? "{0}" : "{}");
}

/* ---- within a token ---- */

static void capture(struct scan_push *s, const char *bytes, size_t len)
{
    size_t room = s->len < SCAN_PUSH_TEXT ? SCAN_PUSH_TEXT - s->len : 0;

    memcpy(s->text + (room ? s->len : 0), bytes, len < room ? len : room);
    s->len += len;
}

static bool is_cut(const struct scan_push *s)
{
    return s->len >= SCAN_PUSH_TEXT;
}

static void end_name(struct scan_push *s)
{
    struct level *level = &s->levels[s->depth - 1];

    level->member = level->inside && !is_cut(s) ? scan_find_member(level->inside, s->text, s->len)
                                                : NULL;
    if (level->member && level->member->value.kind != SCAN_MISSING)
        scan_forget_members(level->member, 1); /* what the value before this one had within */
    s->state = STATE_COLON;
}

static void end_token(struct scan_push *s)
{
    static const char *const cut[2][2] = {{"0", "9999999"}, {"\" \"", "\"x\""}};

    if (s->is_name) {
        end_name(s);
        return;
    }
    if (is_cut(s)) {
        end_value(s, s->token, cut[s->token == SCAN_STRING][s->filled]);
        return;
    }
    s->text[s->len] = '\0';
    end_value(s, s->token, s->text);
}

/* How scan_is_filled() tells what is blank. */
static bool is_blank(uint32_t code)
{
    return code == ' ' || code == '\n' || code == '\r' || code == '\t';
}

static enum string_state after_hex(struct scan_push *s)
{
    const bool is_low = s->code >= 0xdc00 && s->code <= 0xdfff;

    if (!is_blank(s->code))
        s->filled = true;
    if (is_low != s->low)
        s->state = STATE_BAD;
    if (s->code >= 0xd800 && s->code <= 0xdbff)
        return STRING_LOW;
    s->low = false;
    return STRING_PLAIN;
}

static enum string_state begin_utf8(struct scan_push *s, unsigned char c)
{
    s->filled = true;
    s->from = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    s->to = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    s->wanted = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c < 0xc2 || c > 0xf4)
        s->state = STATE_BAD;
    return STRING_UTF8;
}

static enum string_state take_escape(struct scan_push *s, char c)
{
    if (c == 'u') {
        s->wanted = 4;
        s->code = 0;
        return STRING_HEX;
    }
    if (!c || !strchr("\"\\/bfnrt", c))
        s->state = STATE_BAD;
    else if (!strchr("fnrt", c))
        s->filled = true;
    return STRING_PLAIN;
}

static enum string_state take_hex(struct scan_push *s, char c)
{
    const int digit = str_hex_digit(c);

    if (digit < 0) {
        s->state = STATE_BAD;
        return STRING_HEX;
    }
    s->code = s->code << 4 | (uint32_t)digit;
    return --s->wanted ? STRING_HEX : after_hex(s);
}

/* One byte of what is not plain. */
static enum string_state take_special(struct scan_push *s, unsigned char c)
{
    switch (s->string) {
    case STRING_PLAIN:
        if (c < ' ')
            s->state = STATE_BAD;
        return c == '\\' ? STRING_ESCAPE : c >= 0x80 ? begin_utf8(s, c) : STRING_PLAIN;
    case STRING_ESCAPE:
        return take_escape(s, (char)c);
    case STRING_HEX:
        return take_hex(s, (char)c);
    case STRING_LOW:
        if (c != '\\')
            s->state = STATE_BAD;
        return STRING_LOW_U;
    case STRING_LOW_U:
        if (c != 'u')
            s->state = STATE_BAD;
        s->low = true;
        s->wanted = 4;
        s->code = 0;
        return STRING_HEX;
    case STRING_UTF8:
        if (c < s->from || c > s->to)
            s->state = STATE_BAD;
        s->from = 0x80;
        s->to = 0xbf;
        return --s->wanted ? STRING_UTF8 : STRING_PLAIN;
    }
    return STRING_PLAIN;
}

/* Behind what is plain; blanks are, and fill no string. */
static const char *skip_plain(struct scan_push *s, const char *at, const char *end)
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
    for (; s->is_captured && !s->filled && from < at; from++)
        s->filled = *from != ' ';
    return at;
}

static const char *feed_string(struct scan_push *s, const char *at, const char *end)
{
    const char *from = at;
    bool ended = false;

    while (at < end && !ended && s->state != STATE_BAD) {
        if (s->string == STRING_PLAIN)
            at = skip_plain(s, at, end);
        if (at == end)
            break;
        ended = s->string == STRING_PLAIN && *at == '"';
        if (!ended)
            s->string = take_special(s, (unsigned char)*at);
        at++;
    }
    if (s->is_captured)
        capture(s, from, (size_t)(at - from));
    if (ended)
        end_token(s);
    return at;
}

/* What follows a byte of a number, or -1. */
static int next_number_state(enum number_state state, char c)
{
    const bool digit = c >= '0' && c <= '9';

    switch (state) {
    case NUMBER_MINUS:
        return c == '0' ? NUMBER_ZERO : digit ? NUMBER_DIGITS : -1;
    case NUMBER_DIGITS:
        if (digit)
            return NUMBER_DIGITS;
        /* fall through */
    case NUMBER_ZERO:
        return c == '.' ? NUMBER_POINT : (c | 0x20) == 'e' ? NUMBER_E : -1;
    case NUMBER_POINT:
        return digit ? NUMBER_FRACTION : -1;
    case NUMBER_FRACTION:
        return digit ? NUMBER_FRACTION : (c | 0x20) == 'e' ? NUMBER_E : -1;
    case NUMBER_E:
        return digit ? NUMBER_EXPONENT : c == '+' || c == '-' ? NUMBER_SIGN : -1;
    case NUMBER_SIGN:
    case NUMBER_EXPONENT:
        return digit ? NUMBER_EXPONENT : -1;
    }
    return -1;
}

static bool may_end(enum number_state state)
{
    return state == NUMBER_ZERO || state == NUMBER_DIGITS || state == NUMBER_FRACTION ||
           state == NUMBER_EXPONENT;
}

static void end_number(struct scan_push *s)
{
    if (may_end(s->number))
        end_token(s);
    else
        s->state = STATE_BAD;
}

static const char *feed_number(struct scan_push *s, const char *at, const char *end)
{
    const char *from = at;
    int next = 0;

    for (; at < end; at++) {
        next = next_number_state(s->number, *at);
        if (next < 0)
            break;
        s->number = (enum number_state)next;
        if (*at >= '1' && *at <= '9' && next != NUMBER_EXPONENT)
            s->filled = true;
    }
    if (s->is_captured)
        capture(s, from, (size_t)(at - from));
    if (at < end)
        end_number(s);
    return at;
}

static const char *feed_literal(struct scan_push *s, const char *at, const char *end)
{
    while (at < end && *s->rest && *at == *s->rest) {
        at++;
        s->rest++;
    }
    if (!*s->rest)
        end_value(s, s->token, "");
    else if (at < end)
        s->state = STATE_BAD;
    return at;
}

/* ---- between tokens ---- */

static const char *take_mark(struct scan_push *s, const char *at)
{
    const bool in_array = s->depth && s->levels[s->depth - 1].is_array;

    switch (s->state) {
    case STATE_ELEMENT_OR_END:
        if (*at == ']')
            break;
        return begin_value(s, at);
    case STATE_VALUE:
        return begin_value(s, at);
    case STATE_NAME_OR_END:
        if (*at == '}')
            break;
        /* fall through */
    case STATE_NAME:
        begin_string(s, true, s->levels[s->depth - 1].inside != NULL);
        if (*at != '"')
            s->state = STATE_BAD;
        return at + 1;
    case STATE_COLON:
        s->state = *at == ':' ? STATE_VALUE : STATE_BAD;
        return at + 1;
    case STATE_AFTER:
        if (!s->depth)
            s->state = STATE_BAD;
        else if (*at == ',')
            s->state = in_array ? STATE_VALUE : STATE_NAME;
        else
            break;
        return at + 1;
    case STATE_STRING:
    case STATE_NUMBER:
    case STATE_LITERAL:
    case STATE_BAD:
        return at + 1;
    }
    close_level(s, *at);
    return at + 1;
}

bool scan_push_feed(struct scan_push *s, const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len;

    while (at < end && s->state != STATE_BAD) {
        if (s->state == STATE_STRING) {
            at = feed_string(s, at, end);
        } else if (s->state == STATE_NUMBER) {
            at = feed_number(s, at, end);
        } else if (s->state == STATE_LITERAL) {
            at = feed_literal(s, at, end);
        } else {
            at = lex_blanks(at, end);
            if (at < end)
                at = take_mark(s, at);
        }
    }
    return s->state != STATE_BAD;
}

/* ---- the whole ---- */

struct scan_push *scan_push_new(struct scan_member *members, size_t count)
{
    struct scan_push *s = mem_zero(sizeof(*s));

    s->top = (struct scan_inside){.members = members, .count = count};
    s->kept = mem_zero((count_members(members, count) + 1) * sizeof(s->kept[0]));
    make_places(s, members, count);
    scan_forget_members(members, count);
    return s;
}

void scan_push_free(struct scan_push *s)
{
    if (!s)
        return;
    free(s->kept);
    free(s);
}

bool scan_push_end(struct scan_push *s, enum scan_kind *whole)
{
    bool is_document;

    if (s->state == STATE_NUMBER && !s->depth)
        end_number(s);
    is_document = s->state == STATE_AFTER && !s->depth;
    if (!is_document)
        scan_forget_members(s->top.members, s->top.count);
    if (whole)
        *whole = is_document ? s->kind : SCAN_MISSING;
    return is_document;
}
