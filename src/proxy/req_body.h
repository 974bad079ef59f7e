/* A request's body: held for inspection and for sending again, or passed on as an upload if it is
 * too long for that. The worker's thread. */
#ifndef PROXY_REQ_BODY_H
#define PROXY_REQ_BODY_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct req;

/* Decides before the body arrives, by its length and the request's cache class. True: it is held.
 * False: it became an upload, and the request does not use the cache. */
bool req_body_begin(struct req *req);
/* Returns the number of bytes taken; fewer than len: park until down_wake(). */
size_t req_body_take(struct req *req, const char *bytes, size_t len);
/* True if more of it is to come. */
bool req_body_is_to_come(const struct req *req);
/* End an open upload: its body was complete, or broke off (err is copied). No effect otherwise. */
void req_body_complete(struct req *req);
void req_body_break(struct req *req, const struct err *err);
/* The request ends: breaks an incomplete upload, and returns the budget. */
void req_body_release(struct req *req);

#endif
