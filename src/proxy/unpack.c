#include "proxy/unpack.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/zip.h"

struct unpack {
    struct gunzip *gunzip;
    ssize_t (*read)(void *arg, char *buf, size_t max);
    void *arg;
    const unsigned char *in;
    size_t in_len;
    bool full; /* the output was: there may be more without more input */
    bool begun;
    char buf[8192];
};

struct unpack *unpack_new(ssize_t (*read)(void *arg, char *buf, size_t max), void *arg)
{
    struct unpack *unpack = mem_alloc(sizeof(*unpack));

    unpack->gunzip = gunzip_new();
    unpack->read = read;
    unpack->arg = arg;
    unpack->in_len = 0;
    unpack->full = unpack->begun = false;
    return unpack;
}

void unpack_free(struct unpack *unpack)
{
    if (!unpack)
        return;
    gunzip_free(unpack->gunzip);
    free(unpack);
}

ssize_t unpack_read(struct unpack *unpack, char *buf, size_t max)
{
    for (;;) {
        size_t len = max;
        enum gunzip_result result;
        ssize_t n;

        if (unpack->in_len == 0 && !unpack->full) {
            n = unpack->read(unpack->arg, unpack->buf, sizeof(unpack->buf));
            if (n == UNPACK_END && !unpack->begun) /* a body of no bytes is not encoded */
                return UNPACK_END;
            if (n == UNPACK_END)
                return gunzip_is_whole(unpack->gunzip) ? UNPACK_END : UNPACK_BROKEN;
            if (n <= 0)
                return n;
            unpack->in = (const unsigned char *)unpack->buf;
            unpack->in_len = (size_t)n;
            unpack->begun = true;
        }
        result = gunzip_take(unpack->gunzip, &unpack->in, &unpack->in_len, (unsigned char *)buf,
                             &len);
        unpack->full = result == GUNZIP_FULL;
        if (len > 0)
            return (ssize_t)len;
        if (result == GUNZIP_BAD)
            return UNPACK_BROKEN;
    }
}
