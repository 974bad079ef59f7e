/* Parser of an upstream answer's head, fed line by line by libcurl. Pure: no I/O; a struct answer
 * belongs to one thread.
 *
 * Informational heads (1xx) are skipped. A final head keeps its end-to-end fields only, its
 * Content-Length as a number, and whether the end of the body can be told from a cut (RFC 9112
 * section 6.3).
 */
#ifndef UPSTREAM_ANSWER_H
#define UPSTREAM_ANSWER_H

#include <stdbool.h>

#include "base/err.h"
#include "cache/flight.h"

struct answer {
    struct fields fields; /* of the head being read */
    unsigned status;
    bool http1;
    bool chunked;  /* HTTP/1: the body goes through dechunk.h */
    bool left_out; /* the last line was no field: its continuations go, too */
    bool unframed; /* copy of head.unframed (flight.h) */
    bool done;
};

/* Also reported where libcurl fails first: its limits are 100 KB a line and 300 KB a head. */
#define ANSWER_HEAD_TOO_LARGE                                                                      \
    "The upstream's answer has a head of more than the 64 KiB that are taken."

enum answer_line { ANSWER_MORE, ANSWER_HEAD, ANSWER_BAD };

void answer_init(struct answer *a);
void answer_release(struct answer *a);
/* Makes it ready for another answer. */
void answer_clear(struct answer *a);

/* Takes one line of len bytes, line end included. ANSWER_HEAD: the head is complete and *head,
 * initialised by the caller, is filled. ANSWER_BAD: no client may see this answer; *err says why.
 * Lines after the head (trailers) are ignored. */
enum answer_line answer_take(struct answer *a, const char *line, size_t len, struct head *head,
                             struct err *err);

#endif
