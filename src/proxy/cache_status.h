/* The cache fields of an answer: X-Cache, and Cache-Status (RFC 9211). */
#ifndef PROXY_CACHE_STATUS_H
#define PROXY_CACHE_STATUS_H

#include "client/reply.h"

struct req;

/* The result is valid as long as the request. The worker's thread. */
struct reply_cache cache_status_of(const struct req *req);

#endif
