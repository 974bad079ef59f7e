#include "proxy/guard.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

#define PORT 8080

static void open_door(struct guard *guard)
{
    guard_init(guard);
    guard->port = PORT;
    guard_allow(guard, "Proxy.Test");
    guard_allow(guard, "192.168.1.5");
    guard_allow(guard, "[2001:db8::5]");
    guard_allow(guard, "other.test:9000");
}

/* What the guard says to these fields: ERR_NONE is "come in". */
static enum err_code ask(const char *host, const char *name, const char *value)
{
    const char *cors;
    struct err err = {.code = ERR_NONE};
    struct fields f;
    struct guard guard;
    int result;

    open_door(&guard);
    fields_init(&f);
    if (host)
        CHECK(fields_adds(&f, "Host", host));
    if (name)
        CHECK(fields_adds(&f, name, value));
    result = guard_check(&guard, &f, &cors, &err);
    CHECK(result == (err.code == ERR_NONE ? 0 : -1));
    fields_release(&f);
    guard_release(&guard);
    return err.code;
}

static const char *const let_in[] = {
    "localhost:", /* an empty port is none */
    "[::1]:",
    "localhost.:8080",
    "app.localhost:8080",
    "App.LocalHost.",
    "[0:0:0:0:0:0:0:1]:8080",
    "[::ffff:127.0.0.1]:8080",
    "localhost:8080",
    "LOCALHOST:8080",
    "LocalHost:8080",
    "127.0.0.1:8080",
    "127.0.0.2:8080",
    "127.255.255.255:8080",
    "127.0.0.0:8080",
    "[::1]:8080",
    "proxy.test:8080",
    "PROXY.TEST:8080",
    "192.168.1.5:8080",
    "[2001:db8::5]:8080",
    "[2001:DB8::5]:8080",
    "other.test:9000",
    "Other.Test:9000",
    "other.test:9000",
};

static const char *const kept_out[] = {
    /* other names */
    "evil.com:8080",
    "evil.com",
    "localhost.evil.com:8080",
    "evil-localhost:8080",
    "xlocalhost:8080",
    "localhostx:8080",
    "proxy.test.evil.com:8080",
    "xproxy.test:8080",
    "proxy.tes:8080",
    "proxy:8080",
    /* another port than the one that the name was written with */
    "other.test:9001",
    "other.test",
    /* 127.x that is a name, or that others read in another way */
    "127.0.0.1.evil.com:8080",
    "127.evil.com:8080",
    "127.0.0.1.nip.io:8080",
    "127.1:8080",
    "127.0.1:8080",
    "127:8080",
    "127.:8080",
    "127.0.0.:8080",
    "127.0.0.1.:8080",
    "127.0.0.0.1:8080",
    "127.0.0.256:8080",
    "127.0.0.0001:8080",
    "127.0.0.-1:8080",
    "127.0.0.+1:8080",
    "127.0.0.0x1:8080",
    "127..0.1:8080",
    "127.0.0. 1:8080",
    "2130706433:8080",
    "0x7f000001:8080",
    "0177.0.0.1:8080",
    "0.0.0.0:8080",
    "128.0.0.1:8080",
    "12.7.0.1:8080",
    /* IPv6 */
    "::1:8080",
    "::1",
    "[::1:8080",
    "[::1]8080",
    "[::1]x:8080",
    "[::1]x8080",
    "[::1]18080",
    "[::]:8080",
    "[::2]:8080",
    "[::1%lo]:8080",
    "[localhost]:8080",
    "[127.0.0.1]:8080",
    "[]:8080",
    "[",
    "]",
    "[]",
    "[::ffff:128.0.0.1]:8080",
    "[127.0.0.1]:8080",
    "2001:db8::5",
    "[2001:db8::6]:8080",
    /* trailing dots, user information, what is no authority at all */
    "localhost..:8080",
    ".localhost:8080",
    "notlocalhost:8080",
    "proxy.test.:8080",
    "localhost:8080@evil.com",
    "user@localhost:8080",
    "user:pw@localhost:8080",
    "evil.com@localhost:8080",
    "localhost:8080/",
    "localhost/:8080",
    "localhost:8080?x",
    "localhost:8080#x",
    "http://localhost:8080",
    "//localhost:8080",
    "localhost:8080,evil.com",
    "localhost:8080 evil.com",
    "localhost :8080",
    "localhost\t:8080",
    "localhost\\:8080",
    "localhost:+8080",
    "localhost:-8080",
    "localhost:8080x",
    "localhost:0x1f90",
    "localhost: 8080",
    "localhost:8080:8080",
    "localhost:99999999999999999999",
    "localhost:73616",      /* 65536 + 8080 */
    "localhost:4294975376", /* 2^32 + 8080 */
    ":8080",
    ":",
    "",
    "*",
    "*:8080",
    "null",
};

TEST("who calls the proxy by one of its names and its port is let in")
{
    for (size_t i = 0; i < countof(let_in); i++) {
        unit_row(let_in[i]);
        CHECK_INT(ask(let_in[i], NULL, NULL), ERR_NONE);
    }
    unit_row(NULL);
}

TEST("every other Host is refused, on every route")
{
    for (size_t i = 0; i < countof(kept_out); i++) {
        unit_row(kept_out[i]);
        CHECK_INT(ask(kept_out[i], NULL, NULL), ERR_HOST);
    }
    unit_row(NULL);
}

TEST("a name or address without a port is let in with any port, and a page of it only with ours")
{
    static const char *const rows[] = {"proxy.test", "192.168.1.5", "[2001:db8::5]"};
    static const char *const origins[] = {"http://proxy.test", "https://proxy.test",
                                          "http://192.168.1.5", "https://[2001:db8::5]"};

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i]);
        CHECK_INT(ask(rows[i], NULL, NULL), ERR_NONE);
    }
    for (size_t i = 0; i < countof(origins); i++) {
        unit_row(origins[i]);
        CHECK_INT(ask("localhost:8080", "Origin", origins[i]), ERR_ORIGIN);
    }
    unit_row(NULL);
}

TEST("there is exactly one Host field")
{
    CHECK_INT(ask(NULL, NULL, NULL), ERR_HOST);
    CHECK_INT(ask("localhost:8080", "host", "localhost:8080"), ERR_HOST);
    CHECK_INT(ask("localhost:8080", "HOST", "evil.com"), ERR_HOST);
    CHECK_INT(ask("evil.com", "Host", "localhost:8080"), ERR_HOST);
    CHECK_INT(ask(NULL, "X-Forwarded-Host", "localhost:8080"), ERR_HOST);
}

TEST("an Origin is ours, or its request stays outside of all but the API")
{
    static const char *const foreign[] = {
        "null",
        "",
        "http://evil.com",
        "https://evil.com:8080",
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:80",
        "https://localhost",
        "http://127.0.0.1",
        "http://[::1]",
        "http://localhost:8080@evil",
        "http://localhost:8080@evil.com:8080",
        "http://localhost:8080.evil.com",
        "http://localhost:8080/",
        "http://localhost:8080/x",
        "http://localhost..:8080",
        "http://evil.com#localhost:8080",
        "http://user@localhost:8080",
        "file://localhost:8080",
        "ws://localhost:8080",
        "chrome-extension://localhost:8080",
        "localhost:8080",
        "//localhost:8080",
        "http:localhost:8080",
        "http:/localhost:8080",
        "http://",
        "https://",
        "http:///",
        "http://http://localhost:8080",
        "http://localhost:8080 http://evil.com",
        "moz-extension://x",
        "http://127.0.0.1.evil.com:8080",
    };

    for (size_t i = 0; i < countof(foreign); i++) {
        unit_row(foreign[i]);
        CHECK_INT(ask("localhost:8080", "Origin", foreign[i]), ERR_ORIGIN);
        CHECK_INT(ask("localhost:8080", "ORIGIN", foreign[i]), ERR_ORIGIN);
    }
    unit_row(NULL);
}

TEST("our own Origin is let in by any of our names")
{
    static const char *const own[] = {"http://localhost:8080",  "http://127.0.0.1:8080",
                                      "http://[::1]:8080",      "https://localhost:8080",
                                      "http://proxy.test:8080", "http://PROXY.test:8080",
                                      "http://other.test:9000", "http://[2001:db8::5]:8080"};

    for (size_t i = 0; i < countof(own); i++) {
        unit_row(own[i]);
        CHECK_INT(ask("localhost:8080", "Origin", own[i]), ERR_NONE);
    }
    unit_row(NULL);
}

TEST("each of several Origins has to be ours")
{
    const char *cors;
    struct err err = {.code = ERR_NONE};
    struct fields f;
    struct guard guard;

    open_door(&guard);
    fields_init(&f);
    fields_adds(&f, "Host", "localhost:8080");
    fields_adds(&f, "Origin", "http://localhost:8080");
    CHECK_INT(guard_check(&guard, &f, &cors, &err), 0);
    fields_adds(&f, "Origin", "http://evil.com");
    CHECK_INT(guard_check(&guard, &f, &cors, &err), -1);
    CHECK_INT(err.code, ERR_ORIGIN);
    fields_release(&f);
    guard_release(&guard);
}

TEST("a page of another site is refused by what its browser says of it")
{
    static const struct {
        const char *name, *value;
        enum err_code code;
    } rows[] = {
        {"Sec-Fetch-Site", "cross-site", ERR_ORIGIN},
        {"Sec-Fetch-Site", "same-site", ERR_ORIGIN},
        {"sec-fetch-site", "Cross-Site", ERR_ORIGIN},
        {"Sec-Fetch-Site", "same-origin", ERR_NONE},
        {"Sec-Fetch-Site", "none", ERR_NONE},
        {"Sec-Fetch-Mode", "cors", ERR_NONE}, /* Node's fetch sends it */
        {"Sec-Fetch-Mode", "cross-site", ERR_NONE},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].value);
        CHECK_INT(ask("localhost:8080", rows[i].name, rows[i].value), rows[i].code);
    }
    unit_row(NULL);
}

TEST("on port 80 a Host needs no port")
{
    const char *cors;
    struct err err;
    struct fields f;
    struct guard guard;

    guard_init(&guard);
    guard.port = 80;
    fields_init(&f);
    fields_adds(&f, "host", "localhost");
    fields_adds(&f, "origin", "http://localhost");
    CHECK_INT(guard_check(&guard, &f, &cors, &err), 0);
    fields_clear(&f);
    fields_adds(&f, "host", "localhost");
    fields_adds(&f, "origin", "https://localhost"); /* that is port 443 */
    CHECK_INT(guard_check(&guard, &f, &cors, &err), -1);
    fields_release(&f);
    guard_release(&guard);
}

TEST("a name that was written with port 80 is let in as clients write it")
{
    const char *cors;
    struct err err;
    struct fields f;
    struct guard guard;

    guard_init(&guard);
    guard.port = PORT;
    guard_allow(&guard, "front.test:80");
    fields_init(&f);
    fields_adds(&f, "host", "front.test"); /* no client writes the default port */
    CHECK_INT(guard_check(&guard, &f, &cors, &err), 0);
    fields_release(&f);
    guard_release(&guard);
}

TEST("the refusal says what to do, and a Host of any length fits")
{
    char host[5000];
    const char *cors;
    struct err err;
    struct fields f;
    struct guard guard;

    open_door(&guard);
    fields_init(&f);
    memset(host, 'a', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    fields_adds(&f, "Host", host);
    CHECK_INT(guard_check(&guard, &f, &cors, &err), -1);
    CHECK_HAS(err.text, "--allow-host");
    CHECK_HAS(err.text, "localhost:8080");
    fields_release(&f);
    guard_release(&guard);
}

TEST("a name that is let in is a host, with or without a port")
{
    static const char *const good[] = {"box.lan", "Box_1.lan:8080", "10.0.0.1", "[2001:db8::5]",
                                       "[::ffff:1.2.3.4]:80"};
    static const char *const bad[] = {"",         "*",   "*.lan",   "a b",      "http://box.lan",
                                      "box.lan/", "a:b", "a:65536", ":80",      "[::1",
                                      "[]",       "::1", "a@box",   "b\xc3\xbc"};
    struct guard guard;
    struct err err;

    guard_init(&guard);
    for (size_t i = 0; i < countof(good); i++) {
        unit_row(good[i]);
        CHECK_INT(guard_allow_host(&guard, good[i], &err), 0);
    }
    for (size_t i = 0; i < countof(bad); i++) {
        size_t before = guard.names.len;

        unit_row(bad[i]);
        CHECK_INT(guard_allow_host(&guard, bad[i], &err), -1);
        CHECK_INT(err.code, ERR_USAGE);
        CHECK_HAS(err.text, "is no host");
        CHECK_INT(guard.names.len, before);
    }
    unit_row(NULL);
    guard_release(&guard);
}

TEST("a page is ours where its origin is the Host, whatever port a tunnel shows")
{
    static const struct {
        const char *host, *origin;
        enum err_code code;
    } rows[] = {
        {"localhost:9000", "http://localhost:9000", ERR_NONE},
        {"localhost:9000", "http://localhost:9001", ERR_ORIGIN},
        {"localhost:9000", "http://127.0.0.1:9000", ERR_ORIGIN},
        {"localhost:9000", "http://localhost:8080", ERR_NONE}, /* ours without the tunnel */
        {"localhost", "http://localhost", ERR_NONE},
        {"localhost", "http://localhost:3000", ERR_ORIGIN},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].origin);
        CHECK_INT(ask(rows[i].host, "Origin", rows[i].origin), rows[i].code);
    }
    unit_row(NULL);
}

TEST("an origin that is allowed comes in, is named for CORS, and brings no other one with it")
{
    const char *cors;
    struct err err;
    struct fields f;
    struct guard guard;

    open_door(&guard);
    CHECK_INT(guard_allow_origin(&guard, "http://App.test:3000/", &err), 0);
    fields_init(&f);
    fields_adds(&f, "Host", "localhost:8080");
    CHECK_INT(guard_check(&guard, &f, &cors, &err), 0);
    CHECK(!cors);
    fields_adds(&f, "Sec-Fetch-Site", "cross-site");
    CHECK_INT(guard_check(&guard, &f, &cors, &err), -1);
    fields_adds(&f, "Origin", "http://app.test:3000");
    CHECK_INT(guard_check(&guard, &f, &cors, &err), 0);
    CHECK_STR(cors, "http://app.test:3000");
    fields_adds(&f, "Origin", "http://app.test:3001");
    CHECK_INT(guard_check(&guard, &f, &cors, &err), -1);
    CHECK_HAS(err.text, "--allow-origin http://app.test:3001");
    fields_release(&f);
    guard_release(&guard);
}

TEST("what is no single site is no origin that could be allowed")
{
    static const char *const wrong[] = {
        "*",        "null",           "",           "localhost:3000", "http://",
        "://x",     "https://*.test", "http://a/b", "http://a?b",     "http://u@a",
        "http:///", "http://a //"};
    struct guard guard;
    struct err err;

    open_door(&guard);
    for (size_t i = 0; i < countof(wrong); i++) {
        unit_row(wrong[i]);
        CHECK_INT(guard_allow_origin(&guard, wrong[i], &err), -1);
        CHECK_INT(err.code, ERR_USAGE);
    }
    unit_row(NULL);
    CHECK_INT(guard_allow_origin(&guard, "vscode-webview://abc", &err), 0);
    guard_release(&guard);
}

TEST("the proxy's own names are known as such, whatever the port")
{
    struct guard guard;

    open_door(&guard);
    CHECK(guard_names(&guard, "localhost", false));
    CHECK(guard_names(&guard, "127.0.0.5", false));
    CHECK(guard_names(&guard, "::1", true));
    CHECK(guard_names(&guard, "192.168.1.5", false));
    CHECK(!guard_names(&guard, "api.openai.com", false));
    CHECK(!guard_names(&guard, "192.168.1.6", false));
    guard_release(&guard);
}
