#include "client/inflate.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/zip.h"

struct inflate {
    struct gunzip *gunzip;
    ssize_t (*read)(void *arg, char *buf, size_t max);
    void *arg;
    const unsigned char *in;
    size_t in_len;
    bool full; /* the output was full: more may follow without input */
    bool begun;
    char buf[8192];
};

struct inflate *inflate_new(ssize_t (*read)(void *arg, char *buf, size_t max), void *arg)
{
    struct inflate *inflate = mem_alloc(sizeof(*inflate));

    inflate->gunzip = gunzip_new();
    inflate->read = read;
    inflate->arg = arg;
    inflate->in_len = 0;
    inflate->full = inflate->begun = false;
    return inflate;
}

void inflate_free(struct inflate *inflate)
{
    if (!inflate)
        return;
    gunzip_free(inflate->gunzip);
    free(inflate);
}

ssize_t inflate_read(struct inflate *inflate, char *buf, size_t max)
{
    for (;;) {
        size_t len = max;
        enum gunzip_result result;
        ssize_t n;

        if (inflate->in_len == 0 && !inflate->full) {
            n = inflate->read(inflate->arg, inflate->buf, sizeof(inflate->buf));
            if (n == INFLATE_END && !inflate->begun) /* an empty body is not encoded */
                return INFLATE_END;
            if (n == INFLATE_END)
                return gunzip_is_whole(inflate->gunzip) ? INFLATE_END : INFLATE_BROKEN;
            if (n <= 0)
                return n;
            inflate->in = (const unsigned char *)inflate->buf;
            inflate->in_len = (size_t)n;
            inflate->begun = true;
        }
        result = gunzip_take(inflate->gunzip, &inflate->in, &inflate->in_len, (unsigned char *)buf,
                             &len);
        inflate->full = result == GUNZIP_FULL;
        if (len > 0)
            return (ssize_t)len;
        if (result == GUNZIP_BAD)
            return INFLATE_BROKEN;
    }
}
