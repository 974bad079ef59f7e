/* The tables of cache.db (described in store_sql.h) and all that is ever asked of them: private to
 * the files store_schema, store_sql and store_sql_read.
 */
#ifndef STORE_STORE_SCHEMA_H
#define STORE_STORE_SCHEMA_H

#include "base/sql.h"
#include "store/store_sql.h"

/* A name in _BODIES stands right before its own. */
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
    int64_t added, last; /* entries since the transaction began; the last n */
    int64_t data_version;
};

#endif
