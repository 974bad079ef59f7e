/* A gzip answer for a client that takes none: inflated on its way down. */
#ifndef CLIENT_INFLATE_H
#define CLIENT_INFLATE_H

#include <stddef.h>
#include <sys/types.h>

struct inflate;

/* read() gives packed bytes: > 0 how many, 0 none yet, INFLATE_END, INFLATE_BROKEN. */
#define INFLATE_END (-1)
#define INFLATE_BROKEN (-2)
struct inflate *inflate_new(ssize_t (*read)(void *arg, char *buf, size_t max), void *arg);
void inflate_free(struct inflate *inflate); /* NULL is nothing */

/* The same, of plain bytes. */
ssize_t inflate_read(struct inflate *inflate, char *buf, size_t max);

#endif
