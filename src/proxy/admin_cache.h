/* The routes below /cache, each a job (admin_jobs.h):
 *
 *      DELETE /cache[?older_than_ms=N&model=GLOB]   remove the selected answers (no query: all)
 *      GET    /cache                                a row for each answer, the newest first
 *      GET    /cache/KEY                            message/http (RFC 9112 section 10.1)
 *      DELETE /cache/KEY                            remove an answer
 *      POST   /cache/verify                         check every checksum on disk
 *
 * A KEY may be abbreviated to a unique prefix. If a disk is used, the rows are those on disk, else
 * those in memory.
 */
#ifndef PROXY_ADMIN_CACHE_H
#define PROXY_ADMIN_CACHE_H

#include "api/route.h"
#include "base/err.h"
#include "proxy/admin_jobs.h"

struct reply;
struct req;

#define ADMIN_CACHE_ROWS_MAX 10000U /* rows of a list: the newest */
#define ADMIN_CACHE_KEYS_MAX 1000U  /* keys of damaged answers in a report */

/* Starts the job for the request's target and method; its end wakes the request. folder: of the
 * cache, for answers, or NULL; must outlive the job. Returns NULL if refused, with ERR_BAD_REQUEST,
 * ERR_NO_ENTRY or ERR_BUSY. The request owns the job (admin_job_leave()). Worker's thread. */
struct admin_job *admin_cache_begin(struct req *req, struct admin_jobs *jobs, enum route route,
                                    const char *folder, struct err *err);

/* Takes the result of a job that is done: fills the reply, or returns -1 with *err. Worker's
 * thread. */
int admin_cache_finish(struct admin_job *job, struct reply *reply, const char *request_id,
                       struct err *err);

#endif
