/* Reading a long answer from disk on another thread (base/jobs.h): reading, checking and unpacking
 * it takes time in proportion to its length. The job has a reader of its own and a copy of what the
 * query needs, because the request may end meanwhile.
 *
 *      step load ──► load_job ──(a thread of the jobs)──► letter ──► step load again, or nobody
 *
 * All but the job itself is on the worker's thread.
 */
#ifndef PROXY_LOAD_JOB_H
#define PROXY_LOAD_JOB_H

#include <stdbool.h>

#include "proxy/caching.h"

struct load_job;
struct object;
struct req;

/* The request has it as cache.load_job, and is woken when it is done. */
void load_job_start(struct req *req);
bool load_job_is_done(const struct load_job *job);
/* What was found, with a reference for the caller, or NULL where *why_not says why. Frees. */
struct object *load_job_finish(struct req *req, enum caching_why_not *why_not);
/* The request ends. NULL is nothing. */
void load_job_leave(struct load_job *job);

#endif
