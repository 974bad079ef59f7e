/* A request's body, as it comes: held, so that it can be looked at and sent again, or passed on as
 * an upload where it is too long for that. The worker's thread. */
#ifndef PROXY_REQ_BODY_H
#define PROXY_REQ_BODY_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct req;

/* Decides before the body comes, by its length and what is known of the request: true if it is
 * held. False: it has become an upload, and the request is not for the cache. */
bool req_body_begin(struct req *req);
/* How many of the bytes it took; fewer than given: park until it is woken. */
size_t req_body_take(struct req *req, const char *bytes, size_t len);
/* Is more of it to come? */
bool req_body_is_to_come(const struct req *req);
/* Ends an upload whose client sends no more: it was all, or broke off. */
void req_body_complete(struct req *req);
void req_body_break(struct req *req, const struct err *err);
/* The request ends. */
void req_body_release(struct req *req);

#endif
