/* The key filter: approximate membership of the ids (db_id()) of all entries on disk, by 32 bits of
 * each id, so that nearly all misses need no look at the disk. A positive may be false: of an entry
 * that was removed, until the filter is rebuilt, or by chance (with a million entries, for one key
 * in 4300). A negative is right for every id that was added.
 *
 * Any thread may call these functions, except init and release; begin and end are the writer's.
 */
#ifndef STORE_KEY_FILTER_H
#define STORE_KEY_FILTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_filter_set {
    uint32_t *ids; /* open addressing; 0: free */
    size_t size, count;
};

struct key_filter {
    pthread_mutex_t lock;
    struct store_filter_set set;
    struct store_filter_set next; /* the set that is being built; additions go into both */
    bool building;
};

void key_filter_init(struct key_filter *filter);
/* Frees all but the struct. */
void key_filter_release(struct key_filter *filter);

void key_filter_add(struct key_filter *filter, int64_t id);
bool key_filter_has(struct key_filter *filter, int64_t id);
/* Distinct ids in the set, 32 bits each. */
size_t key_filter_count(struct key_filter *filter);

/* Rebuild the filter to drop removed ids: begin, key_filter_add() for each id, end. The old set
 * answers until end. */
void key_filter_begin(struct key_filter *filter);
void key_filter_end(struct key_filter *filter);

#endif
