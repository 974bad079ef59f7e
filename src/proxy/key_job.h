/* Inspecting and keying a request's body on another thread (base/jobs.h).
 *
 * Both take time in proportion to the body's length. The job takes the body with it, and copies of
 * all else that the key is made of, because the request may end meanwhile.
 *
 *      step inspect ──► key_job ──(a thread of the jobs)──► letter ──► step inspect again, or
 * nobody
 *
 * All but the job itself is on the worker's thread.
 */
#ifndef PROXY_KEY_JOB_H
#define PROXY_KEY_JOB_H

#include <stdbool.h>

struct key_job;
struct req;

/* The request has it as cache.key_job, and is woken when it is done. */
void key_job_start(struct req *req);
bool key_job_is_done(const struct key_job *job);
/* Gives the request what was found, and frees. Where the memory's budget has no room for the body's
 * members the request is for the cache no more. */
void key_job_finish(struct req *req);
/* The request ends. NULL is nothing. */
void key_job_leave(struct key_job *job);

#endif
