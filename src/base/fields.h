/* HTTP fields ("headers", RFC 9110 section 5) in the order in which they came, repeats kept.
 *
 * One growing buffer holds all of them, so that a set of fields costs one allocation and can
 * be emptied and used again. Names and values may not hold NUL, CR or LF: fields_add() refuses
 * such a field, because it would become another field on the next connection. Not thread-safe.
 */
#ifndef BASE_FIELDS_H
#define BASE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

struct fields {
    struct str bytes; /* per field: two lengths, name NUL, value NUL */
    unsigned count;
    uint64_t name_marks_; /* one bit for each name, see fields_mark_() */
};

struct field {
    const char *name; /* both NUL-terminated, valid until the set changes */
    const char *value;
    size_t name_len;
    size_t value_len;
    size_t next_; /* where the one after it stands */
};

void fields_init(struct fields *f);
void fields_release(struct fields *f);
void fields_clear(struct fields *f);
void fields_wipe(struct fields *f); /* overwrites and frees */

/* Copies name and value. False, and nothing added, if the name is no token or the value holds
 * a NUL, CR or LF (RFC 9110 section 5.5). Blanks around the value are left out. */
bool fields_add(struct fields *f, const char *name, size_t name_len, const char *value,
                size_t value_len);
bool fields_adds(struct fields *f, const char *name, const char *value);
/* Copies one of another set. */
void fields_add_field(struct fields *f, const struct field *field);
/* Copies all of another set. */
void fields_add_all(struct fields *f, const struct fields *other);
/* Makes *copy of those that `keeps` (NULL: of all), in memory of the caller's that nothing may be
 * added to, and returns the bytes of it that are used. With NULL it returns what that will be. */
size_t fields_copy(const struct fields *f, bool (*keeps)(const struct field *), struct fields *copy,
                   char *memory);

/* Appends to the last field's value after a space: an obs-fold line (RFC 9112 section 5.2). */
bool fields_continue(struct fields *f, const char *more, size_t len);

struct fields_lengths_ {
    uint32_t name, value;
};
static inline struct field fields_at_(const struct fields *f, size_t at)
{
    struct field h = {.name = NULL};
    struct fields_lengths_ lengths;

    if (at >= f->bytes.len)
        return h;
    memcpy(&lengths, f->bytes.text + at, sizeof(lengths));
    h.name = f->bytes.text + at + sizeof(lengths);
    h.name_len = lengths.name;
    h.value = h.name + lengths.name + 1;
    h.value_len = lengths.value;
    h.next_ = at + sizeof(lengths) + lengths.name + 1 + lengths.value + 1;
    return h;
}

/* for (struct field h = fields_first(f); h.name; h = fields_next(f, &h)) */
static inline struct field fields_first(const struct fields *f)
{
    return fields_at_(f, 0);
}
static inline struct field fields_next(const struct fields *f, const struct field *current)
{
    return fields_at_(f, current->next_);
}
#define fields_each(h, f) for (struct field h = fields_first(f); h.name; h = fields_next(f, &h))

/* One of 64 bits, the same for a name in any case: a one-word Bloom filter tells most names that a
 * set does not have without a walk over it. The characters differ most at a name's end. */
static inline uint64_t fields_mark_(const char *name, size_t len)
{
    const unsigned last = len ? name[len - 1] & 0x1fU : 0,
                   third = len > 2 ? name[len - 3] & 0x1fU : 0;

    return UINT64_C(1) << ((len * 11 + last * 3 + third * 5) & 63);
}
/* False: no field has this name. True: one may have it. */
static inline bool fields_may_have(const struct fields *f, const char *name)
{
    return f->name_marks_ & fields_mark_(name, strlen(name)); /* the compiler mostly knows both */
}

const char *fields_get_(const struct fields *f, const char *name, size_t name_len);
/* The first value with that name (case does not matter), or NULL. */
static inline const char *fields_get(const struct fields *f, const char *name)
{
    return fields_may_have(f, name) ? fields_get_(f, name, strlen(name)) : NULL;
}
unsigned fields_count(const struct fields *f, const char *name);

/* Does a comma-separated list value (RFC 9110 section 5.6.1) hold this token? */
bool field_has_token(const char *value, const char *token, size_t token_len);

/* tchar of RFC 9110 section 5.6.2 */
bool field_is_token(const char *s, size_t len);

#endif
