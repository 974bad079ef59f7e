/* What the tests of the store share. */
#ifndef UNIT_STORE_HELP_H
#define UNIT_STORE_HELP_H

#include <stdatomic.h>

#include "base/sql.h"
#include "store/store.h"

/* A key whose first 8 bytes are `group` and whose last ones are `n`. */
struct key key_of(uint64_t group, uint64_t n);
/* An object with all members set, and a body of that size which depends on the key. */
struct object *object_of(const struct key *key, size_t size);
/* The same but for the model. */
struct object *object_of_model(const struct key *key, size_t size, const char *model);
/* Is the one what object_of(key, size) makes? */
bool is_object_of(const struct object *object, const struct key *key, size_t size);

struct rig {
    char *folder;
    struct store *store;
    struct store_reader *reader;
    struct jobs *jobs;
    atomic_uint told;     /* on_purge calls */
    atomic_uint replaced; /* on_replaced calls; the first comes when it is opened */
    struct purge last;
    void (*when_told)(struct rig *rig); /* NULL: nothing more */
};

/* A store in the folder (NULL: a new one) with a reader. False: it failed, as *err says. */
bool rig_open(struct rig *rig, const char *folder, int64_t max_bytes, struct err *err);
/* The same, for looking only. */
bool rig_look(struct rig *rig, const char *folder, struct err *err);
void rig_close(struct rig *rig); /* keeps the folder */
void rig_free(struct rig *rig);  /* closes, and frees the folder's name */

/* Queues a drop, as the end of a write does, of anything. */
void drop_later(struct store *store, const struct purge *purge);
void put(struct rig *rig, const struct key *key, size_t size);
/* Waits until all that was queued is written. */
void settle(struct rig *rig);
/* Is it there, and right? What is there and wrong fails the test. Each is a turn of its own. */
bool has(struct rig *rig, const struct key *key, size_t size);
struct store_figures figures(struct rig *rig);
size_t file_size(const struct rig *rig, const char *name);

/* Another connection has the file: until it is let go, the store's thread writes nothing. It waits
 * for 3 s, and then what is queued is lost: what happens in between must not take long. */
struct sql *hold_file(const struct rig *rig);
void let_file_go(struct sql *sql);

/* Polls until the condition holds, for a minute at most: only what hangs takes that long. */
#define SOON(cond)                                                                                 \
    do {                                                                                           \
        for (unsigned tries_ = 0; tries_ < 12000 && !(cond); tries_++)                             \
            usleep(5000);                                                                          \
        CHECK(cond);                                                                               \
    } while (0)

#endif
