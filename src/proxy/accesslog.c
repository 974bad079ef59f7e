#include "proxy/accesslog.h"

#include "api/route.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/printable.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#define PATH_SHOWN 200

/* "12.3": printf takes longer for this than the rest of the line does. */
static void add_tenths(struct str *line, uint64_t tenths)
{
    str_add_number(line, tenths / 10);
    str_addc(line, '.');
    str_addc(line, (char)('0' + tenths % 10));
}

static void add_size(struct str *line, uint64_t bytes)
{
    if (bytes < 1024) {
        str_add_number(line, bytes);
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
        str_add_number(line, us / 1000);
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
    if (req->reader.lost)
        return "it read too slowly, and fell behind others that share the answer";
    if (req->broken && req->flight && req->flight->err)
        return req->flight->err->text;
    if (!whole && req->worker->stopping)
        return "the proxy stopped";
    return whole ? NULL : "the client left";
}

void accesslog_request(struct worker *worker, const struct req *req, bool whole)
{
    static const char *const words[] = {[STATS_OWN] = "",
                                        [STATS_BYPASS] = "BYPASS ",
                                        [STATS_MISS] = "MISS ",
                                        [STATS_HIT] = "HIT ",
                                        [STATS_JOIN] = "HIT "};
    struct str *line = &worker->log_line;
    uint64_t us = clock_mono_us() - req->started_us;
    const char *wrong = trouble(req, whole);
    uint64_t bytes = req->reply.kind == REPLY_WHOLE ? req->reply.len : req->sent;

    str_clear(line);
    str_adds(line, worker_hms(worker));
    str_addc(line, ' ');
    printable_add_cut(line, req->method, strlen(req->method), PATH_SHOWN);
    str_addc(line, ' ');
    printable_add_cut(line, req->target.text, route_path_len(req->target.text), PATH_SHOWN);
    str_addc(line, ' ');
    if (req->replied)
        str_add_number(line, req->reply.status);
    else
        str_addc(line, '-');
    str_addc(line, ' ');
    str_adds(line, words[req->cache]);
    add_duration(line, us);
    str_addc(line, ' ');
    add_size(line, req->replied ? bytes : 0);
    if (wrong) {
        str_adds(line, " (");
        printable_adds(line, wrong);
        str_addc(line, ')');
    }
    str_addc(line, '\n');
    log_text(worker->server->log, line->text, line->len);
    if (route_of(req->target.text) == ROUTE_API)
        stats_count(&worker->stats, req->cache, req->err || req->reply.status >= 500, us);
}
