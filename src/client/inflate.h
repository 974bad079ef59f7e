/* Inflates a gzip answer on its way to a client that does not accept gzip. A struct inflate belongs
 * to one thread. */
#ifndef CLIENT_INFLATE_H
#define CLIENT_INFLATE_H

#include <stddef.h>
#include <sys/types.h>

struct inflate;

/* read(arg, …) supplies gzip bytes: > 0 how many, 0 none yet, INFLATE_END, INFLATE_BROKEN. arg must
 * outlive the result, which the caller frees. */
#define INFLATE_END (-1)
#define INFLATE_BROKEN (-2)
struct inflate *inflate_new(ssize_t (*read)(void *arg, char *buf, size_t max), void *arg);
void inflate_free(struct inflate *inflate); /* NULL is allowed */

/* Reads inflated bytes, with the results of read(). */
ssize_t inflate_read(struct inflate *inflate, char *buf, size_t max);

#endif
