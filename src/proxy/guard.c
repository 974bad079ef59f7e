#include "proxy/guard.h"

#include <ctype.h>
#include <string.h>

#include "base/net.h"

void guard_init(struct guard *guard)
{
    *guard = (struct guard){.port = 0};
    str_init(&guard->names);
    str_init(&guard->origins);
}

void guard_release(struct guard *guard)
{
    str_release(&guard->names);
    str_release(&guard->origins);
}

static void add_lower(struct str *list, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        str_addc(list, (char)tolower((unsigned char)text[i]));
    str_add(list, "", 1);
}

void guard_allow(struct guard *guard, const char *name)
{
    add_lower(&guard->names, name, strlen(name));
}

/* 127.0.0.0/8, in dotted form only: clients send no other spelling. */
static bool is_loopback_v4(const char *host, size_t len)
{
    unsigned long long part;
    int parts = 0;

    if (len < 4 || memcmp(host, STR_LIT("127.")) != 0)
        return false;
    for (size_t i = 0; i < len; parts++) {
        const char *dot = memchr(host + i, '.', len - i);
        size_t n = dot ? (size_t)(dot - host) - i : len - i;

        if (n > 3 || !str_to_u64(host + i, n, &part) || part > 255)
            return false;
        i += n + 1;
        if (dot && i == len)
            return false;
    }
    return parts == 4;
}

/* In brackets, in any spelling of the address. */
static bool is_loopback_v6(const char *host, size_t len)
{
    char address[64];

    if (host[0] != '[' || len >= sizeof(address))
        return false;
    memcpy(address, host, len);
    address[len] = '\0';
    return strchr(address, ':') && net_is_loopback_text(address);
}

/* "localhost" and its subdomains are loopback for resolvers and browsers (RFC 6761 section 6.3). */
static bool is_localhost(const char *host, size_t len)
{
    static const char name[] = "localhost";
    const size_t name_len = sizeof(name) - 1;

    len -= len > 0 && host[len - 1] == '.';
    return len >= name_len && str_same_nocase(host + len - name_len, name_len, name, name_len) &&
           (len == name_len || (host[len - name_len - 1] == '.' && host[0] != '.'));
}

static bool is_loopback(const char *host, size_t len)
{
    return is_localhost(host, len) || is_loopback_v6(host, len) || is_loopback_v4(host, len);
}

/* Splits "host[:port]"; a missing port is `implied`. False: it is no authority. */
static bool split(const char *authority, unsigned implied, size_t *host_len, unsigned *port)
{
    const char *end = authority + strlen(authority), *colon;
    unsigned long long number;

    colon = *authority == '[' ? strchr(authority, ']') : strchr(authority, ':');
    if (colon && *colon == ']')
        colon++;
    if (!colon && *authority == '[')
        return false;
    if (!colon)
        colon = end;
    *host_len = (size_t)(colon - authority);
    *port = implied;
    if (colon == end)
        return *host_len > 0;
    if (*colon == ':' && colon + 1 == end) /* an empty port is no port (RFC 3986 section 3.2.3) */
        return *host_len > 0;
    if (*colon != ':' || !str_to_u64(colon + 1, (size_t)(end - colon - 1), &number) ||
        number > 65535)
        return false;
    *port = (unsigned)number;
    return *host_len > 0;
}

/* True for a name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(const char *text, size_t len)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    const bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';

    if (bracketed)
        return strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2;
    return len > 0 && strspn(text, letters) >= len;
}

int guard_allow_host(struct guard *guard, const char *name, struct err *err)
{
    size_t len;
    unsigned port;

    if (!split(name, 0, &len, &port) || !is_host(name, len))
        return err_set(err, ERR_USAGE,
                       "'%.200s' is no host: write a name or an address, with or without a port, "
                       "such as box.lan or box.lan:8080",
                       name);
    guard_allow(guard, name);
    return 0;
}

/* True for a scheme, "://" and an authority (RFC 6454 section 6.2), without wildcards. */
static bool is_origin(const char *text, size_t len)
{
    static const char no_authority[] = "/?#@\\ \t*";
    const char *authority = strstr(text, "://");

    if (!authority || authority == text || memchr(text, '*', (size_t)(authority - text)))
        return false;
    authority += 3;
    return authority < text + len &&
           strcspn(authority, no_authority) >= (size_t)(text + len - authority);
}

int guard_allow_origin(struct guard *guard, const char *origin, struct err *err)
{
    size_t len = strlen(origin);

    if (len > 0 && origin[len - 1] == '/') /* as copied from the address bar */
        len--;
    if (!is_origin(origin, len))
        return err_set(err, ERR_USAGE,
                       "'%.200s' is no origin: write one site as browsers name it, such as "
                       "http://localhost:3000 (neither * nor null: any page can have that)",
                       origin);
    add_lower(&guard->origins, origin, len);
    return 0;
}

enum name { NAME_FOREIGN, NAME_OURS, NAME_OURS_WITH_PORT };

/* Looks the host up among our names. A name configured with a port matches that port only. */
static enum name find_name(const struct guard *guard, const char *host, size_t host_len,
                           unsigned port)
{
    if (is_loopback(host, host_len))
        return NAME_OURS;
    for (size_t at = 0; at < guard->names.len;) {
        const char *name = guard->names.text + at;
        unsigned own_port;
        size_t own_len;

        if (split(name, 0, &own_len, &own_port) && (own_port == 0 || own_port == port) &&
            str_same_nocase(host, host_len, name, own_len))
            return own_port ? NAME_OURS_WITH_PORT : NAME_OURS;
        at += strlen(name) + 1;
    }
    return NAME_FOREIGN;
}

static bool is_our_host(const struct guard *guard, const char *authority)
{
    size_t host_len;
    unsigned port;

    return split(authority, 80, &host_len, &port) &&
           find_name(guard, authority, host_len, port) != NAME_FOREIGN;
}

bool guard_names(const struct guard *guard, const char *host, bool bracketed)
{
    struct str text = STR_INIT;
    bool is;

    str_addf(&text, bracketed ? "[%s]" : "%s", host);
    is = find_name(guard, text.text, text.len, guard->port) != NAME_FOREIGN;
    str_release(&text);
    return is;
}

/* True if the page comes from this request's own server: by the port that we listen on, or by the
 * Host's port, which differs behind a tunnel or a port mapping. */
static bool is_own_authority(const struct guard *guard, const char *host, const char *authority,
                             unsigned implied)
{
    size_t len, host_len;
    unsigned port, host_port;
    enum name name;

    if (!split(authority, implied, &len, &port))
        return false;
    name = find_name(guard, authority, len, port);
    if (name != NAME_OURS || port == guard->port)
        return name != NAME_FOREIGN;
    return split(host, 80, &host_len, &host_port) && port == host_port &&
           str_same_nocase(authority, len, host, host_len);
}

static bool is_own_origin(const struct guard *guard, const char *host, const char *origin)
{
    if (str_starts(origin, "http://"))
        return is_own_authority(guard, host, origin + 7, 80);
    if (str_starts(origin, "https://"))
        return is_own_authority(guard, host, origin + 8, 443);
    return false; /* "null" and all other schemes */
}

static bool is_allowed_origin(const struct guard *guard, const char *origin)
{
    for (size_t at = 0; at < guard->origins.len; at += strlen(guard->origins.text + at) + 1)
        if (str_is_nocase(guard->origins.text + at, origin))
            return true;
    return false;
}

static bool is_other_site(const char *sec_fetch_site)
{
    return str_is_nocase(sec_fetch_site, "cross-site") ||
           str_is_nocase(sec_fetch_site, "same-site");
}

static int check_page(const struct guard *guard, const struct fields *request, const char *host,
                      const char **cors, struct err *err)
{
    bool other_site = false;

    if (!fields_may_have(request, "sec-fetch-site") && !fields_may_have(request, "origin"))
        return 0;
    fields_each(h, request) {
        if (str_same_nocase(h.name, h.name_len, STR_LIT("sec-fetch-site"))) {
            other_site |= is_other_site(h.value);
        } else if (str_same_nocase(h.name, h.name_len, STR_LIT("origin")) &&
                   !is_own_origin(guard, host, h.value)) {
            if (!is_allowed_origin(guard, h.value))
                return err_set(err, ERR_ORIGIN,
                               "Pages of %.200s may not use this proxy: start it with "
                               "--allow-origin %.200s if they are yours.",
                               h.value, h.value);
            *cors = h.value;
        }
    }
    if (other_site && !*cors)
        return err_set(err, ERR_ORIGIN,
                       "Requests from other sites' pages are not served: start the proxy with "
                       "--allow-origin and the page's origin if it is yours.");
    return 0;
}

int guard_check(const struct guard *guard, const struct fields *request, const char **cors,
                struct err *err)
{
    const char *host = fields_get(request, "host");

    *cors = NULL;
    if (fields_count(request, "host") != 1)
        return err_set(err, ERR_HOST, "The request must have exactly one Host field.");
    if (!is_our_host(guard, host))
        return err_set(err, ERR_HOST,
                       "The Host '%.200s' is not one of this proxy's names: use "
                       "localhost:%u, or start it with --allow-host.",
                       host, guard->port);
    return check_page(guard, request, host, cors, err);
}
