#include "proxy/accesslog.h"

#include <inttypes.h>

#include "api/route.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#define PATH_SHOWN 200

/* What comes from outside cannot write to the terminal: control characters become '?'. */
static void add_printable(struct str *line, const char *text, size_t len)
{
    for (size_t i = 0; i < len && i < PATH_SHOWN; i++)
        str_addc(line, text[i] > ' ' && text[i] < 0x7f ? text[i] : '?');
    if (len > PATH_SHOWN)
        str_adds(line, "...");
}

static void add_size(struct str *line, uint64_t bytes)
{
    if (bytes < 1024)
        str_addf(line, "%" PRIu64 " B", bytes);
    else if (bytes < UINT64_C(1024) * 1024)
        str_addf(line, "%.1f KiB", (double)bytes / 1024);
    else
        str_addf(line, "%.1f MiB", (double)bytes / (1024.0 * 1024));
}

static void add_duration(struct str *line, uint64_t us)
{
    if (us < 10000)
        str_addf(line, "%.1f ms", (double)us / 1000);
    else if (us < 10000000)
        str_addf(line, "%" PRIu64 " ms", us / 1000);
    else
        str_addf(line, "%.1f s", (double)us / 1000000);
}

/* Why an exchange did not end as it should, or NULL. */
static const char *trouble(const struct req *req, bool whole)
{
    if (req->err.code)
        return req->err.text;
    if (req->broken && req->flight)
        return req->flight->err.text;
    return whole ? NULL : "the client left";
}

void accesslog_request(struct worker *worker, const struct req *req, bool whole)
{
    struct str *line = &worker->log_line;
    const char *wrong = trouble(req, whole);
    uint64_t bytes = req->reply.kind == REPLY_WHOLE ? req->reply.len : req->sent;

    str_clear(line);
    str_addf(line, "%s ", worker_hms(worker));
    add_printable(line, req->method, strlen(req->method));
    str_addc(line, ' ');
    add_printable(line, req->target.text, route_path_len(req->target.text));
    if (req->replied)
        str_addf(line, " %u ", req->reply.status);
    else
        str_adds(line, " - ");
    if (req->flight)
        str_adds(line, "BYPASS ");
    add_duration(line, clock_mono_us() - req->started_us);
    str_addc(line, ' ');
    add_size(line, req->replied ? bytes : 0);
    if (wrong)
        str_addf(line, " (%s)", wrong);
    log_line(worker->server->log, "%s", line->text);
    atomic_fetch_add_explicit(&worker->stats.requests, 1, memory_order_relaxed);
}
