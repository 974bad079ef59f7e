#include "base/human.h"

#include "base/mem.h"
#include "unit.h"

TEST("a size has the largest unit of which it has one, and one decimal below 100 of them")
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1024 + 102, "1.0 KiB"},
        {1024 + 103, "1.1 KiB"},
        {2047, "1.9 KiB"},
        {9355, "9.1 KiB"},
        {100 * 1024 - 1, "99.9 KiB"},
        {100 * 1024, "100 KiB"},
        {300175, "293 KiB"},
        {1024 * 1024 - 1, "1023 KiB"},
        {1024 * 1024, "1.0 MiB"},
        {100 * 1024 * 1024, "100 MiB"},
        {UINT64_C(3) << 29, "1.5 GiB"},
        {UINT64_C(1) << 40, "1.0 TiB"},
        {UINT64_C(5) << 49, "2.5 PiB"},
        {UINT64_MAX, "15.9 EiB"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct str out = STR_INIT;

        human_add_size(&out, rows[i].bytes);
        CHECK_STR(out.text, rows[i].text);
        str_release(&out);
    }
}

TEST("a duration is in milliseconds up to 10 s, and in seconds beyond")
{
    static const struct {
        uint64_t us;
        const char *text;
    } rows[] = {
        {0, "0.0 ms"},
        {99, "0.0 ms"},
        {100, "0.1 ms"},
        {8799, "8.7 ms"},
        {9999, "9.9 ms"},
        {10000, "10 ms"},
        {2007999, "2007 ms"},
        {9999999, "9999 ms"},
        {10000000, "10.0 s"},
        {35049999, "35.0 s"},
        {UINT64_C(86400) * 1000000, "86400.0 s"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct str out = STR_INIT;

        human_add_duration(&out, rows[i].us);
        CHECK_STR(out.text, rows[i].text);
        str_release(&out);
    }
}

TEST("an age is in whole units")
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {-5000, "0 s"},    {0, "0 s"},
        {999, "0 s"},      {59999, "59 s"},
        {60000, "1 min"},  {3599999, "59 min"},
        {3600000, "1 h"},  {86399999, "23 h"},
        {86400000, "1 d"}, {INT64_C(86400000) * 400, "400 d"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct str out = STR_INIT;

        human_add_age(&out, rows[i].ms);
        CHECK_STR(out.text, rows[i].text);
        str_release(&out);
    }
}
