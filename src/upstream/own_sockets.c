#include "upstream/own_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define BUCKETS 1024U /* by local port: ephemeral ports spread evenly */

struct entry {
    struct entry *next;
    struct own_ends ends;
    unsigned requests;
    uint32_t last_stream; /* highest stream on which the server may act */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *buckets[BUCKETS];

/* --- addresses ------------------------------------------------------------------------ */

static bool from_sockaddr(const struct sockaddr_storage *from, uint8_t to[18])
{
    const struct sockaddr_in *v4 = (const void *)from;
    const struct sockaddr_in6 *v6 = (const void *)from;

    memset(to, 0, 18);
    if (from->ss_family == AF_INET) {
        to[10] = to[11] = 0xff;
        memcpy(to + 12, &v4->sin_addr, 4);
        memcpy(to + 16, &v4->sin_port, 2);
        return true;
    }
    if (from->ss_family != AF_INET6)
        return false;
    memcpy(to, &v6->sin6_addr, 16);
    memcpy(to + 16, &v6->sin6_port, 2);
    return true;
}

static bool parse(const char *ip, unsigned port, uint8_t to[18])
{
    struct sockaddr_storage a = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (void *)&a;
    struct sockaddr_in6 *v6 = (void *)&a;

    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_port = htons((in_port_t)port);
        return from_sockaddr(&a, to);
    }
    a.ss_family = AF_INET6;
    v6->sin6_port = htons((in_port_t)port);
    return inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1 && from_sockaddr(&a, to);
}

bool own_ends_parse(struct own_ends *ends, const char *local_ip, unsigned local_port,
                    const char *peer_ip, unsigned peer_port)
{
    return parse(local_ip, local_port, ends->local) && parse(peer_ip, peer_port, ends->peer);
}

static bool local_of(int fd, uint8_t to[18])
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);

    return getsockname(fd, (struct sockaddr *)&a, &len) == 0 && from_sockaddr(&a, to);
}

static bool peer_of(int fd, uint8_t to[18])
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);

    return getpeername(fd, (struct sockaddr *)&a, &len) == 0 && from_sockaddr(&a, to);
}

bool own_ends_of_client(struct own_ends *ends, int fd)
{
    return peer_of(fd, ends->local) && local_of(fd, ends->peer);
}

/* --- the set -------------------------------------------------------------------------- */

static struct entry **bucket_of(const uint8_t local[18])
{
    return &buckets[((unsigned)local[16] << 8 | local[17]) % BUCKETS];
}

static struct entry **find(const struct own_ends *ends)
{
    struct entry **at = bucket_of(ends->local);

    while (*at && memcmp(&(*at)->ends, ends, sizeof(*ends)) != 0)
        at = &(*at)->next;
    return at;
}

unsigned own_sockets_count(const struct own_ends *ends, uint32_t *last_stream)
{
    struct entry **at;
    unsigned n;

    pthread_mutex_lock(&lock);
    at = find(ends);
    if (!*at) {
        *at = mem_zero(sizeof(**at));
        (*at)->ends = *ends;
        (*at)->last_stream = UINT32_MAX;
    }
    n = ++(*at)->requests;
    if (last_stream)
        *last_stream = (*at)->last_stream;
    pthread_mutex_unlock(&lock);
    return n;
}

void own_sockets_note_goaway(const struct own_ends *ends, uint32_t last_stream)
{
    struct entry *entry;

    pthread_mutex_lock(&lock);
    entry = *find(ends);
    if (entry && entry->last_stream > last_stream)
        entry->last_stream = last_stream;
    pthread_mutex_unlock(&lock);
}

/* After a reset the kernel does not know the peer: then all entries with that local end are
 * removed. A loop through another of those connections goes undetected; no client is ever mistaken
 * for ours. */
void own_sockets_remove(int fd)
{
    struct own_ends ends;
    bool known = peer_of(fd, ends.peer);
    struct entry **at;

    if (!local_of(fd, ends.local))
        return;
    pthread_mutex_lock(&lock);
    for (at = bucket_of(ends.local); *at;) {
        struct entry *entry = *at;

        if (memcmp(entry->ends.local, ends.local, sizeof(ends.local)) == 0 &&
            (!known || memcmp(entry->ends.peer, ends.peer, sizeof(ends.peer)) == 0)) {
            *at = entry->next;
            free(entry);
        } else {
            at = &entry->next;
        }
    }
    pthread_mutex_unlock(&lock);
}

bool own_sockets_has(const struct own_ends *ends)
{
    bool has;

    pthread_mutex_lock(&lock);
    has = *find(ends) != NULL;
    pthread_mutex_unlock(&lock);
    return has;
}
