#include "base/crypto.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text_file.h"

#define CERTS_MAX (16U << 20) /* bytes of a file; the system's have a quarter of one MiB */
#define TAG_STEP (1 << 30)    /* lengths are ints there */

struct crypto_certs {
    STACK_OF(X509) * list;
};

static int parse_certs(struct crypto_certs *certs, const char *text, size_t len)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    X509 *cert;

    if (!bio)
        abort();
    ERR_clear_error();
    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (!sk_X509_push(certs->list, cert))
            abort();
    BIO_free(bio);
    /* The end of the file is reported as an error as well: "no start line". */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return -1;
    ERR_clear_error();
    return sk_X509_num(certs->list);
}

int crypto_certs_load(struct crypto_certs **result, const char *path, struct err *err)
{
    struct crypto_certs *certs;
    mem_auto char *text = NULL;
    size_t len;
    int count;

    switch (text_file_read(path, CERTS_MAX, &text, &len)) {
    case TEXT_FILE_FAILED:
        err_sys(err, "cannot read the CA file %s", path);
        err->code = ERR_USAGE;
        return -1;
    case TEXT_FILE_TOO_LARGE:
        return err_set(err, ERR_USAGE,
                       "%s is larger than 16 MiB: give a PEM file of CA certificates", path);
    case TEXT_FILE_SILENT:
        return err_set(
            err, ERR_USAGE,
            "%s is a pipe that did not end within 2 s: give a PEM file of CA certificates", path);
    case TEXT_FILE_READ:
        break;
    }
    certs = mem_zero(sizeof(*certs));
    certs->list = sk_X509_new_null();
    if (!certs->list)
        abort();
    count = parse_certs(certs, text, len);
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

struct crypto_trust {
    pthread_mutex_t lock;
    STACK_OF(X509) * more; /* NULL: none */
    X509_STORE *store;     /* NULL: not read so far */
};

struct crypto_trust *crypto_trust_new(const struct crypto_certs *more)
{
    struct crypto_trust *trust = mem_zero(sizeof(*trust));

    pthread_mutex_init(&trust->lock, NULL);
    trust->more = more ? X509_chain_up_ref(more->list) : NULL;
    if (more && !trust->more)
        abort();
    return trust;
}

void crypto_trust_free(struct crypto_trust *trust)
{
    if (!trust)
        return;
    X509_STORE_free(trust->store);
    sk_X509_pop_free(trust->more, X509_free);
    pthread_mutex_destroy(&trust->lock);
    free(trust);
}

static bool add_certs(X509_STORE *store, const STACK_OF(X509) * certs)
{
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (!X509_STORE_add_cert(store, sk_X509_value(certs, i)))
            return false;
    return true;
}

/* NULL: there is nothing to trust. The flags are those that libcurl sets: a certificate that is
 * trusted need not be a root. */
static X509_STORE *read_store(const STACK_OF(X509) * more, const char *file, const char *folder)
{
    X509_STORE *store = X509_STORE_new();
    bool any;

    if (!store)
        abort();
    X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    any = file && X509_STORE_load_file(store, file);
    any |= folder && X509_STORE_load_path(store, folder);
    any |= more && add_certs(store, more);
    ERR_clear_error();
    if (any)
        return store;
    X509_STORE_free(store);
    return NULL;
}

static X509_STORE *store_of(struct crypto_trust *trust, const char *file, const char *folder)
{
    X509_STORE *store;

    pthread_mutex_lock(&trust->lock);
    if (!trust->store)
        trust->store = read_store(trust->more, file, folder);
    store = trust->store;
    pthread_mutex_unlock(&trust->lock);
    return store;
}

void crypto_trust_read(struct crypto_trust *trust, const char *file, const char *folder)
{
    (void)store_of(trust, file, folder);
}

int crypto_trust_use(struct crypto_trust *trust, const char *file, const char *folder,
                     void *ssl_ctx)
{
    X509_STORE *store = store_of(trust, file, folder);

    if (!store)
        return -1;
    SSL_CTX_set1_cert_store(ssl_ctx, store);
    return 0;
}

struct crypto_digest {
    EVP_MD *kind; /* fetched once: looking it up costs more than a short digest */
    EVP_MD_CTX *context;
};

struct crypto_digest *crypto_digest_new(void)
{
    struct crypto_digest *d = mem_zero(sizeof(*d));

    d->kind = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    d->context = EVP_MD_CTX_new();
    if (!d->kind || !d->context || !EVP_DigestInit_ex2(d->context, d->kind, NULL))
        abort();
    return d;
}

void crypto_digest_free(struct crypto_digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->context);
    EVP_MD_free(d->kind);
    free(d);
}

void crypto_digest_begin(struct crypto_digest *d)
{
    if (!EVP_DigestInit_ex2(d->context, NULL, NULL))
        abort();
}

void crypto_digest_add(struct crypto_digest *d, const void *bytes, size_t len)
{
    if (!EVP_DigestUpdate(d->context, bytes, len))
        abort();
}

void crypto_digest_end(struct crypto_digest *d, unsigned char out[CRYPTO_DIGEST_BYTES])
{
    if (!EVP_DigestFinal_ex(d->context, out, NULL))
        abort();
}

struct crypto_tagger {
    EVP_CIPHER *kind;
    EVP_CIPHER_CTX *context;
};

/* The same for every text: the pad that it makes hides nothing, and nobody sees what it hides. */
static const unsigned char no_nonce[12];

struct crypto_tagger *crypto_tagger_new(const unsigned char secret[CRYPTO_SECRET_BYTES])
{
    struct crypto_tagger *t = mem_zero(sizeof(*t));

    t->kind = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    t->context = EVP_CIPHER_CTX_new();
    if (!t->kind || !t->context ||
        !EVP_EncryptInit_ex2(t->context, t->kind, secret, no_nonce, NULL))
        abort();
    return t;
}

void crypto_tagger_free(struct crypto_tagger *t)
{
    if (!t)
        return;
    EVP_CIPHER_CTX_free(t->context);
    EVP_CIPHER_free(t->kind);
    free(t);
}

static void tag_text(struct crypto_tagger *t, const struct crypto_text *text)
{
    const unsigned char *at = text->at;
    size_t len = text->len;

    while (len > 0) {
        int n = len > TAG_STEP ? TAG_STEP : (int)len, unused;

        if (!EVP_EncryptUpdate(t->context, NULL, &unused, at, n))
            abort();
        at += n;
        len -= (size_t)n;
    }
}

void crypto_tag(struct crypto_tagger *t, const struct crypto_text texts[2],
                unsigned char tag[CRYPTO_TAG_BYTES])
{
    unsigned char nothing[CRYPTO_TAG_BYTES];
    int unused;

    if (!EVP_EncryptInit_ex2(t->context, NULL, NULL, no_nonce, NULL))
        abort();
    tag_text(t, &texts[0]);
    tag_text(t, &texts[1]);
    if (!EVP_EncryptFinal_ex(t->context, nothing, &unused) ||
        !EVP_CIPHER_CTX_ctrl(t->context, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG_BYTES, tag))
        abort();
}

void crypto_random(void *bytes, size_t len)
{
    if (RAND_bytes(bytes, (int)len) != 1)
        abort();
}
