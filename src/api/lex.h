/* The tokens of strict JSON (RFC 8259), as canon.c and scan.c read them.
 *
 * All functions take where they are and where the text ends, and never look beyond that. Those
 * that return a pointer return what is after the token, or NULL where there is none. What is
 * inline here is what runs for each byte of a body.
 */
#ifndef API_LEX_H
#define API_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/utf8.h"

static inline const char *lex_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* How many of the next 8 bytes are plain, up to the first that is not: plain is what stands in a
 * string for itself and for nothing else, which is ASCII but '"', '\' and control characters.
 * There must be 8 bytes. */
static inline unsigned lex_plain8(const char *at)
{
    const uint64_t each = 0x0101010101010101;
    uint64_t x, quote, backslash, special;

    memcpy(&x, at, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    quote = x ^ each * '"';
    backslash = x ^ each * '\\';
    /* Per byte, the top bit: below ' ', one of the two, above ASCII. A borrow makes wrong ones
     * only behind a right one, and the first counts. */
    special = ((x - each * ' ') & ~x) | ((quote - each) & ~quote) |
              ((backslash - each) & ~backslash) | x;
    special &= each * 0x80;
    return special ? (unsigned)__builtin_ctzll(special) / 8 : 8;
}

#ifdef __SSE2__
/* The same for 16 bytes. */
static inline unsigned lex_plain16(const char *at)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)at);
    /* as signed numbers, what is above ASCII is below ' ' as well */
    const __m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(' '));
    const __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    const int special = _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, backslash)));

    return special ? (unsigned)__builtin_ctz((unsigned)special) : 16;
}
#define LEX_STEP 16
#define lex_plain lex_plain16
#else
#define LEX_STEP 8
#define lex_plain lex_plain8
#endif

/* As utf8_length(). */
static inline unsigned lex_utf8(const char *at, const char *end)
{
    return utf8_length(at, end);
}

/* From the opening quote to behind the closing one. */
const char *lex_string(const char *at, const char *end);
/* The same, and writes it in its canonical spelling (canon.h) to *to, which then is behind it: no
 * longer than it was, and nothing is written beyond as many bytes as were read. *escaped: there
 * are escapes in what was written; each of them is of a single byte. */
const char *lex_respell(const char *at, const char *end, char **to, bool *escaped);
/* From a backslash; *code is the character that it spells (a pair of surrogates is one). */
const char *lex_escape(const char *at, const char *end, uint32_t *code);
/* Writes the character, up to 4 bytes. Returns how many. */
unsigned lex_put_utf8(uint32_t code, char *to);

const char *lex_number(const char *at, const char *end);
/* true, false, null: what begins like one of them must be it. */
const char *lex_literal(const char *at, const char *end);

#endif
