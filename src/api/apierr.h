/* Errors in OpenAI's shape, so that every SDK makes its own exception of them. */
#ifndef API_APIERR_H
#define API_APIERR_H

#include "base/err.h"
#include "base/str.h"

/* Appends {"error":{"message":…,"type":…,"param":null,"code":…}}. Type and code come from the
 * table of error codes. A message that is not UTF-8 is made so. */
void apierr_body(struct str *out, const struct err *err);

#endif
