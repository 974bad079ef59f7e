/* The canonical form of a JSON document, by which request bodies are compared.
 *
 * Objects' members are sorted by the bytes of their names (unescaped, UTF-8), except below members
 * named schema, json_schema, parameters or input_schema: there, at any depth, objects keep the
 * order in which they were written, because models write structured output in the order of its
 * schema. White space is left out; strings have one spelling, the shortest ('"', '\' and control
 * characters are escaped, by their short names or as \u00xx in lower case, and nothing else is);
 * number tokens stay as they were written, because seeds of 64 bits and 1 beside 1.0 are not for a
 * cache to fold. What is no strict RFC 8259 document has no canonical form: duplicate names (after
 * unescaping), bad UTF-8, lone surrogates, raw control characters, a BOM, trailing bytes, more than
 * CANON_DEPTH_MAX levels.
 */
#ifndef API_CANON_H
#define API_CANON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define CANON_DEPTH_MAX 128
#define CANON_BYTES_MAX 0x7fffffff /* what is longer has no canonical form either */

/* Working memory that is kept from one document to the next, up to some MiB. One thread's. */
struct canon *canon_new(void);
void canon_free(struct canon *canon); /* NULL is nothing */

/* An upper bound of the memory that canon_write() allocates for a document's members and objects,
 * bytes. The form itself and a draft of the document's length come on top. */
size_t canon_cost(const char *json, size_t len);
/* Appends the canonical form; false, and `out` as it was, where there is none. `ignored` names
 * members of the outermost object that are left out (NULL ends it; NULL: none). */
bool canon_write(struct canon *canon, const char *json, size_t len, char *const *ignored,
                 struct str *out);

#endif
