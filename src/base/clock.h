/* Two clocks. Durations and deadlines use the monotonic one, which no one can set. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_us(void);
static inline uint64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}
/* How long the machine has been suspended since it booted: what CLOCK_BOOTTIME is ahead of
 * CLOCK_MONOTONIC, ms. */
int64_t clock_suspended_ms(void);
int64_t clock_unix_ms(void);
static inline int64_t clock_unix_s(void)
{
    return clock_unix_ms() / 1000;
}

/* "2026-11-21T08:10:00Z" (RFC 3339). Thread-safe. */
void clock_format_rfc3339(char *buf, size_t size, int64_t unix_ms);
/* The Unix time in ms of such a text, in that very form; 0 if it is none. Thread-safe. */
int64_t clock_parse_rfc3339(const char *text);
/* "14:03:59" in local time: for the person at the terminal. Thread-safe. */
void clock_hms(char *buf, size_t size);

#endif
