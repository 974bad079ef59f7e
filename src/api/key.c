#include "api/key.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/canon.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/str.h"

/* What is digested, and so what is found again on disk: another spelling of the key needs another
 * number here. */
static const char format[] = "goproxyai key 1";

/* Memory beyond this is given back after each request. */
#define KEPT_BYTES ((size_t)1 << 20)

/* Credentials come first, then what else --share-cache leaves out. */
#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static const struct {
    const char *text;
    size_t len;
} names[] = {
    NAME("Authorization"),       NAME("api-key"),        NAME("x-api-key"),   NAME("Cookie"),
    NAME("OpenAI-Organization"), NAME("OpenAI-Project"), NAME("OpenAI-Beta"), NAME("Content-Type")};
enum { CREDENTIALS_END = 4, PRIVATE_END = 6, NAMES_END = countof(names) };

bool key_counts_field(const struct key_rules *rules, const char *method, const char *name,
                      size_t name_len)
{
    (void)method; /* the same fields count for all */
    for (unsigned i = rules->share ? PRIVATE_END : 0; i < NAMES_END; i++)
        if (str_same_nocase(name, name_len, names[i].text, names[i].len))
            return true;
    return false;
}

struct found { /* of one name */
    struct field first;
    uint64_t count;
};

struct keyer {
    const struct key_rules *rules;
    struct crypto_digest *digest;
    struct crypto_tagger *tagger;
    struct canon *canon;
    struct str head; /* what stands before the body; holds credentials for a moment */
    struct str form;
};

struct keyer *keyer_new(const struct key_rules *rules,
                        const unsigned char secret[CRYPTO_SECRET_BYTES])
{
    struct keyer *keyer = mem_zero(sizeof(*keyer));

    keyer->rules = rules;
    keyer->digest = crypto_digest_new();
    keyer->tagger = crypto_tagger_new(secret);
    keyer->canon = canon_new();
    str_init(&keyer->head);
    str_init(&keyer->form);
    return keyer;
}

void keyer_free(struct keyer *keyer)
{
    if (!keyer)
        return;
    crypto_digest_free(keyer->digest);
    crypto_tagger_free(keyer->tagger);
    canon_free(keyer->canon);
    str_release(&keyer->head);
    str_release(&keyer->form);
    free(keyer);
}

/* What follows writes at `at`, where there is room (room_for()), and returns what is after it. */

/* Big-endian, so that a cache folder may be moved to another machine. */
static char *put_number(char *at, uint64_t number)
{
    number = htobe64(number);
    memcpy(at, &number, sizeof(number));
    return at + sizeof(number);
}

static char *put_bytes(char *at, const void *bytes, size_t len)
{
    at = put_number(at, len);
    memcpy(at, bytes, len);
    return at + len;
}

static char *put_text(char *at, const char *text)
{
    return put_bytes(at, text, strlen(text));
}

/* By their lengths, which differ: nearly all fields are none of these. */
static int name_of(const struct field *h)
{
    for (unsigned i = 0; i < NAMES_END; i++)
        if (names[i].len == h->name_len)
            return str_same_nocase(h->name, h->name_len, names[i].text, names[i].len) ? (int)i : -1;
    return -1;
}

static void find(const struct fields *fields, struct found found[NAMES_END])
{
    for (unsigned i = 0; i < NAMES_END; i++)
        found[i].count = 0;
    fields_each(h, fields) {
        int i = name_of(&h);

        if (i >= 0 && found[i].count++ == 0)
            found[i].first = h;
    }
}

/* How many there are, and each one's value: so none differs from an empty one. */
static char *put_found(char *at, const struct fields *fields, const struct found *found)
{
    struct field h = found->first;

    at = put_number(at, found->count);
    for (uint64_t left = found->count; left > 0; h = fields_next(fields, &h)) {
        if (!str_same_nocase(h.name, h.name_len, found->first.name, found->first.name_len))
            continue;
        at = put_bytes(at, h.value, h.value_len);
        left--;
    }
    return at;
}

static char *put_credentials(char *at, const struct fields *fields,
                             const struct found found[NAMES_END])
{
    for (unsigned i = 0; i < CREDENTIALS_END; i++)
        at = put_found(at, fields, &found[i]);
    return at;
}

static char *put_line(char *at, const struct keyer *keyer, const struct key_request *request)
{
    at = put_text(at, format);
    at = put_text(at, request->method);
    at = put_text(at, keyer->rules->upstream);
    return put_text(at, request->target);
}

static char *put_rest(char *at, const struct keyer *keyer, const struct key_request *request,
                      const struct found found[NAMES_END])
{
    for (unsigned i = keyer->rules->share ? PRIVATE_END : CREDENTIALS_END; i < NAMES_END; i++)
        at = put_found(at, request->fields, &found[i]);
    return at;
}

/* For all of the above: each number, each text, and the fields, which are shorter than as they are
 * held. */
static char *room_for(struct keyer *keyer, const struct key_request *request)
{
    str_reserve(&keyer->head, sizeof(format) + strlen(request->method) +
                                  strlen(keyer->rules->upstream) + strlen(request->target) +
                                  request->fields->bytes.len + CRYPTO_DIGEST_BYTES +
                                  (size_t)8 * (NAMES_END + 8 + request->fields->count));
    return keyer->head.text;
}

/* A digest of their own: what goes into the key is fit to be seen, should the key's parts ever be
 * logged or kept. */
static void digest_credentials(struct keyer *keyer, char *at, const struct fields *fields,
                               const struct found found[NAMES_END],
                               unsigned char out[CRYPTO_DIGEST_BYTES])
{
    size_t len = (size_t)(put_credentials(at, fields, found) - at);

    crypto_digest_begin(keyer->digest);
    crypto_digest_add(keyer->digest, at, len);
    crypto_digest_end(keyer->digest, out);
    mem_wipe(at, len);
}

/* All but tag and body. A shared key is never one of a request without credentials: what was
 * stored with somebody's is not for all once --share-cache is gone. */
static char *write_head(struct keyer *keyer, const struct key_request *request)
{
    const bool share = keyer->rules->share;
    unsigned char credentials[CRYPTO_DIGEST_BYTES] = {0};
    struct found found[NAMES_END];
    char *at = room_for(keyer, request);

    find(request->fields, found);
    if (!share)
        digest_credentials(keyer, at, request->fields, found, credentials);
    at = put_line(at, keyer, request);
    at = put_bytes(at, credentials, share ? 0 : sizeof(credentials));
    mem_wipe(credentials, sizeof(credentials));
    return put_rest(at, keyer, request, found);
}

static void digest(struct keyer *keyer, char *at, char tag, const char *body, size_t len,
                   struct key *key)
{
    const char *head = keyer->head.text;

    *at++ = tag;
    at = put_number(at, len);
    crypto_digest_begin(keyer->digest);
    crypto_digest_add(keyer->digest, head, (size_t)(at - head));
    crypto_digest_add(keyer->digest, body, len);
    crypto_digest_end(keyer->digest, key->bytes);
}

void keyer_tag(struct keyer *keyer, const struct key_request *request, struct key_tag *tag)
{
    char *head = room_for(keyer, request), *at = head;
    struct found found[NAMES_END];

    find(request->fields, found);
    at = put_line(at, keyer, request);
    if (!keyer->rules->share)
        at = put_credentials(at, request->fields, found);
    at = put_rest(at, keyer, request, found);
    *at++ = request->body ? 'B' : 'b';
    crypto_tag(keyer->tagger, head, (size_t)(at - head), request->body,
               request->body ? request->body_len : 0, tag->bytes);
    mem_wipe(head, (size_t)(at - head));
}

void keyer_key(struct keyer *keyer, const struct key_request *request, struct key *key)
{
    struct str *form = &keyer->form;
    char *at = write_head(keyer, request);

    if (!request->body)
        digest(keyer, at, 'N', "", 0, key);
    else if (canon_write(keyer->canon, request->body, request->body_len, keyer->rules->ignored,
                         form))
        digest(keyer, at, 'J', form->text, form->len, key);
    else
        digest(keyer, at, 'R', request->body, request->body_len, key);
    if (form->cap > KEPT_BYTES)
        str_release(form);
    str_clear(form);
}

void key_to_hex(const struct key *key, char hex[KEY_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < KEY_BYTES; i++) {
        hex[2 * i] = digits[key->bytes[i] >> 4];
        hex[2 * i + 1] = digits[key->bytes[i] & 15];
    }
    hex[2 * KEY_BYTES] = '\0';
}

bool key_from_hex(const char *hex, struct key *key, unsigned *bits)
{
    size_t len = 0;

    *key = (struct key){{0}};
    for (; hex[len]; len++) {
        const int digit = str_hex_digit(hex[len]);

        if (digit < 0 || len == (size_t)2 * KEY_BYTES)
            return false;
        key->bytes[len / 2] |= (unsigned char)(len % 2 ? digit : digit << 4);
    }
    *bits = (unsigned)(4 * len);
    return len > 0;
}
