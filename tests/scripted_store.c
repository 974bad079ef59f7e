/* A goproxyai whose store answers when a test says so: tests/91-store.bats.
 *
 * Linked with --wrap=store_functions, it has a table of functions of its own in the place of the
 * store's. While the folder $STORE_SCRIPT has a file `hold`, each look is pending; once it has
 * `fifo` or `lifo`, those that are pending are answered in that order, on a thread of this program,
 * as the store answers them then. `looks` is appended one byte for each look that was held. What
 * nobody asked to be answered is answered as absent by settle(). */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/store.h"

#define STEP_US 2000

extern const struct store_ops __wrap_store_functions;

struct held {
    struct held *next; /* the one that came before */
    struct store_get *get;
};

static struct store *the_store; /* set before the thread begins, by the first look */
static pthread_once_t begun = PTHREAD_ONCE_INIT;
static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *last; /* guarded by the lock, as is the next */
static bool settled;

static bool is_said(const char *word)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", getenv("STORE_SCRIPT"), word);
    return access(path, F_OK) == 0;
}

static void note_look(void)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/looks", getenv("STORE_SCRIPT"));
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1)
        abort();
    close(fd);
}

static struct held *take_all(void)
{
    struct held *all;

    pthread_mutex_lock(&lock);
    all = take(last);
    pthread_mutex_unlock(&lock);
    return all;
}

static struct held *reversed(struct held *list)
{
    struct held *result = NULL;

    while (list) {
        struct held *next = list->next;

        list->next = result;
        result = list;
        list = next;
    }
    return result;
}

static void answer_all(struct held *list, bool absent)
{
    while (list) {
        struct held *next = list->next;
        struct store_get *get = list->get;

        get->object = absent ? NULL : store_read(the_store, &get->key);
        get->on_done(get);
        free(list);
        list = next;
    }
}

static void *answer(void *unused)
{
    bool ends = false;

    (void)unused;
    while (!ends) {
        if (is_said("lifo"))
            answer_all(take_all(), false);
        else if (is_said("fifo"))
            answer_all(reversed(take_all()), false);
        usleep(STEP_US);
        pthread_mutex_lock(&lock);
        ends = settled;
        pthread_mutex_unlock(&lock);
    }
    answer_all(take_all(), true);
    return NULL;
}

static void begin(void)
{
    if (pthread_create(&thread, NULL, answer, NULL) != 0)
        abort();
}

static bool may_have(struct store *store, const struct key *key)
{
    if (!is_said("hold"))
        return store_may_have(store, key);
    pthread_mutex_lock(&lock);
    the_store = store;
    pthread_mutex_unlock(&lock);
    pthread_once(&begun, begin);
    return true;
}

static enum store_got get(struct store_reader *reader, struct store_get *get)
{
    struct held *held;

    if (!is_said("hold"))
        return store_get(reader, get);
    held = mem_zero(sizeof(*held));
    held->get = get;
    pthread_mutex_lock(&lock);
    held->next = last;
    last = held;
    pthread_mutex_unlock(&lock);
    note_look();
    return STORE_PENDING;
}

static void settle(struct store *store)
{
    pthread_mutex_lock(&lock);
    settled = true;
    pthread_mutex_unlock(&lock);
    if (the_store)
        pthread_join(thread, NULL);
    (void)store;
}

const struct store_ops __wrap_store_functions = {.settle = settle,
                                                 .close = store_close,
                                                 .takes = store_takes,
                                                 .put = store_put,
                                                 .touch = store_touch,
                                                 .begin_write = store_begin_write,
                                                 .end_write = store_end_write,
                                                 .remove = store_remove,
                                                 .may_have = may_have,
                                                 .open_reader = store_reader_new,
                                                 .close_reader = store_reader_free,
                                                 .get = get,
                                                 .rest = store_reader_rest,
                                                 .refresh = store_reader_refresh,
                                                 .read = store_read,
                                                 .figures = store_figures,
                                                 .each = store_each,
                                                 .find = store_find,
                                                 .verify = store_verify};
