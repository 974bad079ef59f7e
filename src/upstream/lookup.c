#include "upstream/lookup.h"

#include <stdlib.h>

#include "base/mem.h"

void lookups_init(struct lookups *lookups)
{
    lookups->busy = NULL;
    list_init(&lookups->waiting);
}

void lookup_waiter_init(struct lookup_waiter *waiter, void (*on_turn)(struct lookup_waiter *))
{
    *waiter = (struct lookup_waiter){.on_turn = on_turn};
    list_init(&waiter->node);
}

bool lookup_begin(struct lookups *lookups, struct lookup_waiter *waiter)
{
    waiter->waits = lookups->busy && lookups->busy != waiter;
    if (!waiter->waits)
        lookups->busy = waiter;
    return !waiter->waits;
}

void lookup_wait(struct lookups *lookups, struct lookup_waiter *waiter)
{
    if (lookups->busy)
        list_append(&lookups->waiting, &waiter->node);
    else
        waiter->on_turn(waiter);
}

void lookup_end(struct lookups *lookups, struct lookup_waiter *waiter, const struct err *err)
{
    struct list *node;

    if (lookups->busy != waiter)
        return;
    lookups->busy = NULL;
    while ((node = list_pop(&lookups->waiting))) {
        struct lookup_waiter *other = container_of(node, struct lookup_waiter, node);

        other->err = err ? err_copy(err) : NULL;
        other->on_turn(other);
    }
}

void lookup_leave(struct lookup_waiter *waiter)
{
    list_remove(&waiter->node);
    waiter->waits = false;
    free(take(waiter->err));
}
