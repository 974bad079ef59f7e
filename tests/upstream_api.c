/* upstream_api.c: what OpenAI answers on each path, for requests without a
 * script for their body. The answers of models are made in upstream_chat.c. */
#include "upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXED_TIME 1750000000L /* of `created` members: answers stay comparable */

void api_json(struct exchange *x, struct buf *json)
{
    out_body(x, json->data, json->len);
    buf_free(json);
}

/* Headers are collected in the plan pass only. */
static void api_header(struct exchange *x, const char *name, const char *value)
{
    if (x->planning)
        fields_add(&x->headers, name, value);
}

void api_error(struct exchange *x, int status)
{
    static const struct {
        int status;
        const char *type, *code, *message;
    } known[] = {
        {400, "invalid_request_error", "\"bad_request\"", "The request was not understood."},
        {401, "invalid_request_error", "\"invalid_api_key\"", "Incorrect API key provided."},
        {403, "invalid_request_error", "\"unsupported_country_region_territory\"", "Not allowed."},
        {404, "invalid_request_error", "\"model_not_found\"",
         "It does not exist or you have no access to it."},
        {409, "invalid_request_error", "null", "Conflict."},
        {422, "invalid_request_error", "null", "The content cannot be processed."},
        {429, "requests", "\"rate_limit_exceeded\"", "Rate limit reached for requests."},
        {503, "server_error", "null",
         "The engine is currently overloaded, please try again later."},
    };
    struct buf json = {0};
    size_t i = 0, n = sizeof known / sizeof *known;
    while (i < n && known[i].status != status)
        i++;
    x->status = status;
    if (status == 429 && !fields_get(&x->headers, "retry-after")) {
        api_header(x, "retry-after-ms", "50");
        api_header(x, "retry-after", "1");
    }
    buf_printf(&json, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":%s}}",
               i < n ? known[i].message : "The server had an error while processing your request.",
               i < n          ? known[i].type
               : status < 500 ? "invalid_request_error"
                              : "server_error",
               i < n ? known[i].code : "null");
    api_json(x, &json);
}

/* error-429, error-429-then-ok, error-500x2-then-ok: decided once for each
 * request, since the second pass must not count again. */
static int error_of(struct exchange *x, const char *name)
{
    if (x->forced_error >= 0)
        return x->forced_error;
    x->forced_error = 0;
    if (strncmp(name, "error-", 6) == 0) {
        char *end;
        long status = strtol(name + 6, &end, 10);
        unsigned long times = *end == 'x' ? strtoul(end + 1, NULL, 10) : 1;
        bool over = strstr(name, "-then-ok") && named_next(name) >= times;
        x->forced_error = !over && status >= 400 && status < 600 ? (int)status : 0;
    }
    const char *key = fields_get(&x->rq.fields, "authorization");
    if (key && strncmp(key, "Bearer sk-invalid", 17) == 0)
        x->forced_error = 401;
    return x->forced_error;
}

/* ---- embeddings ---- */

/* A multiple of 1/1024 below 1: exact in Float32 and in few digits. */
static float coordinate(size_t input, size_t i)
{
    unsigned char two[2];
    noise(input, i * 8, two, 2);
    return (float)((two[0] << 8 | two[1]) % 2047 - 1023) / 1024.0f;
}

static void embedding(struct buf *json, size_t input, size_t dimensions, bool base64)
{
    float *vector = must(calloc(dimensions, sizeof *vector));
    for (size_t i = 0; i < dimensions; i++)
        vector[i] = coordinate(input, i);
    buf_puts(json, base64 ? "\"" : "[");
    if (base64)
        buf_base64(json, vector, dimensions * sizeof *vector); /* little-endian machines */
    for (size_t i = 0; i < dimensions && !base64; i++)
        buf_printf(json, "%s%.10g", i ? "," : "", (double)vector[i]);
    buf_puts(json, base64 ? "\"" : "]");
    free(vector);
}

static void api_embeddings(struct exchange *x, struct span body, const char *model)
{
    struct span s, first;
    struct buf json = {0};
    size_t inputs = 1, dimensions = 8;
    if (json_member(body, "input", &s) && json_item(s, 0, &first) && strchr("\"[", *first.at))
        inputs = json_count(s); /* an array of numbers is one input: tokens */
    if (json_member(body, "dimensions", &s))
        dimensions = strtoul(s.at, NULL, 10) % 10000;
    bool base64 = json_member(body, "encoding_format", &s) && span_is(s, "\"base64\"");
    buf_puts(&json, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < inputs; i++) {
        buf_printf(&json, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "",
                   i);
        embedding(&json, i, dimensions, base64);
        buf_puts(&json, "}");
    }
    buf_printf(&json, "],\"model\":\"%s\",\"usage\":{\"prompt_tokens\":%ld,\"total_tokens\":%ld}}",
               model, x->usage[0], x->usage[0]);
    api_json(x, &json);
}

/* ---- files and other collections ---- */

static void api_upload(struct exchange *x, const char *object)
{
    const struct multipart *m = x->rq.parts;
    struct buf json = {0};
    char hex[65];
    if (!m || !m->ended || !m->seen_file) {
        api_error(x, 400);
        return;
    }
    sha256_hex(&m->hash, hex);
    buf_printf(
        &json,
        "{\"id\":\"%s-up%lu\",\"object\":\"%s\",\"bytes\":%llu,\"created_at\":%ld,\"filename\":",
        object, x->number, object, (unsigned long long)m->bytes, FIXED_TIME);
    buf_json(&json, m->filename, strlen(m->filename));
    buf_printf(&json, ",\"purpose\":\"assistants\",\"status\":\"processed\",\"sha256\":\"%s\"}",
               hex);
    api_json(x, &json);
}

/* file-size-N has N bytes; any other id has 4096. */
static void api_content(struct exchange *x, const char *id)
{
    x->type = "application/octet-stream";
    out_noise(x, strncmp(id, "file-size-", 10) == 0 ? strtoull(id + 10, NULL, 10) : 4096);
}

static void api_speech(struct exchange *x)
{
    static const char id3[] = "ID3\x03\0\0\0\0\0\0"; /* so that `file` too takes it for audio */
    x->type = "audio/mpeg";
    x->streaming = true;
    out_body(x, id3, sizeof id3 - 1);
    out_noise(x, 40000);
}

static const char *object_of(const char *collection)
{
    static const char *const names[][2] = {{"models", "model"},
                                           {"files", "file"},
                                           {"batches", "batch"},
                                           {"uploads", "upload"},
                                           {"responses", "response"},
                                           {"assistants", "assistant"},
                                           {"threads", "thread"},
                                           {"vector_stores", "vector_store"},
                                           {"fine_tuning", "fine_tuning.job"},
                                           {"conversations", "conversation"},
                                           {"videos", "video"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], collection) == 0)
            return names[i][1];
    return NULL;
}

static void object_json(struct exchange *x, struct buf *json, const char *object, const char *id,
                        const char *status)
{
    buf_puts(json, "{\"id\":");
    buf_json(json, id, strlen(id));
    buf_printf(json,
               ",\"object\":\"%s\",\"created_at\":%ld,\"created\":%ld,\"owned_by\":\"upstream\","
               "\"status\":\"%s\"",
               object, FIXED_TIME, FIXED_TIME, status);
    if (strcmp(object, "file") == 0)
        buf_puts(json, ",\"bytes\":4096,\"filename\":\"data.bin\",\"purpose\":\"assistants\"");
    (void)x;
    buf_puts(json, "}");
}

static void object_list(struct exchange *x, const char *object)
{
    static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "text-embedding-3-small"};
    struct buf json = {0};
    buf_puts(&json, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < 3; i++) {
        char id[64];
        snprintf(id, sizeof id, "%s-%zu", object, i + 1);
        buf_puts(&json, i ? "," : "");
        object_json(x, &json, object, strcmp(object, "model") == 0 ? models[i] : id, "completed");
    }
    buf_puts(&json, "],\"has_more\":false}");
    api_json(x, &json);
}

/* What is left: GET lists and objects, POST creates or acts, DELETE deletes. */
static void api_collection(struct exchange *x, char *parts[4])
{
    const char *object = object_of(parts[0]), *method = x->rq.method;
    struct buf json = {0};
    char made[64];
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (!object) {
        api_error(x, 404);
        return;
    }
    if (strcmp(parts[0], "fine_tuning") == 0)
        parts++;
    if (strcmp(method, "DELETE") == 0) {
        buf_puts(&json, "{\"id\":");
        buf_json(&json, parts[1], strlen(parts[1]));
        buf_printf(&json, ",\"object\":\"%s\",\"deleted\":true}", object);
        api_json(x, &json);
        return;
    }
    if (get && !*parts[1]) {
        object_list(x, object);
        return;
    }
    snprintf(made, sizeof made, "%s_up%lu", object, x->number);
    const char *status = strcmp(parts[2], "cancel") == 0            ? "cancelling"
                         : get || strcmp(parts[2], "complete") == 0 ? "completed"
                                                                    : "in_progress";
    object_json(x, &json, object, *parts[1] ? parts[1] : made, status);
    api_json(x, &json);
}

/* ---- which is it ---- */

/* The path behind the last "/v1/", cut at its slashes: base URLs differ. */
static char *path_parts(const char *path, char *parts[4])
{
    const char *from = strstr(path, "/v1/");
    char *text = copy_text(from ? from + 4 : "", from ? strlen(from + 4) : 0);
    char *p = text;
    for (size_t i = 0; i < 4; i++) {
        parts[i] = p;
        p += strcspn(p, "/");
        if (*p && i < 3)
            *p++ = '\0';
    }
    return text;
}

static void answer_post(struct exchange *x, char *parts[4], struct span body, const char *model)
{
    bool chat = strcmp(parts[0], "chat") == 0 && strcmp(parts[1], "completions") == 0;
    if (chat && !*parts[2])
        api_chat(x, body, model);
    else if (strcmp(parts[0], "completions") == 0)
        api_completion(x, body, model);
    else if (strcmp(parts[0], "embeddings") == 0)
        api_embeddings(x, body, model);
    else if (strcmp(parts[0], "responses") == 0 && !*parts[1])
        api_responses(x, body, model);
    else if (strcmp(parts[0], "files") == 0)
        api_upload(x, "file");
    else if (strcmp(parts[0], "uploads") == 0 && strcmp(parts[2], "parts") == 0)
        api_upload(x, "part");
    else if (strcmp(parts[0], "audio") == 0 && strcmp(parts[1], "speech") == 0)
        api_speech(x);
    else if (strcmp(parts[0], "audio") == 0)
        out_text(x, "{\"text\":\"Hello there.\"}");
    else if (strcmp(parts[0], "images") == 0)
        out_text(x, "{\"created\":1750000000,\"data\":[{\"b64_json\":\"aGVsbG8=\"}]}");
    else if (strcmp(parts[0], "moderations") == 0)
        out_text(x, "{\"id\":\"modr-up\",\"model\":\"omni-moderation-latest\",\"results\":[{"
                    "\"flagged\":false}]}");
    else
        api_collection(x, parts);
}

void api_answer(struct exchange *x)
{
    const struct request *rq = &x->rq;
    struct span body = {rq->body.data ? rq->body.data : "", rq->body.len}, s;
    char model[256] = "", *parts[4], *text = path_parts(rq->path, parts);
    if (json_member(body, "model", &s) && s.len > 2)
        snprintf(model, sizeof model, "%.*s", (int)(s.len < 250 ? s.len : 250) - 2, s.at + 1);
    const char *slow = strstr(model, "slow-");
    int error = error_of(x, *model ? model : parts[1]);
    if (slow)
        out_pause(x, strtol(slow + 5, NULL, 10));
    if (error)
        api_error(x, error);
    else if (strcmp(rq->method, "POST") == 0)
        answer_post(x, parts, body, model);
    else if (strcmp(parts[0], "files") == 0 && strcmp(parts[2], "content") == 0)
        api_content(x, parts[1]);
    else
        api_collection(x, parts);
    free(text);
}
