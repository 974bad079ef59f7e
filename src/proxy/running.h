/* Finds the running proxy that a command asks.
 *
 *   1. --url; else --port or --listen on the command line: that proxy, or none;
 *   2. with --cache-dir on the command line: the proxy with that cache folder, or none;
 *   3. the address and port of a variable or the config file, if a proxy answers there;
 *   4. the notes of running proxies (runtime_note.h): the only one, or the only one with the cache
 *      folder in question; several are an error that lists them;
 *   5. the default address and port.
 *
 * Rules 2 to 5 ignore another user's program, if the kernel names its user. Blocks the caller's
 * thread.
 */
#ifndef PROXY_RUNNING_H
#define PROXY_RUNNING_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"
#include "proxy/ask.h"

struct running_query {
    const struct conf *conf;
    const char *url;      /* --url, or NULL */
    const char *target;   /* request to each candidate: "/health" or "/stats" */
    const char *folder;   /* the cache folder in question, or NULL */
    bool folder_is_asked; /* rule 2 */
    bool any_of_folder;   /* any of several proxies on that folder will do */
};

struct running {
    char *url; /* "http://localhost:8080", without a path; NULL: none */
    char *host;
    unsigned port;
    bool ours;                /* see ask_server */
    bool is_asked;            /* rule 1: the user named it */
    struct ask_answer answer; /* to the target, with whatever status */
};

/* 1: found; the caller releases *running. 0: none, *err says why (ERR_NO_SERVER or ERR_UNHEALTHY).
 * -1: wrong usage, or several. */
int running_find(struct running *running, const struct running_query *query, struct err *err);
/* running_find() for /stats; any status but 200 is -1, and *running must be released then, too.
 * url: from the user, or NULL; any_of_folder: see running_query. */
int running_find_figures(struct running *running, const struct conf *conf, const char *url,
                         bool any_of_folder, struct err *err);
void running_release(struct running *running);

/* Sends the found proxy another request. Returns as ask(). */
int running_ask(const struct running *running, const struct ask_request *request,
                struct ask_answer *answer, struct err *err);

/* The first address of --listen as a target: loopback for a wildcard address. The caller frees it.
 */
char *running_address(const struct conf *conf);
/* "http://localhost:8080", with an IPv6 address in brackets. The caller frees it. */
char *running_url(const char *address, unsigned port);

/* True if both folders exist and are the same. NULL is no folder. */
bool running_is_same_folder(const char *a, const char *b);

#endif
