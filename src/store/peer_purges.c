/* Purges by other processes, from the purge log, and by ended processes, from their tombstones. The
 * writer's. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

void peer_purges_add(void *arg, int64_t at_ms, const struct purge *purge)
{
    struct store *s = arg;
    struct peer_purge *new;

    s->peer_purges = mem_grow(s->peer_purges, (s->peer_purge_count + 1) * sizeof(*new));
    new = &s->peer_purges[s->peer_purge_count++];
    *new = (struct peer_purge){.purge = *purge, .at_ms = at_ms, .until = UINT64_MAX};
    new->model = purge->model ? mem_strdup(purge->model) : NULL;
    new->purge.model = new->model;
}

/* The pending writes first: a get that found an object there would put it into the memory tier
 * again. */
void peer_purges_apply(struct store *s)
{
    for (; s->peer_purges_applied < s->peer_purge_count; s->peer_purges_applied++) {
        struct peer_purge *next = &s->peer_purges[s->peer_purges_applied];

        queue_let_go_of_purged(&s->queue, &next->purge);
        if (s->rules.on_purge)
            s->rules.on_purge(s->rules.arg, &next->purge);
        next->until = queue_place(&s->queue);
    }
}

void peer_purges_forget(struct store *s, uint64_t place)
{
    size_t old = 0;

    for (; old < s->peer_purges_applied && s->peer_purges[old].until <= place; old++)
        free(s->peer_purges[old].model);
    s->peer_purge_count -= old;
    s->peer_purges_applied -= old;
    if (old && s->peer_purge_count)
        memmove(s->peer_purges, s->peer_purges + old,
                s->peer_purge_count * sizeof(s->peer_purges[0]));
    else if (old)
        free(take(s->peer_purges));
}

static void on_orphan(void *arg, const struct purge *purge)
{
    peer_purges_add(arg, clock_unix_ms(), purge);
}

void peer_purges_adopt(struct store *s)
{
    s->adopt_ms = clock_mono_ms();
    if (!s->rules.read_only && !queue_adopt(&s->queue, s->file.folder, on_orphan, s))
        store_warn(s, TROUBLE_TOMBSTONES,
                   "%s/" TOMBSTONE_FILE " cannot be written: an answer that a write outdates just "
                   "before the proxy is killed may come back (make room, or remove that file)",
                   s->file.folder);
}
