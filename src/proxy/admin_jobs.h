/* Jobs of admin requests that may take long (the disk, a walk through the cache): they run on
 * threads of their own while the request is parked, so that no worker's loop waits.
 *
 * Each of the two lanes has a thread, started with its first job, and a queue of at most
 * ADMIN_JOBS_MAX: jobs that remove answers do not wait behind jobs that read all of them.
 *
 *      asker's thread                       lane's thread
 *      admin_jobs_post ───────────────────► job->run
 *      (parked)          ◄── letter ─────── done
 *      admin_job_is_done, then takes the result
 *      admin_job_leave: after that, or at any time before
 *
 * A job left by its asker while it waits is not run; a running job is finished. A running job left
 * by its asker is freed by its lane, any other by admin_job_leave().
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

/* Embedded in its owner's struct. The asker fills in the first four members. */
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
/* Call after every asker has left. Ends the threads; admin_job_must_stop() tells a running job.
 * NULL is allowed. */
void admin_jobs_free(struct admin_jobs *jobs);

/* Queues the job. False: the lane's queue is full, or its thread cannot be started; the job stays
 * the caller's. Any thread. */
bool admin_jobs_post(struct admin_jobs *jobs, enum admin_lane lane, struct admin_job *job);

/* The asker's thread. */
bool admin_job_is_done(struct admin_job *job);
void admin_job_leave(struct admin_job *job); /* NULL is allowed */

/* The lane's thread. True if no asker waits for the result any more. */
bool admin_job_must_stop(struct admin_job *job);

#endif
