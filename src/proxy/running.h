/* Which running proxy a command asks.
 *
 *   1. --url; else --port or --listen on the command line: that one, or none;
 *   2. with --cache-dir on the command line: the one whose cache folder it is, or none;
 *   3. the address and port that a variable or the config file names, if a proxy answers there;
 *   4. the notes of running proxies (runtime_note.h): the only one, or the only one whose cache
 *      folder is the one in question; several of them are an error that lists them;
 *   5. the default address and port.
 *
 * By rules 2 to 5 another user's program is none, where the kernel says whose it is.
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
    const char *target;   /* what each candidate is asked: "/health" or "/stats" */
    const char *folder;   /* the cache folder in question, or NULL */
    bool folder_is_asked; /* rule 2 */
    bool any_of_folder;   /* several proxies on that folder are as good as one another */
};

struct running {
    char *url; /* "http://localhost:8080", without a path; NULL: none */
    char *host;
    unsigned port;
    bool ours;                /* see ask_server */
    bool is_asked;            /* rule 1: the user named it */
    struct ask_answer answer; /* to the target, with whatever status */
};

/* 1: found; the caller releases. 0: none, *err says why (ERR_NO_SERVER or ERR_UNHEALTHY). -1:
 * wrong usage, or several. */
int running_find(struct running *running, const struct running_query *query, struct err *err);
/* The same for /stats, of which any other status than 200 is -1. url: as the user named it, or
 * NULL; any_of_folder: see running_query. */
int running_find_figures(struct running *running, const struct conf *conf, const char *url,
                         bool any_of_folder, struct err *err);
void running_release(struct running *running);

/* Asks it for something else. As ask(). */
int running_ask(const struct running *running, const struct ask_request *request,
                struct ask_answer *answer, struct err *err);

/* The first address of --listen, as it is asked: one that stands for all addresses is asked on
 * loopback. The caller frees. */
char *running_address(const struct conf *conf);
/* "http://localhost:8080", with an IPv6 address in brackets. The caller frees. */
char *running_url(const char *address, unsigned port);

/* Are these two folders one and the same? Both have to be there. NULL is none. */
bool running_is_same_folder(const char *a, const char *b);

#endif
