#include "proxy/cache_rows.h"

#include "base/clock.h"

static void set_time(struct json *object, const char *name, int64_t unix_ms)
{
    char text[32];

    clock_format_rfc3339(text, sizeof(text), unix_ms);
    json_set_text(object, name, unix_ms > 0 ? text : NULL);
}

void cache_rows_add(struct json *list, const struct store_row *row)
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
    if (row->disk_bytes)
        json_set_number(object, "disk_bytes", (double)row->disk_bytes);
    else
        json_set_text(object, "disk_bytes", NULL);
}

static int64_t time_of(const struct json *object, const char *name)
{
    const char *text = json_text(json_member(object, name));

    return text ? clock_parse_rfc3339(text) : 0;
}

static uint64_t size_of(const struct json *object, const char *name)
{
    double number = json_number(json_member(object, name));

    return number > 0 && number < 1e15 ? (uint64_t)number : 0;
}

bool cache_rows_read(const struct json *object, struct store_row *row)
{
    const char *key = json_text(json_member(object, "key"));
    const char *label = json_text(json_member(object, "request"));
    const char *model = json_text(json_member(object, "model"));
    unsigned bits;

    *row = (struct store_row){.label = label ? label : "", .model = model ? model : ""};
    if (!key || !key_from_hex(key, &row->key, &bits) || bits != 8 * KEY_BYTES)
        return false;
    row->stored_ms = time_of(object, "stored");
    row->used_ms = time_of(object, "used");
    row->status = (unsigned)size_of(object, "status");
    row->body_bytes = size_of(object, "bytes");
    row->disk_bytes = size_of(object, "disk_bytes");
    return true;
}
