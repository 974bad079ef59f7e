/* What other processes purged, and what those that ended were still to purge. The writer's. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

void store_on_heard(void *arg, int64_t at_ms, const struct purge *purge)
{
    struct store *s = arg;
    struct store_heard *heard;

    s->heard = mem_grow(s->heard, (s->heard_count + 1) * sizeof(s->heard[0]));
    heard = &s->heard[s->heard_count++];
    *heard = (struct store_heard){.purge = *purge, .at_ms = at_ms, .until = UINT64_MAX};
    heard->model = purge->model ? mem_strdup(purge->model) : NULL;
    heard->purge.model = heard->model;
}

/* Tells those who have it in memory. What is found in the queue would be in memory again: first. */
void store_pass_on(struct store *s)
{
    for (; s->heard_told < s->heard_count; s->heard_told++) {
        struct store_heard *heard = &s->heard[s->heard_told];

        queue_let_go_of_purged(&s->queue, &heard->purge);
        if (s->rules.on_purge)
            s->rules.on_purge(s->rules.arg, &heard->purge);
        heard->until = queue_place(&s->queue);
    }
}

/* All is written that was queued before that place. */
void store_forget_heard(struct store *s, uint64_t place)
{
    size_t old = 0;

    for (; old < s->heard_told && s->heard[old].until <= place; old++)
        free(s->heard[old].model);
    s->heard_count -= old;
    s->heard_told -= old;
    if (old && s->heard_count)
        memmove(s->heard, s->heard + old, s->heard_count * sizeof(s->heard[0]));
    else if (old)
        free(take(s->heard));
}

static void on_orphan(void *arg, const struct purge *purge)
{
    store_on_heard(arg, clock_unix_ms(), purge);
}

void store_adopt(struct store *s)
{
    s->adopt_ms = clock_mono_ms();
    if (!s->rules.read_only && !queue_adopt(&s->queue, s->file.folder, on_orphan, s))
        store_warn(s, TROUBLE_TOMBSTONES,
                   "%s/" TOMBSTONE_FILE " cannot be written: an answer that a write outdates just "
                   "before the proxy is killed may come back (make room, or remove that file)",
                   s->file.folder);
}
