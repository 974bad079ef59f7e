#include "base/str.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

char str_empty_text[1] = "";

void str_init(struct str *s)
{
    *s = (struct str)STR_INIT;
}

void str_release(struct str *s)
{
    if (s->cap)
        free(s->text);
    str_init(s);
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->cap)
        s->text[0] = '\0';
}

void str_grow_(struct str *s, size_t more)
{
    size_t need = s->len + more + 1;
    size_t cap = s->cap ? s->cap : 64;

    while (cap < need)
        cap *= 2;
    s->text = mem_grow(s->cap ? s->text : NULL, cap);
    s->text[s->len] = '\0';
    s->cap = cap;
}

void str_add(struct str *s, const void *bytes, size_t len)
{
    str_reserve(s, len);
    memcpy(s->text + s->len, bytes, len);
    s->len += len;
    s->text[s->len] = '\0';
}

void str_vaddf(struct str *s, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    str_reserve(s, 127);
    n = vsnprintf(s->text + s->len, s->cap - s->len, format, args);
    assert(n >= 0);
    if ((size_t)n >= s->cap - s->len) {
        str_reserve(s, (size_t)n);
        vsnprintf(s->text + s->len, s->cap - s->len, format, again);
    }
    s->len += (size_t)n;
    va_end(again);
}

void str_addf(struct str *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    str_vaddf(s, format, args);
    va_end(args);
}

void str_add_number(struct str *s, uint64_t number)
{
    char digits[20];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + number % 10);
    while ((number /= 10));
    str_add(s, digits + n, sizeof(digits) - n);
}

char *str_detach(struct str *s)
{
    char *text = s->cap ? s->text : mem_strdup("");

    str_init(s);
    return text;
}

static inline unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool str_same_nocase_(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool str_is_nocase(const char *a, const char *b)
{
    return str_same_nocase(a, strlen(a), b, strlen(b));
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

int str_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_to_u64(const char *s, size_t len, unsigned long long *value)
{
    unsigned long long v = 0;

    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(s[i] - '0');
        if (digit > 9 || v > (ULLONG_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}

const char *str_to_decimal(const char *s, double *value)
{
    size_t whole = strspn(s, "0123456789"), len = whole;
    char text[64];

    if (whole && s[len] == '.' && s[len + 1] >= '0' && s[len + 1] <= '9')
        len += 1 + strspn(s + len + 1, "0123456789");
    if (whole == 0 || len >= sizeof(text))
        return NULL;
    memcpy(text, s, len);
    text[len] = '\0';
    *value = strtod(text, NULL);
    return s + len;
}
