/* The read half of store_sql.h, for readers, commands, and the writer when it opens the file. */
#include <string.h>

#include "store/store.h"
#include "store/store_schema.h"
#include "store/store_sql.h"

static struct entry_bytes text_at(struct sql_query *q, int column)
{
    struct entry_bytes bytes;

    bytes.at = sql_text(q, column, &bytes.len);
    return bytes;
}

static struct entry_bytes blob_at(struct sql_query *q, int column)
{
    struct entry_bytes bytes;

    bytes.at = sql_blob(q, column, &bytes.len);
    return bytes;
}

/* A key or checksum of a wrong length becomes zero, and fails verification. */
static void copy_at(struct sql_query *q, int column, unsigned char *to, size_t size)
{
    struct entry_bytes bytes = blob_at(q, column);

    memset(to, 0, size);
    if (bytes.len == size)
        memcpy(to, bytes.at, size);
}

#define BODY_BYTES 5

static void read_entry(struct sql_query *q, struct entry *e)
{
    copy_at(q, 0, e->key.bytes, KEY_BYTES);
    e->stored_ms = sql_int(q, 1);
    e->collection = (uint64_t)sql_int(q, 2);
    e->status = (unsigned)sql_int(q, 3);
    e->flags = (unsigned)sql_int(q, 4);
    e->body_bytes = (uint64_t)sql_int(q, BODY_BYTES);
    e->label = text_at(q, 6);
    e->model = text_at(q, 7);
    copy_at(q, 8, e->sum, ENTRY_SUM_BYTES);
    e->head = blob_at(q, 9);
    e->body = blob_at(q, 10);
    e->id = sql_int(q, 11);
    e->used_ms = sql_int(q, 12);
}

enum sql_result db_get(struct db *db, int64_t id, uint64_t body_max, struct entry *entry)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, GET, &q);

    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, id);
    sql_bind_int(q, 2, body_max > INT64_MAX ? INT64_MAX : (int64_t)body_max);
    result = sql_step(db->sql, q);
    if (result != SQL_OK)
        return result;
    entry->body_bytes = (uint64_t)sql_int(q, BODY_BYTES);
    if (entry->body_bytes <= body_max)
        read_entry(q, entry);
    return SQL_OK;
}

void db_release(struct db *db)
{
    struct sql_query *q;

    if (sql_query(db->sql, GET, &q) == SQL_OK)
        sql_end(q);
}

enum sql_result db_read(struct db *db)
{
    return sql_run(db->sql, READ);
}

void db_read_end(struct db *db)
{
    sql_run(db->sql, COMMIT); /* a read transaction: no result is needed */
}

bool db_changed(struct db *db)
{
    int64_t version = db->data_version;
    bool changed;

    if (sql_ask(db->sql, DATA_VERSION, &version) != SQL_OK)
        return true;
    changed = version != db->data_version;
    db->data_version = version;
    return changed;
}

static void read_purge(struct sql_query *q, struct purge *purge)
{
    struct entry_bytes key = blob_at(q, 3), model;

    *purge = (struct purge){.one = key.len == KEY_BYTES};
    if (purge->one)
        memcpy(purge->key.bytes, key.at, KEY_BYTES);
    purge->collection = (uint64_t)sql_int(q, 4);
    purge->stored_before_ms = sql_int(q, 5);
    model = text_at(q, 6);
    purge->model = model.len ? model.at : NULL;
}

enum sql_result db_purge_log_read(struct db *db, struct purge_log_reader *reader)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, PURGE_LOG_READ, &q);

    reader->missed = false;
    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, reader->seq);
    while ((result = sql_step(db->sql, q)) == SQL_OK) {
        struct purge purge;

        if (sql_int(q, 0) != reader->seq + 1)
            reader->missed = true;
        reader->seq = sql_int(q, 0);
        read_purge(q, &purge);
        if (sql_int(q, 2) != reader->origin)
            reader->each(reader->arg, sql_int(q, 1), &purge);
    }
    sql_end(q);
    return result == SQL_NONE ? SQL_OK : result;
}

enum sql_result db_purge_log_last(struct db *db, int64_t *seq)
{
    return sql_ask(db->sql, PURGE_LOG_LAST, seq);
}

enum sql_result db_sizes(struct db *db, struct db_sizes *sizes)
{
    int64_t items = 0, pages = 0, unused = 0;
    enum sql_result result = sql_ask(db->sql, ITEMS, &items);

    if (result == SQL_OK)
        result = sql_ask(db->sql, PAGES, &pages);
    if (result == SQL_OK)
        result = sql_ask(db->sql, FREE_PAGES, &unused);
    if (result == SQL_OK)
        *sizes = (struct db_sizes){.items = (uint64_t)items,
                                   .used_bytes = (uint64_t)(pages - unused) * DB_PAGE,
                                   .free_bytes = (uint64_t)unused * DB_PAGE};
    return result == SQL_NONE ? SQL_DAMAGED : result;
}

enum sql_result db_ids(struct db *db, int64_t *after, void (*each)(void *arg, int64_t id),
                       void *arg)
{
    struct sql_query *q;
    int64_t last = 0; /* read first: entries put after that are listed again next time */
    enum sql_result result = sql_ask(db->sql, LAST, &last);

    if (result == SQL_OK)
        result = sql_query(db->sql, *after ? IDS_AFTER : IDS, &q);
    if (result != SQL_OK)
        return result;
    if (*after)
        sql_bind_int(q, 1, *after);
    while ((result = sql_step(db->sql, q)) == SQL_OK)
        each(arg, sql_int(q, 0));
    sql_end(q);
    if (result != SQL_NONE)
        return result;
    *after = last;
    return SQL_OK;
}

enum sql_result db_collections(struct db *db, int64_t after,
                               void (*each)(void *arg, int64_t collection), void *arg)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, COLLECTIONS, &q);

    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, after);
    while ((result = sql_step(db->sql, q)) == SQL_OK)
        each(arg, sql_int(q, 0));
    sql_end(q);
    return result == SQL_NONE ? SQL_OK : result;
}

enum sql_result db_shrink(struct db *db)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, SHRINK, &q);

    if (result != SQL_OK)
        return result;
    while ((result = sql_step(db->sql, q)) == SQL_OK)
        ; /* one row for each page */
    sql_end(q);
    return result == SQL_NONE ? SQL_OK : result;
}

enum sql_result db_checkpoint(struct db *db, bool all)
{
    return sql_checkpoint(db->sql, all);
}

/* ---- commands ---- */

enum sql_result db_list(struct db *db, bool (*each)(void *arg, const struct store_row *row),
                        void *arg)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, LIST, &q);

    if (result != SQL_OK)
        return result;
    while ((result = sql_step(db->sql, q)) == SQL_OK) {
        struct store_row row = {.stored_ms = sql_int(q, 1),
                                .used_ms = sql_int(q, 2),
                                .status = (unsigned)sql_int(q, 3),
                                .body_bytes = (uint64_t)sql_int(q, 4),
                                .disk_bytes = (uint64_t)sql_int(q, 5)};
        struct entry_bytes label = text_at(q, 6), model = text_at(q, 7);

        copy_at(q, 0, row.key.bytes, KEY_BYTES);
        row.label = label.at ? label.at : "";
        row.model = model.at ? model.at : "";
        if (!each(arg, &row))
            break;
    }
    sql_end(q);
    return result == SQL_NONE ? SQL_OK : result;
}

enum sql_result db_check(struct db *db, bool (*each)(void *arg, const struct entry *entry),
                         void *arg)
{
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, CHECK, &q);

    if (result != SQL_OK)
        return result;
    while ((result = sql_step(db->sql, q)) == SQL_OK) {
        struct entry entry = {.status = 0};

        read_entry(q, &entry);
        if (!each(arg, &entry))
            break;
    }
    sql_end(q);
    return result == SQL_NONE ? SQL_OK : result;
}

static bool begins_with(const struct key *key, const struct key *begin, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(key->bytes, begin->bytes, whole) != 0)
        return false;
    return rest == 0 || (key->bytes[whole] ^ begin->bytes[whole]) >> (8 - rest) == 0;
}

enum sql_result db_find(struct db *db, const struct key *begin, unsigned bits, struct key *key,
                        int *found)
{
    uint64_t from = (uint64_t)db_id(begin);
    uint64_t rest = bits >= 63 ? 0 : UINT64_MAX >> 1 >> bits;
    struct sql_query *q;
    enum sql_result result = sql_query(db->sql, FIND, &q);

    *found = 0;
    if (result != SQL_OK)
        return result;
    sql_bind_int(q, 1, (int64_t)from);
    sql_bind_int(q, 2, (int64_t)(from | rest));
    while (*found < 2 && (result = sql_step(db->sql, q)) == SQL_OK) {
        struct key there;

        copy_at(q, 0, there.bytes, KEY_BYTES);
        if (!begins_with(&there, begin, bits))
            continue;
        if (*found == 0)
            *key = there;
        ++*found;
    }
    sql_end(q);
    return result == SQL_NONE ? SQL_OK : result;
}
