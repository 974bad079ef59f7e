/* The figures of GET /stats. Their names are an interface, documented in the man page. */
#ifndef PROXY_ADMIN_STATS_H
#define PROXY_ADMIN_STATS_H

#include "base/json.h"
#include "base/str.h"
#include "cache/store_ops.h"

struct server;
struct settings;

/* Appends the figures to *out as JSON. Any thread. */
void admin_stats(const struct server *server, const struct settings *settings, struct str *out);
/* Adds the figures of the disk (bytes), which a command also has without a running server. */
void admin_stats_disk(struct json *cache, const struct store_figures *figures, int64_t max_bytes);

#endif
