#include "cache_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
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

void cache_print_size(struct str *out, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;

    while (bytes >= 1024 && unit + 1 < countof(units)) {
        bytes /= 1024;
        unit++;
    }
    str_addf(out, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

const char *cache_plural(uint64_t n, const char *ending)
{
    return n == 1 ? "" : ending;
}

void cache_print_age(struct str *out, int64_t ms)
{
    int64_t s = ms > 0 ? ms / 1000 : 0;

    if (s < 60)
        str_addf(out, "%" PRId64 " s", s);
    else if (s < 3600)
        str_addf(out, "%" PRId64 " min", s / 60);
    else if (s < 86400)
        str_addf(out, "%" PRId64 " h", s / 3600);
    else
        str_addf(out, "%" PRId64 " d", s / 86400);
}

void cache_print_row(const struct store_row *row, int64_t now_ms, bool brief)
{
    struct str age = STR_INIT, size = STR_INIT;
    char hex[KEY_HEX_SIZE];

    key_to_hex(&row->key, hex);
    cache_print_age(&age, now_ms - row->stored_ms);
    cache_print_size(&size, (double)row->body_bytes);
    command_print_line(stdout, "%.*s  %6s  %u  %9s  %s%s%s", brief ? BRIEF_DIGITS : KEY_HEX_SIZE,
                       hex, age.text, row->status, size.text, row->label, *row->model ? "  " : "",
                       row->model);
    str_release(&age);
    str_release(&size);
}
