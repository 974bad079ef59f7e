#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_mono_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

int64_t clock_suspended_ms(void)
{
    struct timespec boot, mono;

    if (clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    return (int64_t)(boot.tv_sec - mono.tv_sec) * 1000 + (boot.tv_nsec - mono.tv_nsec) / 1000000;
}

int64_t clock_unix_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void clock_hms(char *buf, size_t size)
{
    time_t now = (time_t)clock_unix_s();
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(buf, size, "%H:%M:%S", &tm);
}

void clock_format_rfc3339(char *buf, size_t size, int64_t unix_ms)
{
    /* Mostly it is the second of the last time; and gmtime_r() has one lock for all threads. */
    static _Thread_local struct {
        time_t seconds;
        char text[32];
    } last = {.text = "1970-01-01T00:00:00Z"};
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;

    if (seconds != last.seconds) {
        last.seconds = seconds;
        gmtime_r(&seconds, &tm);
        strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    snprintf(buf, size, "%s", last.text);
}

int64_t clock_parse_rfc3339(const char *text)
{
    struct tm tm = {.tm_sec = 0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

    return end && *end == '\0' ? (int64_t)timegm(&tm) * 1000 : 0;
}
