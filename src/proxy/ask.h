/* Asking a running server, for the commands that do: one request, one answer, plain HTTP/1.1.
 * On the caller's thread, which waits.
 */
#ifndef PROXY_ASK_H
#define PROXY_ASK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define ASK_TIMEOUT_MS 5000 /* for a connection, and for an answer that is at hand */
#define ASK_WORK_MS 600000  /* for an answer that takes the server some work */
#define ASK_ANSWER_MAX ((size_t)96 * 1024 * 1024)

struct ask_server {
    const char *host; /* a name or a numeric address; "localhost" is 127.0.0.1 and ::1 */
    unsigned port;
    bool ours; /* on loopback: whoever listens must be this user, or root (as far as the kernel
                  says) */
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

/* 0, and the answer with whatever status it has; the caller releases answer->body. -1: nobody
 * listens there, or another user does where it must be ours (ERR_NO_SERVER), or who does is no
 * goproxyai or did not answer in time or in full (ERR_UNHEALTHY), with a text that says what to do.
 */
int ask(const struct ask_server *server, const struct ask_request *request,
        struct ask_answer *answer, struct err *err);

/* For an answer with a status that is no success: puts its message into *err. Returns -1. */
int ask_refused(const struct ask_answer *answer, struct err *err);

#endif
