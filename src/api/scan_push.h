/* scan.h for a document that comes in pieces: it is read as it comes, and none of it is kept but
 * the values that are looked for. One thread's.
 *
 *      scan_push_new ► scan_push_feed, any number of times ► scan_push_end
 *
 * Members, on_element and what is strict are those of scan.h, with one difference: of a value that
 * is looked for at most SCAN_PUSH_TEXT bytes are kept. A longer string or number, and an array or
 * object, is replaced by a short one that scan_is_filled() and scan_is_truthy() judge alike; no
 * longer string is equal to a word that anybody looks for.
 */
#ifndef API_SCAN_PUSH_H
#define API_SCAN_PUSH_H

#include "api/lex_push.h"
#include "api/scan.h"

#define SCAN_PUSH_TEXT LEX_PUSH_TEXT

struct scan_push;

/* members: of an outermost object; they outlive the scan, which fills them in. */
struct scan_push *scan_push_new(struct scan_member *members, size_t count);
void scan_push_free(struct scan_push *scan); /* NULL is nothing */
/* False: it is no strict JSON, whatever may follow. */
bool scan_push_feed(struct scan_push *scan, const char *bytes, size_t len);
/* Was all that was fed one document, as scan_document() says? Then *whole (if not NULL) is its
 * kind. The members are valid until the scan is freed. */
bool scan_push_end(struct scan_push *scan, enum scan_kind *whole);

#endif
