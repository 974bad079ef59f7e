#include "proxy/turns.h"

#define SLOT_US UINT64_C(10000000)

void turns_note(struct turns *turns, uint64_t began_us, uint64_t ended_us)
{
    uint64_t number = ended_us / SLOT_US, us = ended_us - began_us, before;
    atomic_uint_least64_t *slot = &turns->slots[number % TURNS_SLOTS];

    if (us > UINT32_MAX)
        us = UINT32_MAX;
    before = atomic_load_explicit(slot, memory_order_relaxed);
    if (before >> 32 != (number & UINT32_MAX) || (before & UINT32_MAX) < us)
        atomic_store_explicit(slot, number << 32 | us, memory_order_relaxed);
}

uint64_t turns_longest_us(const struct turns *turns, uint64_t now_us)
{
    uint64_t now = now_us / SLOT_US, longest = 0;

    for (unsigned i = 0; i < TURNS_SLOTS; i++) {
        uint64_t slot = atomic_load_explicit(&turns->slots[i], memory_order_relaxed);

        if (((now - (slot >> 32)) & UINT32_MAX) < TURNS_SLOTS && (slot & UINT32_MAX) > longest)
            longest = slot & UINT32_MAX;
    }
    return longest;
}
