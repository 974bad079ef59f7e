/* upstream_steps.c: what each step of a script does. The grammar stands in
 * upstream.c; the table `verbs` at the end is its index. */
#include "upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long number(const char *text)
{
    return strtol(text, NULL, 10);
}

static long second_number(const char *text, long otherwise)
{
    const char *comma = strchr(text, ',');
    return comma ? number(comma + 1) : otherwise;
}

static void add_pair(struct fields *to, const char *arg)
{
    const char *equals = strchr(arg, '=');
    char *name = copy_text(arg, equals ? (size_t)(equals - arg) : strlen(arg));
    fields_add(to, name, equals ? equals + 1 : "");
    free(name);
}

/* ---- settings ---- */

static void set_status(struct exchange *x, const struct step *s)
{
    const char *space = strchr(s->arg, ' ');
    x->status = (int)number(s->arg);
    free(x->reason);
    x->reason = space ? copy_text(space + 1, strlen(space + 1)) : NULL;
}

static void set_header(struct exchange *x, const struct step *s)
{
    add_pair(&x->headers, s->arg);
}

static void set_drop(struct exchange *x, const struct step *s)
{
    add_pair(&x->dropped, s->arg);
}

static void set_trailer(struct exchange *x, const struct step *s)
{
    add_pair(&x->trailers, s->arg);
}

static void set_length(struct exchange *x, const struct step *s)
{
    x->framing = FRAME_LENGTH;
    x->lies = *s->arg != '\0';
    x->lie = strtoull(s->arg, NULL, 10);
}

static void set_chunked(struct exchange *x, const struct step *s)
{
    (void)s;
    x->framing = FRAME_CHUNKED;
}

static void set_close(struct exchange *x, const struct step *s)
{
    (void)s;
    x->framing = FRAME_CLOSE;
}

static void set_nolength(struct exchange *x, const struct step *s)
{
    (void)s;
    x->framing = FRAME_NOLENGTH;
}

static void set_gzip(struct exchange *x, const struct step *s)
{
    (void)s;
    x->gzip = true;
}

static void set_folded(struct exchange *x, const struct step *s)
{
    (void)s;
    x->folded = true;
}

static void set_http10(struct exchange *x, const struct step *s)
{
    (void)s;
    x->http10 = true;
}

static void set_hangup(struct exchange *x, const struct step *s)
{
    (void)s;
    x->hangup = true;
}

static void set_bighead(struct exchange *x, const struct step *s)
{
    x->bighead = (size_t)number(s->arg);
}

static void set_bigline(struct exchange *x, const struct step *s)
{
    x->bigline = (size_t)number(s->arg);
}

static void set_truncate(struct exchange *x, const struct step *s)
{
    x->truncates = true;
    x->truncate_at = strtoull(s->arg, NULL, 10);
    x->cut = strstr(s->arg, ",reset") ? CUT_RESET : strstr(s->arg, ",stall") ? CUT_STALL : CUT_FIN;
}

static void set_hold(struct exchange *x, const struct step *s)
{
    const char *comma = strchr(s->arg, ',');
    free(x->hold);
    x->hold = copy_text(comma ? comma + 1 : "", comma ? strlen(comma + 1) : 0);
    x->hold_at = strtoull(s->arg, NULL, 10);
}

static void set_noread(struct exchange *x, const struct step *s)
{
    free(x->noread);
    x->noread = copy_text(s->arg, s->len);
}

static void set_early_answer(struct exchange *x, const struct step *s)
{
    (void)s;
    x->early_answer = true;
}

static void set_slow_read(struct exchange *x, const struct step *s)
{
    x->slow_bytes = (size_t)number(s->arg);
    x->slow_ms = second_number(s->arg, 10);
}

static void set_usage(struct exchange *x, const struct step *s)
{
    const char *p = s->arg;
    for (size_t i = 0; i < 4; i++) {
        x->usage[i] = p ? number(p) : 0;
        p = p ? strchr(p, ',') : NULL;
        p = p ? p + 1 : NULL;
    }
}

static void set_eol(struct exchange *x, const struct step *s)
{
    x->eol = strcmp(s->arg, "crlf") == 0 ? "\r\n" : strcmp(s->arg, "cr") == 0 ? "\r" : "\n";
}

/* ---- actions ---- */

static void do_delay(struct exchange *x, const struct step *s)
{
    out_pause(x, number(s->arg));
}

static void do_flush(struct exchange *x, const struct step *s)
{
    (void)s;
    out_flush(x);
}

static void do_barrier(struct exchange *x, const struct step *s)
{
    out_barrier(x, s->arg);
}

static void do_seed(struct exchange *x, const struct step *s)
{
    x->seed = strtoull(s->arg, NULL, 10);
}

static void do_chunkbytes(struct exchange *x, const struct step *s)
{
    x->piece = (size_t)number(s->arg);
}

static void do_pace(struct exchange *x, const struct step *s)
{
    x->pace = number(s->arg);
}

static void do_early(struct exchange *x, const struct step *s)
{
    if (x->head_sent)
        return;
    struct buf head = {0};
    long status = number(s->arg);
    const char *comma = strchr(s->arg, ',');
    const char *reason = status == 100 ? "Continue" : status == 102 ? "Processing" : "Early Hints";
    struct fields pair = {0};
    buf_printf(&head, "HTTP/1.1 %ld %s\r\n", status, reason);
    if (comma)
        add_pair(&pair, comma + 1);
    else if (status == 103)
        fields_add(&pair, "Link", "</style.css>; rel=preload; as=style");
    if (pair.n)
        buf_printf(&head, "%s: %s\r\n", pair.at[0].name, pair.at[0].value);
    buf_puts(&head, "\r\n");
    out_wire(x, head.data, head.len);
    fields_free(&pair);
    buf_free(&head);
}

static void do_reset(struct exchange *x, const struct step *s)
{
    (void)s;
    out_cut(x, CUT_RESET);
}

static void do_fin(struct exchange *x, const struct step *s)
{
    (void)s;
    out_cut(x, CUT_FIN);
}

static void do_stall(struct exchange *x, const struct step *s)
{
    (void)s;
    out_cut(x, CUT_STALL);
}

static void do_badchunk(struct exchange *x, const struct step *s)
{
    const char *bytes = s->len ? s->arg : "ZZ\r\nno chunk size\r\n";
    out_flush(x);
    out_wire(x, bytes, s->len ? s->len : strlen(bytes));
    out_cut(x, CUT_FIN);
}

static void do_garbage(struct exchange *x, const struct step *s)
{
    const char *bytes = s->len ? s->arg : "\x16\x03\x01 this is not HTTP\r\n\r\n";
    out_wire(x, bytes, s->len ? s->len : strlen(bytes));
    out_cut(x, CUT_FIN);
}

/* ---- bodies ---- */

static void body_text(struct exchange *x, const struct step *s)
{
    out_body(x, s->arg, s->len);
}

static void body_base64(struct exchange *x, const struct step *s)
{
    struct buf bytes = {0};
    buf_unbase64(&bytes, s->arg);
    out_body(x, bytes.data, bytes.len);
    buf_free(&bytes);
}

static void body_size(struct exchange *x, const struct step *s)
{
    x->type = "application/octet-stream";
    out_noise(x, strtoull(s->arg, NULL, 10));
}

static void body_fill(struct exchange *x, const struct step *s)
{
    const char *comma = strchr(s->arg, ','), *text = comma ? comma + 1 : "x";
    size_t left = strtoull(s->arg, NULL, 10), len = strlen(text) ? strlen(text) : 1;
    struct buf block = {0};
    while (block.len + len <= 65536 || !block.len)
        buf_add(&block, text, len);
    for (size_t n; left && x->outcome == RUNNING; left -= n) {
        n = left < block.len ? left : block.len;
        out_body(x, block.data, n);
    }
    buf_free(&block);
}

static void sse_type(struct exchange *x)
{
    x->type = "text/event-stream; charset=utf-8";
    x->streaming = true;
}

static void body_sse(struct exchange *x, const struct step *s)
{
    long n = number(s->arg), ms = second_number(s->arg, 0);
    char delta[64];
    sse_type(x);
    for (long i = 0; i < n && x->outcome == RUNNING; i++) {
        if (i)
            out_pause(x, ms);
        snprintf(delta, sizeof delta, "{\"content\":\"w%ld \"}", i);
        api_chunk(x, "script", delta, i + 1 == n ? "\"stop\"" : "null", NULL);
    }
    if (!strstr(s->arg, ",nodone"))
        out_sse(x, NULL, "[DONE]");
}

static void body_responses(struct exchange *x, const struct step *s)
{
    sse_type(x);
    api_response_events(x, "script", number(s->arg), second_number(s->arg, 0));
}

static void body_data(struct exchange *x, const struct step *s)
{
    sse_type(x);
    out_sse(x, NULL, s->arg);
}

static void body_event(struct exchange *x, const struct step *s)
{
    struct fields pair = {0};
    sse_type(x);
    add_pair(&pair, s->arg);
    out_sse(x, pair.at[0].name, pair.at[0].value);
    fields_free(&pair);
}

static void body_comment(struct exchange *x, const struct step *s)
{
    struct buf line = {0};
    sse_type(x);
    buf_printf(&line, ": %s%s%s", s->arg, x->eol, x->eol);
    out_body(x, line.data, line.len);
    buf_free(&line);
}

void step_ordinary(struct exchange *x, const struct step *s)
{
    (void)s;
    if (x->status >= 400)
        api_error(x, x->status);
    else
        api_answer(x);
}

static void body_echo(struct exchange *x, const struct step *s)
{
    const struct request *rq = &x->rq;
    struct buf json = {0};
    char hex[65];
    (void)s;
    sha256_hex(&rq->hash, hex);
    buf_puts(&json, "{\"line\":");
    buf_json(&json, rq->line, strlen(rq->line));
    buf_puts(&json, ",\"method\":");
    buf_json(&json, rq->method, strlen(rq->method));
    buf_puts(&json, ",\"target\":");
    buf_json(&json, rq->target, strlen(rq->target));
    buf_puts(&json, ",\"headers\":[");
    for (size_t i = 0; i < rq->fields.n; i++) {
        const struct field *f = &rq->fields.at[i];
        buf_puts(&json, i ? ",[" : "[");
        buf_json(&json, f->name, strlen(f->name));
        buf_puts(&json, ",");
        buf_json(&json, f->value, strlen(f->value));
        buf_puts(&json, "]");
    }
    buf_printf(&json, "],\"body_bytes\":%llu,\"body_sha256\":\"%s\"",
               (unsigned long long)rq->body_bytes, hex);
    bool whole = rq->body_bytes < 65536 && rq->body.len == rq->body_bytes;
    if (whole && is_utf8(rq->body.data, rq->body.len)) {
        buf_puts(&json, ",\"body\":");
        buf_json(&json, rq->body.data, rq->body.len);
    } else if (whole) {
        buf_puts(&json, ",\"body_base64\":\"");
        buf_base64(&json, rq->body.data, rq->body.len);
        buf_puts(&json, "\"");
    }
    /* so that it is an answer of chat, completions or embeddings that may be stored */
    buf_puts(&json,
             ",\"choices\":[{\"index\":0,\"text\":\"echo\",\"message\":{\"content\":\"echo\"},"
             "\"finish_reason\":\"stop\"}],\"data\":[{\"embedding\":[1]}]}");
    api_json(x, &json);
}

static const struct verb verbs[] = {
    {"status", SETTING, set_status},
    {"header", SETTING, set_header},
    {"drop", SETTING, set_drop},
    {"trailer", SETTING, set_trailer},
    {"length", SETTING, set_length},
    {"chunked", SETTING, set_chunked},
    {"close", SETTING, set_close},
    {"nolength", SETTING, set_nolength},
    {"gzip", SETTING, set_gzip},
    {"folded", SETTING, set_folded},
    {"http10", SETTING, set_http10},
    {"hangup", SETTING, set_hangup},
    {"bighead", SETTING, set_bighead},
    {"bigline", SETTING, set_bigline},
    {"truncate", SETTING, set_truncate},
    {"barrierat", SETTING, set_hold},
    {"noread", SETTING, set_noread},
    {"earlyanswer", SETTING, set_early_answer},
    {"slowread", SETTING, set_slow_read},
    {"usage", SETTING, set_usage},
    {"eol", SETTING, set_eol},
    {"delay", ACTION, do_delay},
    {"flush", ACTION, do_flush},
    {"barrier", ACTION, do_barrier},
    {"seed", ACTION, do_seed},
    {"chunkbytes", ACTION, do_chunkbytes},
    {"pace", ACTION, do_pace},
    {"early", ACTION, do_early},
    {"reset", STREAM, do_reset},
    {"fin", STREAM, do_fin},
    {"stall", STREAM, do_stall},
    {"badchunk", STREAM, do_badchunk},
    {"garbage", BODY, do_garbage},
    {"body", BODY, body_text},
    {"body64", BODY, body_base64},
    {"size", BODY, body_size},
    {"fill", BODY, body_fill},
    {"chunk", STREAM, body_text},
    {"sse", STREAM, body_sse},
    {"responses", STREAM, body_responses},
    {"data", STREAM, body_data},
    {"event", STREAM, body_event},
    {"comment", STREAM, body_comment},
    {"ordinary", BODY, step_ordinary},
    {"echo", BODY, body_echo},
};

const struct verb *verb_find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strlen(verbs[i].name) == n && strncmp(verbs[i].name, name, n) == 0)
            return &verbs[i];
    return NULL;
}
