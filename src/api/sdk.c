#include "api/sdk.h"

#include "api/policy.h"

/* The timeout that the SDKs document, which leaves reasoning models time. */
#define SDK_DEADLINE_MS (INT64_C(600) * 1000)
#define MARGIN_MS 2000 /* a second was cut off, and a second for the way */
#define DAY_MS (INT64_C(86400) * 1000)

/* The Python SDK may send fractions ("0.5"); "NOT_GIVEN" and the like are no number. */
static int64_t seconds_to_ms(const char *text)
{
    const char *end;
    double seconds;

    if (!text || !(end = str_to_decimal(text, &seconds)) || *end || !(seconds > 0))
        return 0;
    if (seconds > (double)DAY_MS / 1000)
        return DAY_MS;
    return seconds < 0.001 ? 1 : (int64_t)(seconds * 1000 + 0.5);
}

struct sdk_deadline sdk_deadline_of(const char *method, const char *target,
                                    const struct fields *request)
{
    const char *lang = NULL, *read_timeout = NULL, *timeout = NULL;
    int64_t ms;

    fields_each(h, request) {
        if (h.name_len < 12 || !str_same_nocase(h.name, 12, STR_LIT("x-stainless-")))
            continue;
        if (str_is_nocase(h.name + 12, "lang"))
            lang = h.value;
        else if (str_is_nocase(h.name + 12, "read-timeout"))
            read_timeout = h.value;
        else if (str_is_nocase(h.name + 12, "timeout"))
            timeout = h.value;
    }
    ms = seconds_to_ms(read_timeout);
    if (ms == 0)
        ms = seconds_to_ms(timeout);
    if (ms == 0 && (lang || policy_is_generation(method, target)))
        ms = SDK_DEADLINE_MS;
    if (ms == 0)
        return (struct sdk_deadline){0, 0};
    return (struct sdk_deadline){ms + MARGIN_MS, ms > SDK_DEADLINE_MS ? ms : SDK_DEADLINE_MS};
}
