/* The interface of a store, which keeps answers for longer than the memory tier: a table of
 * functions that the index and the requests call. src/store/ implements it.
 *
 * A store never makes a request fail: it logs and counts its errors, and a get finds nothing. Any
 * thread may call each function, except that a reader is used by one thread at a time, and that no
 * other call may be in progress during `settle` and `close`. Only `read`, `remove`, `each`, `find`,
 * `verify` and `close` may block for long. Functions that return int return -1 on error, with the
 * reason in *err.
 */
#ifndef CACHE_STORE_OPS_H
#define CACHE_STORE_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"
#include "base/err.h"
#include "cache/object.h"
#include "cache/purge.h"

struct store; /* defined by the implementation, as is the next */
struct store_reader;

/* One get. The caller owns it and keeps it in place until the answer has come. */
struct store_get {
    struct key key;
    /* Called once after STORE_PENDING, with the result in `object`: on any thread, perhaps before
     * get() has returned. It must not block, and may free the get. */
    void (*on_done)(struct store_get *get);
    struct object *object; /* with a reference for the caller; NULL: not found */
};

enum store_got {
    STORE_HIT,     /* found: get->object */
    STORE_ABSENT,  /* not found */
    STORE_PENDING, /* on_done() follows */
};

struct store_figures {
    uint64_t items, bytes; /* on disk (bytes: in use); 0 while a purge of everything is pending */
    uint64_t evictions, dropped, damaged, errors; /* since the store was opened; dropped: puts */
    uint64_t too_large;                           /* puts refused for their size, since then */
};

/* An entry as stored, without its body. Valid during the callback that gets it. */
struct store_row {
    struct key key;
    int64_t stored_ms, used_ms;
    unsigned status;
    uint64_t body_bytes, disk_bytes; /* of the body; of head and body on disk */
    const char *label, *model;
};

struct store_verified {
    uint64_t good, damaged; /* entries */
};

struct store_ops {
    /* After the last get: answers the pending ones. NULL: none is pending once the jobs that the
     * store was given have ended. */
    void (*settle)(struct store *store);
    /* Writes the queue, frees. The readers are closed before. */
    void (*close)(struct store *store);

    /* Does a body of body_len bytes fit? */
    bool (*takes)(const struct store *store, uint64_t body_len);
    /* Stores an object, adding a reference. The caller holds the lock that guards object->in_tier.
     */
    void (*put)(struct store *store, struct object *object);
    /* Notes a use of the entry. now_ms: Unix time. */
    void (*touch)(struct store *store, const struct key *key, int64_t now_ms);

    /* Bracket a request that changes a collection: begin before the request is sent, end after its
     * answer or its failure; each begin has one end. The end purges the collection's GETs, also if
     * this process dies in between. */
    void (*begin_write)(struct store *store, uint64_t collection);
    void (*end_write)(struct store *store, uint64_t collection);
    /* Purges, and waits until the entries are gone. *count: the entries that were removed. From the
     * call on no get finds them. -1: they are hidden, but still stored. */
    int (*remove)(struct store *store, const struct purge *purge, uint64_t *count, struct err *err);

    /* May a get find the key? Cheap; false for nearly all keys that are not stored. */
    bool (*may_have)(struct store *store, const struct key *key);
    /* A reader is the caller's, for one thread at a time, closed before the store. Never NULL. */
    struct store_reader *(*open_reader)(struct store *store);
    void (*close_reader)(struct store_reader *reader); /* NULL: no effect, as below */
    /* Looks for get->key. Each get is answered once, even if its request has ended. */
    enum store_got (*get)(struct store_reader *reader, struct store_get *get);
    /* Ends the read transaction that the gets of one turn of an event loop may share. */
    void (*rest)(struct store_reader *reader);
    /* Closes a file that has been replaced (store_rules.on_replaced). */
    void (*refresh)(struct store_reader *reader);
    /* Returns an object of any size with a reference for the caller, or NULL. */
    struct object *(*read)(struct store *store, const struct key *key);

    void (*figures)(struct store *store, struct store_figures *figures); /* no I/O */
    /* Calls each() for every entry, newest first; false ends the walk. */
    int (*each)(struct store *store, bool (*each)(void *arg, const struct store_row *row),
                void *arg, struct err *err);
    /* Finds keys by their first `bits` bits (key_from_hex()). Returns the number of keys found, at
     * most 2, with the first in *key; -1 on error. */
    int (*find)(struct store *store, const struct key *begin, unsigned bits, struct key *key,
                struct err *err);
    /* Verifies the checksum of every entry and discards the damaged ones. each() may be NULL; it
     * gets the key as stored, and whether the entry is sound; false ends the walk. */
    int (*verify)(struct store *store, struct store_verified *verified,
                  bool (*each)(void *arg, const struct key *key, bool sound), void *arg,
                  struct err *err);
};

#endif
