#include "api/scan.h"

#include <string.h>

#include "api/lex.h"
#include "base/mem.h"

static const struct scan_value missing = {.kind = SCAN_MISSING};

/* Whether it is one shows when it is read. */
enum scan_kind scan_kind_of(char first)
{
    switch (first) {
    case '"':
        return SCAN_STRING;
    case '{':
        return SCAN_OBJECT;
    case '[':
        return SCAN_ARRAY;
    case 't':
        return SCAN_TRUE;
    case 'f':
        return SCAN_FALSE;
    case 'n':
        return SCAN_NULL;
    default:
        return SCAN_NUMBER;
    }
}

static struct scan_value value_of(const char *at, const char *after)
{
    return (struct scan_value){.kind = scan_kind_of(*at), .at = at, .len = (size_t)(after - at)};
}

/* As deep as the caller's own tables are. */
void scan_forget_members(struct scan_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        members[i].value = missing;
        members[i].repeated = false;
        if (members[i].inside)
            scan_forget_members(members[i].inside->members, members[i].inside->count);
    }
}

void scan_repeat_member(struct scan_member *member)
{
    scan_forget_members(member, 1); /* what the value before this one had within */
    member->repeated = true;
}

/* ---- strings, from quote to quote, which were found to be sound ---- */

/* The next character and its length, which moves *at on; 0 at the closing quote. */
static unsigned next_char(const char **at, const char *end, char utf8[4])
{
    const char *p = *at;
    uint32_t code = 0;
    unsigned len;

    if (p == end - 1)
        return 0;
    if (*p == '\\') {
        *at = lex_escape(p, end, &code);
        return lex_put_utf8(code, utf8);
    }
    len = (unsigned char)*p < 0x80 ? 1 : lex_utf8(p, end);
    memcpy(utf8, p, len);
    *at += len;
    return len;
}

static bool string_is(const char *at, size_t len, const char *text)
{
    const char *end = at + len;
    size_t inside = len - 2, wanted;
    char utf8[4];

    if (at[1] != text[0] && at[1] != '\\' && text[0])
        return false;
    wanted = strlen(text);
    if (inside <= wanted) /* an escape is longer than what it spells: there may be none */
        return inside == wanted && memcmp(at + 1, text, wanted) == 0 && !memchr(text, '\\', wanted);
    for (at++; *text; text++)
        if (next_char(&at, end, utf8) != 1 || utf8[0] != *text)
            return false;
    return at == end - 1;
}

bool scan_is_text(const struct scan_value *value, const char *text)
{
    return value->kind == SCAN_STRING && string_is(value->at, value->len, text);
}

bool scan_copy_text(const struct scan_value *value, char *buf, size_t size)
{
    const char *at, *end;
    size_t used = 0;
    unsigned len;
    char utf8[4];

    buf[0] = '\0';
    if (value->kind != SCAN_STRING)
        return false;
    at = value->at + 1;
    end = value->at + value->len;
    if (value->len - 2 < size && !memchr(at, '\\', value->len - 2)) { /* as it stands */
        memcpy(buf, at, value->len - 2);
        buf[value->len - 2] = '\0';
        return true;
    }
    while ((len = next_char(&at, end, utf8)) && used + len < size) {
        memcpy(buf + used, utf8, len);
        used += len;
    }
    buf[used] = '\0';
    return true;
}

/* ---- documents ---- */

/* `depth`: how many levels are around it. `inside`: what is looked for in it, or NULL. */
static const char *skip_value(const char *at, const char *end, unsigned depth,
                              const struct scan_inside *inside);

static const char *skip_element(const char *at, const char *end, unsigned depth,
                                const struct scan_inside *inside)
{
    if (!inside)
        return skip_value(at, end, depth, NULL);
    scan_forget_members(inside->members, inside->count);
    /* An array in an array is not looked into. */
    at = skip_value(at, end, depth, at < end && *at == '{' ? inside : NULL);
    if (at && inside->on_element)
        inside->on_element(inside->arg);
    return at;
}

/* From '[' on. */
static const char *skip_array(const char *at, const char *end, unsigned depth,
                              const struct scan_inside *inside)
{
    at = lex_blanks(at + 1, end);
    if (at < end && *at == ']')
        return at + 1;
    for (;;) {
        at = skip_element(at, end, depth, inside);
        if (!at)
            return NULL;
        at = lex_blanks(at, end);
        if (at == end || *at != ',')
            return at < end && *at == ']' ? at + 1 : NULL;
        at = lex_blanks(at + 1, end);
    }
}

/* The first byte rules out most names, without a call. */
struct scan_member *scan_find_member(const struct scan_inside *inside, const char *name, size_t len)
{
    const char first = name[1];

    for (size_t i = 0; i < inside->count; i++) {
        struct scan_member *m = &inside->members[i];

        if ((m->name[0] == first || first == '\\' || first == '"') && string_is(name, len, m->name))
            return m;
    }
    return NULL;
}

/* For each that looks for this name, the first of which was found. */
static void note_value(const struct scan_inside *inside, struct scan_member *found,
                       struct scan_value value)
{
    found->value = value;
    for (struct scan_member *m = found + 1; m < inside->members + inside->count; m++)
        if (m->name[0] == found->name[0] && strcmp(m->name, found->name) == 0)
            m->value = value;
}

/* The members that are looked for within this value. */
static const struct scan_inside *inside_of(const struct scan_member *member, const char *value,
                                           const char *end)
{
    const struct scan_inside *inside = member ? member->inside : NULL;

    if (!inside || value == end)
        return NULL;
    return *value == (inside->on_element ? '[' : '{') ? inside : NULL;
}

/* One member; its value is noted where its name is looked for. */
static const char *skip_member(const char *at, const char *end, unsigned depth,
                               const struct scan_inside *inside)
{
    const char *name = at, *value;
    struct scan_member *member;

    at = lex_string(at, end);
    if (!at)
        return NULL;
    member = inside ? scan_find_member(inside, name, (size_t)(at - name)) : NULL;
    at = lex_blanks(at, end);
    if (at == end || *at != ':')
        return NULL;
    value = lex_blanks(at + 1, end);
    if (member && member->value.kind != SCAN_MISSING)
        scan_repeat_member(member);
    at = skip_value(value, end, depth, inside_of(member, value, end));
    if (at && member)
        note_value(inside, member, value_of(value, at));
    return at;
}

/* From '{' on. */
static const char *skip_object(const char *at, const char *end, unsigned depth,
                               const struct scan_inside *inside)
{
    at = lex_blanks(at + 1, end);
    if (at < end && *at == '}')
        return at + 1;
    for (;;) {
        at = skip_member(at, end, depth, inside);
        if (!at)
            return NULL;
        at = lex_blanks(at, end);
        if (at == end || *at != ',')
            return at < end && *at == '}' ? at + 1 : NULL;
        at = lex_blanks(at + 1, end);
    }
}

static const char *skip_value(const char *at, const char *end, unsigned depth,
                              const struct scan_inside *inside)
{
    if (at == end)
        return NULL;
    switch (scan_kind_of(*at)) {
    case SCAN_STRING:
        return lex_string(at, end);
    case SCAN_OBJECT:
        return depth < SCAN_DEPTH_MAX ? skip_object(at, end, depth + 1, inside) : NULL;
    case SCAN_ARRAY:
        return depth < SCAN_DEPTH_MAX ? skip_array(at, end, depth + 1, inside) : NULL;
    case SCAN_NUMBER:
        return lex_number(at, end);
    default:
        return lex_literal(at, end);
    }
}

bool scan_document(const char *json, size_t len, struct scan_value *whole,
                   struct scan_member *members, size_t count)
{
    const struct scan_inside top = {.members = members, .count = count};
    const char *end = json + len, *at = lex_blanks(json, end), *after;

    scan_forget_members(members, count);
    after = skip_value(at, end, 0, at < end && *at == '{' ? &top : NULL);
    if (!after || lex_blanks(after, end) < end) {
        scan_forget_members(members, count);
        after = NULL;
    }
    if (whole)
        *whole = after ? value_of(at, after) : missing;
    return after;
}

bool scan_is_truthy(const struct scan_value *value)
{
    switch (value->kind) {
    case SCAN_MISSING:
    case SCAN_NULL:
    case SCAN_FALSE:
        return false;
    case SCAN_STRING:
        return value->len > 2;
    case SCAN_NUMBER: /* 0 has no other digit before its exponent */
        for (size_t i = 0; i < value->len && (value->at[i] | 0x20) != 'e'; i++)
            if (value->at[i] >= '1' && value->at[i] <= '9')
                return true;
        return false;
    case SCAN_TRUE:
    case SCAN_ARRAY:
    case SCAN_OBJECT:
        return true;
    }
    return false;
}

/* Of a string as it is written, without its quotes: nothing but white space, escaped or not. */
static bool is_blank_text(const char *at, const char *end)
{
    static const char *const escapes[] = {"\\n",     "\\r",     "\\t",     "\\f",     "\\u0020",
                                          "\\u0009", "\\u000a", "\\u000A", "\\u000d", "\\u000D"};
    size_t len;

    for (; at < end; at += len) {
        len = *at == ' ';
        for (size_t i = 0; *at == '\\' && len == 0 && i < countof(escapes); i++)
            if ((size_t)(end - at) >= strlen(escapes[i]) &&
                memcmp(at, escapes[i], strlen(escapes[i])) == 0)
                len = strlen(escapes[i]);
        if (len == 0)
            return false;
    }
    return true;
}

bool scan_is_filled(const struct scan_value *value)
{
    if (value->kind == SCAN_STRING)
        return !is_blank_text(value->at + 1, value->at + value->len - 1);
    if (value->kind != SCAN_ARRAY && value->kind != SCAN_OBJECT)
        return false;
    return lex_blanks(value->at + 1, value->at + value->len) < value->at + value->len - 1;
}
