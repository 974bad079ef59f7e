/* The settings that a cache key depends on, besides the request; shared by all that use them.
 */
#ifndef API_KEY_RULES_H
#define API_KEY_RULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Immutable but for the count of references. */
struct key_rules {
    atomic_uint refs;
    uint64_t number;                       /* unique in this process, part of each fingerprint */
    void (*free)(struct key_rules *rules); /* NULL: they are static */
    const char *upstream;                  /* base URL: scheme://authority/path */
    bool share;                            /* credentials are left out */
    char *const *ignored; /* top-level members of a JSON body that are left out; NULL ends it,
                             NULL for none */
    char *const *ignored_fields; /* request fields that are left out, by names in any case; NULL
                                    ends it, NULL for none. See key_may_ignore_field(). */
};

/* Any thread. NULL is nothing to key_rules_unref(). */
struct key_rules *key_rules_ref(struct key_rules *rules);
void key_rules_unref(struct key_rules *rules);

#endif
