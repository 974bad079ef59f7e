/* A stored answer as a row of JSON, for `cache list --json` and GET /cache. The member names are an
 * interface. Any thread. */
#ifndef PROXY_CACHE_ROWS_H
#define PROXY_CACHE_ROWS_H

#include "base/json.h"
#include "cache/store_ops.h"

/* Appends {"key","stored","used","status","request","model","bytes","disk_bytes"} to a list. A time
 * or size of 0 becomes null, and so does an empty model. */
void cache_rows_add(struct json *list, const struct store_row *row);

/* Reads a row; *row points into *object. False: it is malformed. */
bool cache_rows_read(const struct json *object, struct store_row *row);

#endif
