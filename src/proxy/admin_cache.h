/* What the routes below /cache do, each as a job (admin_jobs.h):
 *
 *      DELETE /cache[?older_than_ms=N&model=GLOB]   remove what they name: all, where they do not
 *      GET    /cache                                a row for each answer, the newest first
 *      GET    /cache/KEY                            one, as message/http (RFC 9112 section 10.1)
 *      DELETE /cache/KEY                            remove one
 *      POST   /cache/verify                         check every checksum on disk
 *
 * A KEY may be cut to a beginning that only one answer has. Where a disk is used, the rows are
 * those on disk, else those in memory.
 */
#ifndef PROXY_ADMIN_CACHE_H
#define PROXY_ADMIN_CACHE_H

#include "api/route.h"
#include "base/err.h"
#include "proxy/admin_jobs.h"

struct reply;
struct req;

#define ADMIN_CACHE_ROWS_MAX 10000U /* of a list: the newest ones */
#define ADMIN_CACHE_KEYS_MAX 1000U  /* damaged ones that are named */

/* Begins what the request's target and method ask for; when it is done the request is called again,
 * as for news of a flight. folder: of the cache, as answers name it, or NULL; it outlives the job.
 * NULL: refused, with ERR_BAD_REQUEST, ERR_NO_ENTRY or ERR_BUSY. Worker's thread. */
struct admin_job *admin_cache_begin(struct req *req, struct admin_jobs *jobs, enum route route,
                                    const char *folder, struct err *err);

/* The result of a job that is done: fills the reply, or fails with *err. Worker's thread. */
int admin_cache_finish(struct admin_job *job, struct reply *reply, const char *request_id,
                       struct err *err);

#endif
