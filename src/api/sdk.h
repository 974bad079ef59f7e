/* How long a client of OpenAI's API waits: by what its SDK says of itself in x-stainless-* fields,
 * and by what the request is. Pure functions. */
#ifndef API_SDK_H
#define API_SDK_H

#include <stdint.h>

#include "base/fields.h"

/* How long the upstream may be silent where the user set nothing. By the SDK's own deadline:
 * x-stainless-read-timeout or x-stainless-timeout (seconds, cut to whole ones), or the documented
 * 600 s where one names itself (x-stainless-lang) and no deadline. A generation (chat completions,
 * completions, responses) has 600 s whoever asks: answers of reasoning models are minutes in
 * coming. All in ms; what is absurdly large is cut at a day.
 *
 * The SDK has to be the one that gives up, because it does so in its own way: so the wait for the
 * head is a little longer than it says. Its deadline for streams and binary answers ends at the
 * head, so the silence after that is never shorter than the documented 600 s. */
struct sdk_deadline {
    int64_t head_ms; /* 0: neither an SDK nor a generation: the default holds */
    int64_t body_ms;
};
struct sdk_deadline sdk_deadline_of(const char *method, const char *target,
                                    const struct fields *request);

#endif
