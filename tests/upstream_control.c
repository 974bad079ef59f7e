/* upstream_control.c: what the upstream remembers (counters, the last 1000
 * requests, barriers) and the paths under /_/ by which tests ask for it.
 * One lock guards it all; nothing blocks while holding it. */
#include "upstream.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define KEPT 1000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
struct counters counters;

void count(unsigned long *counter, int by)
{
    pthread_mutex_lock(&lock);
    *counter += (unsigned long)by;
    pthread_mutex_unlock(&lock);
}

/* ---- names that count ---- */

struct named {
    struct named *next;
    char *name;
    unsigned long n;
};
static struct named *all_named;

unsigned long named_next(const char *name)
{
    pthread_mutex_lock(&lock);
    struct named *one = all_named;
    while (one && strcmp(one->name, name) != 0)
        one = one->next;
    if (!one) {
        one = must(calloc(1, sizeof *one));
        *one = (struct named){all_named, copy_text(name, strlen(name)), 0};
        all_named = one;
    }
    unsigned long n = one->n++;
    pthread_mutex_unlock(&lock);
    return n;
}

/* ---- barriers ----
 * An open barrier is an eventfd that was written and is never read, so any
 * number of waiters wake at once and late comers pass. Barriers are few and
 * live as long as the program: a waiter may hold one that reset has dropped. */

struct barrier {
    struct barrier *next;
    char *name;
    int event;
    unsigned long waiting;
};
static struct barrier *barriers;

static struct barrier *barrier_named(const char *name)
{
    struct barrier *b = barriers;
    while (b && strcmp(b->name, name) != 0)
        b = b->next;
    if (!b) {
        b = must(calloc(1, sizeof *b));
        *b = (struct barrier){barriers, copy_text(name, strlen(name)), eventfd(0, EFD_CLOEXEC), 0};
        barriers = b;
    }
    return b;
}

static void barrier_open(struct barrier *b)
{
    uint64_t one = 1;
    if (write(b->event, &one, sizeof one) != (ssize_t)sizeof one)
        fprintf(stderr, "upstream: barrier %s does not open\n", b->name);
}

enum waited barrier_wait(const char *name, const struct conn *c, long ms)
{
    pthread_mutex_lock(&lock);
    struct barrier *b = barrier_named(name);
    b->waiting++;
    pthread_mutex_unlock(&lock);
    enum waited how = conn_wait(c, b->event, ms);
    pthread_mutex_lock(&lock);
    b->waiting--;
    pthread_mutex_unlock(&lock);
    return how;
}

/* ---- records of requests ---- */

struct record {
    unsigned long number; /* 0: empty */
    char *lines;
    uint64_t bytes;
    char sha256[65];
    enum outcome outcome;
};
static struct record records[KEPT];
static unsigned long last_number, reset_number;

unsigned long record_start(const struct request *rq)
{
    pthread_mutex_lock(&lock);
    unsigned long number = ++last_number;
    struct record *r = &records[number % KEPT];
    free(r->lines);
    *r = (struct record){.number = number, .lines = copy_text(rq->lines, strlen(rq->lines))};
    counters.requests++;
    counters.in_flight++;
    pthread_mutex_unlock(&lock);
    return number;
}

void record_body(const struct exchange *x)
{
    pthread_mutex_lock(&lock);
    struct record *r = &records[x->number % KEPT];
    if (r->number == x->number)
        r->bytes = x->rq.body_bytes;
    pthread_mutex_unlock(&lock);
}

void record_end(const struct exchange *x)
{
    pthread_mutex_lock(&lock);
    struct record *r = &records[x->number % KEPT];
    if (r->number == x->number) {
        r->bytes = x->rq.body_bytes;
        r->outcome = x->outcome;
        if (x->rq.body_done)
            sha256_hex(&x->rq.hash, r->sha256);
    }
    counters.in_flight--;
    counters.aborted += x->outcome == ABORTED;
    pthread_mutex_unlock(&lock);
}

static const char *outcome_name(enum outcome outcome)
{
    static const char *const names[] = {"running", "complete", "aborted", "broken"};
    return names[outcome];
}

/* The next word or line of `*text` up to a byte of `stop`. */
static struct span cut(const char **text, const char *stop)
{
    struct span s = {*text, strcspn(*text, stop)};
    *text += s.len + ((*text)[s.len] != '\0');
    return s;
}

static void record_json(struct buf *json, const struct record *r)
{
    const char *text = r->lines;
    struct span method = cut(&text, " "), line = cut(&text, "\r"), s;
    while (line.len && line.at[line.len - 1] != ' ')
        line.len--; /* the version */
    buf_printf(json, "{\"number\":%lu,\"method\":", r->number);
    buf_json(json, method.at, method.len);
    buf_puts(json, ",\"target\":");
    buf_json(json, line.at, line.len ? line.len - 1 : 0);
    buf_puts(json, ",\"headers\":[");
    for (bool first = true; *text == '\n' && text[1]; first = false) {
        text++;
        s = cut(&text, "\r");
        buf_puts(json, first ? "" : ",");
        buf_json(json, s.at, s.len);
    }
    buf_printf(json, "],\"body_bytes\":%llu,\"body_sha256\":\"%s\",\"finished\":\"%s\"}",
               (unsigned long long)r->bytes, r->sha256, outcome_name(r->outcome));
}

static void requests_json(struct buf *json)
{
    bool first = true;
    buf_puts(json, "[");
    for (unsigned long n = last_number >= KEPT ? last_number - KEPT + 1 : 1; n <= last_number;
         n++) {
        const struct record *r = &records[n % KEPT];
        if (n <= reset_number || r->number != n)
            continue;
        buf_puts(json, first ? "\n" : ",\n");
        record_json(json, r);
        first = false;
    }
    buf_puts(json, "\n]\n");
}

/* /_/last/FIELD: a field of the last request as plain text, for shells. */
static bool last_field(struct buf *out, const char *field)
{
    const struct record *r = &records[last_number % KEPT];
    if (last_number <= reset_number)
        return false;
    const char *text = r->lines;
    struct span line = cut(&text, "\r");
    if (strcmp(field, "line") == 0) {
        buf_add(out, line.at, line.len);
    } else if (strcmp(field, "bytes") == 0) {
        buf_printf(out, "%llu", (unsigned long long)r->bytes);
    } else if (strcmp(field, "sha256") == 0) {
        buf_puts(out, r->sha256);
    } else if (strcmp(field, "finished") == 0) {
        buf_puts(out, outcome_name(r->outcome));
    } else if (strcmp(field, "headers") == 0) {
        while (*text == '\n' && *++text) {
            struct span s = cut(&text, "\r");
            buf_printf(out, "%.*s\n", (int)s.len, s.at);
        }
        return true;
    } else if (strncmp(field, "header/", 7) == 0) {
        size_t n = strlen(field + 7);
        while (*text == '\n' && *++text) {
            struct span s = cut(&text, "\r");
            if (s.len <= n || s.at[n] != ':' || strncasecmp(s.at, field + 7, n) != 0)
                continue;
            const char *value = s.at + n + 1;
            value += strspn(value, " \t");
            buf_printf(out, "%.*s\n", (int)(s.len - (size_t)(value - s.at)), value);
        }
        return true;
    } else {
        return false;
    }
    buf_puts(out, "\n");
    return true;
}

/* ---- the control paths ---- */

static const struct {
    const char *name;
    unsigned long *value;
} counted[] = {{"requests", &counters.requests},
               {"connections", &counters.connections},
               {"open", &counters.open},
               {"aborted", &counters.aborted},
               {"in_flight", &counters.in_flight}};
#define COUNTED (sizeof counted / sizeof *counted)

static void counters_json(struct buf *out)
{
    for (size_t i = 0; i < COUNTED; i++)
        buf_printf(out, "%s\"%s\":%lu", i ? "," : "{", counted[i].name, *counted[i].value);
    buf_puts(out, "}\n");
}

static bool counter_text(struct buf *out, const char *name)
{
    for (size_t i = 0; i < COUNTED; i++)
        if (strcmp(counted[i].name, name) == 0)
            buf_printf(out, "%lu\n", *counted[i].value);
    return out->len != 0;
}

/* What is alive stays counted; whoever waits at a barrier passes. */
static void reset_all(void)
{
    for (struct barrier *b = barriers; b; b = b->next)
        barrier_open(b);
    barriers = NULL;
    while (all_named) {
        struct named *gone = all_named;
        all_named = gone->next;
        free(gone->name);
        free(gone);
    }
    counters.requests = counters.connections = counters.aborted = 0;
    reset_number = last_number;
}

static bool control(struct buf *out, bool post, const char *path)
{
    if (post && strncmp(path, "release/", 8) == 0) {
        barrier_open(barrier_named(path + 8));
        buf_puts(out, "ok\n");
    } else if (post && strcmp(path, "reset") == 0) {
        reset_all();
        buf_puts(out, "ok\n");
    } else if (post) {
        return false;
    } else if (strncmp(path, "waiting/", 8) == 0) {
        buf_printf(out, "%lu\n", barrier_named(path + 8)->waiting);
    } else if (strcmp(path, "requests") == 0) {
        requests_json(out);
    } else if (strcmp(path, "counters") == 0) {
        counters_json(out);
    } else if (strncmp(path, "counters/", 9) == 0) {
        return counter_text(out, path + 9);
    } else if (strncmp(path, "last/", 5) == 0) {
        return last_field(out, path + 5);
    } else {
        return false;
    }
    return true;
}

void control_answer(struct exchange *x)
{
    struct buf out = {0}, head = {0};
    x->outcome = read_body(x) ? RUNNING : ABORTED;
    pthread_mutex_lock(&lock);
    bool known = control(&out, strcmp(x->rq.method, "POST") == 0, x->rq.path + 3);
    pthread_mutex_unlock(&lock);
    if (!known)
        buf_puts(&out, "no such thing\n");
    buf_printf(&head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
               known ? "200 OK" : "404 Not Found",
               out.len && strchr("{[", *out.data) ? "application/json" : "text/plain", out.len);
    buf_add(&head, out.data, out.len);
    out_wire(x, head.data, head.len);
    if (x->outcome == RUNNING)
        x->outcome = COMPLETE;
    buf_free(&out);
    buf_free(&head);
}
