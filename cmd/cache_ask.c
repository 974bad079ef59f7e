#include "cache_ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cache_print.h"
#include "cmd.h"
#include "proxy/cache_rows.h"

/* "/cache/KEY" is about that key. */
static int refused(const char *target, const struct ask_answer *answer, struct err *err)
{
    const char *key = target + strlen("/cache/");

    if (str_starts(target, "/cache/") && answer->status == 404)
        return cache_key_unknown(key, err);
    if (str_starts(target, "/cache/") && answer->status == 409)
        return cache_key_ambiguous(key, err);
    return ask_refused(answer, err);
}

/* The answer with a status of success. */
static int ask_proxy(const struct cache_place *place, const char *method, const char *target,
                     struct ask_answer *answer, struct err *err)
{
    const struct ask_request request = {method, target, ASK_WORK_MS};

    if (running_ask(&place->proxy, &request, answer, err) < 0)
        return -1;
    return answer->status == 200 ? 0 : refused(target, answer, err);
}

static int ask_json(const struct cache_place *place, const char *method, const char *target,
                    struct json **root, struct err *err)
{
    struct ask_answer answer = ASK_ANSWER_INIT;
    int result = ask_proxy(place, method, target, &answer, err);

    *root = NULL;
    if (result == 0)
        *root = json_parse(answer.body.text, answer.body.len);
    if (result == 0 && !*root)
        result = err_set(err, ERR_UNHEALTHY,
                         "the proxy's answer is not what it should be: is it of another version?");
    str_release(&answer.body);
    return result;
}

/* ---- removing ---- */

static int ask_to_remove(const struct cache_place *place, const char *target,
                         struct cache_asked *asked, struct err *err)
{
    struct json *root;
    const struct json *removed;

    if (ask_json(place, "DELETE", target, &root, err) < 0)
        return -1;
    removed = json_member(root, "removed");
    asked->removed = removed ? (int64_t)json_number(removed) : -1;
    asked->pending = json_is_true(json_member(root, "pending"));
    json_free(root);
    return 0;
}

static void add_encoded(struct str *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c))
            str_addc(out, (char)c);
        else
            str_addf(out, "%%%02X", c);
    }
}

int cache_ask_clear(const struct cache_place *place, int64_t older_ms, const char *model,
                    struct cache_asked *asked, struct err *err)
{
    struct str target = STR_INIT;
    int result;

    str_adds(&target, "/cache");
    if (older_ms)
        str_addf(&target, "?older_than_ms=%" PRId64, older_ms);
    if (model) {
        str_adds(&target, older_ms ? "&model=" : "?model=");
        add_encoded(&target, model);
    }
    result = ask_to_remove(place, target.text, asked, err);
    str_release(&target);
    return result;
}

int cache_ask_remove(const struct cache_place *place, const char *key, struct cache_asked *asked,
                     struct err *err)
{
    struct str target = STR_INIT;
    int result;

    str_addf(&target, "/cache/%s", key);
    result = ask_to_remove(place, target.text, asked, err);
    str_release(&target);
    return result;
}

/* ---- looking ---- */

int cache_ask_list(const struct cache_place *place,
                   bool (*each)(void *arg, const struct store_row *row), void *arg, struct err *err)
{
    struct json *root;
    struct store_row row;

    if (ask_json(place, "GET", "/cache", &root, err) < 0)
        return -1;
    for (const struct json *at = json_first(json_member(root, "answers")); at; at = json_next(at))
        if (cache_rows_read(at, &row))
            each(arg, &row);
    if (json_is_true(json_member(root, "more")))
        fprintf(stderr, PROGRAM ": there are more: these are the newest\n");
    json_free(root);
    return 0;
}

/* The head of a message/http body; *body is behind it. */
static bool read_head(const char *text, unsigned *status, struct fields *fields, const char **body)
{
    const char *line = strstr(text, "\r\n");

    if (!line || sscanf(text, "HTTP/1.1 %u", status) != 1)
        return false;
    for (line += 2; !str_starts(line, "\r\n");) {
        const char *end = strstr(line, "\r\n"), *colon = strchr(line, ':');

        if (!end || !colon || colon > end)
            return false;
        fields_add(fields, line, (size_t)(colon - line), colon + 1, (size_t)(end - colon - 1));
        line = end + 2;
    }
    *body = line + 2;
    return true;
}

static struct object *read_object(const struct str *text)
{
    struct fields fields;
    struct object *object = NULL;
    const char *body;
    unsigned status;

    fields_init(&fields);
    if (read_head(text->text, &status, &fields, &body)) {
        size_t len = text->len - (size_t)(body - text->text);

        object = object_new(
            &(struct object_parts){.key = &(struct key){{0}}, .body_len = len, .fields = &fields});
        memcpy(object->body, body, len);
        object->status = status;
    }
    fields_release(&fields);
    return object;
}

int cache_ask_object(const struct cache_place *place, const char *key, struct object **object,
                     struct err *err)
{
    struct ask_answer answer = ASK_ANSWER_INIT;
    struct str target = STR_INIT;
    int result;

    str_addf(&target, "/cache/%s", key);
    result = ask_proxy(place, "GET", target.text, &answer, err);
    *object = result == 0 ? read_object(&answer.body) : NULL;
    if (result == 0 && !*object)
        result = err_set(err, ERR_UNHEALTHY,
                         "the proxy's answer is not what it should be: is it of another version?");
    str_release(&answer.body);
    str_release(&target);
    return result;
}

int cache_ask_verify(const struct cache_place *place, struct store_verified *verified,
                     struct err *err)
{
    struct json *root;

    if (ask_json(place, "POST", "/cache/verify", &root, err) < 0)
        return -1;
    for (const struct json *key = json_first(json_member(root, "keys")); key; key = json_next(key))
        if (json_text(key))
            command_print_line(stdout, "%s is damaged", json_text(key));
    verified->good = (uint64_t)json_number(json_member(root, "good"));
    verified->damaged = (uint64_t)json_number(json_member(root, "damaged"));
    json_free(root);
    return 0;
}
