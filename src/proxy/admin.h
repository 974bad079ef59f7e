/* The proxy's own routes: GET /health, GET /stats, and /cache with all below it (admin_cache.h). */
#ifndef PROXY_ADMIN_H
#define PROXY_ADMIN_H

struct refusal;
struct req;
struct admin; /* the /health answer of the last second, and the jobs; any thread */

struct admin *admin_new(void);
/* Call after the workers have ended and before caching_close(). NULL is allowed. */
void admin_free(struct admin *admin);

enum admin_result {
    ADMIN_ANSWERED, /* req->reply is filled */
    ADMIN_WAITS,    /* a job makes the answer, and then wakes the request */
    ADMIN_REFUSED   /* refusal->err: ERR_METHOD, or an error of admin_cache.h */
};

/* Answers the request by its target and method. Worker's thread. The figures of /health are at most
 * a second old. */
enum admin_result admin_answer(struct req *req, struct refusal *refusal);

#endif
