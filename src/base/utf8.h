/* UTF-8 (RFC 3629). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

static inline bool utf8_continues_(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length of the character that begins with the byte above ASCII at `at`; 0 if it is none: cut
 * off, overlong, a surrogate, beyond U+10FFFF (RFC 3629 section 4). */
static inline unsigned utf8_length(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;
    const size_t left = (size_t)(end - at);

    if (p[0] < 0xe0)
        return p[0] >= 0xc2 && left >= 2 && utf8_continues_(p[1]) ? 2 : 0;
    if (left < 3 || !utf8_continues_(p[1]) || !utf8_continues_(p[2]))
        return 0;
    if (p[0] < 0xf0)
        return (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ? 0 : 3;
    if (left < 4 || !utf8_continues_(p[3]) || p[0] > 0xf4)
        return 0;
    return (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f) ? 0 : 4;
}

#endif
