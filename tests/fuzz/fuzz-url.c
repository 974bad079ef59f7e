/* url: what was parsed can be written, masked, and parsed again to the same parts. */
#include "base/url.h"

#include "fuzz.h"

static void must_be_same(const char *a, const char *b)
{
    MUST((a == NULL) == (b == NULL));
    MUST(!a || strcmp(a, b) == 0);
}

static void check(const struct url *url)
{
    struct str masked = STR_INIT, authority = STR_INIT;
    struct url again;

    MUST(*url->host && *url->scheme && url->port <= 65535);
    MUST(*url->path == '\0' || *url->path == '/');
    MUST(!url->password || url->user);
    url_add_authority(&authority, url);
    MUST(!strpbrk(authority.text, "/?#@ \r\n"));
    url_add_masked(&masked, url);
    MUST(url_parse(&again, masked.text) == NULL);
    must_be_same(again.scheme, url->scheme);
    must_be_same(again.user, url->user);
    must_be_same(again.password, url->password ? "***" : NULL);
    must_be_same(again.host, url->host);
    must_be_same(again.path, url->path);
    MUST(again.port == url->port && again.bracketed == url->bracketed);
    url_release(&again);
    str_release(&masked);
    str_release(&authority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct url url;
    const char *wrong = url_parse(&url, text);

    if (wrong) {
        MUST(*wrong && !url.host && !url.scheme && !url.password);
    } else {
        check(&url);
        url_release(&url);
    }
    free(text);
    return 0;
}
