#include "proxy/account.h"

#include "proxy/accesslog.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

void account_finish(struct worker *worker, const struct exchange *exchange)
{
    accesslog_write(worker, exchange);
    if (exchange->is_api)
        stats_count(&worker->stats, exchange);
}
