/* What the proxy answers itself: GET /health, GET /stats, DELETE /cache. */
#ifndef PROXY_ADMIN_H
#define PROXY_ADMIN_H

#include "base/err.h"
#include "proxy/reply.h"

struct server;
struct admin; /* the figures of the last second; any thread */

struct admin *admin_new(void);
void admin_free(struct admin *admin);

/* Fills reply; -1 with ERR_METHOD. Figures are at most a second old. */
int admin_answer(struct server *server, const char *method, const char *target, struct reply *reply,
                 const char *request_id, struct err *err);

#endif
