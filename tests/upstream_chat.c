/* upstream_chat.c: the answers of models: chat completions, completions and
 * the Responses API, whole and streamed. Every answer is the same for the same
 * request but for its id, so that a test can tell a hit from a second call. */
#include "upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXED_TIME 1750000000L
#define ARGUMENTS "{\\\"city\\\":\\\"Paris\\\"}"

/* Not all ASCII: whoever cuts a stream in the wrong place shows. */
static const char *const words[] = {
    "Hello", ", ", "Gr\303\274\303\237e ", "\xe4\xb8\x96\xe7\x95\x8c ", "\xf0\x9f\x91\x8b", "!"};
#define WORDS (sizeof words / sizeof *words)

long api_words(const char *model)
{
    const char *n = strstr(model, "words-");
    return n ? strtol(n + 6, NULL, 10) : (long)WORDS;
}

const char *api_word(long i)
{
    return words[(size_t)i % WORDS];
}

static void add_words(struct buf *b, const char *model)
{
    for (long i = 0; i < api_words(model); i++)
        buf_puts(b, api_word(i));
}

static bool is_true(struct span body, const char *member)
{
    struct span s;
    return json_member(body, member, &s) && span_is(s, "true");
}

/* The name of the first tool, when the answer is to be a call of it: not when
 * the conversation has its result already. */
static bool tool_to_call(struct span body, char *name, size_t size)
{
    struct span tools, tool, s, said;
    const char *const talk[] = {"messages", "input"};
    if (!json_member(body, "tools", &tools) || !json_item(tools, 0, &tool))
        return false;
    for (size_t i = 0; i < 2; i++)
        if (json_member(body, talk[i], &said) &&
            (span_has(said, "\"tool_call_id\"") || span_has(said, "function_call_output")))
            return false;
    if (json_member(body, "tool_choice", &s) && span_is(s, "\"none\""))
        return false;
    if (json_member(tool, "function", &s))
        tool = s;
    if (!json_member(tool, "name", &s) || s.len < 2)
        return false;
    snprintf(name, size, "%.*s", (int)(s.len - 2 < size ? s.len - 2 : size - 1), s.at + 1);
    return true;
}

static bool wants_json(struct span body)
{
    struct span s;
    return (json_member(body, "response_format", &s) || json_member(body, "text", &s)) &&
           (span_has(s, "json_schema") || span_has(s, "json_object"));
}

static void chat_usage(struct exchange *x, struct buf *b)
{
    buf_printf(b,
               "{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,\"total_tokens\":%ld,"
               "\"prompt_tokens_details\":{\"cached_tokens\":%ld,\"audio_tokens\":0},"
               "\"completion_tokens_details\":{\"reasoning_tokens\":%ld,\"audio_tokens\":0}}",
               x->usage[0], x->usage[2], x->usage[0] + x->usage[2], x->usage[1], x->usage[3]);
}

/* ---- chat completions ---- */

void api_chunk(struct exchange *x, const char *model, const char *delta, const char *finish,
               const char *usage)
{
    struct buf b = {0};
    buf_printf(&b,
               "{\"id\":\"chatcmpl-up%lu\",\"object\":\"chat.completion.chunk\",\"created\":%ld,"
               "\"model\":\"%s\",",
               x->number, FIXED_TIME, model);
    if (delta)
        buf_printf(
            &b, "\"choices\":[{\"index\":0,\"delta\":%s,\"logprobs\":null,\"finish_reason\":%s}]",
            delta, finish);
    else
        buf_puts(&b, "\"choices\":[]");
    if (usage)
        buf_printf(&b, ",\"usage\":%s", usage);
    buf_puts(&b, "}");
    out_sse(x, NULL, b.data);
    buf_free(&b);
}

static void chat_deltas(struct exchange *x, const char *model, const char *usage)
{
    api_chunk(x, model, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null",
              usage);
    for (long i = 0; i < api_words(model) && x->outcome == RUNNING; i++) {
        char delta[64];
        snprintf(delta, sizeof delta, "{\"content\":\"%s\"}", api_word(i));
        api_chunk(x, model, delta, "null", usage);
    }
}

static void chat_tool_deltas(struct exchange *x, const char *model, const char *tool,
                             const char *usage)
{
    static const char *const pieces[] = {"{\\\"city\\\":", "\\\"Paris\\\"}"};
    struct buf b = {0};
    buf_printf(&b,
               "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":"
               "\"call_up%lu\",\"type\":"
               "\"function\",\"function\":{\"name\":\"%s\",\"arguments\":\"\"}}]}",
               x->number, tool);
    api_chunk(x, model, b.data, "null", usage);
    for (size_t i = 0; i < 2; i++) {
        b.len = 0;
        buf_printf(&b, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"%s\"}}]}",
                   pieces[i]);
        api_chunk(x, model, b.data, "null", usage);
    }
    buf_free(&b);
}

static void chat_stream(struct exchange *x, struct span body, const char *model, const char *tool)
{
    struct span options;
    struct buf usage = {0};
    bool counts = json_member(body, "stream_options", &options) &&
                  is_true(options, "include_usage");
    const char *each = counts ? "null" : NULL;
    x->streaming = true;
    x->type = "text/event-stream; charset=utf-8";
    if (tool)
        chat_tool_deltas(x, model, tool, each);
    else if (wants_json(body))
        api_chunk(x, model, "{\"role\":\"assistant\",\"content\":\"{\\\"answer\\\":\\\"42\\\"}\"}",
                  "null", each);
    else
        chat_deltas(x, model, each);
    api_chunk(x, model, "{}", tool ? "\"tool_calls\"" : "\"stop\"", each);
    chat_usage(x, &usage);
    if (counts)
        api_chunk(x, model, NULL, NULL, usage.data);
    out_sse(x, NULL, "[DONE]");
    buf_free(&usage);
}

void api_chat(struct exchange *x, struct span body, const char *model)
{
    char name[128];
    const char *tool = tool_to_call(body, name, sizeof name) ? name : NULL;
    if (is_true(body, "stream")) {
        chat_stream(x, body, model, tool);
        return;
    }
    struct buf b = {0};
    buf_printf(&b,
               "{\"id\":\"chatcmpl-up%lu\",\"object\":\"chat.completion\",\"created\":%ld,"
               "\"model\":\"%s\",\"choices\":"
               "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":",
               x->number, FIXED_TIME, model);
    if (tool) {
        buf_printf(&b,
                   "null,\"tool_calls\":[{\"id\":\"call_up%lu\",\"type\":\"function\",\"function\":"
                   "{\"name\":\"%s\","
                   "\"arguments\":\"" ARGUMENTS "\"}}]",
                   x->number, tool);
    } else if (wants_json(body)) {
        buf_puts(&b, "\"{\\\"answer\\\":\\\"42\\\"}\"");
    } else {
        buf_puts(&b, "\"");
        add_words(&b, model);
        buf_puts(&b, "\"");
    }
    buf_printf(&b, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"%s\"}],\"usage\":",
               tool ? "tool_calls" : "stop");
    chat_usage(x, &b);
    buf_puts(&b, ",\"system_fingerprint\":\"fp_up\"}");
    api_json(x, &b);
}

/* ---- completions ---- */

static void completion_json(struct exchange *x, struct buf *b, const char *model,
                            const char *finish)
{
    struct buf text = *b;
    *b = (struct buf){0};
    buf_printf(b,
               "{\"id\":\"cmpl-up%lu\",\"object\":\"text_completion\",\"created\":%ld,\"model\":\"%"
               "s\",\"choices\":"
               "[{\"text\":\"%s\",\"index\":0,\"logprobs\":null,\"finish_reason\":%s}]",
               x->number, FIXED_TIME, model, text.len ? text.data : "", finish);
    buf_free(&text);
}

void api_completion(struct exchange *x, struct span body, const char *model)
{
    struct buf b = {0};
    if (is_true(body, "stream")) {
        x->streaming = true;
        x->type = "text/event-stream; charset=utf-8";
        for (long i = 0; i <= api_words(model) && x->outcome == RUNNING; i++) {
            bool last = i == api_words(model);
            buf_puts(&b, last ? "" : api_word(i));
            completion_json(x, &b, model, last ? "\"stop\"" : "null");
            buf_puts(&b, "}");
            out_sse(x, NULL, b.data);
            b.len = 0;
        }
        out_sse(x, NULL, "[DONE]");
        buf_free(&b);
        return;
    }
    add_words(&b, model);
    completion_json(x, &b, model, "\"stop\"");
    buf_puts(&b, ",\"usage\":");
    chat_usage(x, &b);
    buf_puts(&b, "}");
    api_json(x, &b);
}

/* ---- responses ---- */

/* The item that a response consists of: a message, or the call of a tool. */
static void response_item(struct exchange *x, struct buf *b, const char *text, const char *tool,
                          const char *status)
{
    if (tool)
        buf_printf(b,
                   "{\"id\":\"fc_up%lu\",\"type\":\"function_call\",\"status\":\"%s\",\"call_id\":"
                   "\"call_up%lu\",\"name\":"
                   "\"%s\",\"arguments\":\"%s\"}",
                   x->number, status, x->number, tool, text ? ARGUMENTS : "");
    else if (text)
        buf_printf(
            b,
            "{\"id\":\"msg_up%lu\",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\","
            "\"content\":"
            "[{\"type\":\"output_text\",\"text\":\"%s\",\"annotations\":[],\"logprobs\":[]}]}",
            x->number, status, text);
    else
        buf_printf(b,
                   "{\"id\":\"msg_up%lu\",\"type\":\"message\",\"status\":\"%s\",\"role\":"
                   "\"assistant\",\"content\":[]}",
                   x->number, status);
}

static void response_json(struct exchange *x, struct buf *b, const char *model, const char *status,
                          const char *item)
{
    bool done = strcmp(status, "completed") == 0;
    buf_printf(b,
               "{\"id\":\"resp_up%lu\",\"object\":\"response\",\"created_at\":%ld,\"status\":\"%"
               "s\",\"error\":null,"
               "\"incomplete_details\":null,\"instructions\":null,\"metadata\":{},\"model\":\"%s\","
               "\"output\":[%s],"
               "\"parallel_tool_calls\":true,\"temperature\":1.0,\"tool_choice\":\"auto\","
               "\"tools\":[],\"top_p\":1.0,\"usage\":",
               x->number, FIXED_TIME, status, model, done ? item : "");
    if (done)
        buf_printf(b,
                   "{\"input_tokens\":%ld,\"input_tokens_details\":{\"cached_tokens\":%ld},"
                   "\"output_tokens\":%ld,"
                   "\"output_tokens_details\":{\"reasoning_tokens\":%ld},\"total_tokens\":%ld}}",
                   x->usage[0], x->usage[1], x->usage[2], x->usage[3], x->usage[0] + x->usage[2]);
    else
        buf_puts(b, "null}");
}

/* One event; `rest` are its members behind type and sequence_number. */
static void event(struct exchange *x, long *sequence, const char *type, struct buf *rest)
{
    struct buf b = {0};
    buf_printf(&b, "{\"type\":\"%s\",\"sequence_number\":%ld,%s}", type, (*sequence)++, rest->data);
    out_sse(x, type, b.data);
    buf_free(&b);
    rest->len = 0;
}

static void event_response(struct exchange *x, long *sequence, const char *type, const char *model,
                           const char *status, const char *item)
{
    struct buf b = {0};
    buf_puts(&b, "\"response\":");
    response_json(x, &b, model, status, item);
    event(x, sequence, type, &b);
    buf_free(&b);
}

static void message_events(struct exchange *x, long *sequence, const char *text, long deltas,
                           long ms)
{
    struct buf b = {0};
    char place[96];
    snprintf(place, sizeof place,
             "\"item_id\":\"msg_up%lu\",\"output_index\":0,\"content_index\":0", x->number);
    buf_printf(&b, "%s,\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}",
               place);
    event(x, sequence, "response.content_part.added", &b);
    for (long i = 0; i < deltas && x->outcome == RUNNING; i++) {
        out_pause(x, ms);
        buf_printf(&b, "%s,\"delta\":\"%s\",\"logprobs\":[]", place, api_word(i));
        event(x, sequence, "response.output_text.delta", &b);
    }
    buf_printf(&b, "%s,\"text\":\"%s\",\"logprobs\":[]", place, text);
    event(x, sequence, "response.output_text.done", &b);
    buf_printf(&b, "%s,\"part\":{\"type\":\"output_text\",\"text\":\"%s\",\"annotations\":[]}",
               place, text);
    event(x, sequence, "response.content_part.done", &b);
    buf_free(&b);
}

static void call_events(struct exchange *x, long *sequence)
{
    struct buf b = {0};
    buf_printf(&b, "\"item_id\":\"fc_up%lu\",\"output_index\":0,\"delta\":\"" ARGUMENTS "\"",
               x->number);
    event(x, sequence, "response.function_call_arguments.delta", &b);
    buf_printf(&b, "\"item_id\":\"fc_up%lu\",\"output_index\":0,\"arguments\":\"" ARGUMENTS "\"",
               x->number);
    event(x, sequence, "response.function_call_arguments.done", &b);
    buf_free(&b);
}

static void response_stream(struct exchange *x, const char *model, const char *tool, long deltas,
                            long ms)
{
    struct buf text = {0}, item = {0}, b = {0};
    long sequence = 0;
    buf_puts(&text, "");
    for (long i = 0; i < deltas; i++)
        buf_puts(&text, api_word(i));
    response_item(x, &item, text.data, tool, "completed");
    event_response(x, &sequence, "response.created", model, "in_progress", "");
    event_response(x, &sequence, "response.in_progress", model, "in_progress", "");
    buf_puts(&b, "\"output_index\":0,\"item\":");
    response_item(x, &b, NULL, tool, "in_progress");
    event(x, &sequence, "response.output_item.added", &b);
    if (tool)
        call_events(x, &sequence);
    else
        message_events(x, &sequence, text.data, deltas, ms);
    buf_printf(&b, "\"output_index\":0,\"item\":%s", item.data);
    event(x, &sequence, "response.output_item.done", &b);
    event_response(x, &sequence, "response.completed", model, "completed", item.data);
    buf_free(&text);
    buf_free(&item);
    buf_free(&b);
}

void api_response_events(struct exchange *x, const char *model, long deltas, long ms)
{
    response_stream(x, model, NULL, deltas, ms);
}

void api_responses(struct exchange *x, struct span body, const char *model)
{
    char name[128];
    const char *tool = tool_to_call(body, name, sizeof name) ? name : NULL;
    if (is_true(body, "stream")) {
        x->streaming = true;
        x->type = "text/event-stream; charset=utf-8";
        response_stream(x, model, tool, api_words(model), 0);
        return;
    }
    struct buf text = {0}, item = {0}, b = {0};
    if (wants_json(body))
        buf_puts(&text, "{\\\"answer\\\":\\\"42\\\"}");
    else
        add_words(&text, model);
    response_item(x, &item, text.len ? text.data : "", tool, "completed");
    response_json(x, &b, model, is_true(body, "background") ? "queued" : "completed", item.data);
    buf_free(&text);
    buf_free(&item);
    api_json(x, &b);
}
