#include "cache_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cmd.h"

#define BRIEF_DIGITS 16

char *cache_folder(const struct conf *conf, struct err *err)
{
    char *folder = conf_cache_folder(conf);

    if (!folder)
        err_set(err, ERR_USAGE,
                "there is no HOME where the cache could be: name its folder with --cache-dir");
    return folder;
}

int cache_open(const struct conf *conf, bool look_only, struct store **store, struct err *err)
{
    mem_auto char *folder = cache_folder(conf, err);
    /* Without a bound: looking must not evict what a server with other settings keeps. */
    struct store_rules rules = {.folder = folder, .max_bytes = INT64_MAX, .look_only = look_only};

    return folder ? store_open(store, &rules, err) : -1;
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

static void set_time(struct json *object, const char *name, int64_t unix_ms)
{
    char text[32];

    clock_format_rfc3339(text, sizeof(text), unix_ms);
    json_set_text(object, name, text);
}

void cache_print_json(const struct store_row *row, struct json *list)
{
    struct json *object = json_add_object(list);
    char hex[KEY_HEX_SIZE];

    key_to_hex(&row->key, hex);
    json_set_text(object, "key", hex);
    set_time(object, "stored", row->stored_ms);
    set_time(object, "used", row->used_ms);
    json_set_number(object, "status", row->status);
    json_set_text(object, "request", row->label);
    json_set_text(object, "model", *row->model ? row->model : NULL);
    json_set_number(object, "bytes", (double)row->body_bytes);
    json_set_number(object, "disk_bytes", (double)row->disk_bytes);
}
