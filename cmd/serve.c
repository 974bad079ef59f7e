#include "cmd.h"

#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "proxy/admin.h"
#include "proxy/running.h"
#include "proxy/runtime_note.h"
#include "proxy/server.h"

static void announce(struct server *server, const struct conf *conf, struct log *log)
{
    struct settings *settings = server_settings(server);
    const struct endpoint *e = settings->endpoint;
    mem_auto char *address = running_address(conf);
    mem_auto char *url = running_url(address, server->port);

    log_line(log, "goproxyai listens on %s and forwards /v1 to %s%s%s%s%s%s", url, e->label,
             e->proxy_label ? " through " : "", e->proxy_label ? e->proxy_label : "",
             e->proxy_variable ? " (from " : "", e->proxy_variable ? e->proxy_variable : "",
             e->proxy_variable ? ")" : "");
    log_line(log, "  export OPENAI_BASE_URL=%s/v1", url);
    settings_unref(settings);
}

/* For commands, which find the proxy by it. Without it they need --port or --url. */
static struct runtime_note *leave_note(const struct server *server, const struct conf *conf,
                                       struct log *log)
{
    mem_auto char *address = running_address(conf);
    const struct runtime_server says = {.pid = (long)getpid(),
                                        .address = address,
                                        .port = server->port,
                                        .cache_folder = server->caching.path};
    struct runtime_note *note;
    struct err err;

    if (runtime_note_write(&note, &says, &err) < 0)
        log_event(log, LOG_WARN, "%s; commands find this proxy by --port or --url only", err.text);
    return note;
}

static int serve(struct conf *conf, struct log *log, struct err *err)
{
    struct runtime_note *note;
    struct server server;

    if (server_open(&server, conf, log, err) < 0)
        return -1;
    if (server_start(&server, err) < 0) {
        server_close(&server);
        return -1;
    }
    note = leave_note(&server, conf, log); /* who reads where it listens may ask at once */
    announce(&server, conf, log);
    server_wait(&server, conf);
    runtime_note_remove(note);
    server_close(&server);
    return 0;
}

int cmd_serve(const struct command *self, int argc, char **argv)
{
    struct conf conf;
    struct log *log;
    struct err err;
    int status = command_settings(self, argc, argv, NULL, &conf);

    if (status)
        return status == COMMAND_HELPED ? 0 : status;
    mem_keep_freed();
    server_block_signals();
    if (log_open(&log, STDERR_FILENO, &err) < 0) {
        conf_release(&conf);
        return command_fail(&err);
    }
    status = serve(&conf, log, &err);
    log_close(log);
    conf_release(&conf);
    return status < 0 ? command_fail(&err) : 0;
}
