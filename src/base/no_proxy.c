#include "base/no_proxy.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"

#define ITEM_MAX 256U

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

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* "10.0.0.0/8", "[::1]", "192.168.1.1" */
static bool range_covers(char *item, const struct address *host)
{
    unsigned long long bits = host->family == AF_INET ? 32 : 128;
    char *slash = strchr(item, '/');
    struct address a;

    if (slash) {
        unsigned long long most = bits;

        *slash = '\0';
        if (!str_to_u64(slash + 1, strlen(slash + 1), &bits) || bits > most)
            return false;
    }
    if (*item == '[' && item[strlen(item) - 1] == ']') {
        item[strlen(item) - 1] = '\0';
        item++;
    }
    a = address_of(item);
    return a.family == host->family && same_bits(a.bytes, host->bytes, (unsigned)bits);
}

static bool name_covers(const char *item, const char *host)
{
    size_t len, host_len = strlen(host);

    while (*item == '.')
        item++;
    len = strlen(item);
    if (len && item[len - 1] == '.')
        len--;
    if (host_len && host[host_len - 1] == '.')
        host_len--;
    if (len == 0 || len > host_len || !str_same_nocase(host + host_len - len, len, item, len))
        return false;
    return len == host_len || host[host_len - len - 1] == '.';
}

bool no_proxy_covers(const char *list, const char *host)
{
    const struct address address = address_of(host);

    if (!list)
        return false;
    if (strcmp(list, "*") == 0)
        return true;
    while (*list) {
        char item[ITEM_MAX];
        size_t len = strcspn(list, ", \t");

        if (len > 0 && len < sizeof(item)) {
            memcpy(item, list, len);
            item[len] = '\0';
            if (address.family ? range_covers(item, &address) : name_covers(item, host))
                return true;
        }
        list += len;
        list += strspn(list, ", \t");
    }
    return false;
}
