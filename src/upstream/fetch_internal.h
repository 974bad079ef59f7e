/* A fetch's internals: private to fetch_*.c. Worker's thread, except atomic members. */
#ifndef UPSTREAM_FETCH_INTERNAL_H
#define UPSTREAM_FETCH_INTERNAL_H

#include <stdatomic.h>

#include "upstream/attempt.h"
#include "upstream/fetch.h"

enum fetch_step {
    FETCH_CHOOSE, /* an endpoint */
    FETCH_SEND,   /* the request to it */
    FETCH_HEAD,   /* wait for the answer's head */
    FETCH_COMMIT, /* give the head to the flight; it is final */
    FETCH_BODY,   /* wait for the rest */
    FETCH_NEXT,   /* the attempt failed before its head: try another? */
    FETCH_END
};

enum fetch_letter { FETCH_LETTER_ROOM = 1, FETCH_LETTER_ABANDONED = 2 };

struct fetch {
    struct list node; /* fetcher->active, or ->spare */
    struct fetcher *fetcher;
    struct pool *pool;
    struct flight *flight;
    enum fetch_step step;

    /* the request */
    char method[FETCH_METHOD_SIZE];
    struct str target;
    struct fields fields; /* contain the client's API key */
    int64_t length;
    struct str whole;       /* its body, if held in one piece, … */
    size_t held;            /* bytes of the budget */
    struct flight *growing; /* … or an upload */
    struct body_reader upload;
    const char *encodings;
    struct str client, request_id; /* for request_forwarded */
    bool writes;                   /* an unsafe method, and on_written was not called yet */
    bool finish;
    atomic_bool unattended; /* counted in fetcher->unattended */

    struct endpoint *endpoint; /* with a reference */
    struct attempt attempt;
    struct head *head;      /* within FETCH_COMMIT: the answer's */
    int curl_code;          /* the attempt's result, a CURLcode */
    const struct err *stop; /* set: why we end the fetch; borrowed */
    bool is_whole_anyway;   /* stopped without a reader, but the answer was complete */

    uint64_t held_up_ms; /* since when readers hold it up (monotonic ms); 0: they do not */
    struct letter letter;
    atomic_uint letter_says; /* enum fetch_letter, set by any thread */
    struct timer timer;
    int64_t delivered; /* attempt_delivered() at the last poll, bytes */
};

/* Ends the fetch and recycles or frees it. why: borrowed during the call. */
void fetch_stop(struct fetch *fetch, const struct err *why);

/* fetch_timer.c */
/* Sets the attempt's silence limit: the longest timeout of all readers so far, since a reader may
 * join at any time. */
void fetch_set_silence(struct fetch *fetch);
/* Sets the timer for the next deadline, progress poll or laggard check. */
void fetch_start_timer(struct fetch *fetch);
void fetch_on_timer(struct timer *timer);

#endif
