/* The head of an upstream's answer, line by line as libcurl hands it over. Pure: no I/O.
 *
 * Informational heads (1xx) come before the answer's and are passed over. What becomes of a
 * final head: end-to-end fields only, Content-Length as a number, and whether the body's end can
 * be told from a cut (RFC 9112 section 6.3).
 */
#ifndef UPSTREAM_ANSWER_H
#define UPSTREAM_ANSWER_H

#include <stdbool.h>

#include "base/err.h"
#include "cache/flight.h"

struct answer {
    struct fields fields; /* of the head that is coming in */
    unsigned status;
    bool http1;
    bool chunked;  /* of HTTP/1: the body comes as dechunk.h takes it */
    bool left_out; /* the line before was no field */
    bool unframed; /* as the head's (flight.h) */
    bool done;
};

/* Also where libcurl gives up first: it takes lines of 100 KB, and heads of 300 KB. */
#define ANSWER_HEAD_TOO_LARGE                                                                      \
    "The upstream's answer has a head of more than the 64 KiB that are taken."

enum answer_line { ANSWER_MORE, ANSWER_HEAD, ANSWER_BAD };

void answer_init(struct answer *a);
void answer_release(struct answer *a);
void answer_clear(struct answer *a);

/* One line with its line end. ANSWER_HEAD: *head (which the caller has initialised) is
 * filled. ANSWER_BAD: *err says why no client should see this. Lines after the head
 * (trailers) are ignored. */
enum answer_line answer_take(struct answer *a, const char *line, size_t len, struct head *head,
                             struct err *err);

#endif
