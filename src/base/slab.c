#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

#define CHUNK_BYTES ((size_t)256 * 1024)
#define HEAD_BYTES ((size_t)64)

/* At the beginning of its memory, which is aligned to its size: so a piece finds its chunk. */
struct slab_chunk {
    struct slab_chunk *next, *prev; /* of those with room; NULL both: alone, or full */
    void *free;                     /* pieces that came back; each points to the next */
    unsigned used, fresh, most;     /* pieces: in use, never used so far, in all */
};

#if defined(__SANITIZE_ADDRESS__) || defined(SLAB_OFF)
/* The sanitizer is to see each piece's end. */
static const bool off = true;
#else
static const bool off = false;
#endif

static unsigned class_of(size_t size)
{
    return (unsigned)((size + SLAB_STEP - 1) / SLAB_STEP) - 1;
}

static struct slab_chunk *chunk_of(void *piece)
{
    return (struct slab_chunk *)((uintptr_t)piece & ~(uintptr_t)(CHUNK_BYTES - 1));
}

static void link_chunk(struct slab *slab, unsigned class, struct slab_chunk *chunk)
{
    chunk->prev = NULL;
    chunk->next = slab->room[class];
    if (chunk->next)
        chunk->next->prev = chunk;
    slab->room[class] = chunk;
}

static void unlink_chunk(struct slab *slab, unsigned class, struct slab_chunk *chunk)
{
    if (chunk->prev)
        chunk->prev->next = chunk->next;
    else
        slab->room[class] = chunk->next;
    if (chunk->next)
        chunk->next->prev = chunk->prev;
    chunk->next = chunk->prev = NULL;
}

static struct slab_chunk *chunk_new(size_t piece)
{
    struct slab_chunk *chunk = aligned_alloc(CHUNK_BYTES, CHUNK_BYTES);

    if (!chunk)
        abort(); /* as mem_alloc() does */
    *chunk = (struct slab_chunk){.most = (unsigned)((CHUNK_BYTES - HEAD_BYTES) / piece)};
    chunk->fresh = chunk->most;
    return chunk;
}

static void *take_piece(struct slab_chunk *chunk, size_t size)
{
    void *piece = chunk->free;

    if (piece)
        chunk->free = *(void **)piece;
    else
        piece = (char *)chunk + HEAD_BYTES + (chunk->most - chunk->fresh--) * size;
    chunk->used++;
    return piece;
}

void *slab_alloc(struct slab *slab, size_t size)
{
    unsigned class = class_of(size);
    struct slab_chunk *chunk;
    void *piece;

    if (off || size == 0 || size > SLAB_MAX)
        return mem_alloc(size);
    pthread_mutex_lock(&slab->lock);
    if (!slab->room[class])
        link_chunk(slab, class, chunk_new((class + 1) * SLAB_STEP));
    chunk = slab->room[class];
    piece = take_piece(chunk, (class + 1) * SLAB_STEP);
    if (chunk->used == chunk->most)
        unlink_chunk(slab, class, chunk);
    pthread_mutex_unlock(&slab->lock);
    return piece;
}

void slab_free(struct slab *slab, void *piece, size_t size)
{
    unsigned class = class_of(size);
    struct slab_chunk *chunk;

    if (off || size == 0 || size > SLAB_MAX) {
        free(piece);
        return;
    }
    chunk = chunk_of(piece);
    pthread_mutex_lock(&slab->lock);
    if (chunk->used == chunk->most)
        link_chunk(slab, class, chunk);
    *(void **)piece = chunk->free;
    chunk->free = piece;
    /* The last one with room stays: the next piece would need it. */
    if (--chunk->used == 0 && (chunk->next || chunk->prev)) {
        unlink_chunk(slab, class, chunk);
        free(chunk);
    }
    pthread_mutex_unlock(&slab->lock);
}
