/* Asking a running server on this machine, for the commands that do. */
#ifndef PROXY_ASK_H
#define PROXY_ASK_H

#include "base/err.h"
#include "base/str.h"

#define ASK_TIMEOUT_MS 5000
#define ASK_ANSWER_MAX ((size_t)16 * 1024 * 1024)

/* GET path from the server at address ("localhost" or numeric) and port. *status is the HTTP
 * status, body gets the answer. -1: nobody listens there (ERR_NO_SERVER), or who does is not
 * what was asked for; with a text that says what to do. */
int ask_get(const char *address, unsigned port, const char *path, unsigned *status,
            struct str *body, struct err *err);

#endif
