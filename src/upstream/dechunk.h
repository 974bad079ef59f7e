/* Takes a chunked body (RFC 9112 section 7.1) apart, as it comes.
 *
 * libcurl 7.88 takes a bare LF behind a chunk's data, and anything behind its size: of a chunk that
 * is a byte short the answer loses a character and goes on. So libcurl passes the body on as it is
 * (CURLOPT_HTTP_TRANSFER_DECODING), and here it is judged: behind a chunk's data there is CRLF and
 * nothing else. A size is 1 to 15 hexadecimal digits; blanks and extensions behind it are skipped
 * up to their CRLF. Trailer fields are skipped.
 *
 * Pure and incremental; one thread's.
 */
#ifndef UPSTREAM_DECHUNK_H
#define UPSTREAM_DECHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dechunk_state {
    DECHUNK_SIZE,
    DECHUNK_SIZE_LINE, /* behind the size */
    DECHUNK_SIZE_LF,
    DECHUNK_DATA,
    DECHUNK_DATA_CR,
    DECHUNK_DATA_LF,
    DECHUNK_TRAILERS, /* at the beginning of a line */
    DECHUNK_TRAILER,  /* within one */
    DECHUNK_LAST_LF,
    DECHUNK_WHOLE,
    DECHUNK_BAD
};

struct dechunk {
    enum dechunk_state state;
    bool begun;
    unsigned digits;
    uint64_t left; /* the size, and then how much of the data is to come */
    bool (*on_data)(void *arg, const char *bytes, size_t len);
    void *arg;
};

/* on_data() is called for each piece of data. */
void dechunk_init(struct dechunk *d, bool (*on_data)(void *arg, const char *bytes, size_t len),
                  void *arg);
/* *all becomes false if a call of on_data() returns false. Returns false if the body is malformed.
 * Bytes behind its end are ignored. */
bool dechunk_take(struct dechunk *d, const char *bytes, size_t len, bool *all);
static inline bool dechunk_is_whole(const struct dechunk *d)
{
    return d->state == DECHUNK_WHOLE;
}
/* Did the body begin (that of a HEAD's answer does not), and not end? */
static inline bool dechunk_is_cut(const struct dechunk *d)
{
    return d->begun && d->state != DECHUNK_WHOLE;
}

#endif
