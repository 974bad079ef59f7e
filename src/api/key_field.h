/* Which request fields are part of the cache key, judged by their names. Pure functions, any
 * thread.
 *
 * Every field is part of the key, except known noise: fields that a client, a library or a proxy
 * changes from call to call and that no answer depends on. A field name that nobody knows keeps
 * requests apart. Where several rules match a name, the first of these decides:
 *
 *  1. names of noise, of credentials and of common fields that count (a table in key_field.c);
 *  2. the names in key_rules.ignored_fields: noise;
 *  3. names that end in -authorization, -api-key or -virtual-key: credentials;
 *  4. patterns of noise, such as x-stainless-* and *-trace*;
 *  5. all other fields count.
 */
#ifndef API_KEY_FIELD_H
#define API_KEY_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "api/key_rules.h"

enum key_field {
    KEY_FIELD_COUNTS,
    KEY_FIELD_CREDENTIAL, /* counts, unless the cache is shared */
    KEY_FIELD_NOISE,
    KEY_FIELD_CONNECTION /* noise; its value names further hop-by-hop fields */
};

/* name: a token (RFC 9110 section 5.6.2) in any case. is_post: the request's method is POST, which
 * makes Accept noise. Takes some 10 ns for the fields that SDKs send. */
enum key_field key_field_judge(const struct key_rules *rules, bool is_post, const char *name,
                               size_t name_len);

#endif
