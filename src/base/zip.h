/* The one door to zlib. */
#ifndef BASE_ZIP_H
#define BASE_ZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* Deflates whole buffers, one after the other, at the level that costs least; keeps its state,
 * whose set-up costs more than a small buffer does. One thread's. */
struct zip *zip_new(void);
void zip_free(struct zip *zip); /* NULL is nothing */
/* Appends bytes as a zlib stream. */
void zip_deflate(struct zip *zip, const void *bytes, size_t len, struct str *out);
/* Inflates exactly `size` bytes into out; false if it is damaged or of another size. */
bool zip_inflate(struct zip *zip, const void *deflated, size_t len, void *out, size_t size);

/* gzip as it comes (RFC 1952, several members too), a piece at a time. One thread's. */
struct gunzip *gunzip_new(void);
void gunzip_free(struct gunzip *g); /* NULL is nothing */
enum gunzip_result {
    GUNZIP_MORE, /* all input was taken; give it more, or it is cut */
    GUNZIP_FULL, /* the output is full; there may be more to come of what it has */
    GUNZIP_BAD
};
/* Takes from *in (*in_len shrinks) and writes to out (*out_len becomes what was written). */
enum gunzip_result gunzip_take(struct gunzip *g, const unsigned char **in, size_t *in_len,
                               unsigned char *out, size_t *out_len);
/* Has a member ended, and nothing begun after it? Then the input may end here. */
bool gunzip_is_whole(const struct gunzip *g);
/* All of it, appended; false if it is damaged, cut, or larger than max (out as it was). */
bool gunzip_all(const void *bytes, size_t len, size_t max, struct str *out);

#endif
