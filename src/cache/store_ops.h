/* The seam behind which answers are kept for longer than the memory tier keeps them: a table of
 * functions, which the index and the requests call. src/store/ fills it in.
 *
 * A store is never an answer's trouble: what it cannot do it logs and counts, and a get finds
 * nothing. Each function may be called by any thread, and none but `read`, `remove`, `each`,
 * `find`, `verify` and `close` may make a worker wait.
 */
#ifndef CACHE_STORE_OPS_H
#define CACHE_STORE_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"
#include "base/err.h"
#include "cache/object.h"
#include "cache/purge.h"

struct store; /* an implementation's own, as is the next */
struct store_reader;

/* One look for a key. It is the caller's, and stays where it is until the answer is there. */
struct store_get {
    struct key key;
    /* After STORE_PENDING, once: `object` says what was found. On any thread, perhaps before get()
     * has returned. It must not wait, and may free the look. */
    void (*on_done)(struct store_get *get);
    struct object *object; /* with a reference, the caller's; NULL: nothing was found */
};

enum store_got {
    STORE_HIT,     /* get->object is it */
    STORE_ABSENT,  /* it is not there */
    STORE_PENDING, /* on_done comes */
};

struct store_figures {
    uint64_t items, bytes; /* on disk; bytes: of the file in use. 0 from when all is dropped */
    uint64_t evictions, dropped, damaged, errors; /* since the store was opened */
    uint64_t too_large;                           /* answers that are not stored for their size */
};

/* One entry as it stands, without its body. */
struct store_row {
    struct key key;
    int64_t stored_ms, used_ms;
    unsigned status;
    uint64_t body_bytes, disk_bytes; /* as the client gets it; as it is kept */
    const char *label, *model;
};

struct store_verified {
    uint64_t good, damaged; /* entries */
};

struct store_ops {
    /* No get comes any more: answers what is pending. NULL: nothing is, once the jobs that the
     * store was given have ended. */
    void (*settle)(struct store *store);
    /* Writes what is queued (for at most a few seconds), frees. */
    void (*close)(struct store *store);

    /* Is a body of that length small enough? */
    bool (*takes)(const struct store *store, uint64_t body_len);
    /* Takes a reference of its own, with the lock held that guards object->in_tier. */
    void (*put)(struct store *store, struct object *object);
    /* An entry was used. now_ms: Unix time. */
    void (*touch)(struct store *store, const struct key *key, int64_t now_ms);

    /* Around a request that changes a collection: begin before it is sent, end once it was answered
     * or came to nothing. The end drops the GETs of the collection, also where this process dies in
     * between. Each begin has one end. */
    void (*begin_write)(struct store *store, uint64_t collection);
    void (*end_write)(struct store *store, uint64_t collection);
    /* Removes what is named and waits for it. *count: the entries that were removed. From when it
     * is called no get finds them. -1: they are hidden, but still there. */
    int (*remove)(struct store *store, const struct purge *purge, uint64_t *count, struct err *err);

    /* May it be there? Cheap, and false for nearly all that is not. */
    bool (*may_have)(struct store *store, const struct key *key);
    /* A reader is one thread's, freed before the store is closed. Never NULL. */
    struct store_reader *(*open_reader)(struct store *store);
    void (*close_reader)(struct store_reader *reader); /* NULL is nothing, here and below */
    /* Looks for get->key. Each look is answered once, whether anybody still wants it or not. */
    enum store_got (*get)(struct store_reader *reader, struct store_get *get);
    /* After the gets of a loop's turn, which may share a look at what is stored. */
    void (*rest)(struct store_reader *reader);
    /* The store has said that readers hold back something (store_rules.on_replaced). */
    void (*refresh)(struct store_reader *reader);
    /* The object with a reference for the caller, or NULL. It may take long. */
    struct object *(*read)(struct store *store, const struct key *key);

    void (*figures)(struct store *store, struct store_figures *figures); /* no I/O */
    /* Newest first. each() returns false to stop. */
    int (*each)(struct store *store, bool (*each)(void *arg, const struct store_row *row),
                void *arg, struct err *err);
    /* Looks for a key by its beginning (key_from_hex()). The number found, at most 2; -1: trouble.
     */
    int (*find)(struct store *store, const struct key *begin, unsigned bits, struct key *key,
                struct err *err);
    /* Checks every entry's checksum, and removes those that are damaged. each() may be NULL; it is
     * told of every entry whether it is sound, with the key as it stands there, and returns false
     * to stop. */
    int (*verify)(struct store *store, struct store_verified *verified,
                  bool (*each)(void *arg, const struct key *key, bool sound), void *arg,
                  struct err *err);
};

#endif
