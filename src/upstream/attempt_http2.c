#include <string.h>

#include "base/mem.h"
#include "upstream/attempt.h"
#include "upstream/goaway.h"

void attempt_note_connection(struct attempt *a, const struct own_ends *ends)
{
    uint32_t last;

    a->ends = *ends;
    a->stream = goaway_stream(own_sockets_count(ends, &last));
    a->end_is_announced = last < UINT32_MAX;
    a->refused = a->stream > last; /* libcurl begins streams even after a GOAWAY */
}

/* A server that is about to close a connection (nginx after 1,000 requests) names the last stream
 * that it processed; later ones may be sent again (RFC 9113 section 8.7). libcurl sends them again,
 * but tells why only in its debug output, in the name of any transfer of the connection. */
void attempt_note_text(struct attempt *told, const char *text, size_t len)
{
    uint32_t last = UINT32_MAX;

    if (goaway_parse(text, len, &last))
        own_sockets_note_goaway(&told->ends, last);
    else if (!goaway_is_close_notify(text, len))
        return;
    list_each(node, &told->job.pool->active) {
        struct attempt *a = container_of(container_of(node, struct pool_job, active),
                                         struct attempt, job);

        if (memcmp(&a->ends, &told->ends, sizeof(a->ends)) != 0)
            continue;
        a->end_is_announced = true;
        if (a->stream > last && !a->answer.done)
            a->refused = true;
    }
}

/* libcurl stops reading from a connection that nghttp2 has ended: its other streams would end only
 * at their silence limit, and keep the connection open until then. */
static void read_other_streams(struct attempt *of)
{
    list_each(node, &of->job.pool->active) {
        struct attempt *a = container_of(container_of(node, struct pool_job, active),
                                         struct attempt, job);

        if (a == of || memcmp(&a->ends, &of->ends, sizeof(a->ends)) != 0)
            continue;
        attempt_read(a);
        pool_settle(of->job.pool); /* each time: libcurl reads for one stream at once */
    }
}

/* libcurl closes an HTTP/2 connection at the end of its last transfer only if no stream can begin
 * on it: after a GOAWAY of the server, after a GOAWAY that nghttp2 sent because of the server's
 * violation, or after the end of TLS. */
bool attempt_lost_connection(struct attempt *a)
{
    if (!a->stream || a->answer.http1 || a->streamed)
        return false;
    if (!a->end_is_announced && own_sockets_has(&a->ends))
        read_other_streams(a);
    return !a->end_is_announced && !own_sockets_has(&a->ends);
}

bool attempt_may_resend(const struct attempt *a)
{
    return a->refused && a->stream && !a->answer.done && !a->err && !a->streamed &&
           a->writes < ATTEMPT_WRITES_MAX;
}
