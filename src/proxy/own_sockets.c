#include "proxy/own_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define BUCKETS 1024U /* by port: ephemeral ports are spread evenly */

struct entry {
    struct entry *next;
    struct own_address address;
    unsigned requests;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *buckets[BUCKETS];

static bool from_sockaddr(const struct sockaddr_storage *from, struct own_address *to)
{
    const struct sockaddr_in *v4 = (const void *)from;
    const struct sockaddr_in6 *v6 = (const void *)from;

    memset(to, 0, sizeof(*to));
    if (from->ss_family == AF_INET) {
        to->bytes[10] = to->bytes[11] = 0xff;
        memcpy(to->bytes + 12, &v4->sin_addr, 4);
        memcpy(to->bytes + 16, &v4->sin_port, 2);
        return true;
    }
    if (from->ss_family != AF_INET6)
        return false;
    memcpy(to->bytes, &v6->sin6_addr, 16);
    memcpy(to->bytes + 16, &v6->sin6_port, 2);
    return true;
}

bool own_address_parse(const char *ip, unsigned port, struct own_address *address)
{
    struct sockaddr_storage a = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (void *)&a;
    struct sockaddr_in6 *v6 = (void *)&a;

    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_port = htons((in_port_t)port);
        return from_sockaddr(&a, address);
    }
    a.ss_family = AF_INET6;
    v6->sin6_port = htons((in_port_t)port);
    return inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1 && from_sockaddr(&a, address);
}

bool own_address_peer(int fd, struct own_address *address)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);

    return getpeername(fd, (struct sockaddr *)&a, &len) == 0 && from_sockaddr(&a, address);
}

static struct entry **find(const struct own_address *address)
{
    unsigned port = (unsigned)address->bytes[16] << 8 | address->bytes[17];
    struct entry **at = &buckets[port % BUCKETS];

    while (*at && memcmp(&(*at)->address, address, sizeof(*address)) != 0)
        at = &(*at)->next;
    return at;
}

unsigned own_sockets_count(const struct own_address *address)
{
    struct entry **at;
    unsigned n;

    pthread_mutex_lock(&lock);
    at = find(address);
    if (!*at) {
        *at = mem_zero(sizeof(**at));
        (*at)->address = *address;
    }
    n = ++(*at)->requests;
    pthread_mutex_unlock(&lock);
    return n;
}

void own_sockets_remove_local(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    struct own_address address;
    struct entry **at, *entry;

    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0 || !from_sockaddr(&a, &address))
        return;
    pthread_mutex_lock(&lock);
    at = find(&address);
    entry = *at;
    if (entry)
        *at = entry->next;
    pthread_mutex_unlock(&lock);
    free(entry);
}

bool own_sockets_has(const struct own_address *address)
{
    bool has;

    pthread_mutex_lock(&lock);
    has = *find(address) != NULL;
    pthread_mutex_unlock(&lock);
    return has;
}
