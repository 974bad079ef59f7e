#include "proxy/settings.h"

#include "base/crypto.h"

void settings_endpoint(const struct conf *conf, const struct crypto_certs *certs,
                       struct endpoint_spec *spec)
{
    *spec = (struct endpoint_spec){
        .name = "default",
        .url = conf_text(conf, OPT_UPSTREAM),
        .proxy = conf_text(conf, OPT_PROXY),
        .certs = certs,
        .connect_ms = conf_number(conf, OPT_CONNECT_TIMEOUT),
        .silence_ms = conf_number(conf, OPT_REQUEST_TIMEOUT),
        .silence_is_set = conf_is_set(conf, OPT_REQUEST_TIMEOUT),
        .total_ms = conf_number(conf, OPT_TOTAL_TIMEOUT),
        .http2 = conf_number(conf, OPT_HTTP2) != 0,
        .forwarded = conf_number(conf, OPT_FORWARDED) != 0,
    };
}

int settings_certs(const struct conf *conf, struct crypto_certs **certs, struct err *err)
{
    const char *path = conf_text(conf, OPT_CA_FILE);

    *certs = NULL;
    if (!*path || crypto_certs_load(certs, path, err) == 0)
        return 0;
    err_wrap(err, "%s", conf->value[OPT_CA_FILE].place);
    return -1;
}
