/* The record of an exchange: a request's data at its end.
 *
 * Made once, when the exchange is over; account_finish() passes it to everything that logs or
 * counts, which reads no request itself. Its pointers are valid as long as the request.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"
#include "client/reply.h"

struct req;

struct exchange {
    const char *id;     /* made by the proxy; the answer's X-Request-ID if it has no other */
    const char *client; /* its address */
    const char *method, *target; /* as received; "": not received */
    bool is_api;                 /* the target is /v1, or below */
    const char *model;           /* "": none, or unknown */
    bool is_stream;              /* the request asks for a stream, if its body was inspected */
    const struct key *key;       /* NULL: the cache was not used */
    const char *endpoint;        /* base URL; NULL: no fetch was begun for this request */
    enum verdict verdict;
    unsigned status;      /* 0: the client got no answer */
    bool is_complete;     /* the whole answer was sent */
    bool failed;          /* the proxy refused or could not serve it, or a status of 500 or more */
    bool broke;           /* its answer began, and broke off upstream */
    const char *trouble;  /* why it did not end well; NULL: it did */
    uint64_t received;    /* bytes of the request's body */
    uint64_t sent;        /* bytes of the answer's body; a short body counts at once */
    uint64_t duration_us; /* from the request line to the end */
};

/* has_answer: the answer's head was sent; is_complete: and all of its body. The worker's thread. */
struct exchange exchange_of(const struct req *req, bool has_answer, bool is_complete);

#endif
