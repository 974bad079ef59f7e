#include "proxy/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/refs.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"

/* --- where requests go ---------------------------------------------------------------- */

static int load_certs(const struct conf *conf, struct crypto_certs **certs, struct err *err)
{
    const char *path = conf_text(conf, OPT_CA_FILE);

    *certs = NULL;
    if (!*path || crypto_certs_load(certs, path, err) == 0)
        return 0;
    err_wrap(err, "%s", conf->value[OPT_CA_FILE].place);
    return -1;
}

struct endpoint *settings_endpoint(const struct conf *conf, struct err *err)
{
    struct endpoint_spec spec = {
        .name = "default",
        .url = conf_text(conf, OPT_UPSTREAM),
        .proxy = conf_text(conf, OPT_PROXY),
        .connect_ms = conf_number(conf, OPT_CONNECT_TIMEOUT),
        .silence_ms = conf_number(conf, OPT_REQUEST_TIMEOUT),
        .silence_is_set = conf_is_set(conf, OPT_REQUEST_TIMEOUT),
        .total_ms = conf_number(conf, OPT_TOTAL_TIMEOUT),
        .http2 = conf_number(conf, OPT_HTTP2) != 0,
        .forwarded = conf_number(conf, OPT_FORWARDED) != 0,
    };
    struct crypto_certs *certs;
    struct endpoint *endpoint;

    if (load_certs(conf, &certs, err) < 0)
        return NULL;
    spec.certs = certs;
    endpoint = endpoint_new(&spec, err);
    crypto_certs_free(certs);
    return endpoint;
}

static bool is_own(const struct settings *settings, const struct url *url)
{
    return url->port == settings->guard.port &&
           guard_names(&settings->guard, url->host, url->bracketed);
}

/* Compares name and port. A loop by another name is detected at its first request (own_sockets.h).
 */
static int refuse_own_proxy(const struct settings *settings, const struct conf *conf,
                            struct err *err)
{
    const struct endpoint *e = settings->endpoint;
    struct url url;
    bool own;

    if (url_parse(&url, e->proxy))
        return 0; /* libcurl will report it */
    own = is_own(settings, &url);
    url_release(&url);
    if (!own)
        return 0;
    return err_set(err, ERR_USAGE, "%s: %s is this proxy itself: name another one, or none",
                   e->proxy_variable ? e->proxy_variable : conf->value[OPT_PROXY].place,
                   e->proxy_label);
}

static int refuse_own_upstream(const struct settings *settings, const struct conf *conf,
                               struct err *err)
{
    const struct endpoint *e = settings->endpoint;

    if (e->proxy_from == ENDPOINT_PROXY_GIVEN)
        return refuse_own_proxy(settings, conf, err);
    if (!is_own(settings, &e->base))
        return 0;
    return err_set(err, ERR_USAGE,
                   "%s: %s is this proxy itself: name the API, or listen on another --port",
                   conf->value[OPT_UPSTREAM].place, e->label);
}

/* --- guard and users ------------------------------------------------------------------ */

struct taking {
    struct settings *settings;
    struct err *err;
    int result;
};

/* An address of --listen is a name that clients may use. */
static void take_address(void *arg, const char *address)
{
    struct taking *taking = arg;
    struct str name = STR_INIT;

    if (strcmp(address, "localhost") == 0)
        return;
    str_addf(&name, strchr(address, ':') && address[0] != '[' ? "[%s]" : "%s", address);
    guard_allow(&taking->settings->guard, name.text);
    str_release(&name);
}

static void take_host(void *arg, const char *name)
{
    struct taking *taking = arg;

    if (taking->result == 0)
        taking->result = guard_allow_host(&taking->settings->guard, name, taking->err);
}

static void take_origin(void *arg, const char *origin)
{
    struct taking *taking = arg;

    if (taking->result == 0)
        taking->result = guard_allow_origin(&taking->settings->guard, origin, taking->err);
}

static void take_user(void *arg, const char *name)
{
    struct taking *taking = arg;

    if (taking->result == 0)
        taking->result = users_allow(&taking->settings->users, name, taking->err);
}

/* --- key rules ------------------------------------------------------------------------ */

struct names { /* a NULL-terminated list; at is NULL while it is empty */
    char **at;
    unsigned count;
};

static void add_name(void *arg, const char *name)
{
    struct names *names = arg;

    names->at = mem_grow(names->at, (names->count + 2) * sizeof(*names->at));
    names->at[names->count++] = mem_strdup(name);
    names->at[names->count] = NULL;
}

static char **names_of(const struct conf *conf, enum conf_option option)
{
    struct names names = {.at = NULL};

    conf_each_item(conf, option, add_name, &names);
    return names.at;
}

static void free_names(char *const *names)
{
    for (char *const *name = names; name && *name; name++)
        free(*name);
    free((void *)(uintptr_t)names);
}

static void free_key_rules(struct key_rules *rules)
{
    free((void *)(uintptr_t)rules->upstream);
    free_names(rules->ignored);
    free_names(rules->ignored_fields);
    free(rules);
}

static void take_key_field(void *arg, const char *name)
{
    struct taking *taking = arg;

    if (taking->result < 0)
        return;
    if (!field_is_token(name, strlen(name)))
        taking->result = err_set(taking->err, ERR_USAGE,
                                 "'%s' is no header name: write it like X-Run-ID", name);
    else if (!key_may_ignore_field(name))
        taking->result = err_set(taking->err, ERR_USAGE,
                                 "%s is a credential: use --share-cache to answer a request with "
                                 "what another caller has paid for",
                                 name);
}

static struct key_rules *key_rules_new(const struct conf *conf, const char *upstream)
{
    static _Atomic uint64_t count;
    struct key_rules *rules = mem_zero(sizeof(*rules));

    atomic_init(&rules->refs, 1);
    rules->number = atomic_fetch_add(&count, 1) + 1;
    rules->free = free_key_rules;
    rules->upstream = mem_strdup(upstream);
    rules->share = conf_number(conf, OPT_SHARE_CACHE) != 0;
    rules->ignored = names_of(conf, OPT_KEY_IGNORE);
    rules->ignored_fields = names_of(conf, OPT_KEY_IGNORE_HEADER);
    return rules;
}

/* --- making the settings -------------------------------------------------------------- */

/* Calls take() for each item of a list. The error names the flag, the variable or the line of the
 * file. */
static int take_items(struct taking *taking, const struct conf *conf, enum conf_option option,
                      void (*take)(void *arg, const char *item))
{
    conf_each_item(conf, option, take, taking);
    if (taking->result < 0 && taking->err->code == ERR_USAGE)
        err_wrap(taking->err, "%s", conf->value[option].place);
    return taking->result;
}

static int fill(struct settings *settings, const struct conf *conf, struct err *err)
{
    struct taking taking = {.settings = settings, .err = err};

    settings->endpoint = settings_endpoint(conf, err);
    if (!settings->endpoint)
        return -1;
    settings->key_rules = key_rules_new(conf, settings->endpoint->label);
    if (take_items(&taking, conf, OPT_LISTEN, take_address) < 0 ||
        take_items(&taking, conf, OPT_ALLOW_HOST, take_host) < 0 ||
        take_items(&taking, conf, OPT_ALLOW_ORIGIN, take_origin) < 0 ||
        take_items(&taking, conf, OPT_ALLOW_USERS, take_user) < 0 ||
        take_items(&taking, conf, OPT_KEY_IGNORE_HEADER, take_key_field) < 0)
        return -1;
    return refuse_own_upstream(settings, conf, err);
}

struct settings *settings_new(const struct conf *conf, unsigned port, struct err *err)
{
    static _Atomic uint64_t count;
    struct settings *settings = mem_zero(sizeof(*settings));

    atomic_init(&settings->refs, 1);
    settings->number = atomic_fetch_add(&count, 1) + 1;
    guard_init(&settings->guard);
    settings->guard.port = port;
    users_init(&settings->users);
    settings->ttl_ms = conf_number(conf, OPT_CACHE_TTL);
    settings->max_body = conf_number(conf, OPT_MAX_BODY);
    settings->finish = conf_number(conf, OPT_ON_DISCONNECT) == 1;
    settings->client_ms = conf_number(conf, OPT_CLIENT_TIMEOUT);
    settings->drain_ms = conf_number(conf, OPT_DRAIN_TIMEOUT);
    settings->log_level = (enum log_level)conf_number(conf, OPT_LOG_LEVEL);
    if (fill(settings, conf, err) == 0)
        return settings;
    settings_unref(settings);
    return NULL;
}

struct settings *settings_ref(struct settings *settings)
{
    refs_add(&settings->refs);
    return settings;
}

void settings_unref(struct settings *settings)
{
    if (!settings || !refs_drop(&settings->refs))
        return;
    endpoint_unref(settings->endpoint);
    key_rules_unref(settings->key_rules);
    guard_release(&settings->guard);
    free(settings);
}

/* --- the current settings ------------------------------------------------------------- */

void settings_current_init(struct settings_current *current)
{
    *current = (struct settings_current){.settings = NULL};
    pthread_mutex_init(&current->lock, NULL);
}

void settings_current_release(struct settings_current *current)
{
    settings_unref(take(current->settings));
    pthread_mutex_destroy(&current->lock);
}

void settings_publish(struct settings_current *current, struct settings *settings)
{
    struct settings *before;

    pthread_mutex_lock(&current->lock);
    before = current->settings;
    current->settings = settings;
    atomic_store_explicit(&current->number, settings->number, memory_order_release);
    pthread_mutex_unlock(&current->lock);
    settings_unref(before);
}

bool settings_renew(struct settings_current *current, struct settings **mine)
{
    struct settings *before = *mine;

    if (before && before->number == atomic_load_explicit(&current->number, memory_order_acquire))
        return false;
    pthread_mutex_lock(&current->lock);
    *mine = settings_ref(current->settings);
    pthread_mutex_unlock(&current->lock);
    settings_unref(before);
    return true;
}
