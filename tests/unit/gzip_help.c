#include "gzip_help.h"

#include <stdint.h>
#include <string.h>

static unsigned crc_of(const unsigned char *bytes, size_t len) /* RFC 1952 section 8 */
{
    unsigned crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    }
    return ~crc;
}

static void add_number(struct str *out, unsigned number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        str_addc(out, (char)(number >> (8 * i)));
}

void gzip_stored(struct str *out, const char *text)
{
    unsigned len = (unsigned)strlen(text);

    str_add(out, "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01", 11);
    add_number(out, len, 2);
    add_number(out, ~len, 2);
    str_adds(out, text);
    add_number(out, crc_of((const unsigned char *)text, len), 4);
    add_number(out, len, 4);
}

void gzip_blanks(struct str *gz)
{
    static const unsigned char head[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
                                         0xff, 0xed, 0xc1, 0x31, 0x01, 0x00, 0x00, 0x00, 0xc2,
                                         0xa0, 0x2a, 0xeb, 0x9f, 0xd2, 0x10, 0xbe, 0x40, 0x01};
    static const unsigned char tail[] = {0x7c, 0x06, 0xa7, 0x02, 0x03,
                                         0xf1, 0x00, 0x00, 0x10, 0x00};

    str_add(gz, head, sizeof(head));
    for (size_t zero = 0; zero < 1015; zero++)
        str_addc(gz, '\0');
    str_add(gz, tail, sizeof(tail));
}
