/* The directives of Cache-Control and Pragma (RFC 9111 section 5.2), one after the other.
 *
 * Read as they may be meant, and never so that one is lost: a quote that does not end, or after
 * which something other than a comma stands, is an ordinary character, and hides no directive
 * behind it. Names are compared without case.
 */
#ifndef API_DIRECTIVE_H
#define API_DIRECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct directive { /* points into the field's value */
    const char *name;
    size_t name_len;
    const char *value; /* NULL: there is no '='; of a quoted string what is between the quotes */
    size_t value_len;
    bool quoted; /* backslashes still stand in it */
};

/* The next one of a field's value, which `rest` begins as. */
bool directive_next(const char **rest, struct directive *d);
bool directive_is(const struct directive *d, const char *name);

/* Its argument as delta-seconds, at most DIRECTIVE_SECONDS_MAX (RFC 9111 section 1.2.2); -1 if
 * there is none, or it is no number. */
#define DIRECTIVE_SECONDS_MAX (INT64_C(1) << 31)
int64_t directive_seconds(const struct directive *d);

#endif
