#include "proxy/accesslog.h"

#include "api/route.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#define PATH_SHOWN 200

/* What comes from outside cannot write to the terminal: control characters become '?'. */
static void add_printable(struct str *line, const char *text, size_t len, size_t most)
{
    for (size_t i = 0; i < len && i < most; i++)
        str_addc(line, text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
    if (len > most)
        str_adds(line, "...");
}

static void add_number(struct str *line, uint64_t number)
{
    char digits[20];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + number % 10);
    while ((number /= 10));
    str_add(line, digits + n, sizeof(digits) - n);
}

/* "12.3": printf takes longer for this than the rest of the line does. */
static void add_tenths(struct str *line, uint64_t tenths)
{
    add_number(line, tenths / 10);
    str_addc(line, '.');
    str_addc(line, (char)('0' + tenths % 10));
}

static void add_size(struct str *line, uint64_t bytes)
{
    if (bytes < 1024) {
        add_number(line, bytes);
        str_adds(line, " B");
    } else if (bytes < UINT64_C(1024) * 1024) {
        add_tenths(line, bytes * 10 / 1024);
        str_adds(line, " KiB");
    } else {
        add_tenths(line, bytes * 10 / (UINT64_C(1024) * 1024));
        str_adds(line, " MiB");
    }
}

static void add_duration(struct str *line, uint64_t us)
{
    if (us < 10000) {
        add_tenths(line, us / 100);
        str_adds(line, " ms");
    } else if (us < 10000000) {
        add_number(line, us / 1000);
        str_adds(line, " ms");
    } else {
        add_tenths(line, us / 100000);
        str_adds(line, " s");
    }
}

/* Why an exchange did not end as it should, or NULL. */
static const char *trouble(const struct req *req, bool whole)
{
    if (req->err)
        return req->err->text;
    if (req->broken && req->flight && req->flight->err)
        return req->flight->err->text;
    return whole ? NULL : "the client left";
}

void accesslog_request(struct worker *worker, const struct req *req, bool whole)
{
    struct str *line = &worker->log_line;
    const char *wrong = trouble(req, whole);
    uint64_t bytes = req->reply.kind == REPLY_WHOLE ? req->reply.len : req->sent;

    str_clear(line);
    str_adds(line, worker_hms(worker));
    str_addc(line, ' ');
    add_printable(line, req->method, strlen(req->method), PATH_SHOWN);
    str_addc(line, ' ');
    add_printable(line, req->target.text, route_path_len(req->target.text), PATH_SHOWN);
    str_addc(line, ' ');
    if (req->replied)
        add_number(line, req->reply.status);
    else
        str_addc(line, '-');
    str_addc(line, ' ');
    if (req->flight)
        str_adds(line, "BYPASS ");
    add_duration(line, clock_mono_us() - req->started_us);
    str_addc(line, ' ');
    add_size(line, req->replied ? bytes : 0);
    if (wrong) {
        str_adds(line, " (");
        add_printable(line, wrong, strlen(wrong), sizeof(req->err->text));
        str_addc(line, ')');
    }
    str_addc(line, '\n');
    log_text(worker->server->log, line->text, line->len);
    atomic_fetch_add_explicit(&worker->stats.requests, 1, memory_order_relaxed);
}
