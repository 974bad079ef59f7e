/* SIGHUP: the configuration is read anew, and its settings are published. */
#ifndef PROXY_RELOAD_H
#define PROXY_RELOAD_H

#include "conf/conf.h"

struct server;

/* Replaces *conf, and publishes the settings that it makes; a line of the log names the settings
 * that changed, another one those that take a restart, which stay as they were. On an error
 * everything stays, and the log has a warning with the reason. The main thread. */
void reload(struct server *server, struct conf *conf);

#endif
