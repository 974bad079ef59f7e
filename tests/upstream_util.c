/* upstream_util.c: growing buffers, SHA-256, base64, pseudo-random bytes, and
 * the little JSON that the upstream needs. See upstream.h. */
#include "upstream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must(void *allocated)
{
    if (!allocated) {
        fprintf(stderr, "upstream: out of memory\n");
        abort();
    }
    return allocated;
}

char *copy_text(const char *bytes, size_t n)
{
    char *copy = must(malloc(n + 1));
    memcpy(copy, bytes, n);
    copy[n] = '\0';
    return copy;
}

/* ---- buffers ---- */

static void buf_room(struct buf *b, size_t n)
{
    if (b->size - b->len > n)
        return;
    size_t size = b->size ? b->size : 256;
    while (size - b->len <= n)
        size *= 2;
    b->data = must(realloc(b->data, size));
    b->size = size;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    buf_room(b, n);
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    buf_room(b, (size_t)n + 1);
    vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
    b->len += (size_t)n;
    va_end(again);
    va_end(args);
}

void buf_json(struct buf *b, const char *bytes, size_t n)
{
    buf_puts(b, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c < 0x20)
            buf_printf(b, "\\u%04x", c);
        else
            buf_add(b, &bytes[i], 1);
    }
    buf_puts(b, "\"");
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_base64(struct buf *b, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16;
        if (i + 1 < n)
            v |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < n)
            v |= p[i + 2];
        char four[4] = {base64_digits[v >> 18], base64_digits[v >> 12 & 63],
                        base64_digits[v >> 6 & 63], base64_digits[v & 63]};
        if (i + 1 >= n)
            four[2] = '=';
        if (i + 2 >= n)
            four[3] = '=';
        buf_add(b, four, 4);
    }
}

void buf_unbase64(struct buf *b, const char *text)
{
    uint32_t v = 0;
    unsigned bits = 0;
    for (; *text; text++) {
        const char *digit = strchr(base64_digits, *text);
        if (!digit)
            continue;
        v = v << 6 | (uint32_t)(digit - base64_digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            unsigned char byte = (unsigned char)(v >> bits & 255);
            buf_add(b, &byte, 1);
        }
    }
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool is_utf8(const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t i = 0; i < n;) {
        unsigned char c = p[i];
        size_t more = c < 0x80                ? 0
                      : c >= 0xc2 && c < 0xe0 ? 1
                      : c >= 0xe0 && c < 0xf0 ? 2
                      : c >= 0xf0 && c < 0xf5 ? 3
                                              : 9;
        if (more == 9 || i + more >= n)
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
        i += more + 1;
    }
    return true;
}

/* ---- SHA-256 (FIPS 180-4) ---- */

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn(uint32_t v, unsigned by)
{
    return v >> by | v << (32 - by);
}

static void sha256_block(uint32_t state[8], const unsigned char *p)
{
    uint32_t w[64], s[8];
    for (size_t i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (size_t i = 16; i < 64; i++)
        w[i] = w[i - 16] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
               (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, state, sizeof s);
    for (size_t i = 0; i < 64; i++) {
        uint32_t a = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) +
                     ((s[4] & s[5]) ^ (~s[4] & s[6])) + round_constants[i] + w[i];
        uint32_t b = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) +
                     ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += a;
        s[0] = a + b;
    }
    for (size_t i = 0; i < 8; i++)
        state[i] += s[i];
}

void sha256_init(struct sha256 *h)
{
    *h = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                   0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_add(struct sha256 *h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    while (n) {
        size_t at = (size_t)(h->bytes % 64), take = 64 - at < n ? 64 - at : n;
        if (take == 64) {
            sha256_block(h->state, p);
        } else {
            memcpy(h->block + at, p, take);
            if (at + take == 64)
                sha256_block(h->state, h->block);
        }
        h->bytes += take;
        p += take;
        n -= take;
    }
}

void sha256_hex(const struct sha256 *h, char hex[65])
{
    struct sha256 end = *h;
    unsigned char pad[72] = {0x80};
    size_t zeros = (size_t)((119 - h->bytes % 64) % 64); /* up to the 8 bytes of the length */
    for (unsigned i = 0; i < 8; i++)
        pad[1 + zeros + i] = (unsigned char)(h->bytes * 8 >> (56 - 8 * i));
    sha256_add(&end, pad, zeros + 9);
    for (unsigned i = 0; i < 8; i++)
        snprintf(hex + (size_t)i * 8, 9, "%08x", end.state[i]);
}

/* ---- pseudo-random bytes ---- */

static uint64_t mix(uint64_t v)
{
    v += 0x9e3779b97f4a7c15;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
    v = (v ^ v >> 27) * 0x94d049bb133111eb;
    return v ^ v >> 31;
}

void noise(uint64_t seed, uint64_t at, unsigned char *out, size_t n)
{
    uint64_t key = mix(seed), word = mix(key + at / 8) >> 8 * (at % 8);
    for (size_t i = 0; i < n; i++, at++) {
        if (at % 8 == 0)
            word = mix(key + at / 8);
        out[i] = (unsigned char)(word & 255);
        word >>= 8;
    }
}

/* ---- JSON ---- */

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    return p < end ? p + 1 : end;
}

static const char *skip_value(const char *p, const char *end)
{
    if (p < end && *p == '"')
        return skip_string(p, end);
    for (int depth = 0; p < end; p++) {
        if (*p == '"')
            p = skip_string(p, end) - 1;
        else if (*p == '{' || *p == '[')
            depth++;
        else if ((*p == '}' || *p == ']') && --depth <= 0)
            return depth < 0 ? p : p + 1;
        else if (*p == ',' && depth == 0)
            return p;
    }
    return end;
}

bool json_member(struct span object, const char *key, struct span *value)
{
    const char *end = object.at + object.len, *p = skip_space(object.at, end);
    if (p >= end || *p != '{')
        return false;
    do {
        const char *name = skip_space(p + 1, end);
        if (name >= end || *name != '"')
            return false;
        p = skip_string(name, end);
        struct span found = {name + 1, (size_t)(p - name) - 2};
        p = skip_space(p, end);
        if (p >= end || *p != ':')
            return false;
        const char *start = skip_space(p + 1, end);
        p = skip_value(start, end);
        if (span_is(found, key)) {
            *value = (struct span){start, (size_t)(p - start)};
            while (value->len && strchr(" \t\r\n", value->at[value->len - 1]))
                value->len--;
            return true;
        }
        p = skip_space(p, end);
    } while (p < end && *p == ',');
    return false;
}

bool json_item(struct span array, size_t index, struct span *value)
{
    const char *end = array.at + array.len, *p = skip_space(array.at, end);
    if (p >= end || *p != '[')
        return false;
    for (size_t i = 0;; i++) {
        const char *start = skip_space(p + 1, end);
        if (start >= end || *start == ']')
            return false;
        p = skip_value(start, end);
        if (i == index) {
            *value = (struct span){start, (size_t)(p - start)};
            return true;
        }
        p = skip_space(p, end);
        if (p >= end || *p != ',')
            return false;
    }
}

size_t json_count(struct span array)
{
    const char *end = array.at + array.len, *p = skip_space(array.at, end);
    size_t n = 0;
    if (p >= end || *p != '[' || *skip_space(p + 1, end) == ']')
        return 0;
    for (; p < end && (*p == ',' || *p == '['); n++)
        p = skip_space(skip_value(skip_space(p + 1, end), end), end);
    return n;
}

bool span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

bool span_has(struct span s, const char *text)
{
    return s.len && memmem(s.at, s.len, text, strlen(text)) != NULL;
}
