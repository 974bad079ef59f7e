#include "base/crypto.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct crypto_certs {
    STACK_OF(X509) * list;
};

static int read_certs(struct crypto_certs *certs, FILE *file)
{
    X509 *cert;

    ERR_clear_error();
    while ((cert = PEM_read_X509(file, NULL, NULL, NULL)))
        if (!sk_X509_push(certs->list, cert))
            abort();
    /* The end of the file is reported as an error as well: "no start line". */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return -1;
    ERR_clear_error();
    return sk_X509_num(certs->list);
}

int crypto_certs_load(struct crypto_certs **result, const char *path, struct err *err)
{
    struct crypto_certs *certs;
    FILE *file = fopen(path, "re");
    int count;

    if (!file) {
        err_sys(err, "cannot read the CA file %s", path);
        err->code = ERR_USAGE;
        return -1;
    }
    certs = mem_zero(sizeof(*certs));
    certs->list = sk_X509_new_null();
    if (!certs->list)
        abort();
    count = read_certs(certs, file);
    fclose(file);
    if (count <= 0) {
        crypto_certs_free(certs);
        return err_set(err, ERR_USAGE, "%s holds %s: give a PEM file of CA certificates", path,
                       count == 0 ? "no certificate" : "a damaged certificate");
    }
    *result = certs;
    return 0;
}

void crypto_certs_free(struct crypto_certs *certs)
{
    if (!certs)
        return;
    sk_X509_pop_free(certs->list, X509_free);
    free(certs);
}

int crypto_certs_trust(const struct crypto_certs *certs, void *ssl_ctx)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);

    for (int i = 0; i < sk_X509_num(certs->list); i++)
        if (!X509_STORE_add_cert(store, sk_X509_value(certs->list, i)))
            return -1;
    return 0;
}
