/* Where an exchange is accounted for, once. */
#ifndef PROXY_ACCOUNT_H
#define PROXY_ACCOUNT_H

struct exchange;
struct worker;

/* Hands the record of an exchange that is over to the access log and the statistics. The worker's
 * thread. */
void account_finish(struct worker *worker, const struct exchange *exchange);

#endif
