/* What an admin request asks for that may take long (the disk, a walk through the cache): done on a
 * thread of its own while the request is parked, so that no worker's loop waits for it.
 *
 * There are two lanes, each with one thread, which starts with its first job, and a queue of at
 * most ADMIN_JOBS_MAX: what removes answers does not wait behind what reads all of them.
 *
 *      asker's thread                       lane's thread
 *      admin_jobs_post ───────────────────► job->run
 *      (parked)          ◄── letter ─────── done
 *      admin_job_is_done, then takes the result
 *      admin_job_leave: after that, or at any time before
 *
 * A job that its asker leaves while it waits is not run; one that runs is finished. It is freed by
 * whoever is last.
 */
#ifndef PROXY_ADMIN_JOBS_H
#define PROXY_ADMIN_JOBS_H

#include <stdbool.h>

#include "base/list.h"
#include "base/mailbox.h"

#define ADMIN_JOBS_MAX 16U

enum admin_lane { ADMIN_LANE_REMOVE, ADMIN_LANE_READ, ADMIN_LANES };
enum admin_job_state { ADMIN_JOB_WAITS, ADMIN_JOB_RUNS, ADMIN_JOB_DONE };

struct admin_jobs;

/* Embedded in what it is about. The asker fills in the first four. */
struct admin_job {
    void (*run)(struct admin_job *job);  /* on the lane's thread */
    void (*free)(struct admin_job *job); /* on either thread */
    struct mailbox *mailbox;             /* the asker's */
    struct letter *letter;               /* posted when the job is done */
    struct admin_jobs *jobs;
    struct admin_jobs_lane *lane;
    struct list node; /* guarded by the jobs' lock, as are the next two */
    enum admin_job_state state;
    bool left;
};

struct admin_jobs *admin_jobs_new(void);
/* When every asker has left. Ends the threads; a job that runs is told by admin_job_must_stop().
 * NULL is nothing. */
void admin_jobs_free(struct admin_jobs *jobs);

/* False: the lane's queue is full, or its thread cannot be started; the job stays the caller's. */
bool admin_jobs_post(struct admin_jobs *jobs, enum admin_lane lane, struct admin_job *job);

/* The asker's thread. */
bool admin_job_is_done(struct admin_job *job);
void admin_job_leave(struct admin_job *job); /* NULL is nothing */

/* The lane's thread: does nobody want the result any more? */
bool admin_job_must_stop(struct admin_job *job);

#endif
