#include <string.h>

#include "base/mem.h"
#include "upstream/attempt.h"
#include "upstream/goaway.h"

void attempt_note_connection(struct attempt *a, const struct own_ends *ends)
{
    uint32_t last;

    a->ends = *ends;
    a->stream = goaway_stream(own_sockets_count(ends, &last));
    a->refused = a->stream > last; /* libcurl begins streams behind a GOAWAY, too */
}

/* A server that is about to close a connection (nginx after 1,000 requests) says which streams it
 * has seen; the others it has not acted on, and they may be sent again (RFC 9113 section 8.7).
 * libcurl does that, but does not say why: only its debug output does, which may name any of the
 * connection's transfers. */
void attempt_note_text(struct attempt *told, const char *text, size_t len)
{
    uint32_t last;

    if (!goaway_parse(text, len, &last))
        return;
    own_sockets_note_goaway(&told->ends, last);
    list_each(node, &told->job.pool->active) {
        struct attempt *a = container_of(container_of(node, struct pool_job, active),
                                         struct attempt, job);

        if (a->stream > last && !a->answer.done &&
            memcmp(&a->ends, &told->ends, sizeof(a->ends)) == 0)
            a->refused = true;
    }
}

bool attempt_may_resend(const struct attempt *a)
{
    return a->refused && a->stream && !a->answer.done && !a->err && !a->streamed &&
           a->writes < ATTEMPT_WRITES_MAX;
}
