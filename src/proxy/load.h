/* Reads an answer from the store (cache/store_ops.h). The request waits as for a flight: the result
 * comes at once, or by letter.
 *
 *      step load ──► load_start ──► HIT, ABSENT ───────────────────────► load_finish
 *                         └───────► PENDING: park ──► letter, or timer ──┘
 *
 * If the store does not answer in LOAD_WAIT_MS, the request goes upstream, with a warning in the
 * log. A pending get outlives the request. The worker's thread.
 */
#ifndef PROXY_LOAD_H
#define PROXY_LOAD_H

#include <stdbool.h>

struct load;
struct object;
struct req;

/* The longest wait for the store, ms. */
#define LOAD_WAIT_MS 5000U

/* Starts the get as cache.load; its end or its timeout wakes the request. */
void load_start(struct req *req);
bool load_is_over(const struct load *load);
/* Takes and frees cache.load. Returns the fresh object, with a reference for the caller, and keeps
 * it in the memory tier; or NULL. *stale: a stale object was found. */
struct object *load_finish(struct req *req, bool *stale);
/* The request ends: the get is dropped, and freed by its letter if pending. NULL is allowed. */
void load_leave(struct load *load);

#endif
