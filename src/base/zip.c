#include "base/zip.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"

#define GZIP_WINDOW (15 + 16) /* zlib's way to say: gzip, and nothing else */
#define BLOCK_BYTES 16384

struct zip {
    z_stream deflater, inflater;
};

struct zip *zip_new(void)
{
    struct zip *zip = mem_zero(sizeof(*zip));

    if (deflateInit(&zip->deflater, 1) != Z_OK || inflateInit(&zip->inflater) != Z_OK)
        abort();
    return zip;
}

void zip_free(struct zip *zip)
{
    if (!zip)
        return;
    deflateEnd(&zip->deflater);
    inflateEnd(&zip->inflater);
    free(zip);
}

void zip_deflate(struct zip *zip, const void *bytes, size_t len, struct str *out)
{
    z_stream *z = &zip->deflater;
    size_t room;

    if (len > UINT_MAX / 2)
        abort(); /* far above every cap */
    deflateReset(z);
    room = deflateBound(z, (uLong)len);
    str_reserve(out, room);
    z->next_in = (Bytef *)(uintptr_t)bytes;
    z->avail_in = (uInt)len;
    z->next_out = (Bytef *)out->text + out->len;
    z->avail_out = (uInt)room;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        abort(); /* it has all the room that it asked for */
    out->len += room - z->avail_out;
    out->text[out->len] = '\0';
}

bool zip_inflate(struct zip *zip, const void *deflated, size_t len, void *out, size_t size)
{
    z_stream *z = &zip->inflater;

    if (len > UINT_MAX || size > UINT_MAX)
        return false;
    inflateReset(z);
    z->next_in = (Bytef *)(uintptr_t)deflated;
    z->avail_in = (uInt)len;
    z->next_out = out;
    z->avail_out = (uInt)size;
    return inflate(z, Z_FINISH) == Z_STREAM_END && z->avail_out == 0 && z->avail_in == 0;
}

struct gunzip {
    z_stream z;
    bool whole;
    bool bad;
};

struct gunzip *gunzip_new(void)
{
    struct gunzip *g = mem_zero(sizeof(*g));

    if (inflateInit2(&g->z, GZIP_WINDOW) != Z_OK)
        abort();
    return g;
}

void gunzip_free(struct gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}

enum gunzip_result gunzip_take(struct gunzip *g, const unsigned char **in, size_t *in_len,
                               unsigned char *out, size_t *out_len)
{
    z_stream *z = &g->z;
    size_t room = *out_len;
    int code = Z_OK;

    if (*in_len > UINT_MAX || room > UINT_MAX)
        g->bad = true;
    *out_len = 0;
    if (g->bad)
        return GUNZIP_BAD;
    z->next_in = (Bytef *)(uintptr_t)*in;
    z->avail_in = (uInt)*in_len;
    z->next_out = out;
    z->avail_out = (uInt)room;
    while (code == Z_OK && z->avail_out > 0) {
        if (g->whole) {
            if (z->avail_in == 0)
                break;
            inflateReset(z); /* another member */
            g->whole = false;
        }
        code = inflate(z, Z_NO_FLUSH);
        if (code == Z_STREAM_END) {
            g->whole = true;
            code = Z_OK;
        }
    }
    g->bad = code != Z_OK && code != Z_BUF_ERROR;
    *out_len = room - z->avail_out;
    *in = z->next_in;
    *in_len = z->avail_in;
    if (g->bad)
        return GUNZIP_BAD;
    return z->avail_out == 0 ? GUNZIP_FULL : GUNZIP_MORE;
}

bool gunzip_is_whole(const struct gunzip *g)
{
    return g->whole && !g->bad;
}

bool gunzip_all(const void *bytes, size_t len, size_t max, struct str *out)
{
    struct gunzip *g = gunzip_new();
    const unsigned char *in = bytes;
    size_t before = out->len, n;
    enum gunzip_result result;
    bool whole;

    do {
        str_reserve(out, BLOCK_BYTES);
        n = BLOCK_BYTES;
        result = gunzip_take(g, &in, &len, (unsigned char *)out->text + out->len, &n);
        out->len += n;
    } while (result == GUNZIP_FULL && out->len - before <= max);
    whole = result == GUNZIP_MORE && gunzip_is_whole(g) && out->len - before <= max;
    gunzip_free(g);
    if (!whole)
        out->len = before;
    if (out->cap)
        out->text[out->len] = '\0';
    return whole;
}
