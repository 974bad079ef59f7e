/* An incremental parser of chunked bodies (RFC 9112 section 7.1).
 *
 * libcurl 7.88 accepts a bare LF after a chunk's data, and any bytes after a chunk's size: from a
 * chunk that is one byte short it silently drops a character and goes on. So libcurl passes the
 * body on undecoded (CURLOPT_HTTP_TRANSFER_DECODING), and this parser requires exactly CRLF after a
 * chunk's data. A size is 1 to 15 hexadecimal digits; blanks and extensions after it are skipped up
 * to their CRLF. Trailer fields are skipped.
 *
 * Pure; a struct dechunk belongs to one thread.
 */
#ifndef UPSTREAM_DECHUNK_H
#define UPSTREAM_DECHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dechunk_state {
    DECHUNK_SIZE,
    DECHUNK_SIZE_LINE, /* after the size */
    DECHUNK_SIZE_LF,
    DECHUNK_DATA,
    DECHUNK_DATA_CR,
    DECHUNK_DATA_LF,
    DECHUNK_TRAILERS, /* at the start of a line */
    DECHUNK_TRAILER,  /* within a trailer line */
    DECHUNK_LAST_LF,
    DECHUNK_WHOLE,
    DECHUNK_BAD
};

struct dechunk {
    enum dechunk_state state;
    bool begun;
    unsigned digits;
    uint64_t left; /* the chunk's size, then its bytes still to come */
    bool (*on_data)(void *arg, const char *bytes, size_t len);
    void *arg;
};

/* on_data(arg, …) is called for each piece of data; it returns false when its receiver is full. */
void dechunk_init(struct dechunk *d, bool (*on_data)(void *arg, const char *bytes, size_t len),
                  void *arg);
/* Parses len bytes and delivers all their data, also after on_data() has returned false. *all, true
 * at the call, becomes false in that case. Returns false if the body is malformed. Bytes after its
 * end are ignored. */
bool dechunk_take(struct dechunk *d, const char *bytes, size_t len, bool *all);
static inline bool dechunk_is_whole(const struct dechunk *d)
{
    return d->state == DECHUNK_WHOLE;
}
/* True if the body began (a HEAD's answer has none) and has not ended. */
static inline bool dechunk_is_cut(const struct dechunk *d)
{
    return d->begun && d->state != DECHUNK_WHOLE;
}

#endif
