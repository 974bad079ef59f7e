/* The figures of GET /stats; their names are an interface, which the man page documents. */
#ifndef PROXY_ADMIN_STATS_H
#define PROXY_ADMIN_STATS_H

#include "base/json.h"
#include "base/str.h"
#include "cache/store_ops.h"

struct server;
struct settings;

/* Appends them as JSON. Any thread. */
void admin_stats(const struct server *server, const struct settings *settings, struct str *out);
/* The part that there is without a running server, too: what is on disk. */
void admin_stats_disk(struct json *cache, const struct store_figures *figures, int64_t max_bytes);

#endif
