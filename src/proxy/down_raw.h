/* Answers that libmicrohttpd would not send. The worker's thread. */
#ifndef PROXY_DOWN_RAW_H
#define PROXY_DOWN_RAW_H

#include <stdbool.h>
#include <stddef.h>

struct conn;
struct down;
struct req;

/* An answer whose head does not fit beside the request's in the connection's pool becomes an
 * error that does: libmicrohttpd would close the connection without a word. */
void down_raw_fit(struct req *req);
bool down_raw_fits(const struct req *req, size_t head_size); /* of the answer, in bytes */
/* Writes the request's answer past libmicrohttpd, which takes none in the middle of a body, nor for
 * a request that it has not read. Nothing was sent for this request yet; the
 * connection ends after it. */
void down_raw_answer(struct conn *conn);
/* A request is over, and the next one may be the one at fault. */
void down_raw_served(struct conn *conn);
/* Answers what down_framing_fault() announced, and ends it: once the whole requests that
 * came before the fault are over. */
void down_raw_refuse_faulty(struct down *down);
/* The answers that down_answer_early() announced. */
void down_raw_answer_early(struct down *down);

#endif
