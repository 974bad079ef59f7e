/* The access log: one line per request. It never has a query, a header field or a body. */
#ifndef PROXY_ACCESSLOG_H
#define PROXY_ACCESSLOG_H

struct exchange;
struct worker;

/* Called by account_finish(). Depending on --log-level writes a line, a line and details, or
 * nothing. The worker's thread. */
void accesslog_write(struct worker *worker, const struct exchange *exchange);

#endif
