/* guard: who is let in is one of ours by another reading, too. Input: Host, newline, Origin. */
#include "proxy/guard.h"

#include <regex.h>

#include "fuzz.h"

/* Loopback by name or address, with any port or none, and the name that was allowed with its own.
 */
#define OURS                                                                                       \
    "((([^.].*\\.)?localhost\\.?|\\[[0-9a-f:.]*[:.]0*1\\]|\\[::ffff:[0-9a-f:.]*\\]|"               \
    "127(\\.[0-9]{1,3}){3}\\.?)(:0*[0-9]{0,5})?|other\\.test:0*9000)"

static int fits(const char *pattern, const char *text)
{
    regex_t regex;
    int result;

    MUST(regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0);
    result = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return result;
}

static void check(const struct guard *guard, const struct fields *f, const char *host,
                  const char *origin)
{
    struct err err = {.code = ERR_NONE};
    const char *cors;
    const int result = guard_check(guard, f, &cors, &err);

    MUST(result == 0 ? err.code == ERR_NONE : result == -1);
    MUST(result == 0 || err.code == ERR_HOST || err.code == ERR_ORIGIN);
    MUST(!cors); /* no other site is allowed here */
    if (result != 0)
        return;
    MUST(fits("^" OURS "$", host));
    MUST(!origin || fits("^https?://" OURS "$", origin));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *host = text, *origin = strchr(text, '\n');
    struct fields f;
    struct guard guard;

    if (origin)
        *origin++ = '\0';
    guard_init(&guard);
    guard.port = 8080;
    guard_allow(&guard, "Other.Test:9000");
    fields_init(&f);
    if (fields_adds(&f, "Host", host) && (!origin || fields_adds(&f, "Origin", origin)))
        check(&guard, &f, fields_get(&f, "host"), fields_get(&f, "origin"));
    fields_release(&f);
    guard_release(&guard);
    free(text);
    return 0;
}
