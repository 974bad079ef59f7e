#include "proxy/reload.h"

#include "base/log.h"
#include "base/str.h"
#include "proxy/server.h"
#include "proxy/settings.h"
#include "upstream/pool.h"

static void add_name(struct str *names, enum conf_option option)
{
    str_addf(names, "%s--%s", names->len ? ", " : "", conf_flag(option));
}

/* A cache that was off at the start has no index and no store. */
static bool takes_restart(const struct server *server, enum conf_option option)
{
    return conf_is_fixed(option) || (option == OPT_CACHE_TTL && !server->caching.on);
}

/* Collects the names of the options whose values differ, and gives *next the old value of those
 * that need a restart. */
static void compare(const struct server *server, struct conf *next, const struct conf *conf,
                    struct str *changed, struct str *fixed)
{
    for (enum conf_option i = 0; i < OPT_COUNT; i++) {
        if (!conf_differs(next, conf, i))
            continue;
        if (takes_restart(server, i)) {
            add_name(fixed, i);
            conf_keep(next, conf, i);
        } else {
            add_name(changed, i);
        }
    }
}

static void warn(const struct server *server, const struct err *err)
{
    log_event(server->log, LOG_WARN, "SIGHUP: %s; all settings stay as they are", err->text);
}

static void tell(const struct server *server, const struct str *changed, const struct str *fixed)
{
    log_event(server->log, LOG_INFO, "SIGHUP: the settings were read anew; changed: %s",
              changed->len ? changed->text : "none");
    if (fixed->len)
        log_event(server->log, LOG_WARN, "SIGHUP: %s: only a restart changes that", fixed->text);
}

void reload(struct server *server, struct conf *conf)
{
    struct str changed = STR_INIT, fixed = STR_INIT;
    struct settings *settings;
    struct conf next;
    struct err err;

    if (conf_reload(&next, conf, &err) < 0) {
        warn(server, &err);
        return;
    }
    compare(server, &next, conf, &changed, &fixed);
    settings = settings_new(&next, server->port, &err);
    if (settings) {
        pool_read_trust(settings->endpoint); /* not on a worker, where other requests would wait */
        server_publish(server, settings);
        tell(server, &changed, &fixed);
        conf_release(conf);
        *conf = next;
    } else {
        warn(server, &err);
        conf_release(&next);
    }
    str_release(&changed);
    str_release(&fixed);
}
