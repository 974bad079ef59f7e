/* Event streams (WHATWG HTML section 9.2.6), taken apart as they come, split at any byte.
 *
 * Line ends are LF, CR or CRLF; one BOM at the very start is skipped; comments are skipped; `data`
 * lines of an event are joined with LF; an event is dispatched by its blank line, if it had a
 * `data` line, and one that the stream ends in the middle of is dropped. `id` and `retry` are for
 * clients that connect again: ignored. Of an event's data at most SSE_EVENT_MAX bytes are kept,
 * and of its type SSE_TYPE_MAX: of what is longer the beginning, and `cut` says so. One thread's.
 */
#ifndef API_SSE_H
#define API_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define SSE_EVENT_MAX ((size_t)1024 * 1024)
#define SSE_TYPE_MAX ((size_t)255)

/* Valid until the callback returns. */
struct sse_event {
    const char *type; /* "message" where no `event` field came, or an empty one, or with a NUL */
    const char *data; /* NUL-terminated; may also hold NULs */
    size_t data_len;
    bool cut;
};

struct sse {
    void (*on_event)(void *arg, const struct sse_event *event);
    void *arg;
    struct str line_, type_, data_; /* line_: a line whose end has not come yet */
    bool has_data_, after_cr_, cut_;
    unsigned bom_; /* how much of a BOM was seen; 3: no more */
};

/* on_event must not feed. */
void sse_init(struct sse *sse, void (*on_event)(void *arg, const struct sse_event *event),
              void *arg);
void sse_release(struct sse *sse);
void sse_feed(struct sse *sse, const char *bytes, size_t len);

#endif
