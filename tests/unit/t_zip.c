#include "base/zip.h"

#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

/* As gzip writes them. */
#define HEAD 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff
#define HELLO                                                                                      \
    HEAD, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0x00, 0x00, 0xf6, 0xf9, 0x81, 0xed, 0x06, 0x00,      \
        0x00, 0x00
#define HELLO_BYTES 26
#define WORLD                                                                                      \
    HEAD, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x00, 0x93, 0xe5, 0xf9, 0x45, 0x39, 0x29,      \
        0x5c, 0x00, 0xb3, 0x2d, 0x88, 0x34, 0x12, 0x00, 0x00, 0x00
static const unsigned char two_members[] = {HELLO, WORLD};
static const char two_texts[] = "hello hello hello world\n";
/* 100000 zeros, packed: 25 bytes, 96 zeros, 11 bytes */
static const unsigned char zeros_begin[] = {HEAD, 0xed, 0xc1, 0x31, 0x01, 0x00, 0x00, 0x00,
                                            0xc2, 0xa0, 0xf5, 0x4f, 0x6d, 0x0d, 0x0f, 0xa0};
static const unsigned char zeros_end[] = {0x80, 0x57, 0x03, 0x7d, 0x95, 0x11,
                                          0xd4, 0xa0, 0x86, 0x01, 0x00};
#define ZEROS_MIDDLE 96
#define ZEROS 100000

static struct str packed_zeros(void)
{
    struct str s = STR_INIT;

    str_add(&s, zeros_begin, sizeof(zeros_begin));
    for (size_t i = 0; i < ZEROS_MIDDLE; i++)
        str_addc(&s, '\0');
    str_add(&s, zeros_end, sizeof(zeros_end));
    return s;
}

static void fill(struct str *s, size_t len, bool random)
{
    uint64_t state = len + 1;

    str_clear(s);
    while (s->len < len)
        str_addc(s, random ? (char)unit_random(&state) : "the same words "[s->len % 15]);
}

TEST("what was packed is unpacked the same, one buffer after the other")
{
    static const size_t sizes[] = {0, 1, 2, 100, 4096, 65536, 300000, 1, 0};
    struct zip *zip = zip_new();
    struct str plain = STR_INIT, packed = STR_INIT;

    for (size_t i = 0; i < 2 * countof(sizes); i++) {
        size_t size = sizes[i / 2];
        mem_auto char *out = mem_alloc(size + 1);

        fill(&plain, size, i % 2 == 1);
        str_clear(&packed);
        str_adds(&packed, "before");
        zip_deflate(zip, plain.text, plain.len, &packed);
        CHECK(memcmp(packed.text, "before", 6) == 0);
        CHECK_INT(packed.text[packed.len], 0);
        CHECK(zip_inflate(zip, packed.text + 6, packed.len - 6, out, size));
        CHECK(memcmp(out, plain.text, size) == 0);
        if (i % 2 == 0 && size > 1000)
            CHECK(packed.len < size / 10);
    }
    str_release(&plain);
    str_release(&packed);
    zip_free(zip);
    zip_free(NULL);
}

TEST("a packed buffer that is damaged, cut, too long or of another size is refused, each time")
{
    struct zip *zip = zip_new();
    struct str plain = STR_INIT, packed = STR_INIT;
    char out[1001];

    fill(&plain, 1000, false);
    zip_deflate(zip, plain.text, plain.len, &packed);
    for (size_t i = 0; i < packed.len; i++) {
        CHECK(!zip_inflate(zip, packed.text, i, out, 1000));
        packed.text[i] = (char)(packed.text[i] ^ 0x10);
        CHECK(!zip_inflate(zip, packed.text, packed.len, out, 1000) ||
              memcmp(out, plain.text, 1000) == 0);
        packed.text[i] = (char)(packed.text[i] ^ 0x10);
    }
    CHECK(!zip_inflate(zip, packed.text, packed.len, out, 999));
    CHECK(!zip_inflate(zip, packed.text, packed.len, out, 1001));
    CHECK(!zip_inflate(zip, packed.text, packed.len, out, 0));
    CHECK(!zip_inflate(zip, "", 0, out, 0));
    CHECK(zip_inflate(zip, packed.text, packed.len, out, 1000));
    str_addc(&packed, '\0');
    CHECK(!zip_inflate(zip, packed.text, packed.len, out, 1000));
    str_release(&plain);
    str_release(&packed);
    zip_free(zip);
}

/* Takes pieces [0, split) and [split, len) and `room` bytes of output at a time. */
static enum gunzip_result unpack_pieces(const unsigned char *packed, size_t len, size_t split,
                                        size_t room, struct str *out, bool *whole)
{
    struct gunzip *g = gunzip_new();
    enum gunzip_result result = GUNZIP_MORE;
    size_t ends[] = {split, len};
    const unsigned char *in = packed;

    for (size_t i = 0; i < countof(ends) && result != GUNZIP_BAD; i++) {
        size_t left = (size_t)(packed + ends[i] - in);

        do {
            size_t n = room;

            str_reserve(out, room);
            result = gunzip_take(g, &in, &left, (unsigned char *)out->text + out->len, &n);
            out->len += n;
            CHECK(n <= room && (result != GUNZIP_FULL || n == room));
        } while (result == GUNZIP_FULL);
        CHECK(result == GUNZIP_BAD || left == 0);
    }
    *whole = gunzip_is_whole(g);
    gunzip_free(g);
    return result;
}

TEST("gzip comes in pieces split anywhere, several members too, and leaves through small doors")
{
    static const size_t rooms[] = {1, 2, 7, 24, 1000};

    for (size_t r = 0; r < countof(rooms); r++) {
        for (size_t split = 0; split <= sizeof(two_members); split++) {
            struct str out = STR_INIT;
            bool whole;

            CHECK_INT(
                unpack_pieces(two_members, sizeof(two_members), split, rooms[r], &out, &whole),
                GUNZIP_MORE);
            CHECK(whole);
            CHECK_INT(out.len, strlen(two_texts));
            CHECK(memcmp(out.text, two_texts, out.len) == 0);
            str_release(&out);
        }
    }
    gunzip_free(NULL);
}

TEST("gzip is whole at the end of a member, and nowhere else")
{
    for (size_t len = 0; len <= sizeof(two_members); len++) {
        struct str out = STR_INIT;
        bool whole, expected = len == HELLO_BYTES || len == sizeof(two_members);

        CHECK_INT(unpack_pieces(two_members, len, len / 2, 100, &out, &whole), GUNZIP_MORE);
        CHECK_INT(whole, expected);
        str_clear(&out);
        str_adds(&out, "x");
        CHECK_INT(gunzip_all(two_members, len, 1000, &out), expected);
        CHECK_INT(out.len == 1, !expected);
        CHECK_INT(out.text[out.len], 0);
        str_release(&out);
    }
}

TEST("damaged gzip is bad, and stays so")
{
    unsigned char bytes[sizeof(two_members)];
    struct str out = STR_INIT;
    struct gunzip *g = gunzip_new();
    const unsigned char *in = bytes;
    unsigned char room[64];
    size_t left = sizeof(bytes), n = sizeof(room);

    for (size_t i = 0; i < sizeof(bytes); i++) {
        size_t in_member = i < HELLO_BYTES ? i : i - HELLO_BYTES;

        memcpy(bytes, two_members, sizeof(bytes));
        bytes[i] ^= 0x20;
        if ((in_member >= 4 && in_member < 10) || i == 17) /* time, flags, system; padding */
            continue;
        CHECK(!gunzip_all(bytes, sizeof(bytes), 1000, &out));
        CHECK_INT(out.len, 0);
    }
    memcpy(bytes, two_members, sizeof(bytes));
    bytes[HELLO_BYTES] = 'x';
    CHECK_INT(gunzip_take(g, &in, &left, room, &n), GUNZIP_BAD);
    CHECK(!gunzip_is_whole(g));
    in = two_members;
    left = sizeof(two_members);
    n = sizeof(room);
    CHECK_INT(gunzip_take(g, &in, &left, room, &n), GUNZIP_BAD);
    CHECK_INT(n, 0);
    CHECK(!gunzip_all("hello", 5, 1000, &out));
    gunzip_free(g);
    str_release(&out);
}

TEST("more input than zlib can count is refused, not read in part")
{
    struct gunzip *g = gunzip_new();
    const unsigned char *in = two_members;
    unsigned char room[64];
    size_t left = (size_t)UINT32_MAX + 1 + sizeof(two_members), n = sizeof(room);

    CHECK_INT(gunzip_take(g, &in, &left, room, &n), GUNZIP_BAD);
    CHECK_INT(n, 0);
    CHECK(in == two_members);
    gunzip_free(g);
}

TEST("what unpacks to more than it may is refused, and costs no more than that")
{
    struct str packed = packed_zeros(), out = STR_INIT;

    CHECK(gunzip_all(packed.text, packed.len, ZEROS, &out));
    CHECK_INT(out.len, ZEROS);
    CHECK_INT(out.text[0] | out.text[ZEROS - 1], 0);
    CHECK(gunzip_all(packed.text, packed.len, ZEROS + 1, &out)); /* appends */
    CHECK_INT(out.len, 2 * ZEROS);
    CHECK(!gunzip_all(packed.text, packed.len, ZEROS - 1, &out));
    CHECK_INT(out.len, 2 * ZEROS);
    str_release(&out);
    CHECK(!gunzip_all(packed.text, packed.len, 0, &out));
    CHECK(!gunzip_all(packed.text, packed.len, 1000, &out));
    CHECK(out.cap < 64 * 1024);
    str_release(&packed);
    str_release(&out);
}

TEST("an exact multiple of the output's room ends as any other length")
{
    struct str plain = STR_INIT, packed = packed_zeros(), out = STR_INIT;
    bool whole;

    CHECK_INT(
        unpack_pieces((const unsigned char *)packed.text, packed.len, 50, ZEROS / 4, &out, &whole),
        GUNZIP_MORE);
    CHECK(whole);
    CHECK_INT(out.len, ZEROS);
    str_release(&plain);
    str_release(&packed);
    str_release(&out);
}
