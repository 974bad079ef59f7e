/* Answers that libmicrohttpd would not send. The worker's thread. */
#ifndef CLIENT_DOWN_RAW_H
#define CLIENT_DOWN_RAW_H

#include <stdbool.h>
#include <stddef.h>

struct conn;
struct down;
struct field;
struct reply;

/* An answer whose head does not fit beside the request's in the connection's pool becomes an
 * error that does: libmicrohttpd would close the connection without a word. */
void down_raw_fit(struct conn *conn, struct reply *reply);
bool down_raw_fits(const struct conn *conn, size_t head_size); /* of the answer, in bytes */
/* Empties the query of a target for libmicrohttpd. */
void down_raw_empty_query(char *target);
/* Bytes of the pool that these take, from above: for conn->head_bytes. */
size_t down_raw_line_bytes(const char *method, const char *version);
size_t down_raw_field_bytes(const struct field *field);
/* Is its answer the connection's last one? */
bool down_raw_is_last(const struct conn *conn, const struct reply *reply);
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
