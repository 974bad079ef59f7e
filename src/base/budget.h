/* A bound on the memory that many parts of a program take together.
 *
 * Whoever allocates something that a peer can make large adds its size, and asks for room first
 * where it can do without. The bound is soft: between asking and adding others may add, each a
 * block at most. Any thread; no locks.
 */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget {
    atomic_size_t used; /* bytes */
    size_t max;
};

static inline void budget_init(struct budget *b, size_t max)
{
    atomic_init(&b->used, 0);
    b->max = max;
}

/* NULL stands for a budget without a bound. */
static inline void budget_add(struct budget *b, size_t bytes)
{
    if (b)
        atomic_fetch_add_explicit(&b->used, bytes, memory_order_relaxed);
}

static inline void budget_sub(struct budget *b, size_t bytes)
{
    if (b)
        atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
}

static inline size_t budget_room(const struct budget *b)
{
    size_t used = b ? atomic_load_explicit(&b->used, memory_order_relaxed) : 0;

    return !b ? SIZE_MAX : used < b->max ? b->max - used : 0;
}

static inline bool budget_has_room(const struct budget *b, size_t bytes)
{
    return bytes <= budget_room(b);
}

#endif
