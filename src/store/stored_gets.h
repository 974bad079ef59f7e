/* Which collections may have GETs on disk, or on their way to it: a write to another one has
 * nothing to purge there. In doubt a collection has some. Guarded by its owner's lock.
 */
#ifndef STORE_STORED_GETS_H
#define STORE_STORED_GETS_H

#include <stdbool.h>
#include <stdint.h>

#define STORED_GETS_MAX 512

struct stored_gets {
    uint64_t collections[STORED_GETS_MAX];
    unsigned count;
    bool any; /* there were too many to know, or they could not be read */
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
