#include "store/key_filter.h"

#include <stdlib.h>

#include "base/mem.h"

#define SIZE_FIRST 256U

static struct store_filter_set set_new(size_t size)
{
    return (struct store_filter_set){.ids = mem_zero(size * sizeof(uint32_t)), .size = size};
}

/* The index of the id, or of the free element where it belongs. Ids are parts of digests: their low
 * bits serve as a hash. */
static size_t place_of(const struct store_filter_set *set, uint32_t id)
{
    size_t at = id & (set->size - 1);

    while (set->ids[at] && set->ids[at] != id)
        at = (at + 1) & (set->size - 1);
    return at;
}

static void set_add(struct store_filter_set *set, uint32_t id)
{
    size_t at = place_of(set, id);

    if (set->ids[at])
        return;
    set->ids[at] = id;
    if (++set->count * 2 <= set->size)
        return;
    struct store_filter_set old = *set;
    *set = set_new(old.size * 2);
    for (size_t i = 0; i < old.size; i++)
        if (old.ids[i])
            set_add(set, old.ids[i]);
    free(old.ids);
}

static uint32_t part_of(int64_t id)
{
    return (uint32_t)id ? (uint32_t)id : 1;
}

void key_filter_init(struct key_filter *filter)
{
    *filter = (struct key_filter){.set = set_new(SIZE_FIRST)};
    pthread_mutex_init(&filter->lock, NULL);
}

void key_filter_release(struct key_filter *filter)
{
    free(filter->set.ids);
    free(filter->next.ids);
    pthread_mutex_destroy(&filter->lock);
}

void key_filter_add(struct key_filter *filter, int64_t id)
{
    pthread_mutex_lock(&filter->lock);
    set_add(&filter->set, part_of(id));
    if (filter->building)
        set_add(&filter->next, part_of(id));
    pthread_mutex_unlock(&filter->lock);
}

bool key_filter_has(struct key_filter *filter, int64_t id)
{
    bool has;

    pthread_mutex_lock(&filter->lock);
    has = filter->set.ids[place_of(&filter->set, part_of(id))] != 0;
    pthread_mutex_unlock(&filter->lock);
    return has;
}

size_t key_filter_count(struct key_filter *filter)
{
    size_t count;

    pthread_mutex_lock(&filter->lock);
    count = filter->set.count;
    pthread_mutex_unlock(&filter->lock);
    return count;
}

void key_filter_begin(struct key_filter *filter)
{
    pthread_mutex_lock(&filter->lock);
    free(filter->next.ids);
    filter->next = set_new(SIZE_FIRST);
    filter->building = true;
    pthread_mutex_unlock(&filter->lock);
}

void key_filter_end(struct key_filter *filter)
{
    pthread_mutex_lock(&filter->lock);
    free(filter->set.ids);
    filter->set = filter->next;
    filter->next = (struct store_filter_set){.ids = NULL};
    filter->building = false;
    pthread_mutex_unlock(&filter->lock);
}
