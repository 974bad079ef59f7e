#include "base/jobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/process.h"

/* So that a loop that has something to do goes first. */
#define NICE 5

struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct list queue;
    bool stopping;
    unsigned started, wanted;
    pthread_t threads[];
};

struct jobs *jobs_new(unsigned threads)
{
    struct jobs *jobs = mem_zero(sizeof(*jobs) + threads * sizeof(jobs->threads[0]));

    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->filled, NULL);
    list_init(&jobs->queue);
    jobs->wanted = threads;
    return jobs;
}

static struct job *next(struct jobs *jobs)
{
    struct list *node;

    pthread_mutex_lock(&jobs->lock);
    while (!(node = list_pop(&jobs->queue)) && !jobs->stopping)
        pthread_cond_wait(&jobs->filled, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
    return node ? container_of(node, struct job, node) : NULL;
}

static void *work(void *arg)
{
    struct job *job;

    process_lower_priority(NICE);
    while ((job = next(arg)))
        job->run(job);
    return NULL;
}

/* With the lock held. */
static bool is_ready(struct jobs *jobs)
{
    while (!jobs->stopping && jobs->started < jobs->wanted &&
           pthread_create(&jobs->threads[jobs->started], NULL, work, jobs) == 0)
        jobs->started++;
    return !jobs->stopping && jobs->started > 0;
}

void jobs_add(struct jobs *jobs, struct job *job, void (*run)(struct job *))
{
    bool ready;

    list_init(&job->node);
    job->run = run;
    pthread_mutex_lock(&jobs->lock);
    ready = is_ready(jobs);
    if (ready)
        list_append(&jobs->queue, &job->node);
    pthread_mutex_unlock(&jobs->lock);
    if (ready)
        pthread_cond_signal(&jobs->filled);
    else
        run(job);
}

void jobs_stop(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_broadcast(&jobs->filled);
    pthread_mutex_unlock(&jobs->lock);
    for (; jobs->started > 0; jobs->started--)
        pthread_join(jobs->threads[jobs->started - 1], NULL);
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    jobs_stop(jobs);
    pthread_cond_destroy(&jobs->filled);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}
