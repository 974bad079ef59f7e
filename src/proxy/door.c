#include "proxy/door.h"

#include <ctype.h>

void door_init(struct door *door)
{
    str_init(&door->names);
    door->port = 0;
}

void door_release(struct door *door)
{
    str_release(&door->names);
}

void door_allow(struct door *door, const char *name)
{
    for (; *name; name++)
        str_addc(&door->names, (char)tolower((unsigned char)*name));
    str_add(&door->names, "", 1);
}

/* 127.0.0.0/8, in dotted form only: other spellings are no client's. */
static bool is_loopback_v4(const char *host, size_t len)
{
    unsigned long long part;
    int parts = 0;

    if (len < 4 || memcmp(host, "127.", 4) != 0)
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

static bool is_loopback(const char *host, size_t len)
{
    return str_same_nocase(host, len, "localhost", 9) || str_same_nocase(host, len, "[::1]", 5) ||
           is_loopback_v4(host, len);
}

/* "host[:port]" → lengths; no port is port `implied`. False if that is no authority. */
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
    if (*colon != ':' || !str_to_u64(colon + 1, (size_t)(end - colon - 1), &number) ||
        number > 65535)
        return false;
    *port = (unsigned)number;
    return *host_len > 0;
}

static bool is_let_in(const struct door *door, const char *authority, unsigned implied)
{
    size_t host_len;
    unsigned port;

    if (!split(authority, implied, &host_len, &port))
        return false;
    if (port == door->port && is_loopback(authority, host_len))
        return true;
    for (size_t at = 0; at < door->names.len;) {
        const char *name = door->names.text + at;
        size_t len = strlen(name);

        unsigned own_port;
        size_t own_len;

        if (split(name, door->port, &own_len, &own_port) && own_port == port &&
            str_same_nocase(authority, host_len, name, own_len))
            return true;
        at += len + 1;
    }
    return false;
}

static bool is_own_origin(const struct door *door, const char *origin)
{
    if (str_starts(origin, "http://"))
        return is_let_in(door, origin + 7, 80);
    if (str_starts(origin, "https://"))
        return is_let_in(door, origin + 8, 443);
    return false; /* "null" and all other schemes */
}

int door_check(const struct door *door, const struct fields *request, bool is_api, struct err *err)
{
    const char *host = fields_get(request, "host");

    if (fields_count(request, "host") != 1)
        return err_set(err, ERR_HOST, "The request must have exactly one Host field.");
    if (!is_let_in(door, host, 80))
        return err_set(err, ERR_HOST,
                       "The Host '%.200s' is not one of this proxy's names: use "
                       "localhost:%u, or start it with --allow-host.",
                       host, door->port);
    if (is_api)
        return 0;
    fields_each(h, request) {
        if (str_same_nocase(h.name, h.name_len, "origin", 6) && !is_own_origin(door, h.value))
            return err_set(err, ERR_ORIGIN, "Requests from other sites' pages are not served.");
        if (str_same_nocase(h.name, h.name_len, "sec-fetch-site", 14) &&
            str_is_nocase(h.value, "cross-site"))
            return err_set(err, ERR_ORIGIN, "Requests from other sites' pages are not served.");
    }
    return 0;
}
