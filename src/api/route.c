#include "api/route.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

#define ENTRY "/cache/"
#define ENTRY_LEN (sizeof(ENTRY) - 1)
#define KEY_DIGITS_MAX 64

size_t route_path_len(const char *target)
{
    return strcspn(target, "?");
}

unsigned char route_byte(const char *s, size_t left, size_t *len)
{
    *len = 1;
    if (*s == '%' && left >= 3 && str_hex_digit(s[1]) >= 0 && str_hex_digit(s[2]) >= 0) {
        *len = 3;
        return (unsigned char)(str_hex_digit(s[1]) << 4 | str_hex_digit(s[2]));
    }
    return (unsigned char)*s;
}

/* A backslash counts as a slash: some servers take it for one. What follows a ';', or an encoded
 * '?' or '#', is no part of a segment's name for others. */
static bool has_dot_segment(const char *path, size_t path_len)
{
    size_t dots = 0, others = 0, len;
    bool name_over = false;

    if (!memchr(path, '.', path_len) && !memchr(path, '%', path_len))
        return false; /* mostly */
    for (size_t i = 0; i < path_len; i += len) {
        unsigned char c = route_byte(path + i, path_len - i, &len);

        if (c == '/' || c == '\\') {
            if (others == 0 && (dots == 1 || dots == 2))
                return true;
            dots = others = 0;
            name_over = false;
        } else if (name_over || c == ';' || c == '?' || c == '#') {
            name_over = true;
        } else if (c == '.') {
            dots++;
        } else {
            others++;
        }
    }
    return others == 0 && (dots == 1 || dots == 2);
}

const char *route_target_fault(const char *target)
{
    size_t total = strlen(target), len;

    if (target[0] != '/')
        return "The request target must be a path that begins with a slash.";
    for (size_t i = 0; i < total; i += len) {
        unsigned char raw = (unsigned char)target[i];

        if (raw <= ' ' || raw == 0x7f)
            return "The request target has a blank or a control character in it.";
        if (raw == '#')
            return "The request target has a fragment ('#') in it.";
        if (route_byte(target + i, total - i, &len) == '\0')
            return "The request target has a NUL (%00) in it.";
    }
    if (has_dot_segment(target, route_path_len(target)))
        return "The request target has a dot segment ('.' or '..') in it.";
    return NULL;
}

static bool is_key(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (str_hex_digit(s[i]) < 0)
            return false;
    return len > 0 && len <= KEY_DIGITS_MAX;
}

enum route route_of(const char *target)
{
    size_t len = route_path_len(target);

    if (strncmp(target, STR_LIT("/v1")) == 0 && (len == 3 || target[3] == '/'))
        return ROUTE_API;
    if (len == 7 && strncmp(target, STR_LIT("/health")) == 0)
        return ROUTE_HEALTH;
    if (len == 6 && strncmp(target, STR_LIT("/stats")) == 0)
        return ROUTE_STATS;
    if (len == 6 && strncmp(target, STR_LIT("/cache")) == 0)
        return ROUTE_CACHE;
    if (len == 13 && strncmp(target, STR_LIT("/cache/verify")) == 0)
        return ROUTE_CACHE_VERIFY;
    if (len > ENTRY_LEN && strncmp(target, ENTRY, ENTRY_LEN) == 0 &&
        is_key(target + ENTRY_LEN, len - ENTRY_LEN))
        return ROUTE_CACHE_ENTRY;
    return ROUTE_NONE;
}
