#include "upstream/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/settings.h"
#include "unit.h"

#define SECRET "pa55word"

static const char *const variables[] = {
    "http_proxy",     "HTTP_PROXY",      "https_proxy",       "HTTPS_PROXY", "all_proxy",
    "ALL_PROXY",      "no_proxy",        "NO_PROXY",          "PROXY_URL",   "SSL_CERT_FILE",
    "OPENAI_API_URL", "GOPROXYAI_PROXY", "GOPROXYAI_UPSTREAM"};

#define SET_MAX 4

struct setting {
    const char *name, *value;
};

/* An environment of its own: nothing but these. What was there before comes back. */
struct world {
    char *before[countof(variables)];
    char *config;
};

static void world_begin(struct world *w, const struct setting *set)
{
    for (size_t i = 0; i < countof(variables); i++) {
        const char *value = getenv(variables[i]);

        w->before[i] = value ? mem_strdup(value) : NULL;
        unsetenv(variables[i]);
    }
    w->config = getenv("XDG_CONFIG_HOME") ? mem_strdup(getenv("XDG_CONFIG_HOME")) : NULL;
    setenv("XDG_CONFIG_HOME", "/nowhere", 1);
    for (size_t i = 0; set && i < SET_MAX && set[i].name; i++)
        setenv(set[i].name, set[i].value, 1);
}

static void give_back(const char *name, char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
    free(value);
}

static void world_end(struct world *w)
{
    for (size_t i = 0; i < countof(variables); i++)
        give_back(variables[i], w->before[i]);
    give_back("XDG_CONFIG_HOME", w->config);
}

/* The endpoint of these settings in that environment. proxy: NULL: --proxy is not given. */
static int init_in(struct endpoint **e, const struct setting *set, const char *upstream,
                   const char *proxy, struct err *err)
{
    char *argv[] = {mem_strdup("--upstream"), mem_strdup(upstream), mem_strdup("--proxy"),
                    mem_strdup(proxy ? proxy : "")};
    struct conf_line line = {.argc = proxy ? 4 : 2, .argv = argv, .scope = CONF_SERVE};
    struct world world;
    struct conf conf;
    int result = -2;

    *err = (struct err){.code = ERR_NONE};
    world_begin(&world, set);
    if (CHECK_INT(conf_load(&conf, &line, err), 0)) {
        *e = settings_endpoint(&conf, err);
        result = *e ? 0 : -1;
        conf_release(&conf);
    }
    world_end(&world);
    for (size_t i = 0; i < countof(argv); i++)
        free(argv[i]);
    return result;
}

/* ---- which variable ---- */

TEST("the proxy is named by the variables that curl reads, in its order")
{
    static const struct {
        const char *name, *upstream;
        struct setting set[SET_MAX];
        const char *variable, *proxy; /* NULL: there is none */
    } rows[] = {
        {"none", "https://up.test", {{0}}, NULL, NULL},
        {"https_proxy",
         "https://up.test",
         {{"https_proxy", "http://p:1"}},
         "https_proxy",
         "http://p:1"},
        {"HTTPS_PROXY",
         "https://up.test",
         {{"HTTPS_PROXY", "http://p:1"}},
         "HTTPS_PROXY",
         "http://p:1"},
        {"small letters first",
         "https://up.test",
         {{"HTTPS_PROXY", "http://p:1"}, {"https_proxy", "http://p:2"}},
         "https_proxy",
         "http://p:2"},
        {"empty is not set",
         "https://up.test",
         {{"HTTPS_PROXY", "http://p:1"}, {"https_proxy", ""}},
         "HTTPS_PROXY",
         "http://p:1"},
        {"the scheme's before that of all",
         "https://up.test",
         {{"all_proxy", "http://p:1"}, {"ALL_PROXY", "http://p:2"}, {"HTTPS_PROXY", "http://p:3"}},
         "HTTPS_PROXY",
         "http://p:3"},
        {"all_proxy",
         "https://up.test",
         {{"all_proxy", "http://p:1"}, {"ALL_PROXY", "http://p:2"}},
         "all_proxy",
         "http://p:1"},
        {"ALL_PROXY",
         "https://up.test",
         {{"ALL_PROXY", "socks5h://p:2"}},
         "ALL_PROXY",
         "socks5h://p:2"},
        {"http's are not https's",
         "https://up.test",
         {{"http_proxy", "http://p:1"}, {"HTTP_PROXY", "http://p:1"}},
         NULL,
         NULL},
        {"http_proxy",
         "http://up.test",
         {{"http_proxy", "http://p:1"}},
         "http_proxy",
         "http://p:1"},
        {"HTTP_PROXY is none", "http://up.test", {{"HTTP_PROXY", "http://p:1"}}, NULL, NULL},
        {"https's are not http's",
         "http://up.test",
         {{"https_proxy", "http://p:1"}, {"HTTPS_PROXY", "http://p:1"}},
         NULL,
         NULL},
        {"all_proxy, of http",
         "http://up.test",
         {{"HTTP_PROXY", "http://p:1"}, {"all_proxy", "http://p:2"}},
         "all_proxy",
         "http://p:2"},
        {"ALL_PROXY, of http",
         "http://up.test",
         {{"ALL_PROXY", "http://p:2"}},
         "ALL_PROXY",
         "http://p:2"},
        {"without a scheme",
         "https://up.test",
         {{"HTTPS_PROXY", "p:3128"}},
         "HTTPS_PROXY",
         "http://p:3128"},
        {"without scheme and port",
         "https://up.test",
         {{"https_proxy", "p"}},
         "https_proxy",
         "http://p"},
        {"without a scheme, with a user",
         "https://up.test",
         {{"https_proxy", "u:w@p:3128"}},
         "https_proxy",
         "http://u:w@p:3128"},
        {"https", "https://up.test", {{"https_proxy", "https://p"}}, "https_proxy", "https://p"},
        {"what --proxy does not take",
         "https://up.test",
         {{"all_proxy", "socks4a://p:1"}},
         "all_proxy",
         "socks4a://p:1"},
        {"in capitals",
         "https://up.test",
         {{"all_proxy", "HTTP://p:1"}},
         "all_proxy",
         "HTTP://p:1"},
        {"an address",
         "https://up.test",
         {{"https_proxy", "[::1]:3128"}},
         "https_proxy",
         "http://[::1]:3128"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct endpoint *e;
        struct err err;

        unit_row(rows[i].name);
        if (!CHECK_INT(init_in(&e, rows[i].set, rows[i].upstream, NULL, &err), 0))
            continue;
        CHECK_STR(e->proxy, rows[i].proxy);
        CHECK_STR(e->proxy_variable, rows[i].variable);
        CHECK_INT(e->proxy_from, rows[i].proxy ? ENDPOINT_PROXY_GIVEN : ENDPOINT_PROXY_NONE);
        endpoint_unref(e);
    }
    unit_row(NULL);
}

TEST("--proxy comes before all variables, and none is direct")
{
    static const struct setting set[SET_MAX] = {
        {"https_proxy", "http://p:1"}, {"ALL_PROXY", "http://p:2"}, {"NO_PROXY", "up.test"}};
    struct endpoint *e;
    struct err err;

    REQUIRE(CHECK_INT(init_in(&e, set, "https://up.test", "http://mine:3", &err), 0));
    CHECK_STR(e->proxy, "http://mine:3"); /* NO_PROXY is of the environment, too */
    CHECK(e->proxy_variable == NULL);
    endpoint_unref(e);
    REQUIRE(CHECK_INT(init_in(&e, set, "https://up.test", "none", &err), 0));
    CHECK_INT(e->proxy_from, ENDPOINT_PROXY_NONE);
    CHECK(e->proxy == NULL && e->proxy_label == NULL && e->proxy_variable == NULL);
    endpoint_unref(e);
}

TEST("NO_PROXY names what is reached directly")
{
    static const struct {
        const char *upstream, *name, *list, *other, *other_list;
        bool direct;
    } rows[] = {
        {"https://api.up.test", "no_proxy", "up.test", NULL, NULL, true},
        {"https://api.up.test", "NO_PROXY", "up.test", NULL, NULL, true},
        {"https://api.up.test", "NO_PROXY", "other.test", NULL, NULL, false},
        {"https://api.up.test", "NO_PROXY", "*", NULL, NULL, true},
        {"https://api.up.test", "no_proxy", "other.test", "NO_PROXY", "up.test", false},
        {"https://api.up.test", "no_proxy", "", "NO_PROXY", "up.test", true},
        {"https://10.1.2.3:8443/v1", "NO_PROXY", "10.0.0.0/8", NULL, NULL, true},
        {"https://[fd00::1]:8443/v1", "NO_PROXY", "fd00::/8", NULL, NULL, true},
        {"https://[fd00::1]", "NO_PROXY", "10.0.0.0/8", NULL, NULL, false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        const struct setting set[SET_MAX] = {{"ALL_PROXY", "http://p:1"},
                                             {rows[i].name, rows[i].list},
                                             {rows[i].other, rows[i].other_list}};
        struct endpoint *e;
        struct err err;

        unit_row(rows[i].list);
        if (!CHECK_INT(init_in(&e, set, rows[i].upstream, NULL, &err), 0))
            continue;
        CHECK_INT(e->proxy_from, rows[i].direct ? ENDPOINT_PROXY_NONE : ENDPOINT_PROXY_GIVEN);
        endpoint_unref(e);
    }
    unit_row(NULL);
}

/* ---- what stands in it ---- */

TEST("the password goes to libcurl as it is, and to people masked")
{
    static const struct setting set[SET_MAX] = {{"HTTPS_PROXY", "us%40er:" SECRET "@p.test:3128"}};
    struct endpoint *e;
    struct err err;

    REQUIRE(CHECK_INT(init_in(&e, set, "https://up.test", NULL, &err), 0));
    CHECK_STR(e->proxy, "http://us%40er:" SECRET "@p.test:3128");
    CHECK_STR(e->proxy_label, "http://us%40er:***@p.test:3128");
    endpoint_unref(e);
}

TEST("a variable that is not usable is named, and not what stands in it")
{
    static const char *const values[] = {
        "http://",
        "http://user:" SECRET "@",
        "user:" SECRET "@p.test:port",
        "http://user:" SECRET "@p.test:0",
        "http://user:" SECRET "@p.test:99999",
        "http://user:" SECRET "@p.test:3128?" SECRET,
        "http://user:" SECRET "@p test",
        "http://user:" SECRET "@p.test\r\nX: 1",
        "http://user:" SECRET "@[::1",
        "http://user:" SECRET
        "/@p.test:3128", /* the slash ends the host, and "pa55word" is a port */
        "://" SECRET "@p.test",
        "ftp://user:" SECRET "@p.test",
        "socks6://user:" SECRET "@p.test",
        " http://user:" SECRET "@p.test",
        "https//user:" SECRET "@p.test:3128", /* "http" is a host, and the rest its path */
        "http//user:" SECRET "@p.test",
        "http://u/" SECRET "@p.test:1",
        "http://p.test:3128/@" SECRET,
    };
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

    for (size_t i = 0; i < countof(values); i++) {
        const char *name = names[i % countof(names)];
        const struct setting set[SET_MAX] = {{name, values[i]}};
        struct endpoint *e;
        struct err err;
        int result;

        unit_row(values[i]);
        result = init_in(&e, set, "https://up.test", NULL, &err);
        if (!CHECK_INT(result, -1)) {
            if (result == 0)
                endpoint_unref(e);
            continue;
        }
        CHECK_INT(err.code, ERR_USAGE);
        CHECK_HAS(err.text, name);
        CHECK_HAS(err.text, "unset it, or use --proxy none");
        CHECK_HAS_NOT(err.text, SECRET);
        CHECK_HAS_NOT(err.text, "p.test");
        CHECK(strchr(err.text, '\n') == NULL);
    }
    unit_row(NULL);
}

TEST("what is not usable does not matter where it does not count")
{
    static const struct setting sets[][SET_MAX] = {
        {{"http_proxy", "http://"}},                           /* of another scheme */
        {{"https_proxy", "http://p:1"}, {"ALL_PROXY", "://"}}, /* another one comes first */
    };
    static const struct setting covered[SET_MAX] = {{"https_proxy", "://"},
                                                    {"no_proxy", "up.test"}};
    struct endpoint *e;
    struct err err;

    for (size_t i = 0; i < countof(sets); i++)
        if (CHECK_INT(init_in(&e, sets[i], "https://up.test", NULL, &err), 0))
            endpoint_unref(e);
    if (CHECK_INT(init_in(&e, covered, "https://up.test", NULL, &err), 0)) {
        CHECK_INT(e->proxy_from, ENDPOINT_PROXY_NONE);
        endpoint_unref(e);
    }
    if (CHECK_INT(init_in(&e, covered, "https://other.test", "none", &err), 0))
        endpoint_unref(e);
}

/* ---- what is asked for ---- */

TEST("an HTTP proxy gets the absolute form of an http upstream, and only of one")
{
    static const struct {
        const char *upstream, *proxy, *target;
    } rows[] = {
        {"https://up.test", "http://p:1", "/v1/models"},
        {"http://up.test", "http://p:1", "http://up.test/v1/models"},
        {"http://up.test:8080/x/v1/", "https://p:1", "http://up.test:8080/x/v1/models"},
        {"http://up.test", "p:1", "http://up.test/v1/models"},
        {"http://up.test", "socks5h://p:1", "/v1/models"},
        {"http://up.test/x", "", "/x/v1/models"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        const struct setting set[SET_MAX] = {{"all_proxy", rows[i].proxy}};
        struct str target = STR_INIT;
        struct endpoint *e;
        struct err err;

        unit_row(rows[i].target);
        if (!CHECK_INT(init_in(&e, set, rows[i].upstream, NULL, &err), 0))
            continue;
        endpoint_add_target(e, "/v1/models", &target);
        CHECK_STR(target.text, rows[i].target);
        str_release(&target);
        endpoint_unref(e);
    }
    unit_row(NULL);
}
