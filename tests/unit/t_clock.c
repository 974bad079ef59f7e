#include "base/clock.h"

#include <pthread.h>

#include "base/mem.h"
#include "unit.h"

static const struct {
    int64_t unix_ms;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00Z"},
    {999, "1970-01-01T00:00:00Z"},
    {1000, "1970-01-01T00:00:01Z"},
    {951782399000, "2000-02-28T23:59:59Z"},
    {951782400000, "2000-02-29T00:00:00Z"},
    {1795248000123, "2026-11-21T08:00:00Z"},
    {4107542400000, "2100-03-01T00:00:00Z"},
};

static void *format_all(void *arg)
{
    char text[32];

    (void)arg;
    for (unsigned round = 0; round < 200; round++)
        for (size_t i = 0; i < countof(times); i++)
            for (unsigned again = 0; again <= round % 2; again++) {
                clock_format_rfc3339(text, sizeof(text), times[i].unix_ms);
                CHECK_STR(text, times[i].text);
            }
    return NULL;
}

TEST("a time is written as RFC 3339 has it, in any order, asked for once or again")
{
    format_all(NULL);
}

TEST("threads that write times do not see each other's")
{
    pthread_t threads[4];

    for (size_t i = 0; i < countof(threads); i++)
        pthread_create(&threads[i], NULL, format_all, NULL);
    for (size_t i = 0; i < countof(threads); i++)
        pthread_join(threads[i], NULL);
}

TEST("a time that was written is read again, to the second; what is none is 0")
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "2026-11-21",
                                        "2026-11-21T08:00:00",
                                        "2026-11-21T08:00:00Zx",
                                        "2026-11-21 08:00:00Z"};

    for (size_t i = 0; i < countof(times); i++)
        CHECK_INT(clock_parse_rfc3339(times[i].text), times[i].unix_ms / 1000 * 1000);
    for (size_t i = 0; i < countof(wrong); i++) {
        unit_row(wrong[i]);
        CHECK_INT(clock_parse_rfc3339(wrong[i]), 0);
        unit_row(NULL);
    }
}
