#include "store/tombstone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsx.h"
#include "base/mem.h"

#define MAGIC UINT32_C(0x31627467) /* "gtb1" */
#define MODEL_SIZE 200
#define LANES_MAX 64

/* A record of the file, in the machine's byte order. All zero: the slot is free. */
struct record {
    uint32_t magic;
    uint32_t one;
    uint64_t collection;
    int64_t stored_before_ms;
    unsigned char key[KEY_BYTES];
    char model[MODEL_SIZE]; /* ends with a NUL; empty: any */
};
_Static_assert(sizeof(struct record) == 256, "a record has no padding");

#define LANE_BYTES ((off_t)(TOMBSTONE_SLOTS * sizeof(struct record)))

static const struct record free_record;

/* --- records --------------------------------------------------------------------------- */

/* A glob that is too long for the record becomes every model: the record may purge too much, never
 * too little. */
static void record_of(const struct purge *purge, struct record *record)
{
    const char *model = purge->model ? purge->model : "";

    memset(record, 0, sizeof(*record));
    record->magic = MAGIC;
    record->one = purge->one;
    record->collection = purge->collection;
    record->stored_before_ms = purge->stored_before_ms;
    if (purge->one)
        memcpy(record->key, purge->key.bytes, KEY_BYTES);
    if (strlen(model) < MODEL_SIZE)
        memcpy(record->model, model, strlen(model));
}

static bool is_valid(const struct record *record)
{
    return record->magic == MAGIC && record->one <= 1 && record->model[MODEL_SIZE - 1] == '\0';
}

/* The purge points into the record. An invalid record stands for a purge of everything. */
static struct purge purge_of(const struct record *record)
{
    struct purge purge = {.one = false};

    if (!is_valid(record))
        return purge;
    purge.one = record->one != 0;
    memcpy(purge.key.bytes, record->key, KEY_BYTES);
    purge.collection = record->collection;
    purge.stored_before_ms = record->stored_before_ms;
    purge.model = *record->model ? record->model : NULL;
    return purge;
}

static off_t place_of(off_t lane, size_t slot)
{
    return lane + (off_t)(slot * sizeof(struct record));
}

static bool write_record(int fd, off_t lane, size_t slot, const struct record *record)
{
    ssize_t n = pwrite(fd, record, sizeof(*record), place_of(lane, slot));

    return n == (ssize_t)sizeof(*record);
}

/* --- lanes ----------------------------------------------------------------------------- */

/* Returns 0 or errno. */
static int lock_lane(int fd, off_t lane, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = lane, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? errno : 0;
}

/* Locks a free lane; -1: none. On a file system without locks this is the first lane: on_unlocked()
 * has warned that only one process may use the folder. */
static off_t take_lane(int fd)
{
    for (off_t lane = 0; lane < LANES_MAX * LANE_BYTES; lane += LANE_BYTES) {
        int code = lock_lane(fd, lane, F_WRLCK);

        if (code != EAGAIN && code != EACCES)
            return lane;
    }
    return -1;
}

/* Returns the number of the lane's records that the file has. */
static size_t read_lane(int fd, off_t lane, struct record records[TOMBSTONE_SLOTS])
{
    ssize_t n = pread(fd, records, (size_t)LANE_BYTES, lane);

    return n > 0 ? (size_t)n / sizeof(records[0]) : 0;
}

static void find_orphans(struct tombstone_log *log)
{
    mem_auto struct record *records = mem_alloc((size_t)LANE_BYTES);
    size_t count = read_lane(log->fd, log->lane, records);

    memset(log->slots, SLOT_FREE, sizeof(log->slots));
    for (size_t i = 0; i < count; i++)
        if (memcmp(&records[i], &free_record, sizeof(free_record)) != 0)
            log->slots[i] = SLOT_ORPHAN;
}

/* --- the file -------------------------------------------------------------------------- */

void tombstone_log_init(struct tombstone_log *log)
{
    memset(log, 0, sizeof(*log));
    log->fd = -1;
    list_init(&log->requests);
    list_init(&log->others);
}

static void free_tombstone(struct tombstone *t)
{
    list_remove(&t->node);
    free(t->model);
    free(t);
}

void tombstone_log_release(struct tombstone_log *log)
{
    struct list *lists[] = {&log->requests, &log->others};

    for (size_t i = 0; i < countof(lists); i++)
        while (!list_empty(lists[i]))
            free_tombstone(container_of(lists[i]->next, struct tombstone, node));
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}

/* Another file stands at the path: records the tombstones there. */
static void record_again(struct tombstone_log *log, struct list *tombstones)
{
    list_each(node, tombstones) {
        struct tombstone *t = container_of(node, struct tombstone, node);
        bool recorded = t->slot >= 0;

        t->slot = -1;
        if (recorded)
            (void)tombstone_record(log, t);
    }
}

bool tombstone_log_open(struct tombstone_log *log, const char *folder)
{
    int fd = fsx_open_in(folder, TOMBSTONE_FILE, O_CREAT);
    off_t lane;

    if (fd < 0)
        return false;
    if (fsx_is_same_file(log->fd, fd)) {
        close(fd);
        return true;
    }
    lane = take_lane(fd);
    if (lane < 0 || posix_fallocate(fd, lane, LANE_BYTES) != 0) {
        close(fd);
        return false;
    }
    if (log->fd >= 0)
        close(log->fd);
    log->fd = fd;
    log->lane = lane;
    find_orphans(log);
    record_again(log, &log->requests);
    record_again(log, &log->others);
    return true;
}

/* --- tombstones ------------------------------------------------------------------------ */

struct tombstone *tombstone_find(struct tombstone_log *log, uint64_t collection)
{
    list_each(node, &log->requests) {
        struct tombstone *t = container_of(node, struct tombstone, node);

        if (t->purge.collection == collection)
            return t;
    }
    return NULL;
}

struct tombstone *tombstone_hold(struct tombstone_log *log, const struct purge *purge)
{
    bool shared = purge_is_of_collection(purge);
    struct tombstone *t = shared ? tombstone_find(log, purge->collection) : NULL;

    if (!t) {
        t = mem_zero(sizeof(*t));
        t->purge = *purge;
        t->model = purge->model ? mem_strdup(purge->model) : NULL;
        t->purge.model = t->model;
        t->slot = -1;
        list_append(shared ? &log->requests : &log->others, &t->node);
    }
    t->refs++;
    return t;
}

bool tombstone_record(struct tombstone_log *log, struct tombstone *t)
{
    struct record record;
    size_t slot = 0;

    if (t->slot >= 0)
        return true;
    while (slot < TOMBSTONE_SLOTS && log->slots[slot] != SLOT_FREE)
        slot++;
    record_of(&t->purge, &record);
    if (log->fd < 0 || slot == TOMBSTONE_SLOTS || !write_record(log->fd, log->lane, slot, &record))
        return false;
    log->slots[slot] = SLOT_OURS;
    t->slot = (int)slot;
    return true;
}

void tombstone_release(struct tombstone_log *log, struct tombstone *t)
{
    if (--t->refs > 0)
        return;
    /* If the record cannot be cleared, the next process makes a needless purge. */
    if (t->slot >= 0 && write_record(log->fd, log->lane, (size_t)t->slot, &free_record))
        log->slots[t->slot] = SLOT_FREE;
    free_tombstone(t);
}

/* --- adoption -------------------------------------------------------------------------- */

/* Makes the record of a slot that of t: in our own lane it stays, from another lane it is copied
 * before it is cleared. False: no slot is free. */
static bool take_over(struct tombstone_log *log, off_t lane, size_t slot, struct tombstone *t)
{
    if (lane == log->lane && t->slot < 0) {
        t->slot = (int)slot;
        log->slots[slot] = SLOT_OURS;
        return true;
    }
    if (!tombstone_record(log, t))
        return false;
    if (write_record(log->fd, lane, slot, &free_record) && lane == log->lane)
        log->slots[slot] = SLOT_FREE;
    return true;
}

static void adopt_lane(struct tombstone_log *log, off_t lane,
                       void (*each)(void *arg, struct tombstone *tombstone), void *arg)
{
    mem_auto struct record *records = mem_alloc((size_t)LANE_BYTES);
    size_t count = read_lane(log->fd, lane, records);

    for (size_t i = 0; i < count; i++) {
        struct purge purge = purge_of(&records[i]);
        struct tombstone *t;

        if (lane == log->lane ? log->slots[i] != SLOT_ORPHAN
                              : memcmp(&records[i], &free_record, sizeof(free_record)) == 0)
            continue;
        t = tombstone_hold(log, &purge);
        if (take_over(log, lane, i, t))
            each(arg, t);
        else
            tombstone_release(log, t);
    }
}

static bool has_orphans(const struct tombstone_log *log)
{
    return memchr(log->slots, SLOT_ORPHAN, sizeof(log->slots)) != NULL;
}

void tombstone_adopt(struct tombstone_log *log,
                     void (*each)(void *arg, struct tombstone *tombstone), void *arg)
{
    struct stat file;

    if (log->fd < 0 || fstat(log->fd, &file) < 0)
        return;
    if (has_orphans(log))
        adopt_lane(log, log->lane, each, arg);
    for (off_t lane = 0; lane < LANES_MAX * LANE_BYTES && lane < file.st_size; lane += LANE_BYTES) {
        if (lane == log->lane || lock_lane(log->fd, lane, F_WRLCK) != 0)
            continue;
        adopt_lane(log, lane, each, arg);
        (void)lock_lane(log->fd, lane, F_UNLCK);
    }
}
