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
    a->refused = a->stream > last; /* libcurl begins streams behind a GOAWAY, too */
}

/* A server that is about to close a connection (nginx after 1,000 requests) says which streams it
 * has seen; the others it has not acted on, and they may be sent again (RFC 9113 section 8.7).
 * libcurl does that, but does not say why: only its debug output does, which may name any of the
 * connection's transfers. */
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

/* Nobody reads from a connection that nghttp2 has ended, so its other streams would end when their
 * silence has lasted too long, and keep it open until then. */
static void read_other_streams(struct attempt *of)
{
    list_each(node, &of->job.pool->active) {
        struct attempt *a = container_of(container_of(node, struct pool_job, active),
                                         struct attempt, job);

        if (a == of || memcmp(&a->ends, &of->ends, sizeof(a->ends)) != 0)
            continue;
        attempt_read(a);
        pool_settle(of->job.pool); /* one by one: it reads for one stream of a connection */
    }
}

/* libcurl closes a connection of HTTP/2 at the end of its last transfer only where it can begin no
 * stream on it: after a GOAWAY of the server's, or of nghttp2's, which the server made send it; or
 * where TLS was ended. */
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
