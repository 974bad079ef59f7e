/* What the proxy answers itself: GET /health, GET /stats, and /cache with all below it
 * (admin_cache.h). */
#ifndef PROXY_ADMIN_H
#define PROXY_ADMIN_H

struct refusal;
struct req;
struct admin; /* the figures of the last second, and the jobs; any thread */

struct admin *admin_new(void);
/* After the workers, before the cache is closed. NULL is nothing. */
void admin_free(struct admin *admin);

enum admin_result {
    ADMIN_ANSWERED, /* req->reply is filled */
    ADMIN_WAITS,    /* a job makes the answer: the request is woken when that is there */
    ADMIN_REFUSED   /* with ERR_METHOD, or one of admin_cache.h's */
};

/* Worker's thread. Figures are at most a second old. */
enum admin_result admin_answer(struct req *req, struct refusal *refusal);

#endif
