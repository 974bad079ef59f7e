/* Two passes: the text is read into a *draft*, in which blanks are gone and strings and numbers
 * have their final spelling, but members stand in their old order. Objects whose members must
 * move are noted on the way, and the second pass copies the draft in the right order:
 *
 *      draft     {"model":"m","messages":[{"role":"user","content":"x"}]}
 *      objects   [0] all of it: its members are kept[0], kept[1]     (in pre-order)
 *                [1] {"role"…}:                 kept[2], kept[3]
 *      kept      messages, model, content, role: where each begins and ends in the draft, and
 *                which of the objects is the first in its value
 *
 * So each byte is copied twice, however deep it stands, and a document whose members are in order
 * has no objects at all to note. While an object is being read its members wait on `open`, on top
 * of those of the objects around it. No spelling is longer than what is read: the draft never
 * outgrows the text. Objects in a schema are copied as they stand; their members are sorted on
 * `open` only, to find duplicates.
 */
#include "api/canon.h"

#include <stdint.h>
#include <stdlib.h>

#include "api/lex.h"
#include "base/mem.h"

/* Memory beyond this is given back after each document. */
#define KEPT_BYTES ((size_t)1 << 20)

struct member { /* all numbers: offsets into the draft */
    uint32_t start;
    uint32_t name_end; /* the name's closing quote */
    uint32_t end;
    uint32_t object; /* the first that may stand in the value */
    bool escaped;    /* the name has an escape in it, in the draft as well */
};

struct members {
    struct member *at;
    size_t count;
    size_t cap;
};

struct object {
    uint32_t start; /* its braces */
    uint32_t end;
    uint32_t first; /* its members in `kept` */
    uint32_t count;
    uint32_t after; /* the first object behind it */
    bool in_order;  /* its members stay where they are; those of some object within do not */
};

struct canon {
    const char *in; /* what is still to be read */
    const char *end;
    char *const *ignored;
    char *draft;
    char *to; /* where the draft goes on */
    size_t draft_cap;
    struct members open;
    struct members kept;
    struct object *objects;
    size_t object_count;
    size_t object_cap;
    bool in_schema; /* what is read stands in a schema: members keep their order */
};

struct canon *canon_new(void)
{
    return mem_zero(sizeof(struct canon));
}

static void forget(struct canon *c)
{
    free(c->draft);
    free(c->open.at);
    free(c->kept.at);
    free(c->objects);
    *c = (struct canon){.draft = NULL};
}

void canon_free(struct canon *canon)
{
    if (!canon)
        return;
    forget(canon);
    free(canon);
}

static void *with_room(void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return array;
    *cap = *cap < 32 ? 64 : *cap * 2;
    if (*cap < need)
        *cap = need;
    return mem_grow(array, *cap * size);
}

static void members_room(struct members *m, size_t more)
{
    m->at = with_room(m->at, &m->cap, m->count + more, sizeof(*m->at));
}

static inline uint32_t offset(const struct canon *c)
{
    return (uint32_t)(c->to - c->draft);
}

/* ---- names and their order ---- */

static const char *name_of(const struct canon *c, const struct member *m)
{
    return c->draft + m->start + 1;
}

static size_t name_len(const struct member *m)
{
    return m->name_end - m->start - 1;
}

static int by_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* The next byte of a name in the draft, unescaped, which moves *at on; -1 at its end. What is
 * escaped in a draft is always a single byte. */
static int next_byte(const char **at, const char *end)
{
    uint32_t code = 0;

    if (*at == end)
        return -1;
    if (**at != '\\')
        return (unsigned char)*(*at)++;
    *at = lex_escape(*at, end, &code);
    return (int)code;
}

static int compare(const struct canon *c, const struct member *a, const struct member *b)
{
    const char *x = name_of(c, a), *y = name_of(c, b);
    const char *x_end = c->draft + a->name_end, *y_end = c->draft + b->name_end;
    int p, q;

    if (!a->escaped && !b->escaped)
        return by_bytes(x, name_len(a), y, name_len(b));
    do {
        p = next_byte(&x, x_end);
        q = next_byte(&y, y_end);
    } while (p == q && p >= 0);
    return p - q;
}

static bool name_is(const struct canon *c, const struct member *m, const char *name)
{
    const char *at = name_of(c, m), *end = c->draft + m->name_end;

    if (!m->escaped)
        return name_len(m) == strlen(name) && memcmp(at, name, name_len(m)) == 0;
    for (; *name && at < end; name++)
        if (next_byte(&at, end) != (unsigned char)*name)
            return false;
    return !*name && at == end;
}

/* A model writes structured output in the order of its schema: canon.h. No escape that is left in
 * the draft spells a letter or '_', so an escaped name is none of these. */
static bool is_schema(const struct canon *c, const struct member *m)
{
    const char *name = name_of(c, m);

    if (m->escaped)
        return false;
    switch (name_len(m)) {
    case 6:
        return memcmp(name, STR_LIT("schema")) == 0;
    case 10:
        return memcmp(name, STR_LIT("parameters")) == 0;
    case 11:
        return memcmp(name, STR_LIT("json_schema")) == 0;
    case 12:
        return memcmp(name, STR_LIT("input_schema")) == 0;
    default:
        return false;
    }
}

static bool is_ignored(const struct canon *c, const struct member *m)
{
    for (char *const *name = c->ignored; *name; name++)
        if (name_is(c, m, *name))
            return true;
    return false;
}

static void merge(const struct canon *c, struct member *m, size_t half, size_t count,
                  struct member *spare)
{
    size_t a = 0, b = half, to = 0;

    memcpy(spare, m, half * sizeof(*m));
    while (a < half && b < count)
        m[to++] = compare(c, &spare[a], &m[b]) <= 0 ? spare[a++] : m[b++];
    memcpy(m + to, spare + a, (half - a) * sizeof(*m));
}

/* Merge sort, because clients choose the names: no order of theirs makes it slow. */
static void sort(const struct canon *c, struct member *m, size_t count, struct member *spare)
{
    const size_t half = count / 2;

    if (count > 12) {
        sort(c, m, half, spare);
        sort(c, m + half, count - half, spare);
        if (compare(c, &m[half - 1], &m[half]) > 0)
            merge(c, m, half, count, spare);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const struct member moving = m[i];
        size_t j = i;

        for (; j > 0 && compare(c, &m[j - 1], &moving) > 0; j--)
            m[j] = m[j - 1];
        m[j] = moving;
    }
}

/* ---- first pass: reading ---- */

static bool read_value(struct canon *c, unsigned depth);

static inline void blanks(struct canon *c)
{
    c->in = lex_blanks(c->in, c->end);
}

/* The next byte is `wanted`: it goes into the draft. */
static inline bool pass(struct canon *c, char wanted)
{
    if (c->in == c->end || *c->in != wanted)
        return false;
    *c->to++ = *c->in++;
    return true;
}

static bool read_string(struct canon *c, bool *escaped)
{
    const char *after = lex_respell(c->in, c->end, &c->to, escaped);

    if (!after)
        return false;
    c->in = after;
    return true;
}

static bool read_token(struct canon *c, const char *after)
{
    size_t len;

    if (!after)
        return false;
    len = (size_t)(after - c->in);
    memcpy(c->to, c->in, len);
    c->in = after, c->to += len;
    return true;
}

static bool read_array(struct canon *c, unsigned depth)
{
    pass(c, '[');
    blanks(c);
    if (pass(c, ']'))
        return true;
    do {
        if (!read_value(c, depth))
            return false;
        blanks(c);
    } while (pass(c, ','));
    return pass(c, ']');
}

/* `first`: of its object's on `open`. */
static bool read_member(struct canon *c, unsigned depth, size_t first, bool *in_order)
{
    const size_t index = c->open.count;
    const bool in_schema = c->in_schema;
    struct member m = {.start = offset(c)};

    if (!read_string(c, &m.escaped))
        return false;
    m.name_end = offset(c) - 1;
    blanks(c);
    if (!pass(c, ':'))
        return false;
    if (*in_order && index > first)
        *in_order = compare(c, &c->open.at[index - 1], &m) < 0;
    m.object = (uint32_t)c->object_count;
    members_room(&c->open, 1);
    c->open.at[c->open.count++] = m;
    c->in_schema = in_schema || is_schema(c, &m);
    if (!read_value(c, depth))
        return false;
    c->in_schema = in_schema;
    c->open.at[index].end = offset(c);
    return true;
}

/* Puts the members on `open` from `first` on in order. False if a name is there twice. */
static bool sort_members(struct canon *c, size_t first)
{
    struct member *m = c->open.at + first;
    const size_t count = c->open.count - first;

    members_room(&c->kept, count);
    sort(c, m, count, c->kept.at + c->kept.count);
    for (size_t i = 1; i < count; i++)
        if (compare(c, &m[i - 1], &m[i]) == 0)
            return false;
    return true;
}

/* Moves the members from `first` on that are not ignored to the kept ones. */
static void keep_members(struct canon *c, struct object *o, size_t first, bool may_ignore)
{
    o->first = (uint32_t)c->kept.count;
    for (size_t i = first; i < c->open.count; i++)
        if (!may_ignore || !is_ignored(c, &c->open.at[i]))
            c->kept.at[c->kept.count++] = c->open.at[i];
    o->count = (uint32_t)(c->kept.count - o->first);
}

static size_t add_object(struct canon *c)
{
    c->objects = with_room(c->objects, &c->object_cap, c->object_count + 1, sizeof(*c->objects));
    c->objects[c->object_count] = (struct object){.start = offset(c)};
    return c->object_count++;
}

static bool read_object(struct canon *c, unsigned depth)
{
    const size_t index = add_object(c), first = c->open.count;
    const bool may_ignore = depth == 1 && c->ignored;
    bool in_order = true;
    struct object *o;

    pass(c, '{');
    blanks(c);
    if (!pass(c, '}')) {
        do {
            blanks(c);
            if (!read_member(c, depth, first, &in_order))
                return false;
            blanks(c);
        } while (pass(c, ','));
        if (!pass(c, '}'))
            return false;
    }
    o = &c->objects[index];
    o->end = offset(c) - 1;
    o->after = (uint32_t)c->object_count;
    o->in_order = (in_order || c->in_schema) && !may_ignore;
    if ((!in_order || may_ignore) && !sort_members(c, first))
        return false;
    if (!o->in_order)
        keep_members(c, o, first, may_ignore);
    c->open.count = first;
    if (o->in_order && o->after == index + 1)
        c->object_count = index; /* nothing is to be said of it */
    return true;
}

static bool read_value(struct canon *c, unsigned depth)
{
    bool escaped;

    blanks(c);
    if (c->in == c->end)
        return false;
    switch (*c->in) {
    case '"':
        return read_string(c, &escaped);
    case '{':
        return depth < CANON_DEPTH_MAX && read_object(c, depth + 1);
    case '[':
        return depth < CANON_DEPTH_MAX && read_array(c, depth + 1);
    case 't':
    case 'f':
    case 'n':
        return read_token(c, lex_literal(c->in, c->end));
    default:
        return read_token(c, lex_number(c->in, c->end));
    }
}

static bool read_document(struct canon *c)
{
    if (!read_value(c, 0))
        return false;
    blanks(c);
    return c->in == c->end;
}

/* ---- second pass: writing ---- */

static char *copy(const struct canon *c, size_t from, size_t end, char *to)
{
    memcpy(to, c->draft + from, end - from);
    return to + (end - from);
}

/* The draft from `from` to `end`; `next`: no object before this one stands in it. Returns where
 * the text goes on. Recurses for objects within objects, CANON_DEPTH_MAX of them. */
static char *write_range(const struct canon *c, size_t from, size_t end, size_t next, char *to)
{
    while (next < c->object_count && c->objects[next].start < end) {
        const struct object *o = &c->objects[next];

        if (o->in_order) {
            next++;
            continue;
        }
        to = copy(c, from, o->start + (size_t)1, to);
        for (size_t i = 0; i < o->count; i++) {
            const struct member *m = &c->kept.at[o->first + i];

            if (i > 0)
                *to++ = ',';
            to = write_range(c, m->start, m->end, m->object, to);
        }
        from = o->end;
        next = o->after;
    }
    return copy(c, from, end, to);
}

static void begin(struct canon *c, const char *json, size_t len, char *const *ignored)
{
    if (c->draft_cap <= len) {
        free(c->draft);
        c->draft_cap = len + 1;
        c->draft = mem_alloc(c->draft_cap);
    }
    c->in = json;
    c->end = json + len;
    c->to = c->draft;
    c->ignored = ignored && *ignored ? ignored : NULL;
    c->open.count = c->kept.count = c->object_count = 0;
    c->in_schema = false;
    members_room(&c->open, 1); /* so that they are there, for objects without members as well */
    members_room(&c->kept, 1);
}

static void let_go(struct canon *c)
{
    if (c->draft_cap > KEPT_BYTES || c->open.cap * sizeof(*c->open.at) > KEPT_BYTES ||
        c->kept.cap * sizeof(*c->kept.at) > KEPT_BYTES ||
        c->object_cap * sizeof(*c->objects) > KEPT_BYTES)
        forget(c);
}

/* A member has a colon, an object a brace; both arrays of members may have twice the needed size.
 */
size_t canon_cost(const char *json, size_t len)
{
    size_t members = 0, objects = 0;

    for (size_t i = 0; i < len; i++) {
        members += json[i] == ':';
        objects += json[i] == '{';
    }
    return 4 * members * sizeof(struct member) + 2 * objects * sizeof(struct object);
}

bool canon_write(struct canon *canon, const char *json, size_t len, char *const *ignored,
                 struct str *out)
{
    bool has_form;

    if (len > CANON_BYTES_MAX)
        return false;
    begin(canon, json, len, ignored);
    has_form = read_document(canon);
    if (has_form) {
        char *to;

        str_reserve(out, offset(canon));
        to = write_range(canon, 0, offset(canon), 0, out->text + out->len);
        *to = '\0';
        out->len = (size_t)(to - out->text);
    }
    let_go(canon);
    return has_form;
}
