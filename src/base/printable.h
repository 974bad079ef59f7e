/* Text of others (clients, servers, file names) for a terminal: it shows, and does nothing else.
 *
 * A terminal obeys control characters: C0 (below U+0020), DEL and C1 (U+0080 to U+009F). They
 * clear the screen, set its title and move the cursor over what was printed before; a newline
 * begins a line that looks like one of ours. The bidirectional controls (U+202A to U+202E, U+2066
 * to U+2069) show a line in another order than it has. All of these are escaped, and so is each
 * byte that is no UTF-8:
 *
 *      ESC → \x1b      U+009B → \u{9b}      U+202E → \u{202e}      the byte FF → \xff
 *
 * Everything else stays as it is, a backslash too: this is for eyes, not for parsers.
 */
#ifndef BASE_PRINTABLE_H
#define BASE_PRINTABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Appends the text escaped, as part of one line. */
void printable_add(struct str *out, const char *text, size_t len);
void printable_adds(struct str *out, const char *text);

/* The same for text of many lines: LF and TAB stay. */
void printable_add_lines(struct str *out, const char *text, size_t len);

/* Appends the first `most` bytes at most, whole characters, and "..." where that is not all. */
void printable_add_cut(struct str *out, const char *text, size_t len, size_t most);

enum printable_kind {
    PRINTABLE_PLAIN,   /* it stays */
    PRINTABLE_CONTROL, /* the character *code is to be escaped */
    PRINTABLE_INVALID  /* one byte that is no UTF-8 */
};

/* Looks at what stands at `at`, before `end`; *len is the number of its bytes. */
enum printable_kind printable_look(const char *at, const char *end, unsigned *len, uint32_t *code);

#endif
