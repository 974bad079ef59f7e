/* A gzip answer for a client that takes none: unpacked on its way down. */
#ifndef PROXY_UNPACK_H
#define PROXY_UNPACK_H

#include <stddef.h>
#include <sys/types.h>

struct unpack;

/* read() gives packed bytes: > 0 how many, 0 none yet, UNPACK_END, UNPACK_BROKEN. */
#define UNPACK_END (-1)
#define UNPACK_BROKEN (-2)
struct unpack *unpack_new(ssize_t (*read)(void *arg, char *buf, size_t max), void *arg);
void unpack_free(struct unpack *unpack); /* NULL is nothing */

/* The same, of plain bytes. */
ssize_t unpack_read(struct unpack *unpack, char *buf, size_t max);

#endif
