/* What the commands say of stored answers. */
#ifndef CMD_CACHE_PRINT_H
#define CMD_CACHE_PRINT_H

#include "base/json.h"
#include "base/str.h"
#include "cache/store.h"
#include "conf/conf.h"

/* The cache folder, which the caller frees; NULL: there is none, as *err says. */
char *cache_folder(const struct conf *conf, struct err *err);
/* Opens the store that the settings name. look_only: of store_rules. */
int cache_open(const struct conf *conf, bool look_only, struct store **store, struct err *err);

/* What follows a noun, which is `ending` or nothing: 1 answer, 2 answers, 2 misses. */
const char *cache_plural(uint64_t n, const char *ending);
/* "1.2 MiB" */
void cache_print_size(struct str *out, double bytes);
/* "7 s", "12 min", "3 h", "5 d" */
void cache_print_age(struct str *out, int64_t ms);
/* One line of a list; as an object of a JSON list. brief: for a terminal, with so much of the key
 * that it is found again, and the line fits. */
void cache_print_row(const struct store_row *row, int64_t now_ms, bool brief);
void cache_print_json(const struct store_row *row, struct json *list);

#endif
