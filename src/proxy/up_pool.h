/* A curl multi handle in a worker's loop, and the upstream connections it keeps.
 *
 * A multi's own work grows with the transfers that are open in it, so each lane has a pool of its
 * own (see lane.h). Transfers run only within up_pool_run(); everything else that
 * a transfer needs done later is put on `todo`, because curl must not be re-entered from its
 * callbacks. Owner thread only. What is CURL * or CURLM * is void * here: this file's two .c files
 * and no others include curl's header.
 */
#ifndef PROXY_UP_POOL_H
#define PROXY_UP_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "proxy/endpoint.h"
#include "proxy/up_explain.h"
#include "proxy/up_socket.h"

/* curl's list of header lines, laid over our own text: two allocations a line saved. */
struct up_lines {
    void *nodes; /* struct curl_slist[], freed with free() */
    size_t cap;
};
/* Good until `lines` (NUL-ended strings, one after the other) changes. NULL if there are none. */
void *up_lines_list(struct up_lines *list, const struct str *lines);

struct up;

struct up_pool {
    void *multi;
    struct up_sockets *sockets;
    struct timer timer;
    uint64_t timeout_at_ms;    /* what curl asked for last; UINT64_MAX: nothing */
    bool due;                  /* curl's timeout is now */
    struct list todo;          /* struct up: wants up_todo() */
    struct list active;        /* struct up: its transfers */
    void (*on_due)(void *arg); /* up_pool_run() is wanted, soon */
    void *arg;
};

/* Once per process, before any thread; returns what is missing in libcurl, or NULL. */
const char *up_pool_global_init(void);
void up_pool_global_release(void);

void up_sockets_init(struct up_sockets *s, struct loop *loop);
void up_sockets_release(struct up_sockets *s); /* after its pools */

/* most: connections at once, idle ones included. */
void up_pool_init(struct up_pool *pool, struct up_sockets *sockets, long most,
                  void (*on_due)(void *arg), void *arg);
void up_pool_release(struct up_pool *pool); /* no transfer may be in it */

bool up_pool_wants_run(const struct up_pool *pool);
void up_pool_run(struct up_pool *pool);

/* Reads the certificates that connections to the endpoint trust, where TLS is spoken to it: tens of
 * milliseconds, which the first connection would take. Any thread. */
void up_pool_read_trust(const struct endpoint *endpoint);

/* Transfers. Prepare: how to connect, which never changes. */
void up_pool_prepare(void *easy, struct up *up, struct up_sockets *sockets,
                     const struct endpoint *endpoint);
/* What is asked for: the raw target. */
void up_pool_set_target(void *easy, const struct endpoint *endpoint, const char *target);
int up_pool_add(struct up_pool *pool, void *easy); /* 0, or curl's CURLMcode */
void up_pool_remove(struct up_pool *pool, void *easy);
void up_pool_todo(struct up_pool *pool, struct list *node); /* again is nothing */

/* What a curl code means. connected: the request could be sent. */
enum up_trouble up_pool_trouble(int curl_code, bool connected);

/* up.c */
void up_todo(struct list *node);
void up_done(void *private_of_easy, int curl_code);
/* The transfer waits for this socket. */
void up_waits(void *private_of_easy, int fd);
/* Was the transfer answered in HTTP/1? */
bool up_was_http1(const void *private_of_easy);
/* Has a transfer of the pool written its request to this socket? Also a paused one, whose socket
 * libcurl does not want watched. */
bool up_uses(const struct up_pool *pool, int fd);
/* The transfer makes a connection: the name is looked up. NULL: it may not. *patient: see
 * up_socket_opened(). */
struct up_sockets *up_opening(struct up *up, bool *patient);

#endif
