/* An entry: an object in the form in which it is kept, under a checksum.
 *
 *      key · stored_ms · collection · status · flags · body_bytes · label · model · head · body
 *
 * The head is text, "Name: value" CR LF. The body is deflated (zlib) where that pays: at least 4
 * KiB, not gzip already, and an eighth smaller afterwards. The checksum is a tag (crypto_tag(),
 * under a secret that is none) of all of the above, each text with its length in front: damage is
 * found, all but one in 2^100; who may write to the file may write a right one, as with any
 * checksum. When it was last used is not part of it.
 */
#ifndef STORE_STORE_ENTRY_H
#define STORE_STORE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "cache/object.h"

#define ENTRY_SUM_BYTES CRYPTO_TAG_BYTES

#define ENTRY_GZIP 1U     /* the object's: its Content-Encoding */
#define ENTRY_DEFLATED 2U /* ours */

struct entry_bytes {
    const void *at;
    size_t len;
};

/* Owns nothing: its bytes are the object's, the codec's or the database's. */
struct entry {
    struct key key;
    int64_t stored_ms;
    uint64_t collection;
    unsigned status;
    unsigned flags;
    uint64_t body_bytes; /* inflated */
    struct entry_bytes label, model, head, body;
    unsigned char sum[ENTRY_SUM_BYTES];
    int64_t id, used_ms; /* of a row that was read: the database's, not part of the checksum */
};

/* The state of the compressor and of the checksum, kept from one entry to the next. One thread's.
 */
struct entry_codec;
struct entry_codec *entry_codec_new(void);
void entry_codec_free(struct entry_codec *codec); /* NULL is nothing */

/* Valid until the codec is used again or the object goes. */
void entry_encode(struct entry_codec *codec, const struct object *object, struct entry *entry);
/* Is the checksum right? */
bool entry_is_sound(struct entry_codec *codec, const struct entry *entry);
/* The object, with one reference; NULL if the entry is damaged. */
struct object *entry_decode(struct entry_codec *codec, const struct entry *entry);

#endif
