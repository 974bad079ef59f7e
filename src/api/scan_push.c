/* A push-down automaton: a stack of the objects and arrays that are open, above the tokens of
 * lex_push.h.
 *
 *      VALUE ─┬─ string, number, literal ─► AFTER ─┬─ , ─► VALUE, or NAME ─► COLON ─► VALUE
 *             └─ { [ ─► (one level deeper)         └─ } ] ─► (one level up) AFTER
 */
#include "api/scan_push.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/lex.h"
#include "api/lex_push.h"
#include "base/mem.h"

enum state {
    STATE_VALUE,
    STATE_ELEMENT_OR_END, /* behind '[' */
    STATE_NAME_OR_END,    /* behind '{' */
    STATE_NAME,           /* behind ',' */
    STATE_COLON,
    STATE_AFTER, /* behind a value */
    STATE_TOKEN,
    STATE_BAD
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

    struct lex_push token; /* that is being read, */
    enum scan_kind token_kind;
    bool is_name;

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

static void begin_token(struct scan_push *s, char first, bool is_name, bool captured)
{
    s->token_kind = scan_kind_of(first);
    s->is_name = is_name;
    lex_push_begin(&s->token, first, captured);
    s->state = STATE_TOKEN;
}

/* The members that are looked for within a value that begins with that byte. */
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

    if (!level)
        s->kind = scan_kind_of(*at);
    else if (level->is_array && level->inside)
        scan_forget_members(level->inside->members, level->inside->count);
    if (*at == '{' || *at == '[') {
        open_level(s, level, *at);
        return at + 1;
    }
    begin_token(s, *at, false, level && level->member);
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

/* ---- where a token ends ---- */

static void end_name(struct scan_push *s)
{
    struct level *level = &s->levels[s->depth - 1];

    level->member = level->inside && !lex_push_is_cut(&s->token)
                        ? scan_find_member(level->inside, s->token.text, s->token.len)
                        : NULL;
    if (level->member && level->member->value.kind != SCAN_MISSING)
        scan_repeat_member(level->member);
    s->state = STATE_COLON;
}

static void end_token(struct scan_push *s)
{
    static const char *const cut[2][2] = {{"0", "9999999"}, {"\" \"", "\"x\""}};
    struct lex_push *token = &s->token;

    if (s->is_name) {
        end_name(s);
        return;
    }
    if (lex_push_is_cut(token)) {
        end_value(s, s->token_kind, cut[s->token_kind == SCAN_STRING][token->filled]);
        return;
    }
    token->text[token->len] = '\0';
    end_value(s, s->token_kind, token->captured ? token->text : "");
}

static const char *feed_token(struct scan_push *s, const char *at, const char *end)
{
    switch (lex_push_feed(&s->token, &at, end)) {
    case LEX_PUSH_MORE:
        break;
    case LEX_PUSH_END:
        end_token(s);
        break;
    case LEX_PUSH_BAD:
        s->state = STATE_BAD;
        break;
    }
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
        begin_token(s, *at, true, s->levels[s->depth - 1].inside != NULL);
        if (*at != '"')
            s->state = STATE_BAD;
        return at;
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
    case STATE_TOKEN:
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
        if (s->state == STATE_TOKEN) {
            at = feed_token(s, at, end);
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

    if (s->state == STATE_TOKEN && !s->depth && lex_push_end(&s->token) == LEX_PUSH_END)
        end_token(s);
    is_document = s->state == STATE_AFTER && !s->depth;
    if (!is_document)
        scan_forget_members(s->top.members, s->top.count);
    if (whole)
        *whole = is_document ? s->kind : SCAN_MISSING;
    return is_document;
}
