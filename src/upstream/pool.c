#include "upstream/pool.h"

#include <assert.h>
#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "upstream/own_sockets.h"
#include "upstream/pool_idle.h"

/* A dead connection, after a suspend or a NAT timeout, is noticed after the silence and three
 * probes (pool_socket.c): within 20 s. */
#define KEEPALIVE_S 8L
#define PROBE_S 4L

const char *pool_global_init(void)
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

void pool_global_release(void)
{
    curl_global_cleanup();
}

static CURLSH *share_new(void)
{
    CURLSH *share = curl_share_init();

    if (!share)
        abort();
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return share;
}

void pool_sockets_init(struct pool_sockets *s, struct loop *loop)
{
    *s = (struct pool_sockets){.loop = loop, .suspended_ms = clock_suspended_ms()};
}

/* libcurl frees no share that a handle still uses. */
static bool share_free(void *share)
{
    return curl_share_cleanup(share) == CURLSHE_OK;
}

void pool_sockets_renew(struct pool_sockets *s, const struct endpoint *e)
{
    pool_sockets_retire_share(s, share_free);
    s->share = share_new();
    s->share_trust = e->trust;
}

void pool_sockets_release(struct pool_sockets *s)
{
    pool_sockets_release_all(s);
    pool_sockets_retire_share(s, share_free);
    free(s->retired);
}

static struct pool_job *job_of(CURL *easy)
{
    void *private = NULL;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&private);
    return private;
}

static void reap(struct pool *pool)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(pool->multi, &left))) {
        struct pool_job *job = job_of(msg->easy_handle);

        if (msg->msg == CURLMSG_DONE)
            job->ops->ended(job, (int)msg->data.result);
    }
}

void pool_settle(struct pool *pool)
{
    int running;

    curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void act(struct pool *pool, curl_socket_t fd, int what)
{
    int running;

    curl_multi_socket_action(pool->multi, fd, what, &running);
    reap(pool);
}

static void on_socket_ready(struct watch *w, uint32_t events)
{
    struct pool_socket *sock = container_of(w, struct pool_socket, watch);
    int what = 0;

    if (!sock->wanted) {
        /* Bytes or a FIN on an idle connection. libcurl 7.88 would take the bytes for the next
         * request's answer, and would write that request after a close_notify of TLS. HTTP/2 has
         * frames for idle connections, which libcurl reads before it reuses the connection. */
        if (sock->http1 && !pool_idle_is_used(sock->pool, w->fd))
            pool_socket_end(w->fd);
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
    struct pool *pool = arg;
    struct pool_socket *sock = pool_socket_at(pool->sockets, fd);
    struct pool_job *job = job_of(easy);
    uint32_t events = 0;
    struct err err;

    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (sock)
            sock->http1 = job && job->http1;
        /* A socket waiting to be writable mostly never connected, and libcurl 7.88 closes
         * unconnected sockets without calling on_close(). */
        if (sock && sock->ours && !(sock->watch.events & EPOLLOUT))
            sock->wanted = false;
        else if (sock)
            pool_socket_forget(pool->sockets, fd);
        return 0;
    }
    if (job)
        job->fd = fd;
    if (!sock)
        sock = pool_socket_add(pool->sockets, fd);
    if (what != CURL_POLL_OUT)
        events |= EPOLLIN;
    if (what != CURL_POLL_IN)
        events |= EPOLLOUT;
    sock->pool = pool;
    sock->wanted = true;
    if (sock->watch.fd == fd && sock->watch.events == events)
        return 0;
    sock->watch.ready = on_socket_ready;
    return loop_watch(pool->sockets->loop, &sock->watch, fd, events, &err);
}

/* The kernel reused a descriptor whose close libcurl did not report: watch it as libcurl asked. */
static void replace_socket(struct pool_sockets *sockets, int fd)
{
    struct pool_socket *old = pool_socket_at(sockets, fd), *new;
    struct err err;

    if (!old) {
        pool_socket_add(sockets, fd)->ours = true;
        return;
    }
    struct pool_socket was = *old;
    pool_socket_forget(sockets, fd);
    new = pool_socket_add(sockets, fd);
    new->ours = true;
    new->watch.ready = on_socket_ready;
    if (was.wanted && loop_watch(sockets->loop, &new->watch, fd, was.watch.events, &err) == 0) {
        new->pool = was.pool;
        new->wanted = true;
    }
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct pool_job *job = arg;
    struct pool_sockets *sockets = job->pool->sockets;
    bool patient;
    int fd;

    (void)purpose;
    if (!job->ops->may_connect(job, &patient))
        return CURL_SOCKET_BAD;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    pool_socket_opened(sockets, fd, patient);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    replace_socket(sockets, fd);
    return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct pool_sockets *sockets = arg;

    own_sockets_remove(fd);
    if (pool_socket_at(sockets, fd))
        pool_socket_forget(sockets, fd);
    return close(fd);
}

static void mark_due(struct pool *pool)
{
    pool->due = true;
    pool->on_due(pool->arg);
}

static void on_timer(struct timer *timer)
{
    struct pool *pool = container_of(timer, struct pool, timer);

    /* libcurl moves its timeout at every step of a transfer; the timer is moved only for an earlier
     * timeout, so this may be too soon. */
    if (pool->timeout_at_ms == UINT64_MAX)
        return;
    if (pool->timeout_at_ms > pool->sockets->loop->now_ms)
        timer_set(&pool->sockets->loop->timers, timer, pool->timeout_at_ms);
    else
        mark_due(pool);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct pool *pool = arg;

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

void pool_init(struct pool *pool, struct pool_sockets *sockets, long most,
               void (*on_due)(void *arg), void *arg)
{
    *pool = (struct pool){
        .sockets = sockets, .timeout_at_ms = UINT64_MAX, .on_due = on_due, .arg = arg};
    list_init(&pool->active);
    timer_init(&pool->timer, on_timer);
    list_init(&pool->todo);
    pool->multi = curl_multi_init();
    if (!pool->multi)
        abort();
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    /* libcurl's default is four times the current transfers, which closes warm connections whenever
     * the load falls. */
    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, most);
    /* New connections replace idle connections; if none is idle, transfers wait for each other. */
    curl_multi_setopt(pool->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
    curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
}

void pool_release(struct pool *pool)
{
    curl_multi_cleanup(pool->multi);
    timer_cancel(&pool->sockets->loop->timers, &pool->timer);
    pool->multi = NULL;
}

void pool_run(struct pool *pool)
{
    struct list *node;

    while ((node = list_pop(&pool->todo))) {
        struct pool_job *job = container_of(node, struct pool_job, todo);

        job->ops->run(job);
    }
    if (pool->due) {
        long timeout_ms;

        pool->due = false;
        act(pool, CURL_SOCKET_TIMEOUT, 0);
        /* libcurl reports neither an unchanged timeout nor its removal: the reported timeout may be
         * over, so ask for the next. */
        if (!pool->due && pool->timeout_at_ms != UINT64_MAX && !timer_is_set(&pool->timer) &&
            curl_multi_timeout(pool->multi, &timeout_ms) == CURLM_OK)
            on_curl_timer(pool->multi, timeout_ms, pool);
    }
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *arg)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    (void)easy;
    return crypto_trust_use(arg, info->cainfo, info->capath, ssl_ctx) == 0
               ? CURLE_OK
               : CURLE_SSL_CACERT_BADFILE;
}

void pool_read_trust(const struct endpoint *e)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    if (endpoint_speaks_tls(e))
        crypto_trust_read(e->trust, info->cainfo, info->capath);
}

/* At each new connection libcurl would read the system's certificates, over a hundred: tens of
 * milliseconds, in which no stream of the worker advances. */
static void set_trust(CURL *easy, const struct endpoint *e)
{
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* libcurl would use the first connection's CA store for all others, whatever they trust. */
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, e->trust);
}

static void set_constants(struct pool_job *job)
{
    CURL *easy = job->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, job);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, PROBE_S);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void pool_job_init(struct pool_job *job, const struct pool_job_ops *ops)
{
    *job = (struct pool_job){.ops = ops, .easy = curl_easy_init(), .fd = -1};
    if (!job->easy)
        abort();
    list_init(&job->active);
    list_init(&job->todo);
    set_constants(job);
}

void pool_job_release(struct pool_job *job)
{
    curl_easy_cleanup(job->easy);
}

void pool_job_connect_to(struct pool_job *job, struct pool_sockets *sockets,
                         const struct endpoint *e)
{
    CURL *easy = job->easy;

    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
    /* Sessions of an earlier endpoint's transfers stay out of the current share. */
    curl_easy_setopt(easy, CURLOPT_SHARE, e->trust == sockets->share_trust ? sockets->share : NULL);
    curl_easy_setopt(easy, CURLOPT_URL, e->root);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     e->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    /* 0 would be libcurl's default, 300 s. */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     e->connect_ms ? (long)e->connect_ms : (long)INT_MAX);
    curl_easy_setopt(easy, CURLOPT_PROXY, e->proxy_from == ENDPOINT_PROXY_GIVEN ? e->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* endpoint.c read NO_PROXY */
    set_trust(easy, e);
}

void pool_job_set_target(struct pool_job *job, const struct endpoint *e, const char *target)
{
    struct str text = STR_INIT;

    endpoint_add_target(e, target, &text);
    curl_easy_setopt(job->easy, e->plain_http_proxy ? CURLOPT_URL : CURLOPT_REQUEST_TARGET,
                     text.text);
    str_release(&text);
}

void pool_job_writes(struct pool_job *job, unsigned own_port)
{
    job->fd = -1; /* so far that of a connection attempt, or of an earlier try */
    job->own_port = own_port;
}

int pool_add(struct pool *pool, struct pool_job *job)
{
    CURLMcode code;

    pool_idle_check_sleep(pool->sockets);
    job->pool = pool;
    job->fd = -1;
    job->own_port = 0;
    job->http1 = false;
    code = curl_multi_add_handle(pool->multi, job->easy);
    if (code == CURLM_OK)
        list_append(&pool->active, &job->active);
    return (int)code;
}

void pool_remove(struct pool_job *job)
{
    if (list_empty(&job->active))
        return;
    list_remove(&job->active);
    curl_multi_remove_handle(job->pool->multi, job->easy);
}

void pool_todo(struct pool_job *job)
{
    if (!list_empty(&job->todo))
        return;
    list_append(&job->pool->todo, &job->todo);
    job->pool->on_due(job->pool->arg);
}

const char *pool_version(void)
{
    return curl_version();
}

enum trouble pool_trouble(int curl_code, bool connected)
{
    static const struct {
        CURLcode code;
        enum trouble trouble;
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST, TROUBLE_NAME},
        {CURLE_COULDNT_RESOLVE_PROXY, TROUBLE_PROXY_NAME},
        {CURLE_COULDNT_CONNECT, TROUBLE_CONNECT},
        {CURLE_PROXY, TROUBLE_PROXY},
        {CURLE_SSL_CONNECT_ERROR, TROUBLE_TLS},
        {CURLE_PEER_FAILED_VERIFICATION, TROUBLE_TLS},
        {CURLE_SSL_CACERT_BADFILE, TROUBLE_TLS},
        {CURLE_UNSUPPORTED_PROTOCOL, TROUBLE_ANSWER}, /* HTTP/0.9 */
        {CURLE_WEIRD_SERVER_REPLY, TROUBLE_ANSWER},
        {CURLE_HTTP2, TROUBLE_ANSWER},
        {CURLE_OUT_OF_MEMORY, TROUBLE_HEAD}, /* a line of the head is above 100 KB */
    };

    CURLcode code = (CURLcode)curl_code;

    /* The timeout for connecting is libcurl's only timeout: all others are ours. */
    if (code == CURLE_OPERATION_TIMEDOUT && !connected)
        return TROUBLE_CONNECT_TIME;
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].code == code)
            return rows[i].trouble;
    return TROUBLE_CUT;
}

void *pool_lines_list(struct pool_lines *list, const struct str *lines)
{
    struct curl_slist *nodes;
    size_t n = 0, i = 0;

    for (size_t at = 0; at < lines->len; at += strlen(lines->text + at) + 1)
        n++;
    if (n > list->cap) {
        list->nodes = mem_grow(list->nodes, n * sizeof(*nodes));
        list->cap = n;
    }
    nodes = list->nodes;
    for (size_t at = 0; at < lines->len; at += strlen(lines->text + at) + 1, i++)
        nodes[i] = (struct curl_slist){.data = lines->text + at,
                                       .next = i + 1 < n ? &nodes[i + 1] : NULL};
    return n ? nodes : NULL;
}
