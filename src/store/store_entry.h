/* An entry: an object in the form in which the database keeps it, with a checksum.
 *
 *      key · stored_ms · collection · status · flags · body_bytes · label · model · head · body
 *
 * The head is text, "Name: value" CR LF. The body is deflated (zlib) if that pays: it has at least
 * 4 KiB, is not gzip, and becomes an eighth smaller. The checksum is a tag (crypto_tag(), under a
 * public constant) of all members above and the lengths of the texts: it detects damage, with an
 * error below 2^-100, but no forgery. id and used_ms are not part of it.
 *
 * A codec, and the functions that take one, are one thread's at a time.
 */
#ifndef STORE_STORE_ENTRY_H
#define STORE_STORE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "cache/object.h"

#define ENTRY_SUM_BYTES CRYPTO_TAG_BYTES

#define ENTRY_GZIP 1U     /* the object's body is gzip, by its Content-Encoding */
#define ENTRY_DEFLATED 2U /* the entry's body is deflated */

struct entry_bytes {
    const void *at;
    size_t len;
};

/* Owns nothing: its bytes belong to the object, the codec or the database. */
struct entry {
    struct key key;
    int64_t stored_ms;
    uint64_t collection;
    unsigned status;
    unsigned flags;
    uint64_t body_bytes; /* of the object's body, bytes */
    struct entry_bytes label, model, head, body;
    unsigned char sum[ENTRY_SUM_BYTES];
    int64_t id, used_ms; /* of a row that was read: db_id(), last use (Unix time) */
};

/* The state of the compressor and of the checksum, reused for each entry. */
struct entry_codec;
struct entry_codec *entry_codec_new(void);
void entry_codec_free(struct entry_codec *codec); /* NULL: no effect */

/* Fills *entry, which is valid until the codec is used again or the object is freed. */
void entry_encode(struct entry_codec *codec, const struct object *object, struct entry *entry);
/* Does the checksum match? */
bool entry_is_sound(struct entry_codec *codec, const struct entry *entry);
/* Returns an object with one reference, the caller's; NULL if the entry is damaged. */
struct object *entry_decode(struct entry_codec *codec, const struct entry *entry);

#endif
