#include "proxy/up_pool.h"

#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proxy/versions.h"

/* A socket that curl wants watched. Connections that wait for their next request stay in the
 * epoll set (curl takes them out and puts them back at every request, two system calls): that is
 * safe for those that we opened, because then we also hear of their end. */
struct up_socket {
    struct watch watch;
    struct up_pool *pool;
    bool ours;
    bool wanted;
};

const char *up_pool_global_init(void)
{
    curl_version_info_data *info;

    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
        return "libcurl cannot be initialised";
    info = curl_version_info(CURLVERSION_NOW);
    if (!(info->features & CURL_VERSION_SSL))
        return "this libcurl was built without TLS: install one with OpenSSL";
    if (!(info->features & CURL_VERSION_ASYNCHDNS))
        return "this libcurl looks names up in the foreground: install one with the threaded "
               "resolver or c-ares";
    return NULL;
}

void up_pool_global_release(void)
{
    curl_global_cleanup();
}

void up_sockets_init(struct up_sockets *s, struct loop *loop)
{
    *s = (struct up_sockets){.loop = loop};
}

void up_sockets_release(struct up_sockets *s)
{
    for (size_t i = 0; i < s->cap; i++)
        assert(!s->by_fd[i]);
    free(s->by_fd);
    s->by_fd = NULL;
}

static struct up_socket *socket_at(struct up_sockets *s, int fd)
{
    return (size_t)fd < s->cap ? s->by_fd[fd] : NULL;
}

static struct up_socket *socket_add(struct up_sockets *s, int fd)
{
    struct up_socket *sock = mem_zero(sizeof(*sock));

    if ((size_t)fd >= s->cap) {
        size_t cap = (size_t)fd * 2 + 64;

        s->by_fd = mem_grow(s->by_fd, cap * sizeof(struct up_socket *));
        memset(s->by_fd + s->cap, 0, (cap - s->cap) * sizeof(struct up_socket *));
        s->cap = cap;
    }
    assert(!s->by_fd[fd]);
    sock->watch.fd = -1;
    s->by_fd[fd] = sock;
    return sock;
}

struct dead_socket {
    struct garbage garbage;
    struct up_socket *sock;
};

static void free_dead_socket(struct garbage *g)
{
    struct dead_socket *dead = container_of(g, struct dead_socket, garbage);

    free(dead->sock);
    free(dead);
}

static void socket_forget(struct up_sockets *s, int fd)
{
    struct dead_socket *dead = mem_alloc(sizeof(*dead));

    dead->sock = s->by_fd[fd];
    loop_unwatch(s->loop, &dead->sock->watch);
    s->by_fd[fd] = NULL;
    /* This turn's events may name it still. */
    loop_free_later(s->loop, &dead->garbage, free_dead_socket);
}

static void reap(struct up_pool *pool)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(pool->multi, &left))) {
        void *private = NULL;
        CURLcode code = msg->data.result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&private);
        up_done(private, (int)code);
    }
}

static void act(struct up_pool *pool, curl_socket_t fd, int what)
{
    int running;

    curl_multi_socket_action(pool->multi, fd, what, &running);
    reap(pool);
}

static void on_socket_ready(struct watch *w, uint32_t events)
{
    struct up_socket *sock = container_of(w, struct up_socket, watch);
    int what = 0;

    if (!sock->wanted) {
        /* An idle connection that says something: its end, most likely. curl finds out when it
         * next wants to use it. */
        loop_unwatch(sock->pool->sockets->loop, w);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    act(sock->pool, w->fd, what);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct up_pool *pool = arg;
    struct up_socket *sock = socket_at(pool->sockets, fd);
    uint32_t events = 0;
    struct err err;

    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (sock && !sock->ours) {
            socket_forget(pool->sockets, fd);
        } else if (sock) {
            sock->wanted = false;
            if (sock->watch.events & EPOLLOUT) /* is writable all the time */
                loop_unwatch(pool->sockets->loop, &sock->watch);
        }
        return 0;
    }
    if (!sock)
        sock = socket_add(pool->sockets, fd);
    if (what != CURL_POLL_OUT)
        events |= EPOLLIN;
    if (what != CURL_POLL_IN)
        events |= EPOLLOUT;
    sock->pool = pool;
    sock->wanted = true;
    if (sock->watch.fd == fd && sock->watch.events == events)
        return 0;
    return loop_watch(pool->sockets->loop, &sock->watch, fd, events, on_socket_ready, &err);
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct up_sockets *sockets = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

    (void)purpose;
    if (fd >= 0) {
        if (socket_at(sockets, fd)) /* a resolver's, closed behind our back */
            socket_forget(sockets, fd);
        socket_add(sockets, fd)->ours = true;
    }
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct up_sockets *sockets = arg;

    if (socket_at(sockets, fd))
        socket_forget(sockets, fd);
    return close(fd);
}

static void mark_due(struct up_pool *pool)
{
    pool->due = true;
    pool->on_due(pool->arg);
}

static void on_timer(struct timer *timer)
{
    struct up_pool *pool = container_of(timer, struct up_pool, timer);

    /* curl moves its timeout at every step of a transfer; the heap is only told when one comes
     * earlier, so this may be too soon. */
    if (pool->timeout_at_ms == UINT64_MAX)
        return;
    if (pool->timeout_at_ms > pool->sockets->loop->now_ms)
        timer_set(&pool->sockets->loop->timers, timer, pool->timeout_at_ms);
    else
        mark_due(pool);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct up_pool *pool = arg;

    (void)multi;
    if (timeout_ms < 0) {
        pool->timeout_at_ms = UINT64_MAX;
        return 0;
    }
    pool->timeout_at_ms = clock_mono_ms() + (uint64_t)timeout_ms;
    if (timeout_ms == 0)
        mark_due(pool);
    else if (!timer_is_set(&pool->timer) || pool->timer.at_ms > pool->timeout_at_ms)
        timer_set(&pool->sockets->loop->timers, &pool->timer, pool->timeout_at_ms);
    return 0;
}

void up_pool_init(struct up_pool *pool, struct up_sockets *sockets, long most,
                  void (*on_due)(void *arg), void *arg)
{
    *pool = (struct up_pool){
        .sockets = sockets, .timeout_at_ms = UINT64_MAX, .on_due = on_due, .arg = arg};
    timer_init(&pool->timer, on_timer);
    list_init(&pool->todo);
    pool->multi = curl_multi_init();
    if (!pool->multi)
        abort();
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    /* curl's own rule is four times the transfers of the moment, which closes warm connections
     * whenever the load falls. */
    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, most);
    curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
}

void up_pool_release(struct up_pool *pool)
{
    curl_multi_cleanup(pool->multi);
    timer_cancel(&pool->sockets->loop->timers, &pool->timer);
    pool->multi = NULL;
}

bool up_pool_wants_run(const struct up_pool *pool)
{
    return pool->due || !list_empty(&pool->todo);
}

void up_pool_run(struct up_pool *pool)
{
    struct list *node;

    while ((node = list_pop(&pool->todo)))
        up_todo(node);
    if (pool->due) {
        pool->due = false;
        act(pool, CURL_SOCKET_TIMEOUT, 0);
        /* curl says nothing where its next timeout is the one that it has told already. */
        if (!pool->due && pool->timeout_at_ms != UINT64_MAX && !timer_is_set(&pool->timer))
            timer_set(&pool->sockets->loop->timers, &pool->timer, pool->timeout_at_ms);
    }
}

void up_pool_prepare(struct up_pool *pool, void *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, pool->sockets);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, pool->sockets);
}

int up_pool_add(struct up_pool *pool, void *easy)
{
    return (int)curl_multi_add_handle(pool->multi, easy);
}

void up_pool_remove(struct up_pool *pool, void *easy)
{
    curl_multi_remove_handle(pool->multi, easy);
}

void up_pool_todo(struct up_pool *pool, struct list *node)
{
    if (!list_empty(node))
        return;
    list_append(&pool->todo, node);
    pool->on_due(pool->arg);
}

const char *versions_up(void)
{
    return curl_version();
}
