#include "base/no_proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define ADDRESS_SIZE 128U /* of an address and its range, as text */

struct address {
    int family; /* 0: it is a name */
    unsigned char bytes[16];
};

static struct address address_of(const char *text)
{
    struct address a = {.family = AF_INET};

    if (inet_pton(AF_INET, text, a.bytes) == 1)
        return a;
    a.family = inet_pton(AF_INET6, text, a.bytes) == 1 ? AF_INET6 : 0;
    return a;
}

/* curl 7.88 has the last, partial byte of an IPv6 range the wrong way round (it covers what
 * differs there); its documentation has it this way. */
static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* "10.0.0.0/8", "fd00::/8", "192.168.1.1". What follows the digits after the slash does not count;
 * without any, and with 0, all bits are compared. */
static bool range_covers(const char *item, size_t len, const struct address *host)
{
    long most = host->family == AF_INET ? 32 : 128, bits = 0;
    char text[ADDRESS_SIZE], *slash;
    struct address a;

    if (len >= sizeof(text))
        return false;
    memcpy(text, item, len);
    text[len] = '\0';
    slash = strchr(text, '/');
    if (slash) {
        *slash = '\0';
        bits = strtol(slash + 1, NULL, 10);
    }
    if (bits == 0)
        bits = most;
    a = address_of(text);
    return bits > 0 && bits <= most && a.family == host->family &&
           same_bits(a.bytes, host->bytes, (unsigned)bits);
}

static bool name_covers(const char *item, size_t len, const char *host)
{
    size_t host_len = strlen(host);

    if (item[len - 1] == '.')
        len--;
    if (len && *item == '.') {
        item++;
        len--;
    }
    if (host[host_len - 1] == '.')
        host_len--;
    if (len == 0 || len > host_len || !str_same_nocase(host + host_len - len, len, item, len))
        return false;
    return len == host_len || host[host_len - len - 1] == '.';
}

bool no_proxy_covers(const char *list, const char *host)
{
    const struct address address = address_of(host);

    if (!list || !*host)
        return false;
    if (strcmp(list, "*") == 0)
        return true;
    while (*(list += strspn(list, ", \t"))) {
        size_t len = strcspn(list, ", \t");

        if (address.family ? range_covers(list, len, &address) : name_covers(list, len, host))
            return true;
        list += len;
    }
    return false;
}
