#include "api/key.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/canon.h"
#include "api/key_field.h"
#include "base/refs.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/str.h"

/* What is digested, and so what is found again on disk: another spelling of the key needs another
 * number here. */
static const char format[] = "goproxyai key 3";

/* Memory beyond this is given back after each request. */
#define KEPT_BYTES ((size_t)1 << 20)

#define SAMPLE "x-goproxyai-sample"

struct counted { /* a request field that is part of the key */
    struct field field;
    bool is_credential;
};

struct keyer {
    struct key_rules *rules;
    struct crypto_digest *digest;
    struct crypto_tagger *tagger;
    struct canon *canon;
    struct counted *counted;
    size_t count;
    size_t cap;
    struct str ignored; /* which names the rules leave out; "": none */
    struct str head;    /* what stands before the body; holds credentials for a moment */
    struct str form;
};

static inline unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* The names as a set: sorted, each once, each with its length in front. */
static void add_names(struct str *out, char *const *names, bool fold_case)
{
    size_t count = 0;
    char **sorted;

    while (names && names[count])
        count++;
    sorted = mem_alloc((count + 1) * sizeof(*sorted));
    for (size_t i = 0; i < count; i++) {
        sorted[i] = mem_strdup(names[i]);
        for (char *at = sorted[i]; fold_case && *at; at++)
            *at = (char)lower(*at);
    }
    qsort(sorted, count, sizeof(*sorted), by_text);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(sorted[i - 1], sorted[i]) != 0)
            str_addf(out, "%zu:%s,", strlen(sorted[i]), sorted[i]);
    str_addc(out, ';');
    for (size_t i = 0; i < count; i++)
        free(sorted[i]);
    free(sorted);
}

static bool has_names(char *const *names)
{
    return names && names[0];
}

struct keyer *keyer_new(struct key_rules *rules, const unsigned char secret[CRYPTO_SECRET_BYTES])
{
    struct keyer *keyer = mem_zero(sizeof(*keyer));

    keyer->rules = key_rules_ref(rules);
    keyer->digest = crypto_digest_new();
    keyer->tagger = crypto_tagger_new(secret);
    keyer->canon = canon_new();
    str_init(&keyer->ignored);
    str_init(&keyer->head);
    str_init(&keyer->form);
    if (has_names(rules->ignored) || has_names(rules->ignored_fields)) {
        add_names(&keyer->ignored, rules->ignored, false);
        add_names(&keyer->ignored, rules->ignored_fields, true);
    }
    return keyer;
}

void keyer_free(struct keyer *keyer)
{
    if (!keyer)
        return;
    crypto_digest_free(keyer->digest);
    crypto_tagger_free(keyer->tagger);
    canon_free(keyer->canon);
    free(keyer->counted);
    key_rules_unref(keyer->rules);
    str_release(&keyer->ignored);
    str_release(&keyer->head);
    str_release(&keyer->form);
    free(keyer);
}

/* ---- the fields that count ---- */

static bool names_fields(const char *connection)
{
    return !str_is_nocase(connection, "keep-alive") && !str_is_nocase(connection, "close");
}

static bool is_named(const struct fields *fields, const struct field *h)
{
    fields_each(c, fields)
        if (str_same_nocase(c.name, c.name_len, STR_LIT("connection")) &&
            field_has_token(c.value, h->name, h->name_len))
            return true;
    return false;
}

/* RFC 9110 section 7.6.1 */
static void drop_named_by_connection(struct keyer *keyer, const struct fields *fields)
{
    size_t kept = 0;

    for (size_t i = 0; i < keyer->count; i++)
        if (!is_named(fields, &keyer->counted[i].field))
            keyer->counted[kept++] = keyer->counted[i];
    keyer->count = kept;
}

static void add_counted(struct keyer *keyer, const struct field *h, bool is_credential)
{
    if (is_credential && keyer->rules->share)
        return;
    keyer->counted[keyer->count++] = (struct counted){.field = *h, .is_credential = is_credential};
}

/* In the order in which they came. */
static void collect(struct keyer *keyer, const struct key_request *request)
{
    const bool is_post = strcmp(request->method, "POST") == 0;
    bool named = false;

    if (keyer->cap < request->fields->count) {
        keyer->cap = request->fields->count;
        keyer->counted = mem_grow(keyer->counted, keyer->cap * sizeof(*keyer->counted));
    }
    keyer->count = 0;
    fields_each(h, request->fields) {
        switch (key_field_judge(keyer->rules, is_post, h.name, h.name_len)) {
        case KEY_FIELD_COUNTS:
            add_counted(keyer, &h, false);
            break;
        case KEY_FIELD_CREDENTIAL:
            add_counted(keyer, &h, true);
            break;
        case KEY_FIELD_CONNECTION:
            named |= names_fields(h.value);
            break;
        case KEY_FIELD_NOISE:
            break;
        }
    }
    if (named)
        drop_named_by_connection(keyer, request->fields);
}

/* By the names in lower case; fields of one name in the order in which they came, which is that of
 * their places in memory. */
static int by_name(const void *x, const void *y)
{
    const struct field *a = &((const struct counted *)x)->field;
    const struct field *b = &((const struct counted *)y)->field;
    size_t i = 0;

    while (a->name[i] && lower(a->name[i]) == lower(b->name[i]))
        i++;
    if (a->name[i] || b->name[i])
        return lower(a->name[i]) - lower(b->name[i]);
    return (a->name > b->name) - (a->name < b->name);
}

static bool same_name(const struct field *a, const struct field *b)
{
    return str_same_nocase(a->name, a->name_len, b->name, b->name_len);
}

/* ---- writing ---- */

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

static char *put_lower(char *at, const char *name, size_t len)
{
    at = put_number(at, len);
    for (size_t i = 0; i < len; i++)
        at[i] = (char)lower(name[i]);
    return at + len;
}

/* The fields of one name: `first` to before `end`. */
static char *put_named(char *at, const struct counted *first, const struct counted *end)
{
    at = put_lower(at, first->field.name, first->field.name_len);
    at = put_number(at, (uint64_t)(end - first));
    for (; first < end; first++)
        at = put_bytes(at, first->field.value, first->field.value_len);
    return at;
}

/* Is that the only X-Goproxyai-Sample, and what its absence means as well? */
static bool is_default_sample(const struct counted *first, const struct counted *end)
{
    const struct field *h = &first->field;

    return end - first == 1 && h->value_len == 1 && h->value[0] == '1' &&
           str_same_nocase(h->name, h->name_len, SAMPLE, sizeof(SAMPLE) - 1);
}

/* Of the sorted fields those that are credentials, or those that are not: how many names, and each
 * one. */
static char *put_fields(char *at, const struct keyer *keyer, bool credentials)
{
    const struct counted *c = keyer->counted, *end = c + keyer->count, *next;
    char *const names_at = at;
    uint64_t names = 0;

    at += sizeof(names);
    for (; c < end; c = next) {
        for (next = c + 1; next < end && same_name(&next->field, &c->field);)
            next++;
        if (c->is_credential != credentials || is_default_sample(c, next))
            continue;
        at = put_named(at, c, next);
        names++;
    }
    put_number(names_at, names);
    return at;
}

static char *put_line(char *at, const struct keyer *keyer, const struct key_request *request)
{
    at = put_text(at, format);
    at = put_bytes(at, keyer->ignored.text, keyer->ignored.len);
    at = put_text(at, request->method);
    at = put_text(at, keyer->rules->upstream);
    return put_text(at, request->target);
}

/* For all of the above: each number, each text, and the fields, each of which has three numbers at
 * most. */
static char *room_for(struct keyer *keyer, const struct key_request *request)
{
    str_reserve(&keyer->head, sizeof(format) + strlen(request->method) + keyer->ignored.len +
                                  strlen(keyer->rules->upstream) + strlen(request->target) +
                                  request->fields->bytes.len + CRYPTO_DIGEST_BYTES +
                                  (size_t)8 * (3 * request->fields->count + 9));
    return keyer->head.text;
}

/* A digest of their own: what goes into the key is fit to be seen, should the key's parts ever be
 * logged or kept. */
static void digest_credentials(struct keyer *keyer, char *at,
                               unsigned char out[CRYPTO_DIGEST_BYTES])
{
    size_t len = (size_t)(put_fields(at, keyer, true) - at);

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
    char *at = room_for(keyer, request);

    collect(keyer, request);
    if (keyer->count > 1)
        qsort(keyer->counted, keyer->count, sizeof(*keyer->counted), by_name);
    if (!share)
        digest_credentials(keyer, at, credentials);
    at = put_line(at, keyer, request);
    at = put_bytes(at, credentials, share ? 0 : sizeof(credentials));
    mem_wipe(credentials, sizeof(credentials));
    return put_fields(at, keyer, false);
}

/* Fields that nobody knows may be secrets, too: nothing of the head is left. */
static void digest(struct keyer *keyer, char *at, const struct crypto_text *body, struct key *key)
{
    char *head = keyer->head.text;

    at = put_number(at, body->len);
    crypto_digest_begin(keyer->digest);
    crypto_digest_add(keyer->digest, head, (size_t)(at - head));
    crypto_digest_add(keyer->digest, body->at, body->len);
    crypto_digest_end(keyer->digest, key->bytes);
    mem_wipe(head, (size_t)(at - head));
}

/* The fields as they came, unsorted: another order costs a look at the body, and no answer. */
void keyer_fingerprint(struct keyer *keyer, const struct key_request *request,
                       struct request_fingerprint *fingerprint)
{
    char *head = room_for(keyer, request), *at = head;

    collect(keyer, request);
    at = put_line(at, keyer, request);
    at = put_number(at, keyer->rules->number);
    at = put_number(at, keyer->count);
    for (size_t i = 0; i < keyer->count; i++) {
        const struct field *h = &keyer->counted[i].field;

        at = put_bytes(at, h->name, h->name_len);
        at = put_bytes(at, h->value, h->value_len);
    }
    *at++ = request->body ? 'B' : 'b';
    crypto_tag(keyer->tagger,
               (const struct crypto_text[]){
                   {head, (size_t)(at - head)},
                   {request->body, request->body ? request->body_len : 0},
               },
               fingerprint->bytes);
    mem_wipe(head, (size_t)(at - head));
}

void keyer_key(struct keyer *keyer, const struct key_request *request, struct key *key)
{
    struct str *form = &keyer->form;
    char *at = write_head(keyer, request);
    struct crypto_text body = {"", 0};

    if (!request->body) {
        *at++ = 'N';
    } else if (canon_write(keyer->canon, request->body, request->body_len, keyer->rules->ignored,
                           form)) {
        *at++ = 'J';
        body = (struct crypto_text){form->text, form->len};
    } else {
        *at++ = 'R';
        body = (struct crypto_text){request->body, request->body_len};
    }
    digest(keyer, at, &body, key);
    if (form->cap > KEPT_BYTES)
        str_release(form);
    str_clear(form);
}

bool key_counts_field(const struct key_rules *rules, const char *method, const char *name,
                      size_t name_len)
{
    switch (key_field_judge(rules, strcmp(method, "POST") == 0, name, name_len)) {
    case KEY_FIELD_COUNTS:
        return true;
    case KEY_FIELD_CREDENTIAL:
        return !rules->share;
    case KEY_FIELD_NOISE:
    case KEY_FIELD_CONNECTION:
        return false;
    }
    return true;
}

bool key_may_ignore_field(const char *name)
{
    char *const itself[] = {(char *)(uintptr_t)name, NULL};
    const struct key_rules rules = {.ignored_fields = itself};

    return key_field_judge(&rules, true, name, strlen(name)) != KEY_FIELD_CREDENTIAL;
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
