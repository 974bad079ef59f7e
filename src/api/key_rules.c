#include "api/key_rules.h"

#include <stddef.h>

#include "base/refs.h"

struct key_rules *key_rules_ref(struct key_rules *rules)
{
    refs_add(&rules->refs);
    return rules;
}

void key_rules_unref(struct key_rules *rules)
{
    if (rules && refs_drop(&rules->refs) && rules->free)
        rules->free(rules);
}
