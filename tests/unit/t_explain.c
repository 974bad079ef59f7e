#include "upstream/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/settings.h"
#include "unit.h"

#define SECRET "pa55word"

/* An endpoint as the settings make it. */
static bool make_endpoint(struct endpoint **e, const char *upstream, const char *proxy)
{
    char *argv[] = {mem_strdup("--upstream"), mem_strdup(upstream), mem_strdup("--proxy"),
                    mem_strdup(proxy)};
    struct conf conf;
    struct err err;
    bool made = false;
    struct conf_line line = {.argc = 4, .argv = argv, .scope = CONF_SERVE};

    setenv("XDG_CONFIG_HOME", "/nowhere", 1);
    if (CHECK_INT(conf_load(&conf, &line, &err), 0)) {
        *e = settings_endpoint(&conf, &err);
        made = CHECK(*e != NULL);
        conf_release(&conf);
    }
    unsetenv("XDG_CONFIG_HOME");
    for (size_t i = 0; i < countof(argv); i++)
        free(argv[i]);
    return made;
}

static struct err explain_facts(const struct endpoint *e, const struct trouble_facts *facts)
{
    struct err err = {.code = ERR_NONE};

    explain(&err, facts, e);
    CHECK_HAS_NOT(err.text, SECRET);
    CHECK_HAS_NOT(err.text, "(null)");
    CHECK(strlen(err.text) > 20); /* what is wrong: what to do */
    CHECK(!strchr(err.text, '\n'));
    return err;
}

/* What failed is beyond the proxy, if there is one. */
static struct err explained(const struct endpoint *e, enum trouble trouble, long proxy_status,
                            const char *detail)
{
    return explain_facts(e, &(struct trouble_facts){.trouble = trouble,
                                                    .in_tunnel = true,
                                                    .proxy_status = proxy_status,
                                                    .detail = detail});
}

#define ALL_TROUBLES(X)                                                                            \
    X(TROUBLE_NAME, ERR_UP_NAME)                                                                   \
    X(TROUBLE_PROXY_NAME, ERR_UP_NAME)                                                             \
    X(TROUBLE_CONNECT, ERR_UP_CONNECT)                                                             \
    X(TROUBLE_CONNECT_TIME, ERR_UP_CONNECT)                                                        \
    X(TROUBLE_PROXY, ERR_UP_PROXY)                                                                 \
    X(TROUBLE_TLS, ERR_UP_TLS)                                                                     \
    X(TROUBLE_CUT, ERR_UP_BROKEN)                                                                  \
    X(TROUBLE_ANSWER, ERR_UP_ANSWER)                                                               \
    X(TROUBLE_HEAD, ERR_UP_ANSWER)

static const struct {
    enum trouble trouble;
    enum err_code code;
} troubles[] = {
#define ROW(trouble, code) {trouble, code},
    ALL_TROUBLES(ROW)
#undef ROW
};

static const char *const proxies[] = {
    "",
    "none",
    "http://u:" SECRET "@proxy.test:3128",
    "https://u:" SECRET "@proxy.test:3128",
    "socks5h://u:" SECRET "@proxy.test",
    "http://:" SECRET "@proxy.test",
};

TEST("each trouble has its code and a sentence, without any password")
{
    for (size_t p = 0; p < countof(proxies); p++) {
        struct endpoint *e;

        unit_row(proxies[p]);
        REQUIRE(make_endpoint(&e, "https://up.test/v1", proxies[p]));
        CHECK_HAS_NOT(e->label, SECRET);
        CHECK(!e->proxy_label || !strstr(e->proxy_label, SECRET));
        for (size_t i = 0; i < countof(troubles); i++) {
            CHECK_INT(explained(e, troubles[i].trouble, 0, "its words").code, troubles[i].code);
            CHECK_INT(explained(e, troubles[i].trouble, 0, "").code, troubles[i].code);
            CHECK_INT(explained(e, troubles[i].trouble, 200, "x").code, troubles[i].code);
        }
        endpoint_unref(e);
    }
    unit_row(NULL);
}

TEST("407 is an authentication failure whatever the trouble, and other refusals are the proxy's")
{
    for (size_t p = 0; p < countof(proxies); p++) {
        struct endpoint *e;

        REQUIRE(make_endpoint(&e, "https://up.test", proxies[p]));
        for (size_t i = 0; i < countof(troubles); i++) {
            struct err err = explained(e, troubles[i].trouble, 407, "x");

            CHECK_INT(err.code, ERR_UP_PROXY_AUTH);
            CHECK_HAS(err.text, "407");
            CHECK_HAS(err.text, "user:password");
            err = explained(e, troubles[i].trouble, 503, "x");
            CHECK_INT(err.code, ERR_UP_PROXY);
            CHECK_HAS(err.text, "503");
            CHECK_INT(explained(e, troubles[i].trouble, 403, "x").code, ERR_UP_PROXY);
            CHECK_INT(explained(e, troubles[i].trouble, 302, "x").code, ERR_UP_PROXY);
        }
        endpoint_unref(e);
    }
}

TEST("the text names the hop that failed and the setting to change")
{
    struct endpoint *direct, *behind, *tls_proxy;
    struct err err;

    REQUIRE(make_endpoint(&direct, "https://up.test:8443/v1", "none"));
    REQUIRE(make_endpoint(&behind, "https://up.test/v1", "http://u:" SECRET "@proxy.test:3128"));
    REQUIRE(make_endpoint(&tls_proxy, "https://up.test/v1", "https://u:" SECRET "@proxy.test"));

    err = explained(direct, TROUBLE_NAME, 0, "d");
    CHECK_HAS(err.text, "up.test");
    CHECK_HAS(err.text, "--upstream");
    err = explained(behind, TROUBLE_PROXY_NAME, 0, "d");
    CHECK_HAS(err.text, "u:***@proxy.test:3128");
    CHECK_HAS(err.text, "--proxy");
    err = explained(direct, TROUBLE_CONNECT, 0, "refused it was");
    CHECK_HAS(err.text, "https://up.test:8443");
    CHECK_HAS(err.text, "refused it was");
    err = explained(direct, TROUBLE_CONNECT_TIME, 0, "d");
    CHECK_HAS(err.text, "--connect-timeout");
    err = explained(behind, TROUBLE_CONNECT, 0, "d");
    CHECK_HAS(err.text, "upstream proxy http://u:***@proxy.test:3128");
    err = explained(behind, TROUBLE_CONNECT_TIME, 0, "d");
    CHECK_HAS(err.text, "upstream proxy");
    err = explained(behind, TROUBLE_TLS, 200, "d"); /* the tunnel stood: it is the upstream's */
    CHECK_HAS(err.text, "https://up.test");
    CHECK_HAS(err.text, "--ca-file");
    err = explained(tls_proxy, TROUBLE_TLS, 200, "d");
    CHECK_HAS(err.text, "https://up.test");
    err = explained(tls_proxy, TROUBLE_TLS, 0, "d"); /* no tunnel yet: it is the proxy's */
    CHECK_HAS(err.text, "upstream proxy https://u:***@proxy.test");
    err = explained(behind, TROUBLE_TLS, 0, "d");
    CHECK_HAS(err.text, "https://up.test");
    err = explained(direct, TROUBLE_CUT, 0, "short read");
    CHECK_HAS(err.text, "short read");

    endpoint_unref(direct);
    endpoint_unref(behind);
    endpoint_unref(tls_proxy);
}

/* The code for a trouble that came before the request could be sent. */
static enum err_code code_before(const char *upstream, const char *proxy, enum trouble trouble)
{
    enum err_code code = ERR_NONE;
    struct endpoint *e;

    if (make_endpoint(&e, upstream, proxy)) {
        code = explain_facts(e, &(struct trouble_facts){.trouble = trouble, .detail = "d"}).code;
        endpoint_unref(e);
    }
    return code;
}

TEST("what broke before the request could be sent through a tunnel is the proxy's")
{
    static const char proxy[] = "http://u:" SECRET "@proxy.test:3128";

    CHECK_INT(code_before("https://up.test", proxy, TROUBLE_CUT), ERR_UP_PROXY);
    CHECK_INT(code_before("https://up.test", proxy, TROUBLE_ANSWER), ERR_UP_PROXY);
    CHECK_INT(code_before("https://up.test", "socks5h://proxy.test", TROUBLE_CUT), ERR_UP_PROXY);
    CHECK_INT(code_before("https://up.test", "none", TROUBLE_CUT), ERR_UP_BROKEN);
    CHECK_INT(code_before("https://up.test", "none", TROUBLE_ANSWER), ERR_UP_ANSWER);
    CHECK_INT(code_before("http://up.test", proxy, TROUBLE_CUT), ERR_UP_BROKEN); /* no tunnel */
    CHECK_INT(code_before("https://up.test", proxy, TROUBLE_TLS), ERR_UP_TLS);
    CHECK_INT(code_before("https://up.test", proxy, TROUBLE_CONNECT), ERR_UP_CONNECT);
}

TEST("a proxy that the environment names is called so")
{
    struct endpoint *e;
    bool made;

    unsetenv("https_proxy");
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    setenv("HTTPS_PROXY", "http://me:secret@proxy.test:3128", 1);
    made = make_endpoint(&e, "https://up.test", "");
    unsetenv("HTTPS_PROXY");
    REQUIRE(made);
    CHECK_HAS(explained(e, TROUBLE_PROXY, 0, "d").text, "HTTPS_PROXY");
    CHECK_HAS(explained(e, TROUBLE_PROXY, 407, "d").text, "into HTTPS_PROXY");
    CHECK_HAS(explained(e, TROUBLE_PROXY_NAME, 0, "d").text, "HTTPS_PROXY");
    CHECK_HAS(explained(e, TROUBLE_CONNECT, 0, "d").text, "HTTPS_PROXY");
    CHECK_HAS_NOT(explained(e, TROUBLE_CONNECT, 0, "d").text, "secret");
    endpoint_unref(e);
}

TEST("a scheme's case does not matter in telling whose TLS failed")
{
    struct endpoint *e;

    REQUIRE(make_endpoint(&e, "https://up.test", "HTTPS://proxy.test"));
    CHECK_HAS(explained(e, TROUBLE_TLS, 0, "d").text, "upstream proxy");
    endpoint_unref(e);
}

TEST("a password that the library's own words repeat is masked")
{
    /* libcurl 7.88.1, lib/url.c, with CURLE_COULDNT_CONNECT and a proxy from the environment */
    static const char *const details[] = {
        "Unsupported proxy scheme for 'socks6://u:" SECRET "@proxy.test:1'",
        "Unsupported proxy 'https://u:" SECRET "@proxy.test:1', libcurl is built without it",
    };
    struct endpoint *e;

    REQUIRE(make_endpoint(&e, "https://up.test", ""));
    for (size_t d = 0; d < countof(details); d++)
        for (size_t i = 0; i < countof(troubles); i++)
            explained(e, troubles[i].trouble, 0, details[d]); /* it looks for the password */
    endpoint_unref(e);
}

TEST("a detail of any length fits")
{
    char detail[3000];
    struct endpoint *e;

    memset(detail, 'd', sizeof(detail) - 1);
    detail[sizeof(detail) - 1] = '\0';
    REQUIRE(make_endpoint(&e, "https://up.test", "none"));
    for (size_t i = 0; i < countof(troubles); i++)
        CHECK(strlen(explained(e, troubles[i].trouble, 0, detail).text) <
              sizeof(((struct err *)0)->text));
    endpoint_unref(e);
}
