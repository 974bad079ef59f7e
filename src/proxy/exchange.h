/* The record of an exchange: what is known of a request in the end.
 *
 * It is made once, when the exchange is over, and account_finish() hands it to all that logs or
 * counts. Nothing else looks at a request for that. Its pointers are good as long as the request
 * is.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"
#include "client/reply.h"

struct req;

struct exchange {
    const char *id;     /* of the proxy's making; the answer's X-Request-ID where it has no other */
    const char *client; /* its address */
    const char *method, *target; /* as they came; "" where they did not */
    bool is_api;                 /* the target is /v1, or below */
    const char *model;           /* "": none, or unknown */
    bool is_stream;        /* the request asks for a stream, as far as its body was inspected */
    const struct key *key; /* NULL: it was not for the cache */
    const char *endpoint;  /* its base URL; NULL: no fetch was begun for this request */
    enum verdict verdict;
    unsigned status;  /* 0: the client had no answer */
    bool is_complete; /* the client has all of the answer */
    bool failed;      /* the proxy refused it or could not serve it, or a status of 500 or more */
    bool broke;       /* its answer began, and broke off upstream */
    const char *trouble; /* why it did not end as it should; NULL: it did */
    uint64_t received;   /* bytes of the request's body */
    uint64_t sent; /* bytes of the answer's body; those of a short one were handed over at once */
    uint64_t duration_us; /* from the request line to the end */
};

/* has_answer: its head went down; is_complete: and all of its body. The worker's thread. */
struct exchange exchange_of(const struct req *req, bool has_answer, bool is_complete);

#endif
