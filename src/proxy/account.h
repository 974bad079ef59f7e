/* Accounts for an exchange, once. */
#ifndef PROXY_ACCOUNT_H
#define PROXY_ACCOUNT_H

struct exchange;
struct worker;

/* Passes the record of a finished exchange to the access log and the statistics. The worker's
 * thread. */
void account_finish(struct worker *worker, const struct exchange *exchange);

#endif
