/* Sizes and times, short, for a person who reads a line. Without printf: the access log has two of
 * them in each line. */
#ifndef BASE_HUMAN_H
#define BASE_HUMAN_H

#include <stdint.h>

#include "base/str.h"

/* "512 B", "9.1 KiB", "293 KiB", "1.5 GiB": units of 1024, one decimal below 100 of them, rounded
 * down. */
void human_add_size(struct str *out, uint64_t bytes);
/* "0.3 ms", "87 ms", "2007 ms", "35.0 s", rounded down. */
void human_add_duration(struct str *out, uint64_t us);
/* "5 s", "2 min", "3 h", "12 d": whole ones, rounded down. A negative age is 0. */
void human_add_age(struct str *out, int64_t ms);

#endif
