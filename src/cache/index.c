#include "cache/index.h"

enum index_verdict index_lookup(struct flight **flight, size_t high, size_t low)
{
    *flight = flight_new(false, high, low);
    return INDEX_PASS;
}
