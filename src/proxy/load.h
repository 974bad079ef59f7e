/* Looking for an answer in the store (cache/store_ops.h), which a request waits for as it waits for
 * a flight: the answer may be there at once, or come by letter.
 *
 *      step load ──► load_start ──► HIT, ABSENT ───────────────────────► load_finish
 *                         └───────► PENDING: park ──► letter, or timer ──┘
 *
 * A store that does not answer in LOAD_WAIT_MS is passed by, with a line in the log: the request
 * goes upstream. The look outlives the request where that ends first. The worker's thread.
 */
#ifndef PROXY_LOAD_H
#define PROXY_LOAD_H

#include <stdbool.h>

struct load;
struct object;
struct req;

/* Time for the store to answer, in ms. */
#define LOAD_WAIT_MS 5000U

/* The request has it as cache.load, and is woken once load_is_over(). */
void load_start(struct req *req);
bool load_is_over(const struct load *load);
/* What was found and may answer the request, with a reference for the caller; it is kept in memory
 * from now on. NULL: nothing; *stale: something that is too old. Takes and frees cache.load. */
struct object *load_finish(struct req *req, bool *stale);
/* The request ends. NULL is nothing. */
void load_leave(struct load *load);

#endif
