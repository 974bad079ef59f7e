/* The one door to OpenSSL. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include <stddef.h>

#include "base/err.h"

struct crypto_certs; /* CA certificates; immutable, any thread may use them */

/* Reads all certificates of a PEM file; fails where there is none or one is damaged. */
int crypto_certs_load(struct crypto_certs **certs, const char *path, struct err *err);
void crypto_certs_free(struct crypto_certs *certs); /* NULL is nothing */

/* What TLS connections trust: the system's certificates, and `more` (NULL: none), which it
 * shares. The system's are read at the first use, and once: that takes as long as a dozen
 * handshakes. Any thread. */
struct crypto_trust;
struct crypto_trust *crypto_trust_new(const struct crypto_certs *more);
void crypto_trust_free(struct crypto_trust *trust); /* NULL is nothing */
/* The first use, ahead of time. file, folder: as below. */
void crypto_trust_read(struct crypto_trust *trust, const char *file, const char *folder);
/* Has a TLS context (OpenSSL's SSL_CTX *) trust these alone. file, folder: of the system; NULL
 * where there is none. 0, or -1 where there is nothing to trust. */
int crypto_trust_use(struct crypto_trust *trust, const char *file, const char *folder,
                     void *ssl_ctx);

/* SHA-256, of any number of texts one after the other: begin, add…, end. One thread's, and what
 * is in it serves again, so that a digest costs no allocation. Cannot fail: where OpenSSL has no
 * SHA-256 for us, the program aborts. Nothing of a text stays in it after the end. */
#define CRYPTO_DIGEST_BYTES 32
struct crypto_digest *crypto_digest_new(void);
void crypto_digest_free(struct crypto_digest *digest); /* NULL is nothing */
void crypto_digest_begin(struct crypto_digest *digest);
void crypto_digest_add(struct crypto_digest *digest, const void *bytes, size_t len);
void crypto_digest_end(struct crypto_digest *digest, unsigned char out[CRYPTO_DIGEST_BYTES]);

/* A short tag of bytes, under a secret: a universal hash (GHASH, as in AES-GCM), five times as fast
 * as a digest. Two different texts have the same tag with a chance of less than 2^-100, as long as
 * nobody who sees tags or knows the secret makes them so: for tables in memory, and as a checksum
 * against damage, never against an adversary. One thread's; cannot fail. */
#define CRYPTO_TAG_BYTES 16
#define CRYPTO_SECRET_BYTES 16
struct crypto_tagger *crypto_tagger_new(const unsigned char secret[CRYPTO_SECRET_BYTES]);
void crypto_tagger_free(struct crypto_tagger *t); /* NULL is nothing */
struct crypto_text {
    const void *at;
    size_t len;
};
/* Of two texts, whose border must be known from the first one. */
void crypto_tag(struct crypto_tagger *t, const struct crypto_text texts[2],
                unsigned char tag[CRYPTO_TAG_BYTES]);
/* Bytes that nobody can guess. */
void crypto_random(void *bytes, size_t len);

#endif
