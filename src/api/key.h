/* The cache key: what makes two requests the same one.
 *
 * SHA-256 over fields, each with its length in front, so that no two different requests can be
 * spelled alike:
 *
 *      version · method · upstream · target (raw path and query) · credentials (a digest of
 *      Authorization, api-key, x-api-key, Cookie) · OpenAI-Organization · OpenAI-Project ·
 *      OpenAI-Beta · Content-Type · tag · body
 *
 * tag 'J': the body is strict JSON and stands in its canonical form (canon.h); tag 'R': raw bytes;
 * tag 'N': no body. A field that is absent differs from one that is empty; repeats count, in
 * their order. Nothing that changes from try to try takes part. A keyer belongs to one thread:
 * it keeps the digest's context and its buffers from one request to the next.
 */
#ifndef API_KEY_H
#define API_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/crypto.h"
#include "base/fields.h"

#define KEY_BYTES 32
#define KEY_HEX_SIZE (2 * KEY_BYTES + 1)

struct key {
    unsigned char bytes[KEY_BYTES];
};

/* The same request, byte for byte: good in this process only. */
struct key_tag {
    unsigned char bytes[CRYPTO_TAG_BYTES];
};

struct key_rules {        /* all pointers stay the caller's, and must outlive the keyer */
    const char *upstream; /* base URL: scheme://authority/path */
    bool share;           /* credentials, Organization and Project are left out */
    char *const *ignored; /* top-level members of a JSON body that are left out; NULL ends it,
                             NULL for none */
};

/* Does a request field of that name take part in the key of requests with that method? Any
 * thread. */
bool key_counts_field(const struct key_rules *rules, const char *method, const char *name,
                      size_t name_len);

struct key_request {
    const char *method;
    const char *target;
    const struct fields *fields;
    const char *body; /* NULL: none */
    size_t body_len;
};

/* secret: of the tags, the same for all keyers whose tags are compared. */
struct keyer *keyer_new(const struct key_rules *rules,
                        const unsigned char secret[CRYPTO_SECRET_BYTES]);
void keyer_free(struct keyer *keyer); /* NULL is nothing */

/* Of all that the key is made of, the body's very bytes among it: what was seen with this tag
 * before needs no look at its JSON, nor a digest. */
void keyer_tag(struct keyer *keyer, const struct key_request *request, struct key_tag *tag);
/* The cache key. */
void keyer_key(struct keyer *keyer, const struct key_request *request, struct key *key);

void key_to_hex(const struct key *key, char hex[KEY_HEX_SIZE]);
/* A beginning of a key in hexadecimal digits, of either case: 1 to 64 of them. False if it is
 * none. *bits is 4 times the number of digits; the rest of *key is 0. */
bool key_from_hex(const char *hex, struct key *key, unsigned *bits);

#endif
