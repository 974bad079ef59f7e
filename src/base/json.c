#include "base/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "base/printable.h"

/* struct json is cJSON's own node under our name; nobody else may know that. */
static cJSON *node(const struct json *j)
{
    return (cJSON *)(uintptr_t)j;
}

static struct json *wrap(const cJSON *c)
{
    return (struct json *)(uintptr_t)c;
}

static cJSON *made(cJSON *c)
{
    if (!c)
        abort(); /* out of memory: cJSON fails for no other reason here */
    return c;
}

struct json *json_object(void)
{
    return wrap(made(cJSON_CreateObject()));
}

struct json *json_array(void)
{
    return wrap(made(cJSON_CreateArray()));
}

void json_free(struct json *root)
{
    cJSON_Delete(node(root));
}

void json_set_text(struct json *object, const char *name, const char *value)
{
    made(value ? cJSON_AddStringToObject(node(object), name, value)
               : cJSON_AddNullToObject(node(object), name));
}

void json_set_number(struct json *object, const char *name, double value)
{
    made(cJSON_AddNumberToObject(node(object), name, value));
}

void json_set_bool(struct json *object, const char *name, bool value)
{
    made(cJSON_AddBoolToObject(node(object), name, value));
}

struct json *json_set_object(struct json *object, const char *name)
{
    return wrap(made(cJSON_AddObjectToObject(node(object), name)));
}

struct json *json_set_array(struct json *object, const char *name)
{
    return wrap(made(cJSON_AddArrayToObject(node(object), name)));
}

struct json *json_add_object(struct json *array)
{
    cJSON *object = made(cJSON_CreateObject());

    cJSON_AddItemToArray(node(array), object);
    return wrap(object);
}

void json_add_text(struct json *array, const char *value)
{
    cJSON_AddItemToArray(node(array), made(cJSON_CreateString(value)));
}

/* cJSON escapes C0 and passes every other byte on. Above ASCII, and DEL, stand in strings only. */
static void add_escaped(struct str *out, const char *at, const char *end)
{
    while (at < end) {
        const char *plain = at;
        unsigned len;
        uint32_t code;

        while (at < end && *at >= ' ' && *at < 0x7f)
            at++;
        str_add(out, plain, (size_t)(at - plain));
        if (at == end)
            return;
        switch (printable_look(at, end, &len, &code)) {
        case PRINTABLE_PLAIN:
            str_add(out, at, len);
            break;
        case PRINTABLE_CONTROL:
            str_addf(out, "\\u%04x", code);
            break;
        case PRINTABLE_INVALID:
            str_adds(out, "\xef\xbf\xbd");
            break;
        }
        at += len;
    }
}

void json_print(const struct json *root, struct str *out)
{
    char *text = cJSON_PrintUnformatted(node(root));

    if (!text)
        abort();
    add_escaped(out, text, text + strlen(text));
    cJSON_free(text);
}

struct json *json_parse(const char *text, size_t len)
{
    const char *end = text;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, 0);

    while (root && end < text + len && strchr(" \t\r\n", *end) && *end)
        end++;
    if (root && end < text + len) { /* something follows the document */
        cJSON_Delete(root);
        root = NULL;
    }
    return wrap(root);
}

const struct json *json_member(const struct json *object, const char *name)
{
    return object ? wrap(cJSON_GetObjectItemCaseSensitive(node(object), name)) : NULL;
}

const char *json_text(const struct json *value)
{
    return value ? cJSON_GetStringValue(node(value)) : NULL;
}

double json_number(const struct json *value)
{
    return value && cJSON_IsNumber(node(value)) ? node(value)->valuedouble : 0;
}

bool json_is_true(const struct json *value)
{
    return value && cJSON_IsTrue(node(value));
}

const struct json *json_first(const struct json *list)
{
    return list ? wrap(node(list)->child) : NULL;
}

const struct json *json_next(const struct json *value)
{
    return wrap(node(value)->next);
}
