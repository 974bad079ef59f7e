/* What the commands say of stored answers. */
#ifndef CMD_CACHE_PRINT_H
#define CMD_CACHE_PRINT_H

#include "base/str.h"
#include "store/store.h"

/* Failures to find one, for *err. Both return -1. */
int cache_key_unknown(const char *key, struct err *err);
int cache_key_ambiguous(const char *key, struct err *err);

/* What follows a noun, which is `ending` or nothing: 1 answer, 2 answers, 2 misses. */
const char *cache_plural(uint64_t n, const char *ending);
/* One line of a list. brief: for a terminal, with so much of the key that it is found again, and
 * the line fits. */
void cache_print_row(const struct store_row *row, int64_t now_ms, bool brief);

#endif
