/* Answers written past libmicrohttpd, and its pool's limits. Worker's thread only. */
#ifndef CLIENT_DOWN_RAW_H
#define CLIENT_DOWN_RAW_H

#include <stdbool.h>
#include <stddef.h>

struct conn;
struct down;
struct field;
struct reply;

/* Replaces an answer whose head does not fit beside the request's in the connection's pool by an
 * error that fits: libmicrohttpd would close the connection without an answer. */
void down_raw_fit(struct conn *conn, struct reply *reply);
bool down_raw_fits(const struct conn *conn, size_t head_size); /* of the answer, in bytes */
/* Empties the query of a target, in place, for libmicrohttpd. */
void down_raw_empty_query(char *target);
/* Upper bounds of the pool's bytes for a request line (without its target) and a field: for
 * conn->head_bytes. */
size_t down_raw_line_bytes(const char *method, const char *version);
size_t down_raw_field_bytes(const struct field *field);
/* True if the connection ends after this answer. */
bool down_raw_is_last(const struct conn *conn, const struct reply *reply);
/* Writes the request's answer past libmicrohttpd, which accepts none in the middle of a body, nor
 * for a request that it has not read. Nothing may have been sent for this request; the connection
 * ends afterwards. */
void down_raw_answer(struct conn *conn);
/* A request is over: reports a fault of the next request. */
void down_raw_served(struct conn *conn);
/* Answers and ends the connections reported by down_framing_fault(), once the valid requests before
 * the fault are over. */
void down_raw_refuse_faulty(struct down *down);
/* Writes the answers requested by down_answer_early(). */
void down_raw_answer_early(struct down *down);

#endif
