/* Inspects a request's body and makes its key on another thread (base/jobs.h).
 *
 * Both take time in proportion to the body's length. The job takes the body, and copies the other
 * inputs of the key, because the request may end meanwhile.
 *
 *      step inspect ──► key_job ──(a thread of the jobs)──► letter ──► step inspect again
 *
 * All functions are for the worker's thread.
 */
#ifndef PROXY_KEY_JOB_H
#define PROXY_KEY_JOB_H

#include <stdbool.h>

struct key_job;
struct req;

/* Starts the job as cache.key_job; its end wakes the request. */
void key_job_start(struct req *req);
bool key_job_is_done(const struct key_job *job);
/* Moves the result to the request, and frees the job. Without room in the memory budget for the
 * body's members the request does not use the cache. */
void key_job_finish(struct req *req);
/* The request ends: the job is dropped, and freed by its letter if it still runs. NULL is allowed.
 */
void key_job_leave(struct key_job *job);

#endif
