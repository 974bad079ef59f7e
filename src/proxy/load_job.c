#include "proxy/load_job.h"

#include <stdlib.h>

#include "base/mem.h"
#include "client/down.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

struct load_job {
    struct job job;
    struct letter letter;
    struct worker *worker;
    struct req *req; /* NULL: it has ended */
    struct key key;
    struct index_query query; /* of this key */
    bool done;                /* the letter was opened */
    /* the result */
    struct object *object;
    enum caching_why_not why_not;
};

static void job_free(struct load_job *job)
{
    object_unref(job->object);
    free(job);
}

static void on_letter(struct letter *letter)
{
    struct load_job *job = container_of(letter, struct load_job, letter);

    job->done = true;
    if (job->req)
        down_wake(job->req->conn); /* the step runs again, and finds the result */
    else
        job_free(job);
}

static void on_run(struct job *base)
{
    struct load_job *job = container_of(base, struct load_job, job);

    job->object = caching_load_long(&job->worker->server->caching, &job->query, &job->why_not);
    mailbox_post(&job->worker->mailbox, &job->letter);
}

void load_job_start(struct req *req)
{
    struct load_job *job = mem_zero(sizeof(*job));
    struct index_query query = req_query(req);

    letter_init(&job->letter, on_letter);
    job->worker = req->worker;
    job->req = req;
    job->key = req->cache.key;
    job->query = (struct index_query){.key = &job->key,
                                      .now_ms = query.now_ms,
                                      .ttl_ms = query.ttl_ms,
                                      .asks = query.asks,
                                      .no_coalesce = query.no_coalesce};
    req->cache.load_job = job;
    jobs_add(req->worker->server->caching.jobs, &job->job, on_run);
}

bool load_job_is_done(const struct load_job *job)
{
    return job->done;
}

struct object *load_job_finish(struct req *req, enum caching_why_not *why_not)
{
    struct load_job *job = take(req->cache.load_job);
    struct object *object = take(job->object);

    *why_not = job->why_not;
    job_free(job);
    return object;
}

void load_job_leave(struct load_job *job)
{
    if (!job)
        return;
    if (job->done)
        job_free(job);
    else
        job->req = NULL; /* its letter frees it */
}
