#include "base/url.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"

static unsigned default_port(const char *scheme)
{
    static const struct {
        const char *scheme;
        unsigned port;
    } known[] = {{"http", 80}, {"https", 443}, {"socks5", 1080}, {"socks5h", 1080}};

    for (size_t i = 0; i < countof(known); i++)
        if (strcmp(known[i].scheme, scheme) == 0)
            return known[i].port;
    return 0;
}

static void parse_userinfo(struct url *url, const char **rest, const char *end)
{
    const char *at = memrchr(*rest, '@', (size_t)(end - *rest));
    const char *colon;

    if (!at)
        return;
    colon = memchr(*rest, ':', (size_t)(at - *rest));
    if (colon) {
        url->user = mem_strndup(*rest, (size_t)(colon - *rest));
        url->password = mem_strndup(colon + 1, (size_t)(at - colon - 1));
    } else {
        url->user = mem_strndup(*rest, (size_t)(at - *rest));
    }
    *rest = at + 1;
}

static const char *parse_host(struct url *url, const char **rest, const char *end)
{
    const char *host = *rest, *stop;

    if (host < end && *host == '[') {
        stop = memchr(host, ']', (size_t)(end - host));
        if (!stop)
            return "has an opening bracket and no closing one";
        url->bracketed = true;
        url->host = mem_strndup(host + 1, (size_t)(stop - host - 1));
        *rest = stop + 1;
    } else {
        stop = memchr(host, ':', (size_t)(end - host));
        if (!stop)
            stop = end;
        url->host = mem_strndup(host, (size_t)(stop - host));
        *rest = stop;
    }
    if (!*url->host)
        return "has no host";
    for (const char *c = url->host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_:%", *c))
            return "has a host with characters that no host has";
    return NULL;
}

static const char *parse_port(struct url *url, const char *rest, const char *end)
{
    unsigned long long port;

    url->port = default_port(url->scheme);
    if (rest == end)
        return NULL;
    if (*rest != ':' || !str_to_u64(rest + 1, (size_t)(end - rest - 1), &port) || port < 1 ||
        port > 65535)
        return "has a port that is no number from 1 to 65535";
    url->port = (unsigned)port;
    return NULL;
}

static const char *parse(struct url *url, const char *text)
{
    const char *colon = strstr(text, "://"), *rest, *end, *wrong;

    if (!colon || colon == text)
        return "has no scheme (such as https://)";
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return "has a blank or a control character in it";
    url->scheme = mem_strndup(text, (size_t)(colon - text));
    for (char *c = url->scheme; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    rest = colon + 3;
    end = rest + strcspn(rest, "/?#");
    if (strpbrk(rest, "?#"))
        return "has a query or a fragment";
    url->path = mem_strdup(end);
    parse_userinfo(url, &rest, end);
    if ((wrong = parse_host(url, &rest, end)))
        return wrong;
    return parse_port(url, rest, end);
}

const char *url_parse(struct url *url, const char *text)
{
    const char *wrong;

    *url = (struct url){.scheme = NULL};
    wrong = parse(url, text);
    if (wrong)
        url_release(url);
    return wrong;
}

void url_release(struct url *url)
{
    if (url->password)
        mem_wipe(url->password, strlen(url->password));
    free(url->scheme);
    free(url->user);
    free(url->password);
    free(url->host);
    free(url->path);
    *url = (struct url){.scheme = NULL};
}

void url_add_authority(struct str *out, const struct url *url)
{
    str_addf(out, url->bracketed ? "[%s]" : "%s", url->host);
    if (url->port && url->port != default_port(url->scheme))
        str_addf(out, ":%u", url->port);
}

void url_add_masked(struct str *out, const struct url *url)
{
    str_addf(out, "%s://", url->scheme);
    if (url->user)
        str_addf(out, "%s%s@", url->user, url->password ? ":***" : "");
    url_add_authority(out, url);
    str_adds(out, url->path);
}

/* Behind "://" up to '@'; *len: 0 where there is none. */
static char *find_userinfo(char *text, const char *ends, size_t *len)
{
    char *start = strstr(text, "://"), *at;

    *len = 0;
    if (!start)
        return NULL;
    start += 3;
    at = memrchr(start, '@', strcspn(start, ends));
    if (at)
        *len = (size_t)(at - start);
    return start;
}

void url_mask_all(char *text)
{
    size_t len;

    for (char *next = text; (next = find_userinfo(next, "/?# \"'", &len));)
        memset(next, '*', len);
}

void url_hide_password(char *url)
{
    size_t len;
    char *user = find_userinfo(url, "/?#", &len), *colon = user ? memchr(user, ':', len) : NULL;

    if (colon)
        memset(colon + 1, '*', (size_t)(user + len - colon - 1));
}
