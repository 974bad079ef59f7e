/* Event streams (WHATWG HTML section 9.2.6), taken apart as they come, split at any byte.
 *
 * Line ends are LF, CR or CRLF; one BOM at the very start is skipped; comments are skipped; `data`
 * lines of an event are joined with LF; an event is dispatched by its blank line, if it had a
 * `data` line, and one that the stream ends in the middle of is dropped. `id` and `retry` are for
 * clients that connect again: ignored. Data of more than SSE_WHOLE_MAX bytes is not held but given
 * on as it comes; of a longer type than SSE_TYPE_MAX the beginning is kept. The events, and which
 * of them come in pieces, do not depend on how the stream was split. One thread's.
 */
#ifndef API_SSE_H
#define API_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define SSE_WHOLE_MAX ((size_t)64 * 1024)
#define SSE_TYPE_MAX ((size_t)255)

/* Valid until the callback returns. */
struct sse_event {
    const char *type; /* "message" where no `event` field came, or an empty one, or with a NUL */
    const char *data; /* NUL-terminated; may also hold NULs */
    size_t data_len;
    bool in_pieces; /* its data went to on_piece, and is empty here */
};

/* Neither may feed. */
struct sse_ops {
    void (*on_event)(void *arg, const struct sse_event *event);
    /* The next part of the data of an event whose blank line has not come; len > 0. */
    void (*on_piece)(void *arg, const char *bytes, size_t len);
};

struct sse {
    const struct sse_ops *ops;
    void *arg;
    struct str line_; /* the beginning of a line whose end has not come */
    struct str type_, data_;
    bool has_data_, in_pieces_, after_cr_;
    bool in_data_line_; /* of the line that has not ended the value goes to the data as it comes */
    unsigned bom_;      /* how much of a BOM was seen; 3: no more */
};

/* ops outlives the stream. */
void sse_init(struct sse *sse, const struct sse_ops *ops, void *arg);
void sse_release(struct sse *sse);
void sse_feed(struct sse *sse, const char *bytes, size_t len);

#endif
