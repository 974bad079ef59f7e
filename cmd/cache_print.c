#include "cache_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/human.h"
#include "base/mem.h"
#include "cmd.h"

#define BRIEF_DIGITS 16

int cache_key_unknown(const char *key, struct err *err)
{
    return err_set(err, ERR_SYSTEM, "no stored answer has the key %s: try cache list", key);
}

int cache_key_ambiguous(const char *key, struct err *err)
{
    return err_set(err, ERR_SYSTEM, "several answers' keys begin with %s: give more of it", key);
}

const char *cache_plural(uint64_t n, const char *ending)
{
    return n == 1 ? "" : ending;
}

void cache_print_row(const struct store_row *row, int64_t now_ms, bool brief)
{
    struct str age = STR_INIT, size = STR_INIT;
    char hex[KEY_HEX_SIZE];

    key_to_hex(&row->key, hex);
    human_add_age(&age, now_ms - row->stored_ms);
    human_add_size(&size, row->body_bytes);
    command_print_line(stdout, "%.*s  %6s  %u  %9s  %s%s%s", brief ? BRIEF_DIGITS : KEY_HEX_SIZE,
                       hex, age.text, row->status, size.text, row->label, *row->model ? "  " : "",
                       row->model);
    str_release(&age);
    str_release(&size);
}
