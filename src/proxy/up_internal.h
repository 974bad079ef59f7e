/* The inside of a transfer: private to up.c, which speaks with libcurl, and up_life.c, which does
 * all else. */
#ifndef PROXY_UP_INTERNAL_H
#define PROXY_UP_INTERNAL_H

#include <stdatomic.h>

#include "proxy/own_sockets.h"
#include "proxy/up.h"
#include "proxy/up_answer.h"
#include "proxy/up_deadline.h"

#define UP_SPARES_MAX 64
#define UP_SAYS_MAX 256 /* CURL_ERROR_SIZE */

enum up_letter { UP_LETTER_ROOM = 1, UP_LETTER_ABANDONED = 2 };

struct up {
    struct list node; /* home->spare, or pool->active */
    struct list todo; /* pool->todo */
    struct letter letter;
    atomic_uint letter_says; /* enum up_letter, set by any thread */
    struct timer timer;
    struct up_home *home;
    struct up_pool *pool;
    void *easy;            /* CURL * */
    struct flight *flight; /* NULL: not in use */
    struct str whole;      /* the request's body, if it is held in one piece, … */
    size_t held;
    struct flight *growing; /* … or grows */
    struct body_reader upload;
    bool send_paused, recv_paused, send_again, dropping;
    struct up_deadline deadline;
    int64_t delivered; /* bytes of the body that the upstream's kernel had acknowledged at the last
                          look */
    int socket; /* descriptor on which libcurl waited since the request was written; -1: none */
    unsigned own_port; /* local port of the connection on which it was sent last; 0: not sent */
    int64_t body_silence_ms; /* once the head is there */
    bool idempotent, finish;
    struct str writes; /* "": it changes nothing; else the target, until that was said */
    bool whole_anyway; /* nobody waited for the end, but all had come */
    unsigned tries;
    struct own_ends ends; /* of the connection on which it was sent last (https) */
    uint32_t stream;      /* its number there, if that is HTTP/2; 0: it was not sent */
    bool refused;         /* the server said that it has not acted on it */
    bool gave_up;         /* it would need another connection, and may not be sent again */
    bool https;
    bool queued;       /* waits, or is about to, for another one's name lookup */
    struct list queue; /* home->queue */
    struct up_answer answer;
    struct err *err; /* set: the reason for which we ended it */
    struct str lines;
    struct up_lines list; /* of the lines */
    char curl_says[UP_SAYS_MAX];
};

/* up.c */
struct up *up_new(struct up_home *home);
void up_free(struct up *up);
void up_resume(struct up *up); /* as far as it is not paused (any more) */
/* Removes the transfer from everything that could call it, then ends the flight. err: the reason
 * for which we end it, which is copied; NULL: curl_code says how it ended. */
void up_finish(struct up *up, const struct err *err, int curl_code);

int64_t up_sent(struct up *up); /* bytes of the body that libcurl has handed on */

/* up_life.c */
#define UP_TRIES_MAX 4U
/* The transfer has failed. Sends the request again, and returns true, if the server refused its
 * stream (RFC 9113 section 8.7). */
bool up_go_again(struct up *up);
void up_life_init(struct up *up);
void up_heard(struct up *up);        /* the upstream took or gave something */
void up_note_written(struct up *up); /* see up_home.on_written */
void up_man(struct up *up);          /* its flight may tell it things */
void up_letters_end(struct up *up);  /* and nothing will be heard any more */
void up_timer_start(struct up *up);
void up_dispatch(struct up *up); /* gives it to its pool */
/* Only one transfer of a worker looks a name up at a time, because libcurl gives each lookup a
 * thread; the others find the result in libcurl's cache. begins: may it? If not libcurl ends it,
 * and up_lookup_wait() takes it out of the pool until the other's lookup has ended. ended: err says
 * how, NULL where with an address, or where nobody knows. */
bool up_lookup_begins(struct up *up);
void up_lookup_wait(struct up *up);
void up_lookup_ended(struct up *up, const struct err *err);

#endif
