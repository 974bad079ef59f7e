#include "store/store_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fsx.h"
#include "base/mem.h"
#include "base/str.h"

#define WAIT_MS 3000 /* for locks of other processes */

static const char *const companions[STORE_LOGS] = {"-wal", "-shm"};

void store_file_init(struct store_file *file, const char *folder)
{
    struct str path = STR_INIT;

    str_addf(&path, "%s/cache.db", folder);
    *file = (struct store_file){.folder = mem_strdup(folder), .path = str_detach(&path)};
}

void store_file_release(struct store_file *file)
{
    free(file->folder);
    free(file->path);
}

static char *companion_of(const struct store_file *file, size_t i)
{
    struct str path = STR_INIT;

    str_addf(&path, "%s%s", file->path, companions[i]);
    return str_detach(&path);
}

/* -1: a file exists and cannot be removed. The folder is locked. */
static int remove_all(const struct store_file *file, struct err *err)
{
    if (unlink(file->path) < 0 && errno != ENOENT)
        return err_sys(err, "cannot remove %s", file->path);
    for (size_t i = 0; i < countof(companions); i++) {
        mem_auto char *path = companion_of(file, i);

        if (unlink(path) < 0 && errno != ENOENT)
            return err_sys(err, "cannot remove %s", path);
    }
    return 0;
}

static int look_at_files(const struct store_file *file, struct store_conn *link, struct err *err)
{
    bool there;
    uint64_t id;

    if (fsx_private_file(file->path, &there, &link->id, err) < 0)
        return -1;
    for (size_t i = 0; i < countof(companions); i++) {
        mem_auto char *path = companion_of(file, i);

        if (fsx_private_file(path, &there, &id, err) < 0)
            return -1;
    }
    return 0;
}

int store_file_check(const struct store_file *file, struct err *err)
{
    struct store_conn link = {.id = 0};

    if (fsx_private_folder(file->folder, err) < 0)
        return -1;
    return look_at_files(file, &link, err);
}

static int make_file(const struct store_file *file, struct store_conn *link, struct err *err)
{
    /* SQLite would take the companions of a removed file for the new file's. */
    if (remove_all(file, err) < 0 || fsx_make_file(file->path, err) < 0)
        return -1;
    link->id = fsx_file_id(file->path);
    return 0;
}

static int refuse(const struct store_file *file, enum db_kind kind, struct err *err)
{
    if (kind == DB_NEWER)
        return err_set(err, ERR_SYSTEM,
                       "%s was made by a newer goproxyai: use another --cache-dir, or remove the "
                       "file",
                       file->path);
    return err_set(err, ERR_SYSTEM, "%s is another program's database: use another --cache-dir",
                   file->path);
}

/* One attempt. *why: describes a damaged or older file, which the caller handles; NULL: another
 * error. */
static int try_open(const struct store_file *file, struct store_conn *link, const char **why,
                    struct err *err)
{
    enum db_kind kind = DB_OURS;
    enum sql_result result = db_open(&link->db, file->path, &kind, WAIT_MS);

    *why = NULL;
    if (result == SQL_OK && (kind == DB_NEWER || kind == DB_FOREIGN))
        return refuse(file, kind, err);
    if (result == SQL_OK && kind == DB_EMPTY)
        result = db_make(link->db);
    if (result == SQL_OK && kind != DB_OLDER)
        result = db_write(link->db, file->log_bytes);
    if (result == SQL_DAMAGED)
        *why = "it was damaged";
    else if (result == SQL_OK && kind == DB_OLDER)
        *why = "it was made by an older goproxyai";
    else if (result == SQL_OK)
        return 0;
    return db_explain(link->db, result, file->path, err);
}

int store_file_leave(const struct store_file *file, const char *why, struct err *err)
{
    return err_set(err, ERR_SYSTEM,
                   "%s is no cache that can be read (%s, or is another program's): use another "
                   "--cache-dir; or goproxyai cache clear removes it, and a server that starts "
                   "begins it anew",
                   file->path, why);
}

static int open_locked(struct store_file *file, struct store_conn *link, struct err *err)
{
    const char *why;

    if (look_at_files(file, link, err) < 0)
        return -1;
    if (!link->id && make_file(file, link, err) < 0)
        return -1;
    if (try_open(file, link, &why, err) == 0)
        return 0;
    if (!why)
        return -1;
    if (file->read_only)
        return store_file_leave(file, why, err);
    db_close(take(link->db));
    if (make_file(file, link, err) < 0 || try_open(file, link, &(const char *){NULL}, err) < 0)
        return -1;
    file->on_anew(file->arg, why);
    return 0;
}

/* Creates and checks the folder. Returns a descriptor that holds its lock, or -1. */
static int enter_folder(const struct store_file *file, struct err *err)
{
    bool unlocked;
    int lock;

    if (fsx_private_folder(file->folder, err) < 0)
        return -1;
    lock = fsx_lock_folder(file->folder, WAIT_MS, &unlocked, err);
    if (unlocked && file->on_unlocked)
        file->on_unlocked(file->arg);
    return lock;
}

int store_file_open(struct store_file *file, struct store_conn *link, struct err *err)
{
    int lock = enter_folder(file, err), result;

    *link = (struct store_conn){.db = NULL};
    if (lock < 0)
        return -1;
    result = open_locked(file, link, err);
    if (result < 0)
        store_file_close(link);
    close(lock);
    return result;
}

int store_file_look(const struct store_file *file, struct store_conn *link, unsigned wait_ms,
                    struct err *err)
{
    enum db_kind kind = DB_EMPTY;
    enum sql_result result;
    bool unlocked;
    int lock = fsx_lock_folder(file->folder, wait_ms, &unlocked, err);

    *link = (struct store_conn){.db = NULL};
    if (lock < 0)
        return -1;
    if (look_at_files(file, link, err) < 0) {
        close(lock);
        return -1;
    }
    if (!link->id) {
        close(lock);
        return err_set(err, ERR_SYSTEM, "%s is not there", file->path);
    }
    result = db_open(&link->db, file->path, &kind, wait_ms);
    close(lock);
    if (result == SQL_OK && kind == DB_OURS)
        return 0;
    db_explain(link->db, result == SQL_OK ? SQL_BUSY : result, file->path, err);
    store_file_close(link);
    return -1;
}

void store_file_close(struct store_conn *link)
{
    db_close(take(link->db));
    *link = (struct store_conn){.db = NULL};
}

bool store_file_is(const struct store_file *file, const struct store_conn *link)
{
    return link->db && fsx_file_id(file->path) == link->id;
}

bool store_file_lost_log(const struct store_file *file, struct store_conn *link)
{
    for (size_t i = 0; link->db && i < STORE_LOGS; i++) {
        mem_auto char *path = companion_of(file, i);
        uint64_t id = fsx_file_id(path);

        if (!link->log_ids[i])
            link->log_ids[i] = id;
        else if (id != link->log_ids[i])
            return true;
    }
    return false;
}

int store_file_anew(struct store_file *file, struct store_conn *link, const char *why,
                    struct err *err)
{
    bool unlocked, ours;
    int lock = fsx_lock_folder(file->folder, WAIT_MS, &unlocked, err), result = 0;

    if (lock < 0)
        return -1;
    /* Compares before closing: the inode number may be reused afterwards. */
    ours = store_file_is(file, link);
    store_file_close(link);
    if (ours)
        result = remove_all(file, err);
    if (result == 0)
        result = open_locked(file, link, err);
    if (result < 0)
        store_file_close(link);
    close(lock);
    if (result == 0 && ours && why)
        file->on_anew(file->arg, why);
    return result;
}

/* -1: the file must not be removed. A full disk may prevent the check: then removal is allowed. */
static int may_clear(const struct store_file *file, int64_t *count, struct err *err)
{
    struct db_sizes sizes = {.items = 0};
    enum db_kind kind = DB_EMPTY;
    struct db *db;
    enum sql_result result = db_open(&db, file->path, &kind, WAIT_MS);
    int refused = 0;

    if (result == SQL_BUSY)
        refused = db_explain(db, result, file->path, err);
    else if (result == SQL_OK && (kind == DB_NEWER || kind == DB_FOREIGN))
        refused = refuse(file, kind, err);
    else if (result == SQL_OK && kind == DB_OURS)
        result = db_sizes(db, &sizes);
    *count = result == SQL_OK || result == SQL_DAMAGED ? (int64_t)sizes.items : -1;
    db_close(db);
    return refused;
}

int store_file_clear(const struct store_file *file, int64_t *count, struct err *err)
{
    struct store_conn link = {.db = NULL};
    int lock = enter_folder(file, err), result;

    *count = 0;
    if (lock < 0)
        return -1;
    result = look_at_files(file, &link, err);
    if (result == 0 && link.id)
        result = may_clear(file, count, err);
    if (result == 0)
        result = remove_all(file, err);
    close(lock);
    return result;
}
