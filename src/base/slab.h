/* Memory for many things that live long and are much alike, such as kept answers.
 *
 * Among short-lived buffers they would cut the heap into pieces, in which the allocator then looks
 * for room again and again. Here each size (in steps of SLAB_STEP) has chunks of its own; a chunk
 * in which nothing is left is given back to the system. Larger pieces come from the heap. Any
 * thread; a slab is initialised statically, with SLAB_INIT.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <pthread.h>
#include <stddef.h>

#define SLAB_STEP ((size_t)256)
#define SLAB_CLASSES 32U
#define SLAB_MAX (SLAB_STEP * SLAB_CLASSES)

struct slab_chunk;

struct slab {
    pthread_mutex_t lock;
    struct slab_chunk *room[SLAB_CLASSES]; /* of each size: chunks that are not full */
};

#define SLAB_INIT                                                                                  \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

void *slab_alloc(struct slab *slab, size_t size) __attribute__((malloc, returns_nonnull));
/* The size that it was asked for with. */
void slab_free(struct slab *slab, void *piece, size_t size);
/* What a piece of that size costs in memory. */
size_t slab_cost(size_t size);

#endif
