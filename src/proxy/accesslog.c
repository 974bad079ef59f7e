#include "proxy/accesslog.h"

#include <inttypes.h>

#include "api/route.h"
#include "base/human.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/url.h"
#include "proxy/exchange.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#define PATH_SHOWN 200

/* A failure is logged at a level where other requests are not. */
static enum log_level level_of(const struct exchange *exchange)
{
    return exchange->failed || exchange->broke ? LOG_WARN : LOG_INFO;
}

/* As X-Cache: a refusal under /v1 says BYPASS, too. */
static void add_verdict(struct str *line, const struct exchange *exchange)
{
    static const char *const words[] = {[VERDICT_OWN] = "",
                                        [VERDICT_BYPASS] = "BYPASS ",
                                        [VERDICT_MISS] = "MISS ",
                                        [VERDICT_HIT] = "HIT ",
                                        [VERDICT_JOIN] = "HIT "};

    bool is_refusal = exchange->verdict == VERDICT_OWN && exchange->is_api && exchange->status;

    str_adds(line, words[is_refusal ? VERDICT_BYPASS : exchange->verdict]);
}

/* "-" stands for a missing text: the line keeps its columns. */
static void add_text(struct str *line, const char *text, size_t len)
{
    if (len)
        printable_add_cut(line, text, len, PATH_SHOWN);
    else
        str_addc(line, '-');
    str_addc(line, ' ');
}

/* The path without its query; of an absolute target the scheme and host as well, with any password
 * masked. */
static void add_target(struct str *line, const char *target)
{
    const size_t len = route_path_len(target);
    struct str shown = STR_INIT;

    if (target[0] == '/') {
        add_text(line, target, len);
        return;
    }
    str_add(&shown, target, len);
    url_mask_all(shown.text);
    add_text(line, shown.text, shown.len);
    str_release(&shown);
}

static void write_line(struct worker *worker, const struct exchange *exchange)
{
    struct str *line = &worker->log_line;

    str_clear(line);
    str_adds(line, worker_hms(worker));
    str_addc(line, ' ');
    add_text(line, exchange->method, strlen(exchange->method));
    add_target(line, exchange->target);
    if (exchange->status)
        str_add_number(line, exchange->status);
    else
        str_addc(line, '-');
    str_addc(line, ' ');
    add_verdict(line, exchange);
    human_add_duration(line, exchange->duration_us);
    str_addc(line, ' ');
    human_add_size(line, exchange->sent);
    if (exchange->trouble) {
        str_adds(line, " (");
        printable_adds(line, exchange->trouble);
        str_addc(line, ')');
    }
    str_addc(line, '\n');
    log_text(worker->server->log, line->text, line->len);
}

static void write_details(struct worker *worker, const struct exchange *exchange)
{
    char key[KEY_HEX_SIZE] = "-";

    if (exchange->key)
        key_to_hex(exchange->key, key);
    log_event(worker->server->log, LOG_DEBUG,
              "%s client=%s model=%s stream=%s key=%.12s received=%" PRIu64 " endpoint=%s",
              exchange->id, exchange->client, *exchange->model ? exchange->model : "-",
              exchange->is_stream ? "yes" : "no", key, exchange->received,
              exchange->endpoint ? exchange->endpoint : "-");
}

void accesslog_write(struct worker *worker, const struct exchange *exchange)
{
    const struct log *log = worker->server->log;

    if (log_wants(log, level_of(exchange)))
        write_line(worker, exchange);
    if (log_wants(log, LOG_DEBUG))
        write_details(worker, exchange);
}
