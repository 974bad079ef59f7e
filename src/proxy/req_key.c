/* The step "key": which cache key a request has, and whether its body asks for something that is
 * not cached.
 *
 * Both take time in proportion to the body's length. A long one is a job (base/jobs.h): it takes
 * the body with it, and copies of all else that the key is made of, because the request may end
 * meanwhile.
 *
 *      step key ──► key_job ──(a thread of the jobs)──► letter ──► step key again, or nobody there
 */
#include <stdlib.h>
#include <string.h>

#include "api/canon.h"
#include "base/mem.h"
#include "cache/memo.h"
#include "proxy/conn.h"
#include "proxy/down.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

/* Digest, tag and two passes over it: half a millisecond and more. */
#define INLINE_MAX ((size_t)1024 * 1024)

struct key_job {
    struct job job;
    struct letter letter;
    struct worker *worker;
    struct req *req; /* NULL: it has ended */
    char method[24];
    struct str target;
    struct fields fields;
    bool has_body;
    struct str body;
    size_t held;                 /* of the budget */
    struct key_rules *key_rules; /* with a reference */
    enum cache_class api;
    /* the result */
    bool is_cacheable;
    struct key_tag tag;
    struct key key;
    char model[OBJECT_MODEL_SIZE];
};

static struct key_request key_request_of(const struct req *req)
{
    return (struct key_request){.method = req->method,
                                .target = req->target.text,
                                .fields = &req->fields,
                                .body = req->length > 0 ? req->whole.text : NULL,
                                .body_len = req->whole.len};
}

static bool parse_now(struct req *req)
{
    req->looked = true;
    return policy_body_is_cacheable(req->api, req->whole.text, req->whole.len, req->model,
                                    sizeof(req->model));
}

/* --- the job -------------------------------------------------------------------------- */

static void job_free(struct key_job *job)
{
    struct caching *caching = &job->worker->server->caching;

    budget_sub(&caching->budget, job->held);
    key_rules_unref(job->key_rules);
    str_release(&job->target);
    fields_wipe(&job->fields);
    str_release(&job->body);
    free(job);
}

static void on_letter(struct letter *letter)
{
    struct key_job *job = container_of(letter, struct key_job, letter);
    struct req *req = job->req;

    if (!req) {
        job_free(job);
        return;
    }
    req->whole = job->body;
    str_init(&job->body);
    req->held = job->held;
    job->held = 0;
    req->looked = true;
    memcpy(req->model, job->model, sizeof(req->model));
    down_wake(req->conn); /* the step runs again, and finds the result */
}

/* False: the budget has no room for the document's members. The canonical form and its draft are
 * counted, but never refused: at most two bodies are keyed at a time. */
static bool make_key(struct key_job *job, struct keyer *keyer, const struct key_request *request)
{
    struct budget *budget = &job->worker->server->caching.budget;
    size_t forms = 2 * request->body_len; /* the canonical form, and its draft */
    size_t members = canon_cost(request->body, request->body_len);

    if (!budget_has_room(budget, members))
        return false;
    budget_add(budget, forms + members);
    keyer_key(keyer, request, &job->key);
    budget_sub(budget, forms + members);
    return true;
}

/* A keyer of its own: it is made in microseconds, and holds memory in proportion to the body. */
static void on_run(struct job *base)
{
    struct key_job *job = container_of(base, struct key_job, job);
    struct caching *caching = &job->worker->server->caching;
    struct key_request request = {.method = job->method,
                                  .target = job->target.text,
                                  .fields = &job->fields,
                                  .body = job->has_body ? job->body.text : NULL,
                                  .body_len = job->body.len};
    struct keyer *keyer = keyer_new(job->key_rules, memo_secret(caching->memo));

    keyer_tag(keyer, &request, &job->tag);
    job->is_cacheable = policy_body_is_cacheable(job->api, job->body.text, job->body.len,
                                                 job->model, sizeof(job->model));
    if (job->is_cacheable && !memo_find(caching->memo, &job->tag, &job->key))
        job->is_cacheable = make_key(job, keyer, &request);
    keyer_free(keyer);
    mailbox_post(&job->worker->mailbox, &job->letter);
}

static void start_job(struct req *req)
{
    struct key_job *job = mem_zero(sizeof(*job));

    letter_init(&job->letter, on_letter);
    job->worker = req->worker;
    job->req = req;
    job->key_rules = key_rules_ref(req->settings->key_rules);
    memcpy(job->method, req->method, sizeof(job->method));
    str_init(&job->target);
    str_adds(&job->target, req->target.text);
    fields_init(&job->fields);
    fields_add_all(&job->fields, &req->fields);
    job->has_body = req->length > 0;
    job->body = req->whole;
    str_init(&req->whole);
    job->held = req->held;
    req->held = 0;
    job->api = req->api;
    req->key_job = job;
    jobs_add(req->worker->server->caching.jobs, &job->job, on_run);
}

static bool finish_job(struct req *req)
{
    struct key_job *job = take(req->key_job);
    bool is_cacheable = job->is_cacheable;

    req->tag = job->tag;
    req->key = job->key;
    job_free(job);
    return is_cacheable;
}

void req_leave_job(struct req *req)
{
    struct key_job *job = take(req->key_job);

    if (!job)
        return;
    /* Its letter may have been opened: then it waits for nobody else. */
    if (req->looked)
        job_free(job);
    else
        job->req = NULL;
}

/* --- the step ------------------------------------------------------------------------- */

static enum req_next bypass(struct req *req)
{
    req->api = CACHE_CLASS_NONE;
    return req_goto(req, STEP_LOOKUP);
}

enum req_next req_step_key(struct req *req)
{
    struct caching *caching = &req->worker->server->caching;
    struct keyer *keyer = req->worker->keyer;
    struct key_request request;

    req->verdict = VERDICT_BYPASS;
    if (req->api == CACHE_CLASS_NONE)
        return req_goto(req, STEP_LOOKUP);
    if (req->key_job && !req->looked)
        return REQ_PARK;
    if (req->key_job)
        return finish_job(req) ? req_goto(req, STEP_LOOKUP) : bypass(req);
    /* The worker's keyer goes by the current settings, which may be later ones. */
    if (req->whole.len > INLINE_MAX || req->settings != req->worker->settings) {
        start_job(req);
        return REQ_PARK;
    }
    request = key_request_of(req);
    keyer_tag(keyer, &request, &req->tag);
    if (memo_find(caching->memo, &req->tag, &req->key))
        return req_goto(req, STEP_LOOKUP);
    if (!parse_now(req))
        return bypass(req);
    keyer_key(keyer, &request, &req->key);
    return req_goto(req, STEP_LOOKUP);
}

void req_parse_body(struct req *req)
{
    if (!req->looked)
        parse_now(req);
}
