#include "store/store_sql.h"

#include <string.h>

#include "store/store_schema.h"

#define EVICT_STEP 512
#define ROW_BYTES 512U /* of an entry besides its disk_bytes, rather too much than too little */

static void bind_key(struct sql_query *q, int at, const struct key *key)
{
    sql_bind_blob(q, at, key->bytes, KEY_BYTES);
}

static void bind_text(struct sql_query *q, int at, const struct entry_bytes *text)
{
    if (text->len)
        sql_bind_text(q, at, text->at, text->len);
    else
        sql_bind_null(q, at);
}

static void bind_number(struct sql_query *q, int at, int64_t number) /* 0: NULL */
{
    if (number)
        sql_bind_int(q, at, number);
    else
        sql_bind_null(q, at);
}

enum sql_result db_begin(struct db *db)
{
    enum sql_result result = sql_run(db->sql, BEGIN);

    db->added = db->last = 0;
    if (result == SQL_OK)
        result = sql_ask(db->sql, LAST, &db->last);
    return result == SQL_NONE ? SQL_DAMAGED : result;
}

enum sql_result db_commit(struct db *db)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, COUNT, &q);

    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, db->added);
    sql_bind_int(q, 2, db->last);
    result = sql_finish(db->sql, q);
    return result == SQL_OK ? sql_run(db->sql, COMMIT) : result;
}

void db_undo(struct db *db)
{
    sql_undo(db->sql);
}

static enum sql_result put_entry(struct db *db, const struct entry *e, int64_t used_ms)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, PUT, &q);

    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, db->last);
    sql_bind_int(q, 2, db_id(&e->key));
    bind_key(q, 3, &e->key);
    sql_bind_int(q, 4, e->stored_ms);
    sql_bind_int(q, 5, used_ms);
    bind_number(q, 6, (int64_t)e->collection);
    sql_bind_int(q, 7, e->status);
    sql_bind_int(q, 8, e->flags);
    sql_bind_int(q, 9, (int64_t)e->body_bytes);
    sql_bind_int(q, 10, (int64_t)(e->head.len + e->body.len));
    bind_text(q, 11, &e->label);
    bind_text(q, 12, &e->model);
    sql_bind_blob(q, 13, e->sum, ENTRY_SUM_BYTES);
    result = sql_finish(db->sql, q);
    if (result != SQL_OK)
        return result;
    if (sql_changes(db->sql) == 0)
        return SQL_NONE;
    db->added++;
    return SQL_OK;
}

static enum sql_result put_body(struct db *db, const struct entry *e)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, PUT_BODY, &q);

    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, db->last);
    sql_bind_blob(q, 2, e->head.at, e->head.len);
    sql_bind_blob(q, 3, e->body.at, e->body.len);
    return sql_finish(db->sql, q);
}

enum sql_result db_put(struct db *db, const struct entry *e, int64_t used_ms, uint64_t *replaced)
{
    enum sql_result result;

    *replaced = 0;
    db->last++;
    result = put_entry(db, e, used_ms);
    if (result == SQL_NONE) { /* the id exists */
        result = db_discard(db, db_id(&e->key), replaced);
        if (result == SQL_OK)
            result = put_entry(db, e, used_ms);
    }
    if (result == SQL_NONE)
        return SQL_DAMAGED; /* n exists */
    return result == SQL_OK ? put_body(db, e) : result;
}

enum sql_result db_touch(struct db *db, int64_t id, int64_t now_ms)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, TOUCH, &q);

    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, id);
    sql_bind_int(q, 2, now_ms);
    return sql_finish(db->sql, q);
}

static void bind_purge(struct sql_query *q, enum statement which, const struct purge *purge,
                       int64_t until_ms)
{
    const struct entry_bytes model = {purge->model, purge->model ? strlen(purge->model) : 0};

    if (which == DROP_ONE) {
        sql_bind_int(q, 1, db_id(&purge->key));
        bind_key(q, 2, &purge->key);
        sql_bind_int(q, 3, until_ms);
        return;
    }
    bind_number(q, 1, (int64_t)purge->collection);
    sql_bind_int(q, 2, until_ms);
    if (which == DROP_COLLECTION)
        return;
    bind_number(q, 3, purge->stored_before_ms);
    bind_text(q, 4, &model);
}

enum sql_result db_drop(struct db *db, const struct purge *purge, int64_t until_ms, uint64_t *count)
{
    enum statement which = DROP_SOME;
    enum sql_result result;
    struct sql_query *bodies, *entries;
    int64_t n;

    if (purge->one)
        which = DROP_ONE;
    else if (purge->collection && !purge->stored_before_ms && !purge->model)
        which = DROP_COLLECTION; /* uses the index entry_collection */
    if ((result = sql_query(db->sql, which - 1, &bodies)) != SQL_OK ||
        (result = sql_query(db->sql, which, &entries)) != SQL_OK)
        return result;
    bind_purge(bodies, which, purge, until_ms);
    if ((result = sql_finish(db->sql, bodies)) != SQL_OK)
        return result;
    bind_purge(entries, which, purge, until_ms);
    result = sql_finish(db->sql, entries);
    n = result == SQL_OK ? sql_changes(db->sql) : 0;
    db->added -= n;
    *count += (uint64_t)n;
    return result;
}

enum sql_result db_discard(struct db *db, int64_t id, uint64_t *count)
{
    enum sql_result result;
    struct sql_query *q;
    int64_t n;

    for (enum statement which = DISCARD_BODIES; which <= DISCARD; which++) {
        if ((result = sql_query(db->sql, which, &q)) != SQL_OK)
            return result;
        sql_bind_int(q, 1, id);
        if ((result = sql_finish(db->sql, q)) != SQL_OK)
            return result;
    }
    n = sql_changes(db->sql);
    db->added -= n;
    *count += (uint64_t)n;
    return SQL_OK;
}

/* *count: the number of least recently used entries, at most EVICT_STEP, that have `bytes` bytes.
 */
static enum sql_result weigh(struct db *db, uint64_t bytes, int64_t *count)
{
    uint64_t weight = 0;
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, WEIGH, &q);

    *count = 0;
    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, EVICT_STEP);
    while (weight < bytes && (result = sql_step(db->sql, q)) == SQL_OK) {
        int64_t size = sql_int(q, 0);

        weight += ROW_BYTES + (size > 0 ? (uint64_t)size : 0);
        ++*count;
    }
    sql_end(q);
    return *count && result == SQL_NONE ? SQL_OK : result;
}

enum sql_result db_evict(struct db *db, uint64_t bytes, uint64_t *count)
{
    enum sql_result result;
    struct sql_query *q;
    int64_t max, n;

    if ((result = weigh(db, bytes, &max)) != SQL_OK)
        return result;

    for (enum statement which = EVICT_BODIES; which <= EVICT; which++) {
        if ((result = sql_query(db->sql, which, &q)) != SQL_OK)
            return result;
        sql_bind_int(q, 1, max);
        if ((result = sql_finish(db->sql, q)) != SQL_OK)
            return result;
    }
    n = sql_changes(db->sql);
    db->added -= n;
    *count += (uint64_t)n;
    return n ? SQL_OK : SQL_NONE;
}

enum sql_result db_purge_log_append(struct db *db, int64_t origin, int64_t at_ms,
                                    const struct purge *purge)
{
    const struct entry_bytes model = {purge->model, purge->model ? strlen(purge->model) : 0};
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, PURGE_LOG_APPEND, &q);

    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, at_ms);
    sql_bind_int(q, 2, origin);
    if (purge->one)
        bind_key(q, 3, &purge->key);
    else
        sql_bind_null(q, 3);
    bind_number(q, 4, (int64_t)purge->collection);
    bind_number(q, 5, purge->stored_before_ms);
    bind_text(q, 6, &model);
    result = sql_finish(db->sql, q);
    return result == SQL_OK ? sql_run(db->sql, PURGE_LOG_TRIM) : result;
}
