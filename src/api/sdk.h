/* What OpenAI's SDKs say of themselves in x-stainless-* fields. */
#ifndef API_SDK_H
#define API_SDK_H

#include <stdint.h>

#include "base/fields.h"

/* The SDK's own deadline in ms: x-stainless-read-timeout or x-stainless-timeout (seconds), or
 * its documented 600 s where an SDK names itself (x-stainless-lang) and no deadline.
 * 0 if no SDK speaks. What is absurdly large is cut at a day. */
int64_t sdk_deadline_ms(const struct fields *request);

#endif
