/* The head of an upstream's answer, line by line as libcurl hands it over. Pure: no I/O.
 *
 * Informational heads (1xx) come before the answer's and are passed over. What becomes of a
 * final head: end-to-end fields only, Content-Length as a number, and whether the body's end can
 * be told from a cut (RFC 9112 section 6.3).
 */
#ifndef PROXY_UP_ANSWER_H
#define PROXY_UP_ANSWER_H

#include <stdbool.h>

#include "base/err.h"
#include "cache/flight.h"

struct up_answer {
    struct fields fields; /* of the head that is coming in */
    unsigned status;
    bool http1;
    bool left_out; /* the line before was no field */
    bool done;
};

enum up_answer_line { UP_ANSWER_MORE, UP_ANSWER_HEAD, UP_ANSWER_BAD };

void up_answer_init(struct up_answer *a);
void up_answer_release(struct up_answer *a);
void up_answer_clear(struct up_answer *a);

/* One line with its line end. UP_ANSWER_HEAD: *head (which the caller has initialised) is
 * filled. UP_ANSWER_BAD: *err says why no client should see this. Lines after the head
 * (trailers) are ignored. */
enum up_answer_line up_answer_take(struct up_answer *a, const char *line, size_t len,
                                   struct head *head, struct err *err);

#endif
