/* What OpenAI's SDKs say of themselves in x-stainless-* fields. */
#ifndef API_SDK_H
#define API_SDK_H

#include <stdint.h>

#include "base/fields.h"

/* How long to wait for an SDK that states its own deadline: x-stainless-read-timeout or
 * x-stainless-timeout (seconds, cut to whole ones), or the documented 600 s where one names itself
 * (x-stainless-lang) and no deadline. All in ms; what is absurdly large is cut at a day.
 *
 * The SDK has to be the one that gives up, because it does so in its own way: so the wait for the
 * head is a little longer than it says. Its deadline for streams and binary answers ends at the
 * head, so the silence after that is never shorter than the documented 600 s. */
struct sdk_deadline {
    int64_t head_ms; /* 0: no SDK speaks */
    int64_t body_ms;
};
struct sdk_deadline sdk_deadline_of(const struct fields *request);

#endif
