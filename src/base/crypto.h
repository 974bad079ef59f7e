/* The one door to OpenSSL. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/err.h"

struct crypto_certs; /* CA certificates; immutable, any thread may use them */

/* Reads all certificates of a PEM file; fails where there is none or one is damaged. */
int crypto_certs_load(struct crypto_certs **certs, const char *path, struct err *err);
void crypto_certs_free(struct crypto_certs *certs); /* NULL is nothing */

/* Adds them to what a TLS context (OpenSSL's SSL_CTX *) trusts already. 0, or -1. */
int crypto_certs_trust(const struct crypto_certs *certs, void *ssl_ctx);

#endif
