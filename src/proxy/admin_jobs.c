#include "proxy/admin_jobs.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

struct admin_jobs_lane {
    struct admin_jobs *jobs;
    pthread_t thread;
    bool started;
    pthread_cond_t filled;
    struct list waiting;
    unsigned count;
};

struct admin_jobs {
    pthread_mutex_t lock; /* guards the lanes and every job's state; before a mailbox's */
    bool stopping;
    struct admin_jobs_lane lanes[ADMIN_LANES];
};

struct admin_jobs *admin_jobs_new(void)
{
    struct admin_jobs *jobs = mem_zero(sizeof(*jobs));

    pthread_mutex_init(&jobs->lock, NULL);
    for (unsigned i = 0; i < ADMIN_LANES; i++) {
        jobs->lanes[i].jobs = jobs;
        pthread_cond_init(&jobs->lanes[i].filled, NULL);
        list_init(&jobs->lanes[i].waiting);
    }
    return jobs;
}

/* The lock is held. */
static struct admin_job *next_job(struct admin_jobs_lane *lane)
{
    struct list *node;

    while (list_empty(&lane->waiting) && !lane->jobs->stopping)
        pthread_cond_wait(&lane->filled, &lane->jobs->lock);
    node = list_pop(&lane->waiting);
    if (!node)
        return NULL;
    lane->count--;
    return container_of(node, struct admin_job, node);
}

/* The lock is held. True: the asker has left, so the lane frees the job. */
static bool finish(struct admin_job *job)
{
    job->state = ADMIN_JOB_DONE;
    if (job->left)
        return true;
    mailbox_post(job->mailbox, job->letter);
    return false;
}

static void *run(void *arg)
{
    struct admin_jobs_lane *lane = arg;
    pthread_mutex_t *lock = &lane->jobs->lock;
    struct admin_job *job;
    bool is_left;

    pthread_mutex_lock(lock);
    while ((job = next_job(lane))) {
        job->state = ADMIN_JOB_RUNS;
        pthread_mutex_unlock(lock);
        job->run(job);
        pthread_mutex_lock(lock);
        is_left = finish(job);
        pthread_mutex_unlock(lock);
        if (is_left)
            job->free(job);
        pthread_mutex_lock(lock);
    }
    pthread_mutex_unlock(lock);
    return NULL;
}

/* The lock is held. */
static bool is_started(struct admin_jobs_lane *lane)
{
    if (!lane->started)
        lane->started = pthread_create(&lane->thread, NULL, run, lane) == 0;
    return lane->started;
}

bool admin_jobs_post(struct admin_jobs *jobs, enum admin_lane which, struct admin_job *job)
{
    struct admin_jobs_lane *lane = &jobs->lanes[which];
    bool fits;

    job->jobs = jobs;
    job->lane = lane;
    job->state = ADMIN_JOB_WAITS;
    job->left = false;
    pthread_mutex_lock(&jobs->lock);
    fits = lane->count < ADMIN_JOBS_MAX && is_started(lane);
    if (fits) {
        list_append(&lane->waiting, &job->node);
        lane->count++;
        pthread_cond_signal(&lane->filled);
    }
    pthread_mutex_unlock(&jobs->lock);
    return fits;
}

bool admin_job_is_done(struct admin_job *job)
{
    bool done;

    pthread_mutex_lock(&job->jobs->lock);
    done = job->state == ADMIN_JOB_DONE;
    pthread_mutex_unlock(&job->jobs->lock);
    return done;
}

void admin_job_leave(struct admin_job *job)
{
    struct admin_jobs *jobs;
    bool runs;

    if (!job)
        return;
    jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    runs = job->state == ADMIN_JOB_RUNS;
    job->left = true; /* if it runs, the lane frees it */
    if (job->state == ADMIN_JOB_WAITS) {
        list_remove(&job->node);
        job->lane->count--;
    }
    mailbox_recall(job->mailbox, job->letter);
    pthread_mutex_unlock(&jobs->lock);
    if (!runs)
        job->free(job);
}

bool admin_job_must_stop(struct admin_job *job)
{
    bool stop;

    pthread_mutex_lock(&job->jobs->lock);
    stop = job->left || job->jobs->stopping;
    pthread_mutex_unlock(&job->jobs->lock);
    return stop;
}

void admin_jobs_free(struct admin_jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    for (unsigned i = 0; i < ADMIN_LANES; i++)
        pthread_cond_signal(&jobs->lanes[i].filled);
    pthread_mutex_unlock(&jobs->lock);
    for (unsigned i = 0; i < ADMIN_LANES; i++) {
        if (jobs->lanes[i].started)
            pthread_join(jobs->lanes[i].thread, NULL);
        pthread_cond_destroy(&jobs->lanes[i].filled);
    }
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}
