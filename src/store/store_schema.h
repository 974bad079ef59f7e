/* The tables of cache.db (described in store_sql.h) and all statements: private to store_schema.c,
 * store_sql_read.c and store_sql_write.c. */
#ifndef STORE_STORE_SCHEMA_H
#define STORE_STORE_SCHEMA_H

#include "base/sql.h"
#include "store/store_sql.h"

/* X_BODIES stands immediately before X: db_drop() subtracts 1. */
enum statement {
    BEGIN,
    COMMIT,
    READ,
    GET,
    CHECK,
    LIST,
    FIND,
    IDS,
    IDS_AFTER,
    COLLECTIONS,
    PUT,
    PUT_BODY,
    TOUCH,
    DROP_ONE_BODIES,
    DROP_ONE,
    DROP_COLLECTION_BODIES,
    DROP_COLLECTION,
    DROP_SOME_BODIES,
    DROP_SOME,
    DISCARD_BODIES,
    DISCARD,
    WEIGH,
    EVICT_BODIES,
    EVICT,
    COUNT,
    ITEMS,
    LAST,
    PURGE_LOG_APPEND,
    PURGE_LOG_TRIM,
    PURGE_LOG_READ,
    PURGE_LOG_LAST,
    DATA_VERSION,
    PAGES,
    FREE_PAGES,
    SHRINK,
    STATEMENTS
};

struct db {
    struct sql *sql;
    int64_t added, last; /* entries added since db_begin(), net; the last n used */
    int64_t data_version;
};

#endif
