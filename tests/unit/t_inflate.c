#include "client/inflate.h"

#include <string.h>

#include "base/str.h"
#include "unit.h"

/* As gzip writes them: "hello ", then "hello hello world\n". */
#define HEAD 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff
static const unsigned char packed[] = {
    HEAD, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0x00, 0x00, 0xf6, 0xf9, 0x81, 0xed, 0x06,
    0x00, 0x00, 0x00, HEAD, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x00, 0x93, 0xe5,
    0xf9, 0x45, 0x39, 0x29, 0x5c, 0x00, 0xb3, 0x2d, 0x88, 0x34, 0x12, 0x00, 0x00, 0x00};
static const char plain[] = "hello hello hello world\n";
#define FIRST_MEMBER 26U

/* Gives the packed bytes, `piece` at a time, and nothing at every `gap`th call. */
struct source {
    const unsigned char *bytes;
    size_t len, at, piece;
    unsigned gap, calls;
    ssize_t end;
};

static ssize_t give(void *arg, char *buf, size_t max)
{
    struct source *s = arg;
    size_t n = s->len - s->at < s->piece ? s->len - s->at : s->piece;

    if (s->gap && ++s->calls % s->gap == 0)
        return 0;
    if (n == 0)
        return s->end;
    if (n > max)
        n = max;
    memcpy(buf, s->bytes + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

/* Reads `max` at a time to the end, and returns it; what came is in `text`. */
static ssize_t drain(struct source *source, size_t max, char *text, size_t size)
{
    struct inflate *inflate = inflate_new(give, source);
    size_t len = 0, waits = 0;
    char buf[64];
    ssize_t n;

    while ((n = inflate_read(inflate, buf, max)) >= 0 && waits < 1000) {
        if (n == 0)
            waits++;
        if (!CHECK((size_t)n <= max && len + (size_t)n < size))
            break;
        memcpy(text + len, buf, (size_t)n);
        len += (size_t)n;
    }
    text[len] = '\0';
    inflate_free(inflate);
    return n;
}

TEST("packed bytes in pieces of any size come out plain, in pieces of any size")
{
    for (size_t piece = 1; piece <= sizeof(packed); piece++) {
        for (size_t max = 1; max <= 30; max++) {
            for (unsigned gap = 0; gap < 3; gap++) {
                struct source source = {.bytes = packed,
                                        .len = sizeof(packed),
                                        .piece = piece,
                                        .gap = gap == 1 ? 0 : gap,
                                        .end = INFLATE_END};
                char text[100];

                REQUIRE(drain(&source, max, text, sizeof(text)) == INFLATE_END);
                REQUIRE(strcmp(text, plain) == 0);
            }
        }
    }
}

TEST("what can be inflated of a stream so far is given at once")
{
    struct source source = {.bytes = packed, .len = FIRST_MEMBER, .piece = 64, .end = 0};
    struct inflate *inflate = inflate_new(give, &source);
    char buf[64];

    CHECK_INT(inflate_read(inflate, buf, sizeof(buf)), 6);
    CHECK(memcmp(buf, plain, 6) == 0);
    CHECK_INT(inflate_read(inflate, buf, sizeof(buf)), 0); /* none yet */
    source.len = sizeof(packed);
    source.end = INFLATE_END;
    CHECK_INT(inflate_read(inflate, buf, sizeof(buf)), sizeof(plain) - 1 - 6);
    CHECK_INT(inflate_read(inflate, buf, sizeof(buf)), INFLATE_END);
    inflate_free(inflate);
}

TEST("what is cut, broken, or no gzip at all is broken, and never an end")
{
    unsigned char damaged[sizeof(packed)];
    char text[100];

    for (size_t len = 1; len < sizeof(packed); len++) {
        struct source cut = {.bytes = packed, .len = len, .piece = 7, .end = INFLATE_END};
        bool between = len == FIRST_MEMBER; /* a whole file of one member */

        CHECK_INT(drain(&cut, 5, text, sizeof(text)), between ? INFLATE_END : INFLATE_BROKEN);
        CHECK(str_starts(plain, text));
    }
    memcpy(damaged, packed, sizeof(packed));
    damaged[FIRST_MEMBER - 5] ^= 1; /* the checksum */
    struct source bad = {.bytes = damaged, .len = sizeof(packed), .piece = 64, .end = INFLATE_END};

    CHECK_INT(drain(&bad, 64, text, sizeof(text)), INFLATE_BROKEN);
    struct source none = {
        .bytes = (const unsigned char *)plain, .len = 10, .piece = 64, .end = INFLATE_END};

    CHECK_INT(drain(&none, 64, text, sizeof(text)), INFLATE_BROKEN);
    CHECK_STR(text, "");
    struct source broken = {.bytes = packed, .len = 12, .piece = 64, .end = INFLATE_BROKEN};

    CHECK_INT(drain(&broken, 64, text, sizeof(text)), INFLATE_BROKEN);
    inflate_free(NULL);
}

TEST("a body of no bytes is not encoded, whatever its fields say")
{
    struct source none = {.bytes = packed, .len = 0, .piece = 1, .end = INFLATE_END};
    char text[10];

    CHECK_INT(drain(&none, 5, text, sizeof(text)), INFLATE_END);
    CHECK_STR(text, "");
}
