#include "proxy/exchange.h"

#include "base/clock.h"
#include "client/conn.h"
#include "proxy/req.h"
#include "proxy/settings.h"
#include "proxy/worker.h"

static bool broke(const struct req *req)
{
    return req->answer.broken && req->answer.flight && req->answer.flight->err;
}

static const char *trouble_of(const struct req *req, bool is_complete)
{
    if (req->err)
        return req->err->text;
    if (req->answer.reader.lost)
        return "it read too slowly, and fell behind others that share the answer";
    if (broke(req))
        return req->answer.flight->err->text;
    if (!is_complete && req->worker->stopping)
        return "the proxy stopped";
    if (!is_complete && req->conn->timed_out)
        return "the client sent too little of its request for --client-timeout";
    return is_complete ? NULL : "the client left";
}

struct exchange exchange_of(const struct req *req, bool has_answer, bool is_complete)
{
    const struct reply *reply = &req->reply;
    uint64_t sent = reply->kind == REPLY_WHOLE ? reply->len : req->answer.sent;

    return (struct exchange){
        .id = req->id,
        .client = req->conn->address,
        .method = req->head.method,
        .target = req->head.target.text,
        .is_api = req->head.is_api,
        .model = req->body.facts.model,
        .is_stream = req->body.facts.is_stream,
        .key = req->cache.verdict >= VERDICT_MISS ? &req->cache.key : NULL,
        .endpoint = req->answer.fetched ? req->settings->endpoint->label : NULL,
        .verdict = req->cache.verdict,
        .status = has_answer ? reply->status : 0,
        .is_complete = is_complete,
        .failed = req->err || reply->status >= 500,
        .broke = broke(req),
        .trouble = trouble_of(req, is_complete),
        .received = req->body.bytes,
        .sent = has_answer ? sent : 0,
        .duration_us = clock_mono_us() - req->started_us,
    };
}
