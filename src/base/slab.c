#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

#define CHUNK_BYTES ((size_t)256 * 1024)
#define HEAD_BYTES ((size_t)64)
#define STEP_BYTES ((size_t)64 * 1024) /* of a chunk's memory that the system gives at a time */
#define HEAP_BYTES ((size_t)16)        /* what the heap adds to a piece */

/* At the beginning of its memory, which is aligned to its size: so a piece finds its chunk. */
struct slab_chunk {
    struct slab_chunk *next, *prev; /* of those with room; NULL both: alone, or full */
    void *free;                     /* pieces that came back; each points to the next */
    unsigned used, fresh, most;     /* pieces: in use, never used so far, in all */
    size_t there;                   /* bytes of it that the system gave us */
};

#if defined(__SANITIZE_ADDRESS__) || defined(SLAB_OFF)
/* The sanitizer is to see each piece's end. */
static const bool off = true;
#else
static const bool off = false;
#endif

static bool has_class(const struct slab *slab, size_t size)
{
    return size > 0 && size <= slab->step * SLAB_CLASSES;
}

static unsigned class_of(const struct slab *slab, size_t size)
{
    return (unsigned)((size + slab->step - 1) / slab->step) - 1;
}

static size_t piece_of(const struct slab *slab, unsigned class)
{
    return (class + 1) * slab->step;
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

static unsigned most_of(size_t piece)
{
    return (unsigned)((CHUNK_BYTES - HEAD_BYTES) / piece);
}

/* Page by page, at the first touch of each, it would cost about as much as writing an answer. */
static void get_more(struct slab_chunk *chunk)
{
#ifdef MADV_POPULATE_WRITE
    /* Linux 5.14; where it is not to be had the pages come one by one after all. */
    (void)madvise((char *)chunk + chunk->there, STEP_BYTES, MADV_POPULATE_WRITE);
#endif
    chunk->there += STEP_BYTES;
}

static struct slab_chunk *chunk_new(size_t piece)
{
    /* Twice the size has room for an aligned one. */
    char *begin = mmap(NULL, 2 * CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0); // cppcheck-suppress invalidFunctionArg ; no file
    struct slab_chunk *chunk;
    size_t before;

    if (begin == MAP_FAILED)
        abort(); /* as mem_alloc() does */
    before = (CHUNK_BYTES - ((uintptr_t)begin & (CHUNK_BYTES - 1))) & (CHUNK_BYTES - 1);
    if (before)
        munmap(begin, before);
    munmap(begin + before + CHUNK_BYTES, CHUNK_BYTES - before);
    chunk = (struct slab_chunk *)(void *)(begin + before);
    *chunk = (struct slab_chunk){.most = most_of(piece)};
    chunk->fresh = chunk->most;
    return chunk;
}

static void *take_piece(struct slab_chunk *chunk, size_t size)
{
    void *piece = chunk->free;
    size_t at = HEAD_BYTES + (chunk->most - chunk->fresh) * size;

    chunk->used++;
    if (piece) {
        chunk->free = *(void **)piece;
        return piece;
    }
    chunk->fresh--;
    while (chunk->there < at + size)
        get_more(chunk);
    return (char *)chunk + at;
}

void *slab_alloc(struct slab *slab, size_t size)
{
    unsigned class = class_of(slab, size);
    struct slab_chunk *chunk;
    void *piece;

    if (off || !has_class(slab, size))
        return mem_alloc(size);
    pthread_mutex_lock(&slab->lock);
    if (!slab->room[class])
        link_chunk(slab, class, chunk_new(piece_of(slab, class)));
    chunk = slab->room[class];
    piece = take_piece(chunk, piece_of(slab, class));
    if (chunk->used == chunk->most)
        unlink_chunk(slab, class, chunk);
    pthread_mutex_unlock(&slab->lock);
    return piece;
}

void slab_free(struct slab *slab, void *piece, size_t size)
{
    unsigned class = class_of(slab, size);
    struct slab_chunk *chunk;

    if (off || !has_class(slab, size)) {
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
        munmap(chunk, CHUNK_BYTES);
    }
    pthread_mutex_unlock(&slab->lock);
}

size_t slab_cost(const struct slab *slab, size_t size)
{
    if (!has_class(slab, size)) /* off, it should weigh the same */
        return size + HEAP_BYTES;
    return CHUNK_BYTES / most_of(piece_of(slab, class_of(slab, size)));
}
