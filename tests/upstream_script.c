/* upstream_script.c: reads a script and has its steps done in both passes.
 * The grammar stands in upstream.c, the steps in upstream_steps.c. */
#include "upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading a script ---- */

static void unescape(struct step *s)
{
    char *out = s->arg;
    const char *p = s->arg;
    while (*p) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        static const char plain[] = "n\nr\rt\ts ;;\\\\";
        const char *known = p[1] ? strchr(plain, p[1]) : NULL;
        if (p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
            *out++ = (char)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
            p += 4;
        } else if (known && (known - plain) % 2 == 0) {
            *out++ = known[1];
            p += 2;
        } else {
            *out++ = *p++; /* unknown: the backslash is meant, as in JSON's \" */
            if (*p)
                *out++ = *p++;
        }
    }
    *out = '\0';
    s->len = (size_t)(out - s->arg);
}

static size_t step_length(const char *text)
{
    size_t n = 0;
    while (text[n] && text[n] != ';')
        n += text[n] == '\\' && text[n + 1] ? 2 : 1;
    return n;
}

/* False when a step is unknown; its text is then in *bad. */
static bool script_parse(struct exchange *x, const char *text, struct buf *bad)
{
    for (size_t n; *text; text += n + (text[n] == ';')) {
        text += strspn(text, " ");
        n = step_length(text);
        size_t name = strcspn(text, ":;");
        name = name < n ? name : n;
        const struct verb *verb = verb_find(text, name);
        if (!n)
            continue;
        if (!verb) {
            buf_add(bad, text, n);
            return false;
        }
        x->steps = must(realloc(x->steps, (x->step_count + 1) * sizeof *x->steps));
        struct step *s = &x->steps[x->step_count++];
        size_t skip = name < n ? name + 1 : n;
        *s = (struct step){verb, copy_text(text + skip, n - skip), 0};
        unescape(s);
    }
    return true;
}

static char *query_script(const char *query)
{
    for (; *query; query += strcspn(query, "&"), query += *query == '&') {
        size_t n = strcspn(query, "&");
        if (strncmp(query, "script=", 7) != 0)
            continue;
        char *text = copy_text(query + 7, n - 7), *out = text;
        for (const char *p = text; *p; p++) {
            if (*p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
                *out++ = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
                p += 2;
            } else {
                *out++ = *p;
            }
        }
        *out = '\0';
        return text;
    }
    return copy_text("", 0);
}

/* seq:NAME;A||B||C: the n-th request with this NAME gets the n-th script. */
static const char *in_sequence(char *text)
{
    if (strncmp(text, "seq:", 4) != 0)
        return text;
    char *from = strchr(text, ';');
    if (!from)
        return "";
    *from++ = '\0';
    for (unsigned long n = named_next(text); n; n--) {
        char *next = strstr(from, "||");
        if (!next)
            break;
        from = next + 2;
    }
    char *end = strstr(from, "||");
    if (end)
        *end = '\0';
    return from;
}

/* ---- carrying it out ---- */

static void run_steps(struct exchange *x, bool planning)
{
    bool has_body = false;
    out_start(x, planning);
    for (size_t i = 0; i < x->step_count && x->outcome == RUNNING; i++) {
        const struct step *s = &x->steps[i];
        if (s->verb->kind == SETTING)
            continue;
        has_body = has_body || s->verb->kind != ACTION;
        x->streaming = x->streaming || s->verb->kind == STREAM;
        s->verb->run(x, s);
    }
    if (!has_body && x->outcome == RUNNING)
        step_ordinary(x, NULL);
    out_finish(x);
}

static void run_settings(struct exchange *x)
{
    char *given = NULL;
    const char *header = fields_get(&x->rq.fields, "x-script");
    given = header ? copy_text(header, strlen(header)) : query_script(x->rq.query);
    struct buf bad = {0};
    if (!script_parse(x, in_sequence(given), &bad)) {
        fprintf(stderr, "upstream: unknown step: %s\n", bad.data);
        x->step_count = 0;
        x->status = 501;
        fields_add(&x->headers, "x-script-error", bad.data);
    }
    for (size_t i = 0; i < x->step_count; i++)
        if (x->steps[i].verb->kind == SETTING)
            x->steps[i].verb->run(x, &x->steps[i]);
    free(given);
    buf_free(&bad);
}

void script_run(struct exchange *x)
{
    x->status = 200;
    x->type = "application/json";
    x->eol = "\n";
    x->forced_error = -1;
    run_settings(x);
    if (x->noread && *x->noread)
        out_barrier(x, x->noread);
    bool before = !x->early_answer && !(x->noread && !*x->noread);
    if (before && x->outcome == RUNNING && !read_body(x))
        x->outcome = ABORTED;
    if (x->outcome != RUNNING)
        return;
    run_steps(x, true);
    run_steps(x, false);
    if (x->early_answer && x->outcome == COMPLETE)
        read_body(x);
}

void exchange_free(struct exchange *x)
{
    for (size_t i = 0; i < x->step_count; i++)
        free(x->steps[i].arg);
    free(x->steps);
    free(x->noread);
    free(x->reason);
    free(x->hold);
    fields_free(&x->headers);
    fields_free(&x->dropped);
    fields_free(&x->trailers);
    if (x->z_on)
        deflateEnd(&x->z);
    request_free(&x->rq);
}
