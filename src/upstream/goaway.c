#include "upstream/goaway.h"

#include <string.h>

bool goaway_parse(const char *text, size_t len, uint32_t *last_stream)
{
    static const char word[] = "GOAWAY, error=", name[] = "last_stream=";
    const char *end = text + len, *at = memmem(text, len, word, sizeof(word) - 1);
    uint64_t number = 0;

    if (at)
        at = memmem(at, (size_t)(end - at), name, sizeof(name) - 1);
    if (!at)
        return false;
    at += sizeof(name) - 1;
    if (at == end || *at < '0' || *at > '9')
        return false;
    for (; at < end && *at >= '0' && *at <= '9' && number <= UINT32_MAX; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    if (at == end) /* digits may be cut off: a smaller number would repeat requests */
        return false;
    *last_stream = number > INT32_MAX ? INT32_MAX : (uint32_t)number;
    return true;
}

bool goaway_is_close_notify(const char *text, size_t len)
{
    static const char words[] = " (IN), TLS alert, close notify";

    return memmem(text, len, words, sizeof(words) - 1) != NULL;
}
