/* upstream.c: a mock of OpenAI whose every answer a test can script.
 *
 *   upstream [--port N] [--bind ADDR] [--lifetime SECONDS]
 *       Plain HTTP/1.1, one thread for each connection. Prints "port N" when it
 *       listens (default: 127.0.0.1, a free port). SIGTERM ends it with status
 *       0, so does the death of its parent, and so do 900 s of life.
 *   upstream --expect-size N [--seed S]
 *       Writes the bytes of a `size:N` body to stdout, to compare with.
 *   upstream --free-port
 *       Prints a port of 127.0.0.1 that nobody listens on.
 *
 * SCRIPTS
 * A request says what is to happen to it, in the header `X-Script: SCRIPT` or
 * in the query, `?script=SCRIPT` (percent-decoded; + stays +); the header wins.
 * A script is a list of steps divided by `;`, each NAME or NAME:ARGUMENT.
 * In arguments \n \r \t \s (space) \; \\ and \xHH mean what they say; any other
 * backslash stays, so JSON may be written as it is, but for its own \n: \\n.
 *
 *   seq:NAME;SCRIPT||SCRIPT||…  the n-th request with this NAME gets the n-th
 *                      script, later ones the last; a script may be empty
 *
 * An unknown step is answered with 501 and the header x-script-error.
 *
 * A script that names no body gets the ordinary answer of its path (below), or
 * for a status of 400 and more the OpenAI error; so `delay:100`, `gzip` or
 * `truncate:50` alone change only the way in which that answer comes.
 *
 * Settings hold for the whole answer, wherever they stand:
 *   status:N[ reason]  header:Name=value (repeatable, may be empty)
 *   drop:Name          leaves one of the headers out that every answer has
 *   length             Content-Length (the default when no step streams)
 *   length:N           Content-Length: N whatever the truth is
 *   chunked            the default for chunk, sse, responses, data, event,
 *                      comment, reset, fin, stall, badchunk, trailer and the
 *                      ordinary answers that are streamed
 *   close              ends with the connection, says Connection: close
 *   nolength           the same without saying so
 *   hangup             closes after a complete answer without having said so
 *   http10             answers in HTTP/1.0
 *   gzip               Content-Encoding: gzip, every write flushed through
 *   trailer:Name=value folded (a header of three lines)
 *   bighead:N          N more bytes of head in lines of 1000
 *   bigline:N          one header value of N bytes
 *   truncate:N[,reset|,stall]  the head as for the whole body, then only N
 *                      body bytes, then FIN (or RST, or silence)
 *   barrierat:N,NAME   waits at the barrier after N body bytes
 *   usage:IN,CACHED,OUT,REASONING  token counts of ordinary answers (12,0,5,0)
 *   eol:lf|crlf|cr     line ends of server-sent events
 *   noread             never reads the request body
 *   noread:NAME        reads it when the barrier NAME is released
 *   earlyanswer        answers first, then reads the body
 *   slowread:N,MS      reads the body N bytes at a time, MS apart
 *
 * Actions, done in order. The head goes out with the first byte of body:
 *   delay:MS           flush (sends the head now)
 *   barrier:NAME       waits until NAME is released; after 120 s it closes the
 *                      connection. A released barrier stays open.
 *   early:N[,Name=value]  an interim 100, 102 or 103 head (103: with a Link)
 *   chunkbytes:N       following body bytes go in writes of N bytes
 *   pace:MS            and these, or whole body steps and events, MS apart
 *   seed:N             for a following size
 * Bodies, several of which follow one another:
 *   body:TEXT          may be empty, which is how to get an empty body
 *   body64:BASE64
 *   size:N             N pseudo-random bytes
 *   fill:N[,TEXT]      N bytes of TEXT (x) over and over, which packs well
 *   chunk:TEXT         as body, streamed
 *   sse:N,MS[,nodone]  N chat deltas MS apart, the last with finish_reason,
 *                      then data: [DONE]
 *   responses:N,MS     the events of the Responses API with N text deltas,
 *                      response.created … response.completed
 *   data:TEXT          an event; event:NAME=TEXT a named one; comment:TEXT
 *   echo               JSON that describes the request: line, method, target,
 *                      headers [[name,value],…], body_bytes, body_sha256, and
 *                      below 64 KB body (or body_base64 when not UTF-8); and
 *                      choices and data, by which the proxy may store it
 *   ordinary           the ordinary answer, where more is to follow it
 * Breaking:
 *   reset  fin         RST or FIN here
 *   stall              nothing more until the client leaves (at most 60 s)
 *   badchunk[:BYTES]   what is no chunk size, then FIN
 *   garbage[:BYTES]    BYTES in place of an answer (a whole crafted head and
 *                      body, if need be), then FIN
 *
 * ORDINARY ANSWERS (the path is matched behind its first /v1/)
 *   chat/completions, completions, responses (`stream` and `tools` obeyed; a
 *   tool is called until the request holds its result; json_schema is answered
 *   {"answer":"42"}; background gives status queued), embeddings (float or
 *   base64, 8 dimensions unless asked), models, files (upload tells bytes and
 *   sha256; files/file-size-N/content has N bytes, any other 4096), uploads,
 *   batches, assistants, threads, vector_stores, fine_tuning, conversations,
 *   images, audio/speech (chunked binary), other audio, moderations; 404 elsewhere.
 *   Names of models (and of the object in a path) choose what happens:
 *     error-429            an error of that status in OpenAI's shape
 *     error-429-then-ok…   once; error-500x2-then-ok… twice. Counted per name.
 *     slow-MS              waits before the head
 *     words-N              N deltas
 *   A key that starts with sk-invalid is answered 401.
 *   Ids hold the number of the request (chatcmpl-up7), as does x-request-id
 *   (req_up_7); all else depends on the request alone. Request heads that break
 *   HTTP (LF alone, two lengths, length and chunked, no Host, …) are refused
 *   with 400 and the reason; absolute-form targets are taken.
 *
 * CONTROL (connections that bring such a request first are not counted)
 *   POST /_/release/NAME    opens a barrier, waited for or not
 *   GET  /_/waiting/NAME    how many wait there
 *   GET  /_/counters        {"requests","connections","open","aborted","in_flight"}
 *   GET  /_/counters/NAME   one of them, plain
 *   GET  /_/requests        the last 1000: number, method, target, headers (raw
 *                           lines), body_bytes (so far), body_sha256 (when
 *                           whole), finished: running, complete, aborted (the
 *                           client left) or broken (the script broke it off)
 *   GET  /_/last/FIELD      of the last request, plain: line, headers,
 *                           header/NAME, bytes, sha256, finished
 *   POST /_/reset           forgets counters, requests, sequences and barriers;
 *                           whoever waits passes
 *
 * A client has "left" when it closed, be it only its sending half: to a server
 * these look the same. It is noticed at once while a script waits, else by the
 * next write.
 */
#include "upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)128 * 1024)
#define LINGER_MS 2000

/* ---- one connection ---- */

static void refuse(struct conn *c, const char *why)
{
    struct buf answer = {0};
    fprintf(stderr, "upstream: bad request: %s\n", why);
    buf_printf(&answer,
               "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s\n",
               strlen(why) + 1, why);
    if (send(c->fd, answer.data, answer.len, MSG_NOSIGNAL) < 0)
        perror("upstream: send");
    buf_free(&answer);
}

/* FIN alone would become RST while bytes of the client lie unread. */
static void linger(struct conn *c)
{
    char waste[4096];
    struct timeval wait = {.tv_sec = 0, .tv_usec = 100000};
    shutdown(c->fd, SHUT_WR);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    for (int i = 0; i < LINGER_MS / 100; i++) {
        ssize_t n;
        while ((n = recv(c->fd, waste, sizeof waste, 0)) > 0)
            continue;
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return;
    }
}

static void be_reset(struct conn *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static bool is_control(const struct request *rq)
{
    return strncmp(rq->path, "/_/", 3) == 0;
}

/* Control connections do not show in what they ask for. */
static void uncount(struct conn *c)
{
    if (c->control)
        return;
    c->control = true;
    count(&counters.connections, -1);
    count(&counters.open, -1);
}

/* True when another request may follow on the connection. */
static bool serve_one(struct conn *c, struct exchange *x, bool first)
{
    const char *why = NULL;
    enum reading got = read_head(c, &x->rq, &why);
    if (got == READ_BAD)
        refuse(c, why);
    if (got != READ_OK) {
        if (got == READ_BAD)
            linger(c);
        return false;
    }
    x->when = time(NULL);
    x->usage[0] = 12;
    x->usage[2] = 5;
    sha256_init(&x->rq.hash);
    if (is_control(&x->rq)) {
        if (first)
            uncount(c);
        control_answer(x);
        return x->outcome == COMPLETE && x->rq.keep_alive;
    }
    x->number = record_start(&x->rq);
    script_run(x);
    record_end(x);
    if (x->reset)
        be_reset(c);
    bool ends = x->outcome != COMPLETE || !x->rq.keep_alive || x->hangup ||
                x->framing == FRAME_CLOSE || x->framing == FRAME_NOLENGTH || x->http10 ||
                !x->rq.body_done;
    if (ends && !x->reset && x->outcome != ABORTED && x->rq.body_done)
        linger(c);
    return !ends;
}

static void *serve(void *arg)
{
    struct conn c = {.fd = (int)(intptr_t)arg};
    int on = 1;
    bool more = true;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (bool first = true; more; first = false) {
        struct exchange *x = must(calloc(1, sizeof *x)); /* too large for a small stack */
        x->conn = &c;
        more = serve_one(&c, x, first);
        exchange_free(x);
        free(x);
    }
    if (!c.control)
        count(&counters.open, -1);
    close(c.fd);
    free(c.in);
    return NULL;
}

static void start(int fd, const pthread_attr_t *attributes)
{
    pthread_t thread;
    count(&counters.connections, 1);
    count(&counters.open, 1);
    if (pthread_create(&thread, attributes, serve, (void *)(intptr_t)fd) != 0) {
        fprintf(stderr, "upstream: no thread for a connection\n");
        count(&counters.open, -1);
        close(fd);
    }
}

/* ---- the program ---- */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(const char *address, int port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    bool is_six = strchr(address, ':') != NULL;
    if (inet_pton(is_six ? AF_INET6 : AF_INET, address,
                  is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr) != 1) {
        fprintf(stderr, "upstream: --bind takes an IP address, not %s\n", address);
        exit(2);
    }
    int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        die("upstream: socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, is_six ? (void *)&six : (void *)&four, is_six ? sizeof six : sizeof four) < 0)
        die("upstream: bind");
    if (listen(fd, 4096) < 0)
        die("upstream: listen");
    return fd;
}

static void print_port(int fd, const char *before)
{
    struct sockaddr_in6 at; /* the port lies at the same place in both kinds */
    socklen_t n = sizeof at;
    if (getsockname(fd, (void *)&at, &n) < 0)
        die("upstream: getsockname");
    printf("%s%d\n", before, ntohs(at.sin6_port));
    fflush(stdout);
}

/* Below those that the kernel gives out by itself, or whoever asks for any port, or connects, might
 * have it before it is used; and drawn, so that two that ask at a time do not get the same. */
static int print_free_port(void)
{
    int first = 0;
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (range) {
        if (fscanf(range, "%d", &first) != 1)
            first = 0;
        fclose(range);
    }
    for (int tries = 0; first > 12000 && tries < 100; tries++) {
        unsigned drawn;
        struct sockaddr_in at = {.sin_family = AF_INET};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
            die("upstream: free port");
        drawn = 10000 + drawn % (unsigned)(first - 10000);
        at.sin_port = htons((uint16_t)drawn); /* of any address: nobody is to have it on one */
        if (bind(fd, (void *)&at, sizeof at) == 0)
            return printf("%u\n", drawn), 0;
        close(fd);
    }
    print_port(listen_on("127.0.0.1", 0), "");
    return 0;
}

static int print_noise(uint64_t size, uint64_t seed)
{
    unsigned char block[65536];
    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < sizeof block ? (size_t)(size - at) : sizeof block;
        noise(seed, at, block, n);
        if (fwrite(block, 1, n, stdout) != n)
            die("upstream: stdout");
        at += n;
    }
    return fflush(stdout) ? 1 : 0;
}

static void on_end(int signal)
{
    (void)signal;
    _exit(0);
}

static void prepare(unsigned lifetime)
{
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
    signal(SIGALRM, on_end);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    alarm(lifetime);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    mallopt(M_ARENA_MAX, 4); /* thousands of threads, few of them busy */
}

static _Noreturn void run(const char *address, int port, unsigned lifetime)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    prepare(lifetime);
    int listener = listen_on(address, port);
    print_port(listener, "port ");
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            start(fd, &attributes);
        else
            usleep(1000); /* out of descriptors: let some go */
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"bind", required_argument, NULL, 'b'},
                                            {"lifetime", required_argument, NULL, 'l'},
                                            {"expect-size", required_argument, NULL, 'e'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"free-port", no_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    const char *address = "127.0.0.1", *size = NULL;
    uint64_t seed = 0;
    int port = 0;
    unsigned lifetime = 900;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'p')
            port = atoi(optarg);
        else if (c == 'b')
            address = optarg;
        else if (c == 'l')
            lifetime = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'e')
            size = optarg;
        else if (c == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (c == 'f')
            return print_free_port();
        else
            return 2;
    }
    if (size)
        return print_noise(strtoull(size, NULL, 10), seed);
    run(address, port, lifetime);
}
