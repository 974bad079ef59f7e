/* Fields for unit tests, written as lines. */
#ifndef FIELDS_HELP_H
#define FIELDS_HELP_H

#include "base/fields.h"

/* "name: value" lines, with '\n' between them; the last one may have one, too. To be released. */
void read_fields(struct fields *f, const char *lines);

#endif
