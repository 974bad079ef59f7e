#include "proxy/endpoint.h"

#include <stdlib.h>

#include "base/crypto.h"
#include "base/mem.h"

/* "/openai/v1/" → "/openai": the request's own path brings its /v1. */
static void strip_v1(char *path)
{
    size_t len = strlen(path);

    while (len && path[len - 1] == '/')
        path[--len] = '\0';
    if (len >= 3 && strcmp(path + len - 3, "/v1") == 0)
        path[len - 3] = '\0';
}

static bool names_a_value(const char *const *variables)
{
    for (; *variables; variables++) {
        const char *value = getenv(*variables);
        if (value && *value)
            return true;
    }
    return false;
}

/* Asked once: curl would ask for six variables at every transfer. */
static bool environment_names_a_proxy(bool http_upstream)
{
    static const char *const for_http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const for_https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                            NULL};

    return names_a_value(http_upstream ? for_http : for_https);
}

static void set_proxy(struct endpoint *e, const char *text)
{
    struct str masked = STR_INIT;
    struct url url;
    bool http_upstream = strcmp(e->base.scheme, "http") == 0;

    if (!*text) {
        e->proxy_from = environment_names_a_proxy(http_upstream) ? PROXY_FROM_ENVIRONMENT
                                                                 : PROXY_DIRECT;
        e->plain_http_proxy = http_upstream && e->proxy_from == PROXY_FROM_ENVIRONMENT;
        return;
    }
    if (strcmp(text, "none") == 0 || url_parse(&url, text)) {
        e->proxy_from = PROXY_DIRECT;
        return;
    }
    e->proxy_from = PROXY_GIVEN;
    e->proxy = mem_strdup(text);
    e->plain_http_proxy = http_upstream && str_starts(url.scheme, "http");
    url_add_masked(&masked, &url);
    e->proxy_label = str_detach(&masked);
    url_release(&url);
}

int endpoint_init(struct endpoint *e, const struct conf *conf, struct err *err)
{
    const char *wrong, *ca_file = conf_text(conf, OPT_CA_FILE);
    struct str text = STR_INIT;

    *e = (struct endpoint){.name = "default"};
    wrong = url_parse(&e->base, conf_text(conf, OPT_UPSTREAM));
    if (wrong)
        return err_set(err, ERR_USAGE, "--upstream %s", wrong);
    strip_v1(e->base.path);
    str_addf(&text, "%s://", e->base.scheme);
    url_add_authority(&text, &e->base);
    e->root = str_detach(&text);
    url_add_masked(&text, &e->base);
    e->label = str_detach(&text);
    set_proxy(e, conf_text(conf, OPT_PROXY));
    e->connect_ms = conf_number(conf, OPT_CONNECT_TIMEOUT);
    e->silence_ms = conf_number(conf, OPT_REQUEST_TIMEOUT);
    e->silence_is_set = conf_is_set(conf, OPT_REQUEST_TIMEOUT);
    e->total_ms = conf_number(conf, OPT_TOTAL_TIMEOUT);
    e->forwarded = conf_number(conf, OPT_FORWARDED) != 0;
    if (*ca_file && crypto_certs_load(&e->ca, ca_file, err) < 0) {
        err_wrap(err, "%s", conf->value[OPT_CA_FILE].place);
        endpoint_release(e);
        return -1;
    }
    return 0;
}

void endpoint_release(struct endpoint *e)
{
    if (e->proxy)
        mem_wipe(e->proxy, strlen(e->proxy));
    free(e->proxy);
    free(e->proxy_label);
    free(e->root);
    free(e->label);
    url_release(&e->base);
    crypto_certs_free(e->ca);
    e->ca = NULL;
}

void endpoint_add_target(const struct endpoint *e, const char *target, struct str *out)
{
    if (e->plain_http_proxy)
        str_adds(out, e->root);
    str_adds(out, e->base.path);
    str_adds(out, target);
}
