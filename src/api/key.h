/* The cache key: what makes two requests the same one.
 *
 * SHA-256 over fields, each with its length in front, so that no two different requests can be
 * spelled alike:
 *
 *      version · ignored names (of members, of fields) · method · upstream · target (raw path and
 *      query) · credentials (a digest of Authorization, api-key, x-api-key, Cookie, and of fields
 *      whose names end in -authorization, -api-key or -virtual-key) · all other request fields that
 *      are not known noise (key_field.h) · tag · body
 *
 * The ignored names stand in it because an answer that was kept under them may be that of another
 * request: where they do not hold it must not be found.
 *
 * Both lists of fields are sorted by their names in lower case: the number of names; for each
 * name its text, the number of its fields, and their values in the order in which they came. So
 * the order of fields with different names does not matter, and an absent field differs from an
 * empty one. What the request's Connection fields name does not go upstream and is left out.
 * X-Goproxyai-Sample is left out where it says 1, which is its default.
 *
 * tag 'J': the body is strict JSON and stands in its canonical form (canon.h); tag 'R': raw bytes;
 * tag 'N': no body. A keyer belongs to one thread: it keeps the digest's context and its buffers
 * from one request to the next.
 */
#ifndef API_KEY_H
#define API_KEY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/key_rules.h"
#include "base/crypto.h"
#include "base/fields.h"

#define KEY_BYTES 32
#define KEY_HEX_SIZE (2 * KEY_BYTES + 1)

struct key {
    unsigned char bytes[KEY_BYTES];
};

/* The same request, byte for byte: good in this process only. */
struct request_fingerprint {
    unsigned char bytes[CRYPTO_TAG_BYTES];
};

struct key_request {
    const char *method;
    const char *target;
    const struct fields *fields;
    const char *body; /* NULL: none */
    size_t body_len;
};

/* rules: a reference is added. secret: the same for all keyers whose
 * fingerprints are compared. */
struct keyer *keyer_new(struct key_rules *rules, const unsigned char secret[CRYPTO_SECRET_BYTES]);
void keyer_free(struct keyer *keyer); /* NULL is nothing */

/* Of all that the key is made of, the body's very bytes and the order of the fields among it: what
 * was seen with this fingerprint before needs no look at its JSON, nor a digest. */
void keyer_fingerprint(struct keyer *keyer, const struct key_request *request,
                       struct request_fingerprint *fingerprint);
/* The cache key. */
void keyer_key(struct keyer *keyer, const struct key_request *request, struct key *key);

/* Does a request field of that name take part in the key of requests with that method? name: a
 * token in any case. Credentials do, unless rules->share. Any thread. */
bool key_counts_field(const struct key_rules *rules, const char *method, const char *name,
                      size_t name_len);
/* May that name stand in ignored_fields? Not Authorization, api-key, x-api-key and Cookie, which
 * count there nevertheless: `share` is the setting that leaves them out. Any thread. */
bool key_may_ignore_field(const char *name);

void key_to_hex(const struct key *key, char hex[KEY_HEX_SIZE]);
/* A beginning of a key in hexadecimal digits, of either case: 1 to 64 of them. False if it is
 * none. *bits is 4 times the number of digits; the rest of *key is 0. */
bool key_from_hex(const char *hex, struct key *key, unsigned *bits);

#endif
