#include "base/url.h"

#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

TEST("a URL falls into its parts, and only its parts")
{
    static const struct {
        const char *text, *scheme, *user, *password, *host;
        unsigned port;
        const char *path;
    } rows[] = {
        {"http://a", "http", NULL, NULL, "a", 80, ""},
        {"HTTPS://Api.OpenAI.com", "https", NULL, NULL, "Api.OpenAI.com", 443, ""},
        {"https://a/", "https", NULL, NULL, "a", 443, "/"},
        {"https://a:8443/v1/", "https", NULL, NULL, "a", 8443, "/v1/"},
        {"http://a:1", "http", NULL, NULL, "a", 1, ""},
        {"http://a:65535", "http", NULL, NULL, "a", 65535, ""},
        {"http://[::1]", "http", NULL, NULL, "::1", 80, ""},
        {"http://[2001:db8::1]:8080/x", "http", NULL, NULL, "2001:db8::1", 8080, "/x"},
        {"http://u@a", "http", "u", NULL, "a", 80, ""},
        {"http://u:p@a:3128", "http", "u", "p", "a", 3128, ""},
        {"http://u:@a", "http", "u", "", "a", 80, ""},
        {"http://:p@a", "http", "", "p", "a", 80, ""},
        {"http://u:p:q@a", "http", "u", "p:q", "a", 80, ""},
        {"http://u:p@q@a", "http", "u", "p@q", "a", 80, ""}, /* the last '@' counts */
        {"http://u%40d:p%3A@a", "http", "u%40d", "p%3A", "a", 80, ""},
        {"socks5h://a", "socks5h", NULL, NULL, "a", 1080, ""},
        {"socks5://a:9", "socks5", NULL, NULL, "a", 9, ""},
        {"ftp://a", "ftp", NULL, NULL, "a", 0, ""},
        {"http://a/p@q:r", "http", NULL, NULL, "a", 80, "/p@q:r"}, /* '@' in the path is no user */
        {"http://user:p@[::1]:3128", "http", "user", "p", "::1", 3128, ""},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct url url;

        unit_row(rows[i].text);
        if (!CHECK_STR(url_parse(&url, rows[i].text), NULL))
            continue;
        CHECK_STR(url.scheme, rows[i].scheme);
        CHECK_STR(url.user, rows[i].user);
        CHECK_STR(url.password, rows[i].password);
        CHECK_STR(url.host, rows[i].host);
        CHECK_INT(url.port, rows[i].port);
        CHECK_STR(url.path, rows[i].path);
        CHECK(url.bracketed == (strchr(rows[i].host, ':') != NULL));
        url_release(&url);
        CHECK(url.host == NULL); /* releasing again is nothing */
        url_release(&url);
    }
    unit_row(NULL);
}

TEST("what is no URL is refused with a reason")
{
    static const char *const rows[][2] = {
        {"", "scheme"},
        {"a", "scheme"},
        {"a:8080", "scheme"},
        {"/v1", "scheme"},
        {"://a", "scheme"},
        {"http:/a", "scheme"},
        {"http://", "host"},
        {"http:///v1", "host"},
        {"http://:80", "host"},
        {"http://u:p@", "host"},
        {"http://u:p@:80", "host"},
        {"http://[]", "host"},
        {"http://[::1", "bracket"},
        {"http://[::1]x", "port"},
        {"http://[::1]80", "port"},
        {"http://a:", "port"},
        {"http://a:0", "port"},
        {"http://a:65536", "port"},
        {"http://a:99999999999999999999", "port"},
        {"http://a:80x", "port"},
        {"http://a:-1", "port"},
        {"http://a:+80", "port"},
        {"http://a:80:90", "port"},
        {"http://a?x", "query"},
        {"http://a/v1?x=1", "query"},
        {"http://a#x", "fragment"},
        {"http://a/#", "fragment"},
        {"http://a b", "blank"},
        {" http://a", "blank"},
        {"http://a ", "blank"},
        {"http://a\t", "blank"},
        {"http://a\r\nX: 1", "control"},
        {"http://a/\x01", "control"},
        {"http://a/\x7f", "control"},
        {"http://a\\b", "characters"},
        {"http://a,b", "characters"},
        {"http://a\"b", "characters"},
        {"http://a<b>", "characters"},
        {"http://[a/b]", "bracket"},
        {"http://\xc3\xa9.com", "characters"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct url url;

        unit_row(rows[i][0]);
        CHECK_HAS(url_parse(&url, rows[i][0]), rows[i][1]);
        CHECK(url.scheme == NULL && url.host == NULL && url.password == NULL);
    }
    unit_row(NULL);
}

TEST("no control character and no blank is taken anywhere in a URL")
{
    for (unsigned byte = 1; byte <= ' '; byte++) {
        char text[] = "http://u:p@host/path";

        for (size_t at = 0; text[at]; at++) {
            char kept = text[at];
            struct url url;

            text[at] = (char)byte;
            if (!CHECK(url_parse(&url, text) != NULL))
                url_release(&url);
            text[at] = kept;
        }
    }
}

static char *masked(const char *text)
{
    struct str out = STR_INIT;
    struct url url;

    if (url_parse(&url, text) == NULL) {
        url_add_masked(&out, &url);
        url_release(&url);
    }
    return str_detach(&out);
}

TEST("a masked URL is the URL without its password")
{
    static const char *const rows[][2] = {
        {"http://u:secret@a:3128", "http://u:***@a:3128"},
        {"http://u:secret@a:80/x", "http://u:***@a/x"},
        {"http://u@a", "http://u@a"},
        {"http://u:@a", "http://u:***@a"},
        {"http://:secret@a", "http://:***@a"},
        {"http://u:se@cret@a", "http://u:***@a"},
        {"http://u:se:cret@a", "http://u:***@a"},
        {"https://[::1]:443/v1", "https://[::1]/v1"},
        {"https://[::1]:80/v1", "https://[::1]:80/v1"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        mem_auto char *text = masked(rows[i][0]);

        unit_row(rows[i][0]);
        CHECK_STR(text, rows[i][1]);
    }
    unit_row(NULL);
}

TEST("an authority names the port only where it is not the scheme's own")
{
    static const char *const rows[][2] = {
        {"http://a", "a"},
        {"http://a:80", "a"},
        {"http://a:443", "a:443"},
        {"https://a:443", "a"},
        {"https://a:80", "a:80"},
        {"http://[::1]:80", "[::1]"},
        {"http://[::1]:8", "[::1]:8"},
        {"http://u:p@a:8/x", "a:8"},
        {"ftp://a", "a"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct str out = STR_INIT;
        struct url url;

        unit_row(rows[i][0]);
        REQUIRE(url_parse(&url, rows[i][0]) == NULL);
        url_add_authority(&out, &url);
        CHECK_STR(out.text, rows[i][1]);
        str_release(&out);
        url_release(&url);
    }
    unit_row(NULL);
}
