#include "base/crypto.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

/* Two self-signed certificates whose keys nobody has any more, good for a hundred years. */
static const char one[] = "-----BEGIN CERTIFICATE-----\n"
                          "MIIBiTCCAS+gAwIBAgIUEliMw3DLMwDNtLWJy06Rqi9dKtswCgYIKoZIzj0EAwIw\n"
                          "GTEXMBUGA1UEAwwOdW5pdCB0ZXN0IENBIDEwIBcNMjYxMTIxMDMxNTI2WhgPMjEy\n"
                          "NjEwMjgwMzE1MjZaMBkxFzAVBgNVBAMMDnVuaXQgdGVzdCBDQSAxMFkwEwYHKoZI\n"
                          "zj0CAQYIKoZIzj0DAQcDQgAEhCS7lDSP8HXG1ohXTLatO/5cGyZVMIUctS+h0H4q\n"
                          "5sLkaPLqmpgD0QvbHs+Pg8rQnllRuv8nO9fHp8WaYEv7uaNTMFEwHQYDVR0OBBYE\n"
                          "FGXVbcslMSZ/bF2H3+JrAJgh2CrjMB8GA1UdIwQYMBaAFGXVbcslMSZ/bF2H3+Jr\n"
                          "AJgh2CrjMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgEml+XEVD\n"
                          "IYx5ZB2Of/jiDRhkEyH8xJTR5utulEQ2FOMCIQDCJnLU7XSJNYDx49jKNR8cfDRj\n"
                          "i22TbEBzxoWFhI7g6g==\n"
                          "-----END CERTIFICATE-----\n";
static const char two[] = "-----BEGIN CERTIFICATE-----\n"
                          "MIIBiDCCAS+gAwIBAgIUY/lsigQwXrYvjrGnk4dI8yWGWyQwCgYIKoZIzj0EAwIw\n"
                          "GTEXMBUGA1UEAwwOdW5pdCB0ZXN0IENBIDIwIBcNMjYxMTIxMDMxNTI2WhgPMjEy\n"
                          "NjEwMjgwMzE1MjZaMBkxFzAVBgNVBAMMDnVuaXQgdGVzdCBDQSAyMFkwEwYHKoZI\n"
                          "zj0CAQYIKoZIzj0DAQcDQgAEVN/8BIgNv+mgKyXzroeUoEDGCfXSKu9hjSi2vZGN\n"
                          "LaXe/0116xbq8jLtWLN3R/mbtFvtOC6Fk8p1UYR8mCXPXaNTMFEwHQYDVR0OBBYE\n"
                          "FJoj/6YkfhJoQoSfPb0cLvDiIorBMB8GA1UdIwQYMBaAFJoj/6YkfhJoQoSfPb0c\n"
                          "LvDiIorBMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgP9tw/oMG\n"
                          "lzXzV+LuonIqxFqkXHFoUBy5YC+MAo3MSRkCIAGqzHA5ejh6Hh70pI5mbnvT60oF\n"
                          "LMbgMZyNy45DQAb6\n"
                          "-----END CERTIFICATE-----\n";
static const char public_key[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhCS7lDSP8HXG1ohXTLatO/5cGyZV\n"
    "MIUctS+h0H4q5sLkaPLqmpgD0QvbHs+Pg8rQnllRuv8nO9fHp8WaYEv7uQ==\n"
    "-----END PUBLIC KEY-----\n";

static int load(struct crypto_certs **certs, const char *text, struct err *err)
{
    mem_auto char *folder = unit_folder();
    mem_auto char *path = unit_file(folder, "ca.pem", text, strlen(text));

    *certs = NULL;
    err->code = ERR_NONE;
    return crypto_certs_load(certs, path, err);
}

/* How many certificates a TLS context trusts, of a system's file and folder and of these; -1: it
 * refuses. */
static int trusted_beside(const char *file, const char *folder, const struct crypto_certs *certs)
{
    struct crypto_trust *trust = crypto_trust_new(certs);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int n = crypto_trust_use(trust, file, folder, ctx), again;

    again = crypto_trust_use(trust, "/nowhere", NULL, ctx); /* what was read stays */
    CHECK_INT(again, n);
    if (n == 0)
        n = sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx)));
    crypto_trust_free(trust); /* the context has a reference of its own */
    SSL_CTX_free(ctx);
    return n;
}

static int trusted(const struct crypto_certs *certs)
{
    return trusted_beside(NULL, NULL, certs);
}

TEST("all certificates of a file are trusted, whatever stands between them")
{
    struct crypto_certs *certs;
    struct str text = STR_INIT;
    struct err err;

    str_addf(&text, "# my company\r\n%ssome words\n%s\n%s", one, public_key, two);
    REQUIRE(load(&certs, text.text, &err) == 0);
    CHECK_INT(err.code, ERR_NONE);
    CHECK_INT(trusted(certs), 2);
    crypto_certs_free(certs);
    str_release(&text);
}

TEST("the system's certificates are trusted beside them, and what is in both once")
{
    mem_auto char *folder = unit_folder();
    mem_auto char *file = unit_file(folder, "system.pem", one, strlen(one));
    struct crypto_certs *certs;
    struct err err;

    REQUIRE(load(&certs, two, &err) == 0);
    CHECK_INT(trusted_beside(file, NULL, NULL), 1);
    CHECK_INT(trusted_beside(file, folder, certs), 2);
    CHECK_INT(trusted_beside("/nowhere/ca.pem", NULL, certs), 1); /* a system without */
    CHECK_INT(trusted_beside(NULL, folder, NULL), 0); /* a folder is looked into when needed */
    crypto_certs_free(certs);
    REQUIRE(load(&certs, one, &err) == 0);
    CHECK_INT(trusted_beside(file, NULL, certs), 1);
    crypto_certs_free(certs);
}

TEST("a TLS context with nothing to trust is refused, until there is something")
{
    mem_auto char *folder = unit_folder();
    mem_auto char *file = unit_file(folder, "system.pem", one, strlen(one));
    struct crypto_trust *trust = crypto_trust_new(NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    CHECK_INT(crypto_trust_use(trust, NULL, NULL, ctx), -1);
    CHECK_INT(crypto_trust_use(trust, "/nowhere/ca.pem", NULL, ctx), -1);
    CHECK_INT(crypto_trust_use(trust, file, NULL, ctx), 0);
    SSL_CTX_free(ctx);
    crypto_trust_free(trust);
    crypto_trust_free(NULL);
}

TEST("a certificate without a newline at its end is one")
{
    struct crypto_certs *certs;
    mem_auto char *text = mem_strndup(one, strlen(one) - 1);
    struct err err;

    REQUIRE(load(&certs, text, &err) == 0);
    CHECK_INT(trusted(certs), 1);
    crypto_certs_free(certs);
}

TEST("a file without a certificate is wrong usage, and is named")
{
    static const char *const rows[] = {"", "\n", "words", public_key};

    for (size_t i = 0; i < countof(rows); i++) {
        struct crypto_certs *certs;
        struct err err;

        CHECK_INT(load(&certs, rows[i], &err), -1);
        CHECK_INT(err.code, ERR_USAGE);
        CHECK_HAS(err.text, "ca.pem");
        CHECK_HAS(err.text, "no certificate");
        CHECK(certs == NULL);
    }
}

/* The good one, and then a damaged one: half a list of CAs would be found out at the worst time. */
static void check_damaged(const char *bad)
{
    struct crypto_certs *certs;
    struct str text = STR_INIT;
    struct err err;

    str_addf(&text, "%s%s", one, bad);
    CHECK_INT(load(&certs, text.text, &err), -1);
    CHECK_INT(err.code, ERR_USAGE);
    CHECK_HAS(err.text, "damaged");
    str_release(&text);
}

TEST("one damaged certificate makes the whole file wrong")
{
    mem_auto char *cut = mem_strndup(two, strlen(two) / 2);
    mem_auto char *flipped = mem_strdup(two);

    check_damaged(cut);
    flipped[60] = '!'; /* no base64 */
    check_damaged(flipped);
    check_damaged("-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n");
}

TEST("a file that is not there is wrong usage, and says why")
{
    struct crypto_certs *certs = NULL;
    struct err err = {.code = ERR_NONE};

    CHECK_INT(crypto_certs_load(&certs, "/nowhere/ca.pem", &err), -1);
    CHECK_INT(err.code, ERR_USAGE);
    CHECK_HAS(err.text, "/nowhere/ca.pem");
    CHECK_HAS(err.text, "No such file");
    crypto_certs_free(NULL);
}

static void check_digest(struct crypto_digest *digest, const char *text, size_t part,
                         const char *expected)
{
    unsigned char out[CRYPTO_DIGEST_BYTES];
    char hex[2 * CRYPTO_DIGEST_BYTES + 1];

    crypto_digest_begin(digest);
    for (const char *at = text, *end = text + strlen(text); at < end; at += part) {
        if (part > (size_t)(end - at))
            part = (size_t)(end - at);
        crypto_digest_add(digest, at, part);
    }
    crypto_digest_end(digest, out);
    for (size_t i = 0; i < sizeof(out); i++)
        snprintf(hex + 2 * i, 3, "%02x", out[i]);
    CHECK_STR(hex, expected);
}

/* FIPS 180-4's examples */
TEST("a digest is SHA-256, of any number of texts one after the other")
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static const char of_two[] = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
    struct crypto_digest *digest = crypto_digest_new();

    check_digest(digest, two_blocks, 3, of_two);
    check_digest(digest, "abc", 3,
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_digest(digest, "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_digest(digest, two_blocks, 56, of_two);
    check_digest(digest, two_blocks, 1, of_two);
    crypto_digest_begin(digest); /* what is begun and not ended is forgotten */
    crypto_digest_add(digest, "x", 1);
    check_digest(digest, two_blocks, 5, of_two);
    crypto_digest_free(digest);
    crypto_digest_free(NULL);
}
