#include "cache/purge.h"

#include <fnmatch.h>
#include <string.h>

bool purge_covers(const struct purge *purge, const struct key *key, uint64_t collection,
                  int64_t stored_ms, const char *model)
{
    return (!purge->one || memcmp(purge->key.bytes, key->bytes, KEY_BYTES) == 0) &&
           (!purge->collection || purge->collection == collection) &&
           (!purge->stored_before_ms || stored_ms < purge->stored_before_ms) &&
           (!purge->model || fnmatch(purge->model, model ? model : "", 0) == 0);
}

bool purge_is_all(const struct purge *purge)
{
    return !purge->one && !purge->collection && !purge->stored_before_ms && !purge->model;
}

bool purge_is_of_collection(const struct purge *purge)
{
    return purge->collection && !purge->one && !purge->stored_before_ms && !purge->model;
}
