/* Gets of long bodies, on the threads of rules.jobs, with spare readers. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/store_internal.h"

static struct store_reader *take_reader(struct store *s)
{
    struct store_reader *reader = NULL;

    pthread_mutex_lock(&s->spares.lock);
    if (s->spares.count > 0)
        reader = s->spares.readers[--s->spares.count];
    pthread_mutex_unlock(&s->spares.lock);
    return reader ? reader : store_reader_new(s);
}

static void give_reader(struct store *s, struct store_reader *reader)
{
    store_reader_rest(reader);
    pthread_mutex_lock(&s->spares.lock);
    if (s->spares.count < STORE_SPARES) {
        store_reader_refresh(reader); /* the file may have been replaced meanwhile */
        s->spares.readers[s->spares.count++] = take(reader);
    }
    pthread_mutex_unlock(&s->spares.lock);
    store_reader_free(reader);
}

void store_spares_refresh(struct store *s)
{
    pthread_mutex_lock(&s->spares.lock);
    for (unsigned i = 0; i < s->spares.count; i++)
        store_reader_refresh(s->spares.readers[i]);
    pthread_mutex_unlock(&s->spares.lock);
}

void store_spares_release(struct store *s)
{
    while (s->spares.count > 0)
        store_reader_free(s->spares.readers[--s->spares.count]);
}

struct object *store_read(struct store *s, const struct key *key)
{
    struct store_reader *reader = take_reader(s);
    struct object *object = store_reader_read(reader, key);

    give_reader(s, reader);
    return object;
}

struct long_get {
    struct job job;
    struct store *store;
    struct store_get *get;
};

static void run(struct job *job)
{
    struct long_get *g = container_of(job, struct long_get, job);

    g->get->object = store_read(g->store, &g->get->key);
    g->get->on_done(g->get);
    free(g);
}

void store_long_get(struct store *s, struct store_get *get)
{
    struct long_get *g = mem_zero(sizeof(*g));

    g->store = s;
    g->get = get;
    jobs_add(s->rules.jobs, &g->job, run);
}
