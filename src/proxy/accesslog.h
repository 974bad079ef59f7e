/* One line for each request, for the person at the terminal. Never a query, a field or a body. */
#ifndef PROXY_ACCESSLOG_H
#define PROXY_ACCESSLOG_H

struct exchange;
struct worker;

/* account_finish() calls it. What --log-level asks for: a line, or one and another with details, or
 * nothing. The worker's thread. */
void accesslog_write(struct worker *worker, const struct exchange *exchange);

#endif
