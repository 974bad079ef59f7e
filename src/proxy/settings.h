/* The settings of a request: its upstream, the guard, the cache's rules, and time limits.
 *
 * Made from the configuration, immutable and reference-counted: a request takes the current
 * settings when it begins and keeps them to its end, whatever becomes current meanwhile. Settings
 * that cannot change while the server runs (sockets, workers, folder and sizes of the cache) are
 * not here.
 */
#ifndef PROXY_SETTINGS_H
#define PROXY_SETTINGS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "proxy/guard.h"
#include "proxy/users.h"
#include "upstream/endpoint.h"

struct settings {
    atomic_uint refs;
    uint64_t number; /* unique in this process, from 1 */
    struct endpoint *endpoint;
    struct guard guard;
    struct users users;
    struct key_rules *key_rules;
    int64_t ttl_ms;   /* INDEX_FOREVER: no limit; 0: nothing is kept */
    int64_t max_body; /* bytes */
    bool finish;      /* --on-disconnect finish */
    int64_t client_ms;
    int64_t drain_ms;
    enum log_level log_level;
};

/* The endpoint "default", with one reference, the caller's; NULL with ERR_USAGE. */
struct endpoint *settings_endpoint(const struct conf *conf, struct err *err);

/* Returns settings with one reference, the caller's. port: on which the proxy listens. NULL with
 * ERR_USAGE, which names the option's place, for unusable values: a CA file that cannot be read, an
 * unknown user, a malformed host, an upstream or a proxy that is this proxy itself. */
struct settings *settings_new(const struct conf *conf, unsigned port, struct err *err);
/* Any thread. */
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings); /* NULL is allowed */

/* Publishes the current settings: one thread replaces them, all threads read them. */
struct settings_current {
    pthread_mutex_t lock;
    struct settings *settings; /* under the lock */
    _Atomic uint64_t number;   /* settings->number, read without the lock */
};

void settings_current_init(struct settings_current *current);
void settings_current_release(struct settings_current *current);
/* Takes the caller's reference. */
void settings_publish(struct settings_current *current, struct settings *settings);
/* If other settings are current, replaces *mine, with its reference (NULL: none so far), and
 * returns true. Else costs one atomic load. Any thread. */
bool settings_renew(struct settings_current *current, struct settings **mine);

#endif
