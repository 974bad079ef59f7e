#include "api/directive.h"

#include <string.h>

#include "base/str.h"

#define BLANKS " \t"

static size_t without_blanks_after(const char *s, size_t len)
{
    while (len && strchr(BLANKS, s[len - 1]))
        len--;
    return len;
}

/* The closing quote of the string that begins at s, if after it the directive ends. */
static const char *quoted_end(const char *s)
{
    const char *after;

    for (s++; *s != '"'; s++) {
        if (*s == '\\')
            s++;
        if (!*s)
            return NULL;
    }
    after = s + 1 + strspn(s + 1, BLANKS);
    return *after == ',' || !*after ? s : NULL;
}

static const char *take_value(const char *at, struct directive *d)
{
    const char *end;

    at += strspn(at, BLANKS);
    end = *at == '"' ? quoted_end(at) : NULL;
    if (end) {
        d->value = at + 1;
        d->value_len = (size_t)(end - d->value);
        d->quoted = true;
        return end + 1;
    }
    d->value = at;
    at += strcspn(at, ",");
    d->value_len = without_blanks_after(d->value, (size_t)(at - d->value));
    return at;
}

bool directive_next(const char **rest, struct directive *d)
{
    const char *at = *rest + strspn(*rest, BLANKS ",");

    if (!*at)
        return false;
    *d = (struct directive){.name = at};
    at += strcspn(at, "=,");
    d->name_len = without_blanks_after(d->name, (size_t)(at - d->name));
    if (*at == '=')
        at = take_value(at + 1, d);
    *rest = at;
    return true;
}

bool directive_is(const struct directive *d, const char *name)
{
    return str_same_nocase(d->name, d->name_len, name, strlen(name));
}

int64_t directive_seconds(const struct directive *d)
{
    int64_t seconds = -1;

    for (size_t i = 0; i < d->value_len; i++) {
        char c = d->value[i];

        if (d->quoted && c == '\\' && i + 1 < d->value_len)
            c = d->value[++i];
        if (c < '0' || c > '9')
            return -1;
        seconds = (seconds < 0 ? 0 : seconds) * 10 + (c - '0');
        if (seconds > DIRECTIVE_SECONDS_MAX)
            seconds = DIRECTIVE_SECONDS_MAX;
    }
    return seconds;
}
