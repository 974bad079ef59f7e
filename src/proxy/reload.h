/* SIGHUP: reads the configuration again, and publishes its settings. */
#ifndef PROXY_RELOAD_H
#define PROXY_RELOAD_H

#include "conf/conf.h"

struct server;

/* Replaces *conf, and publishes its settings. The log names the changed options, and warns of
 * options that need a restart, which keep their values. On an error nothing changes, and the log
 * has a warning with the reason. The main thread. */
void reload(struct server *server, struct conf *conf);

#endif
