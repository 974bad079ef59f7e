#include "cache/index.h"

#include <assert.h>

enum index_verdict index_lookup(const void *key, struct flight **flight, size_t high, size_t low)
{
    assert(!key);
    *flight = flight_new(false, high, low);
    return INDEX_PASS;
}
