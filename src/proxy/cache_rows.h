/* A stored answer as a row of JSON: what `cache list --json` and GET /cache say of it. The names
 * are an interface. */
#ifndef PROXY_CACHE_ROWS_H
#define PROXY_CACHE_ROWS_H

#include "base/json.h"
#include "cache/store_ops.h"

/* Appends {"key","stored","used","status","request","model","bytes","disk_bytes"} to a list. A time
 * or size that is 0 is null, and so is an empty model. */
void cache_rows_add(struct json *list, const struct store_row *row);

/* Reads such an object. *row points into it. False: it is none. */
bool cache_rows_read(const struct json *object, struct store_row *row);

#endif
