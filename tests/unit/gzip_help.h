/* gzip made by hand, for tests that must not go through the door to zlib. */
#ifndef UNIT_GZIP_HELP_H
#define UNIT_GZIP_HELP_H

#include "base/str.h"

/* Appends a text of up to 65535 bytes as a member that packs nothing. */
void gzip_stored(struct str *out, const char *text);
/* Appends a member of 1 MiB of blanks, in about 1 KB. */
void gzip_blanks(struct str *out);

#endif
