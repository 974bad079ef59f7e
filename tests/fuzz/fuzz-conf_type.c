/* conf_type: a setting is refused with a reason, or has a number in its range. */
#include "conf/conf_type.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str why = STR_INIT;
    enum conf_type type;
    int64_t number = -7;
    char *text;
    int result;

    if (size == 0)
        return 0;
    type = (enum conf_type)(data[0] % (CONF_COUNT + 1)); /* "0" is the first type, and so on */
    text = fuzz_text(data + 1, size - 1);
    result = conf_type_check(type, text, &number, &why);
    MUST(result == 0 || result == -1);
    MUST((result == 0) == (why.len == 0));
    if (result == 0)
        MUST(number >= 0);
    if (result == 0 && type == CONF_PORT)
        MUST(number <= 65535);
    if (result == 0 && type == CONF_SWITCH)
        MUST(number <= 1);
    if (type == CONF_DURATION)
        MUST(number == conf_duration_ms(text));
    number = conf_duration_ms(text);
    MUST(number >= -1 && number <= INT64_C(100) * 366 * 86400 * 1000);
    str_release(&why);
    free(text);
    return 0;
}
