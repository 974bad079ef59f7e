/* One line a request, for the person at the terminal. Never a query, a field or a body. */
#ifndef PROXY_ACCESSLOG_H
#define PROXY_ACCESSLOG_H

#include <stdbool.h>

struct req;
struct worker;

/* At a request's end, on its worker's thread. whole: the client has all of the answer. */
void accesslog_request(struct worker *worker, const struct req *req, bool whole);

#endif
