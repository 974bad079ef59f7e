/* Memory for many things that live long and are much alike, such as kept answers.
 *
 * Among short-lived buffers they would cut the heap into pieces, in which the allocator then looks
 * for room again and again. Here each size (in steps of the slab's own) has chunks of its own; a
 * chunk in which nothing is left is given back to the system. Pieces of more than SLAB_CLASSES
 * steps come from the heap. Any thread; a slab is initialised statically, with SLAB_INIT.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <pthread.h>
#include <stddef.h>

#define SLAB_CLASSES 32U

struct slab_chunk;

struct slab {
    pthread_mutex_t lock;
    size_t step;                           /* a multiple of 16 */
    struct slab_chunk *room[SLAB_CLASSES]; /* of each size: chunks that are not full */
};

#define SLAB_INIT(bytes)                                                                           \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .step = (bytes)                                         \
    }

void *slab_alloc(struct slab *slab, size_t size) __attribute__((malloc, returns_nonnull));
/* The size that it was asked for with. */
void slab_free(struct slab *slab, void *piece, size_t size);
/* The memory that a piece of that size takes, bytes. */
size_t slab_cost(const struct slab *slab, size_t size);

#endif
