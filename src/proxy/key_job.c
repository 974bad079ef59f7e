#include "proxy/key_job.h"

#include <stdlib.h>
#include <string.h>

#include "api/canon.h"
#include "base/mem.h"
#include "cache/key_cache.h"
#include "client/down.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

struct key_job {
    struct job job;
    struct letter letter;
    struct worker *worker;
    struct req *req; /* NULL: the request has ended */
    bool done;       /* the letter was opened, and the request has its body again */
    char method[24];
    struct str target;
    struct fields fields;
    bool has_body;
    struct str body;
    size_t held;                 /* bytes of the budget */
    struct key_rules *key_rules; /* with a reference */
    enum cache_class class;
    /* the result */
    struct request_fingerprint fingerprint;
    bool has_key, was_remembered;
    struct key key;
    struct body_facts facts;
};

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
    req->body.buf = job->body;
    str_init(&job->body);
    req->body.held = job->held;
    job->held = 0;
    job->done = true;
    down_wake(req->conn); /* the step runs again, and takes the result */
}

/* False: the budget has no room for the document's members. The canonical form and its draft are
 * counted but never refused: at most two bodies are keyed at a time. */
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

static void inspect(struct key_job *job, struct keyer *keyer)
{
    struct key_cache *cache = job->worker->server->caching.key_cache;
    struct key_request request = {.method = job->method,
                                  .target = job->target.text,
                                  .fields = &job->fields,
                                  .body = job->has_body ? job->body.text : NULL,
                                  .body_len = job->body.len};

    keyer_fingerprint(keyer, &request, &job->fingerprint);
    job->was_remembered = key_cache_find(cache, &job->fingerprint, &job->key, &job->facts);
    if (!job->was_remembered)
        policy_inspect_body(job->class, job->body.text, job->body.len, &job->facts);
    job->has_key = job->was_remembered ||
                   (!job->facts.is_stateful && make_key(job, keyer, &request));
}

/* Uses a keyer of its own: making it takes microseconds, and it holds memory in proportion to the
 * body. */
static void on_run(struct job *base)
{
    struct key_job *job = container_of(base, struct key_job, job);
    const unsigned char *secret = key_cache_secret(job->worker->server->caching.key_cache);
    struct keyer *keyer = keyer_new(job->key_rules, secret);

    inspect(job, keyer);
    keyer_free(keyer);
    mailbox_post(&job->worker->mailbox, &job->letter);
}

void key_job_start(struct req *req)
{
    struct key_job *job = mem_zero(sizeof(*job));

    letter_init(&job->letter, on_letter);
    job->worker = req->worker;
    job->req = req;
    job->key_rules = key_rules_ref(req->settings->key_rules);
    memcpy(job->method, req->head.method, sizeof(job->method));
    str_init(&job->target);
    str_adds(&job->target, req->head.target.text);
    fields_init(&job->fields);
    fields_add_all(&job->fields, &req->head.fields);
    job->has_body = req->body.length > 0;
    job->body = req->body.buf;
    str_init(&req->body.buf);
    job->held = req->body.held;
    req->body.held = 0;
    job->class = req->cache.class;
    req->cache.key_job = job;
    jobs_add(req->worker->server->caching.jobs, &job->job, on_run);
}

bool key_job_is_done(const struct key_job *job)
{
    return job->done;
}

void key_job_finish(struct req *req)
{
    struct key_job *job = take(req->cache.key_job);

    req->cache.fingerprint = job->fingerprint;
    req->cache.key = job->key;
    req->cache.has_key = job->has_key;
    req->cache.key_was_remembered = job->was_remembered;
    req->body.facts = job->facts;
    if (!job->has_key)
        req->cache.class = CACHE_CLASS_NONE;
    job_free(job);
}

void key_job_leave(struct key_job *job)
{
    if (!job)
        return;
    if (job->done)
        job_free(job);
    else
        job->req = NULL; /* on_letter() frees it */
}
