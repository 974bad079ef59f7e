/* A client of a running server, for commands: one request, one answer, plain HTTP/1.1. Blocks the
 * caller's thread.
 */
#ifndef PROXY_ASK_H
#define PROXY_ASK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define ASK_TIMEOUT_MS 5000 /* to connect, and for an answer without long work */
#define ASK_WORK_MS 600000  /* for an answer that takes the server long work */
#define ASK_ANSWER_MAX ((size_t)96 * 1024 * 1024) /* bytes, head included */

struct ask_server {
    const char *host; /* a name or a numeric address; "localhost" is 127.0.0.1 and ::1 */
    unsigned port;
    bool ours; /* on loopback a listener that the kernel names must be this user's, or root's */
};

struct ask_request {
    const char *method;
    const char *target;
    unsigned timeout_ms;
};

struct ask_answer {
    unsigned status;
    struct str body;
};
#define ASK_ANSWER_INIT                                                                            \
    {                                                                                              \
        .body = STR_INIT                                                                           \
    }

/* 0: the answer, with any status; the caller releases answer->body. -1: there is no listener, or
 * with `ours` another user's (ERR_NO_SERVER); or the listener is no goproxyai or did not answer in
 * time or in full (ERR_UNHEALTHY). *err says what the user can do.
 */
int ask(const struct ask_server *server, const struct ask_request *request,
        struct ask_answer *answer, struct err *err);

/* Puts the message of an answer without success into *err. Returns -1. */
int ask_refused(const struct ask_answer *answer, struct err *err);

#endif
