#include "upstream/endpoint.h"

#include <stdlib.h>

#include "base/refs.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/no_proxy.h"

/* "/openai/v1/" → "/openai": the request's path has its own /v1. */
static void strip_v1(char *path)
{
    size_t len = strlen(path);

    while (len && path[len - 1] == '/')
        path[--len] = '\0';
    if (len >= 3 && strcmp(path + len - 3, "/v1") == 0)
        path[len - 3] = '\0';
}

/* libcurl's variables, in its order. HTTP_PROXY is missing because a CGI program's client could set
 * it. */
static const char *const for_http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
static const char *const for_https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                        NULL};
static const char *const for_none[] = {"no_proxy", "NO_PROXY", NULL};

/* Returns the value of the first variable that is not empty, and its name; or NULL. */
static const char *variable_of(const char *const *variables, const char **name)
{
    for (; *variables; variables++) {
        const char *value = getenv(*variables);

        if (value && *value) {
            *name = *variables;
            return value;
        }
    }
    return NULL;
}

static void set_given(struct endpoint *e, const char *text, const struct url *url)
{
    struct str masked = STR_INIT;

    e->proxy_from = ENDPOINT_PROXY_GIVEN;
    e->proxy = mem_strdup(text);
    e->plain_http_proxy = strcmp(e->base.scheme, "http") == 0 && str_starts(url->scheme, "http");
    url_add_masked(&masked, url);
    e->proxy_label = str_detach(&masked);
}

/* Returns NULL, or what is wrong with the text. libcurl would report that at each request only. */
static const char *parse_proxy(struct url *url, const char *text)
{
    static const char *const schemes[] = {"http",    "https",  "socks",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    const char *wrong = url_parse(url, text);

    if (wrong)
        return wrong;
    wrong = "has a scheme that no proxy has";
    for (size_t i = 0; i < countof(schemes); i++)
        if (strcmp(url->scheme, schemes[i]) == 0)
            wrong = NULL;
    /* libcurl ignores a path. A path with '@' holds a misplaced user and password, and masking
     * leaves paths readable: refuse it. */
    if (!wrong && strchr(url->path, '@'))
        wrong = "has an '@' behind its host: write it like http://user:password@host:3128";
    if (wrong)
        url_release(url);
    return wrong;
}

/* Reads the environment once: libcurl would read six variables at each transfer, and messages name
 * the variable.
 */
static int set_from_environment(struct endpoint *e, struct err *err)
{
    bool http = strcmp(e->base.scheme, "http") == 0;
    const char *name, *unused, *text = variable_of(http ? for_http : for_https, &name), *wrong;
    struct str full = STR_INIT;
    struct url url;

    e->proxy_from = ENDPOINT_PROXY_NONE;
    if (!text || no_proxy_covers(variable_of(for_none, &unused), e->base.host))
        return 0;
    str_addf(&full, strstr(text, "://") ? "%s" : "http://%s", text); /* libcurl's default scheme */
    wrong = parse_proxy(&url, full.text);
    if (!wrong) {
        set_given(e, full.text, &url);
        e->proxy_variable = name;
        url_release(&url);
    }
    mem_wipe(full.text, full.len);
    str_release(&full);
    return wrong ? err_set(err, ERR_USAGE,
                           "the variable %s names a proxy that is not usable: it %s; correct or "
                           "unset it, or use --proxy none",
                           name, wrong)
                 : 0;
}

static int set_proxy(struct endpoint *e, const char *text, struct err *err)
{
    struct url url;

    if (!*text)
        return set_from_environment(e, err);
    if (strcmp(text, "none") == 0 || url_parse(&url, text)) {
        e->proxy_from = ENDPOINT_PROXY_NONE;
        return 0;
    }
    set_given(e, text, &url);
    url_release(&url);
    return 0;
}

static void endpoint_free(struct endpoint *e)
{
    if (e->proxy)
        mem_wipe(e->proxy, strlen(e->proxy));
    free(e->proxy);
    free(e->proxy_label);
    free(e->root);
    free(e->label);
    url_release(&e->base);
    crypto_trust_free(e->trust);
    free(e);
}

struct endpoint *endpoint_new(const struct endpoint_spec *spec, struct err *err)
{
    struct endpoint *e = mem_zero(sizeof(*e));
    struct str text = STR_INIT;
    const char *wrong = url_parse(&e->base, spec->url);

    atomic_init(&e->refs, 1);
    e->name = spec->name;
    if (wrong) {
        free(e);
        err_set(err, ERR_USAGE, "the URL of the upstream %s", wrong);
        return NULL;
    }
    strip_v1(e->base.path);
    str_addf(&text, "%s://", e->base.scheme);
    url_add_authority(&text, &e->base);
    e->root = str_detach(&text);
    url_add_masked(&text, &e->base);
    e->label = str_detach(&text);
    e->connect_ms = spec->connect_ms;
    e->silence_ms = spec->silence_ms;
    e->silence_is_set = spec->silence_is_set;
    e->total_ms = spec->total_ms;
    e->http2 = spec->http2;
    e->forwarded = spec->forwarded;
    e->trust = crypto_trust_new(spec->certs);
    if (set_proxy(e, spec->proxy, err) < 0) {
        endpoint_free(e);
        return NULL;
    }
    return e;
}

struct endpoint *endpoint_ref(struct endpoint *e)
{
    refs_add(&e->refs);
    return e;
}

void endpoint_unref(struct endpoint *e)
{
    if (e && refs_drop(&e->refs))
        endpoint_free(e);
}

void endpoint_add_target(const struct endpoint *e, const char *target, struct str *out)
{
    if (e->plain_http_proxy)
        str_adds(out, e->root);
    str_adds(out, e->base.path);
    str_adds(out, target);
}

bool endpoint_speaks_tls(const struct endpoint *e)
{
    return strcmp(e->base.scheme, "https") == 0 ||
           (e->proxy && strncasecmp(e->proxy, STR_LIT("https:")) == 0);
}
