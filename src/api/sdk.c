#include "api/sdk.h"

#include <stdlib.h>

#define SDK_DEADLINE_MS (INT64_C(600) * 1000)
#define DAY_MS (INT64_C(86400) * 1000)

/* The Python SDK may send fractions ("0.5"); "NOT_GIVEN" and the like are no number. */
static int64_t seconds_to_ms(const char *text)
{
    char *end;
    double seconds;

    if (!text || *text < '0' || *text > '9')
        return 0;
    seconds = strtod(text, &end);
    if (*end || !(seconds > 0))
        return 0;
    return seconds > (double)DAY_MS / 1000 ? DAY_MS : (int64_t)(seconds * 1000 + 0.5);
}

int64_t sdk_deadline_ms(const struct fields *request)
{
    const char *lang = NULL, *read_timeout = NULL, *timeout = NULL;
    int64_t ms;

    fields_each(h, request) {
        if (h.name_len < 12 || !str_same_nocase(h.name, 12, "x-stainless-", 12))
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
    return ms == 0 && lang ? SDK_DEADLINE_MS : ms;
}
