/* Which keys may be on disk, so that a miss need not look: a part of the ids (db_id()) of all
 * entries, four bytes each. An id that was taken away may stay for a while, and of a million keys
 * some hundred look like others, which costs a look; none that is there is missing. Any thread.
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
    struct store_filter_set next; /* being built: what is added goes into both */
    bool building;
};

void key_filter_init(struct key_filter *filter);
void key_filter_release(struct key_filter *filter);

void key_filter_add(struct key_filter *filter, int64_t id);
bool key_filter_has(struct key_filter *filter, int64_t id);
size_t key_filter_count(struct key_filter *filter);

/* To forget what is gone: begin, key_filter_add() what is there, end. The old set counts until
 * then. */
void key_filter_begin(struct key_filter *filter);
void key_filter_end(struct key_filter *filter);

#endif
