/* The step "load": an answer that is on disk.
 *
 * Reading, checking and unpacking one takes time in proportion to its length. A long one is a job
 * (base/jobs.h), with a reader of its own and a copy of what the query needs, because the request
 * may end meanwhile.
 *
 *      step load ──► load_job ──(a thread of the jobs)──► letter ──► step load again, or nobody
 *          └── short: here and now
 */
#include <stdlib.h>

#include "base/mem.h"
#include "proxy/conn.h"
#include "proxy/down.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#define INLINE_MAX ((uint64_t)1024 * 1024) /* one or two milliseconds */

struct load_job {
    struct job job;
    struct letter letter;
    struct worker *worker;
    struct req *req; /* NULL: it has ended */
    struct key key;
    struct index_query query; /* of this key */
    bool done;
    /* the result */
    struct object *object;
    enum caching_why_not why_not;
};

/* --- the job -------------------------------------------------------------------------- */

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

static void start_job(struct req *req)
{
    struct load_job *job = mem_zero(sizeof(*job));
    struct index_query query = req_query(req);

    letter_init(&job->letter, on_letter);
    job->worker = req->worker;
    job->req = req;
    job->key = req->key;
    job->query = (struct index_query){.key = &job->key,
                                      .now_ms = query.now_ms,
                                      .ttl_ms = query.ttl_ms,
                                      .asks = query.asks,
                                      .alone = query.alone};
    req->load_job = job;
    jobs_add(req->worker->server->caching.jobs, &job->job, on_run);
}

void req_leave_load(struct req *req)
{
    struct load_job *job = take(req->load_job);

    if (!job)
        return;
    if (job->done)
        job_free(job);
    else
        job->req = NULL; /* its letter frees it */
}

/* --- the step ------------------------------------------------------------------------- */

static enum req_next go_on(struct req *req, struct object *object, enum caching_why_not why_not)
{
    if (object)
        return req_hit(req, object);
    if (why_not == CACHING_STALE)
        req->fwd = FWD_STALE;
    return req_goto(req, STEP_LOOKUP); /* somebody may have begun to fetch it meanwhile */
}

static enum req_next finish_job(struct req *req)
{
    struct load_job *job = take(req->load_job);
    struct object *object = take(job->object);
    enum caching_why_not why_not = job->why_not;

    job_free(job);
    return go_on(req, object, why_not);
}

enum req_next req_step_load(struct req *req)
{
    struct worker *worker = req->worker;
    struct caching *caching = &worker->server->caching;
    struct index_query query = req_query(req);
    enum caching_why_not why_not;
    struct object *object;

    if (req->load_job && !req->load_job->done)
        return REQ_PARK;
    if (req->load_job)
        return finish_job(req);
    req->loaded = true;
    if (!worker->store_reader)
        worker->store_reader = store_reader_new(caching->store);
    object = caching_load(caching, worker->store_reader, &query, INLINE_MAX, &why_not);
    if (object || why_not != CACHING_LARGER)
        return go_on(req, object, why_not);
    start_job(req);
    return REQ_PARK;
}
