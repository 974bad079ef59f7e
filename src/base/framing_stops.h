/* Where a field name or a line of a request's head may end: framing_feed.c looks at 64 bytes at
 * once.
 *
 * Inline, as it runs for each byte of a head. Nothing beyond `end` is read.
 */
#ifndef BASE_FRAMING_STOPS_H
#define BASE_FRAMING_STOPS_H

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A bit for each byte of a block, the first one's the lowest. */
#define FRAMING_STOPS_BLOCK 64
struct framing_stops {
    uint64_t name; /* may end a field name, well or badly: ':', up to ' ', above ASCII */
    uint64_t line; /* may end a line: up to CR, so LF and NUL and what has to be passed over */
};

#ifdef __SSE2__
#define FRAMING_STOPS_STEP 16
static inline struct framing_stops framing_stops_of_(const char *at)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)at);
    const __m128i cr = _mm_set1_epi8('\r');
    /* as signed numbers, what is above ASCII is below ' ' */
    const __m128i name = _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(' ' + 1)),
                                      _mm_cmpeq_epi8(x, _mm_set1_epi8(':')));

    return (struct framing_stops){
        .name = (unsigned)_mm_movemask_epi8(name),
        .line = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(x, cr), cr)),
    };
}
#else
#define FRAMING_STOPS_STEP 8
/* From the top bit of each byte. */
static inline uint64_t framing_stops_gather_(uint64_t x)
{
    return ((x & 0x8080808080808080) >> 7) * 0x0102040810204080 >> 56;
}

static inline struct framing_stops framing_stops_of_(const char *at)
{
    const uint64_t each = 0x0101010101010101, low = each * 0x7f;
    uint64_t x, colon;

    memcpy(&x, at, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    colon = x ^ each * ':';
    /* A sum per byte without carry: its top bit says that the low seven bits are above a limit. */
    return (struct framing_stops){
        .name = framing_stops_gather_(x | ~((x & low) + each * (0x7f - ' ')) |
                                      ~(((colon & low) + low) | colon)),
        .line = framing_stops_gather_(~(((x & low) + each * (0x7f - '\r')) | x)),
    };
}
#endif

static inline struct framing_stops framing_stops_find(const char *block, const char *end)
{
    struct framing_stops stops = {0}, some;
    char copy[FRAMING_STOPS_BLOCK];

    if (end - block < FRAMING_STOPS_BLOCK) {
        memset(copy, 'x', sizeof(copy));
        memcpy(copy, block, (size_t)(end - block));
        block = copy;
    }
#pragma GCC unroll 8
    for (unsigned i = 0; i < FRAMING_STOPS_BLOCK; i += FRAMING_STOPS_STEP) {
        some = framing_stops_of_(block + i);
        stops.name |= some.name << i;
        stops.line |= some.line << i;
    }
    return stops;
}

#endif
