/* A fetch's inside: private to its files. Its worker's thread. */
#ifndef UPSTREAM_FETCH_INTERNAL_H
#define UPSTREAM_FETCH_INTERNAL_H

#include <stdatomic.h>

#include "upstream/attempt.h"
#include "upstream/fetch.h"

enum fetch_step {
    FETCH_CHOOSE, /* an endpoint */
    FETCH_SEND,   /* the request to it */
    FETCH_HEAD,   /* wait for the answer's head */
    FETCH_COMMIT, /* the head is the flight's, for ever */
    FETCH_BODY,   /* wait for the rest */
    FETCH_NEXT,   /* the attempt failed before its head: another one? */
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
    struct fields fields; /* they hold the client's key */
    int64_t length;
    struct str whole; /* its body, if that is held in one piece, … */
    size_t held;
    struct flight *growing; /* … or grows */
    struct body_reader upload;
    const char *encodings;
    struct str client, request_id; /* to be forwarded */
    bool writes;                   /* it changes things, and that was not said yet */
    bool finish;
    atomic_bool unattended; /* counted in fetcher->unattended */

    struct endpoint *endpoint; /* with a reference */
    struct attempt attempt;
    struct head *head;      /* within FETCH_COMMIT: the answer's */
    int curl_code;          /* how the attempt ended */
    const struct err *stop; /* set: the reason for which we end the fetch */
    bool is_whole_anyway;   /* nobody waited for the end, but all had come */

    uint64_t held_up_ms; /* since then readers have let it wait; 0: they do not */
    struct letter letter;
    atomic_uint letter_says; /* enum fetch_letter, set by any thread */
    struct timer timer;
    int64_t delivered; /* bytes of the body that had arrived at the last look */
};

/* Ends it, for that reason. */
void fetch_stop(struct fetch *fetch, const struct err *why);

/* fetch_timer.c */
/* Of the attempt: the longest timeout of all readers so far, since one may join at any time. */
void fetch_set_silence(struct fetch *fetch);
/* Sets the timer for the next thing that it watches. */
void fetch_start_timer(struct fetch *fetch);
void fetch_on_timer(struct timer *timer);

#endif
