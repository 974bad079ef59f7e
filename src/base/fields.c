#include "base/fields.h"

#include <stdint.h>

#include "base/mem.h"

void fields_init(struct fields *f)
{
    *f = (struct fields){.bytes = STR_INIT};
}

void fields_release(struct fields *f)
{
    str_release(&f->bytes);
    fields_init(f);
}

void fields_clear(struct fields *f)
{
    str_clear(&f->bytes);
    f->count = 0;
    f->name_marks_ = 0;
}

/* tchar of RFC 9110 section 5.6.2: this runs for each byte of each field's name. */
static const bool tchar[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1};

void fields_wipe(struct fields *f)
{
    mem_wipe(f->bytes.text, f->bytes.cap); /* what was cleared before as well */
    fields_release(f);
}

#define EACH_BYTE 0x0101010101010101U
#define EACH_TOP (EACH_BYTE * 0x80U)

/* Eight bytes at once: the top bit of a byte of the result is set where the byte is `value`. The
 * bytes above such a one may have theirs set as well. */
static inline uint64_t is_value(uint64_t eight, unsigned char value)
{
    const uint64_t x = eight ^ (EACH_BYTE * value);

    return (x - EACH_BYTE) & ~x & EACH_TOP;
}

/* The top bit of a byte of the result is set where the byte is in the range. A byte above 127 never
 * has it set, but may change the results of the bytes above it. */
static inline uint64_t is_between(uint64_t eight, unsigned char first, unsigned char last)
{
    return (eight + EACH_BYTE * (0x80U - first)) & ~(eight + EACH_BYTE * (0x7fU - last)) & EACH_TOP;
}

static inline uint64_t load_eight(const char *s)
{
    uint64_t eight;

    memcpy(&eight, s, sizeof(eight));
    return eight;
}

/* ASCII letters and hyphens only: most field names. */
static inline bool are_letters(const char *s)
{
    const uint64_t eight = load_eight(s);

    return (is_between(eight | EACH_BYTE * 0x20U, 'a', 'z') | is_between(eight, '-', '-')) ==
           EACH_TOP;
}

static bool are_tchars(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!tchar[(unsigned char)s[i]])
            return false;
    return true;
}

/* The last eight bytes overlap with those before them where the length is no multiple of eight. */
bool field_is_token(const char *s, size_t len)
{
    size_t at = 0;

    if (len < 8)
        return len > 0 && are_tchars(s, len);
    while (at + 8 <= len && are_letters(s + at))
        at += 8;
    if (at + 8 > len && are_letters(s + len - 8))
        return true;
    return are_tchars(s + at, len - at);
}

static inline uint64_t is_unsafe(const char *s)
{
    const uint64_t eight = load_eight(s);

    return is_value(eight, '\0') | is_value(eight, '\r') | is_value(eight, '\n');
}

static bool value_is_safe(const char *s, size_t len)
{
    uint64_t bad = 0;
    size_t at = 0;

    if (len < 8) {
        for (; at < len; at++)
            bad |= s[at] == '\0' || s[at] == '\r' || s[at] == '\n';
        return bad == 0;
    }
    for (; at + 8 <= len; at += 8)
        bad |= is_unsafe(s + at);
    return (bad | is_unsafe(s + len - 8)) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **s, size_t *len)
{
    while (*len && is_blank(**s))
        (*s)++, (*len)--;
    while (*len && is_blank((*s)[*len - 1]))
        (*len)--;
}

/* Room for the fields of most requests: growing to it in steps would cost four allocations. */
#define FIRST_SIZE 500

bool fields_add(struct fields *f, const char *name, size_t name_len, const char *value,
                size_t value_len)
{
    struct fields_lengths_ lengths;
    char *at;

    trim(&value, &value_len);
    if (!field_is_token(name, name_len) || !value_is_safe(value, value_len))
        return false;
    lengths.name = (uint32_t)name_len;
    lengths.value = (uint32_t)value_len;
    if (f->bytes.cap == 0)
        str_reserve(&f->bytes, FIRST_SIZE);
    str_reserve(&f->bytes, sizeof(lengths) + name_len + value_len + 2);
    at = f->bytes.text + f->bytes.len;
    memcpy(at, &lengths, sizeof(lengths));
    at += sizeof(lengths);
    memcpy(at, name, name_len);
    at[name_len] = '\0';
    at += name_len + 1;
    memcpy(at, value, value_len);
    at[value_len] = at[value_len + 1] = '\0';
    f->bytes.len += sizeof(lengths) + name_len + value_len + 2;
    f->count++;
    f->name_marks_ |= fields_mark_(name, name_len);
    return true;
}

bool fields_adds(struct fields *f, const char *name, const char *value)
{
    return fields_add(f, name, strlen(name), value, strlen(value));
}

static size_t bytes_of(const struct field *h)
{
    return sizeof(struct fields_lengths_) + h->name_len + h->value_len + 2;
}

void fields_add_field(struct fields *f, const struct field *field)
{
    str_add(&f->bytes, field->name - sizeof(struct fields_lengths_), bytes_of(field));
    f->count++;
    f->name_marks_ |= fields_mark_(field->name, field->name_len);
}

void fields_add_all(struct fields *f, const struct fields *other)
{
    if (other->count == 0)
        return;
    str_add(&f->bytes, other->bytes.text, other->bytes.len);
    f->count += other->count;
    f->name_marks_ |= other->name_marks_;
}

size_t fields_copy(const struct fields *f, bool (*keeps)(const struct field *), struct fields *copy,
                   char *memory)
{
    uint64_t marks = 0;
    unsigned count = 0;
    size_t len = 0;

    fields_each(h, f) {
        if (keeps && !keeps(&h))
            continue;
        if (copy)
            memcpy(memory + len, h.name - sizeof(struct fields_lengths_), bytes_of(&h));
        len += bytes_of(&h);
        count++;
        marks |= fields_mark_(h.name, h.name_len);
    }
    if (copy) /* cap 0: not to be freed */
        *copy = (struct fields){
            .bytes = {.text = memory, .len = len}, .count = count, .name_marks_ = marks};
    return len;
}

bool fields_continue(struct fields *f, const char *more, size_t len)
{
    struct field last = {.name = NULL};
    struct fields_lengths_ lengths;
    size_t start;

    fields_each(h, f)
        last = h;
    trim(&more, &len);
    if (!last.name || !value_is_safe(more, len))
        return false;
    if (len == 0)
        return true;
    start = (size_t)(last.name - f->bytes.text) - sizeof(lengths);
    f->bytes.len--; /* the value's NUL */
    if (last.value_len)
        str_add(&f->bytes, STR_LIT(" "));
    str_add(&f->bytes, more, len);
    str_add(&f->bytes, "", 1);
    lengths.name = (uint32_t)last.name_len;
    lengths.value = (uint32_t)(last.value_len + (last.value_len > 0) + len);
    memcpy(f->bytes.text + start, &lengths, sizeof(lengths));
    return true;
}

const char *fields_get_(const struct fields *f, const char *name, size_t name_len)
{
    fields_each(h, f)
        if (str_same_nocase(h.name, h.name_len, name, name_len))
            return h.value;
    return NULL;
}

unsigned fields_count(const struct fields *f, const char *name)
{
    size_t len = strlen(name);
    unsigned n = 0;

    if (!fields_may_have(f, name))
        return 0;
    fields_each(h, f)
        n += str_same_nocase(h.name, h.name_len, name, len);
    return n;
}

bool field_has_token(const char *value, const char *token, size_t token_len)
{
    while (*value) {
        size_t len = strcspn(value, ",");
        const char *item = value;
        size_t item_len = len;

        trim(&item, &item_len);
        if (str_same_nocase(item, item_len, token, token_len))
            return true;
        value += len;
        value += *value == ',';
    }
    return false;
}
