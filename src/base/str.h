/* A string that grows. Always NUL-terminated at text[len]; may also hold NULs.
 *
 * `struct str s = STR_INIT;` … str_release(&s). str_clear() empties and keeps the memory, so
 * that a buffer that is used again costs nothing. Not thread-safe.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A string literal and its length, for two parameters. */
#define STR_LIT(text) (text), sizeof(text) - 1

struct str {
    char *text;
    size_t len;
    size_t cap; /* 0: text is the shared empty string, not ours */
};

extern char str_empty_text[];
#define STR_INIT                                                                                   \
    {                                                                                              \
        .text = str_empty_text                                                                     \
    }

void str_init(struct str *s);
void str_release(struct str *s);
void str_clear(struct str *s);
void str_grow_(struct str *s, size_t more);
/* Room for `more` bytes and the NUL. */
static inline void str_reserve(struct str *s, size_t more)
{
    if (s->len + more >= s->cap)
        str_grow_(s, more);
}

void str_add(struct str *s, const void *bytes, size_t len);
void str_addf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_vaddf(struct str *s, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static inline void str_adds(struct str *s, const char *text)
{
    str_add(s, text, strlen(text));
}

static inline void str_addc(struct str *s, char c)
{
    str_add(s, &c, 1);
}

/* Decimal; many times as fast as str_addf(). */
void str_add_number(struct str *s, uint64_t number);

/* The text, which the caller frees; s is empty afterwards. */
char *str_detach(struct str *s);

/* ASCII only, whatever the locale: HTTP's names and tokens. */
bool str_same_nocase_(const char *a, const char *b, size_t len);
static inline bool str_same_nocase(const char *a, size_t a_len, const char *b, size_t b_len)
{
    /* Most lengths differ; of names of one length, most last characters (not most first ones:
     * "x-stainless-..."). Bit 5 is what a letter's case may change. */
    return a_len == b_len && (a_len == 0 || ((a[a_len - 1] ^ b[a_len - 1]) & ~0x20) == 0) &&
           str_same_nocase_(a, b, a_len);
}
bool str_is_nocase(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
/* The value of a hexadecimal digit of either case, or -1. */
int str_hex_digit(char c);
/* Decimal digits only, no sign, no blank; false when empty, not a number or too large. */
bool str_to_u64(const char *s, size_t len, unsigned long long *value);
/* Digits, perhaps a point and more digits ("1", "1.5"): what strtod takes besides (signs, blanks,
 * exponents, hexadecimals, "inf") is no number here. *end is after it; NULL if there is none. */
const char *str_to_decimal(const char *s, double *value);

#endif
