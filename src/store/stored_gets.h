/* The set of collections that may have GETs on disk or in the queue: a write to any other
 * collection has nothing to purge. Errs on the side of membership. Pure; its owner's lock guards
 * it. */
#ifndef STORE_STORED_GETS_H
#define STORE_STORED_GETS_H

#include <stdbool.h>
#include <stdint.h>

#define STORED_GETS_MAX 512

struct stored_gets {
    uint64_t collections[STORED_GETS_MAX];
    unsigned count;
    bool any; /* every collection is a member: too many, or unknown */
};

static inline bool stored_gets_has(const struct stored_gets *gets, uint64_t collection)
{
    for (unsigned i = 0; i < gets->count; i++)
        if (gets->collections[i] == collection)
            return true;
    return gets->any;
}

static inline void stored_gets_add(struct stored_gets *gets, uint64_t collection)
{
    if (stored_gets_has(gets, collection))
        return;
    if (gets->count == STORED_GETS_MAX)
        gets->any = true;
    else
        gets->collections[gets->count++] = collection;
}

static inline void stored_gets_remove(struct stored_gets *gets, uint64_t collection)
{
    for (unsigned i = 0; i < gets->count; i++)
        if (gets->collections[i] == collection)
            gets->collections[i--] = gets->collections[--gets->count];
}

#endif
