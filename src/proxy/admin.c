#include "proxy/admin.h"

#include "config.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/route.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "proxy/admin_cache.h"
#include "proxy/admin_stats.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#define FIGURES_MS 1000

/* /health is cached for FIGURES_MS: reading /proc costs more than serving a request, and any client
 * may ask often. */
struct admin {
    struct admin_jobs *jobs;
    pthread_mutex_t lock;
    struct str health; /* guarded by lock, as is the next */
    uint64_t made_ms;  /* 0: never */
};

struct admin *admin_new(void)
{
    struct admin *admin = mem_zero(sizeof(*admin));

    admin->jobs = admin_jobs_new();
    pthread_mutex_init(&admin->lock, NULL);
    str_init(&admin->health);
    return admin;
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    admin_jobs_free(admin->jobs);
    str_release(&admin->health);
    pthread_mutex_destroy(&admin->lock);
    free(admin);
}

static double resident_bytes(void)
{
    unsigned long total, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void add_endpoint(struct json *endpoints, const struct endpoint *e)
{
    struct json *row = json_add_object(endpoints);

    json_set_text(row, "name", e->name);
    json_set_text(row, "group", "default");
    json_set_text(row, "state", "healthy");
}

static void make_health(const struct server *server, const struct settings *settings,
                        struct str *out)
{
    struct json *root = json_object();
    char now[24];

    snprintf(now, sizeof(now), "%" PRId64, clock_unix_s());
    json_set_text(root, "status", "healthy");
    json_set_text(root, "service", "openai-proxy");
    json_set_text(root, "timestamp", now);
    json_set_text(root, "version", PACKAGE_VERSION);
    json_set_number(root, "uptime_seconds",
                    (double)((clock_mono_us() - server->started_us) / 1000000));
    json_set_number(json_set_object(root, "memory"), "rss_bytes", resident_bytes());
    json_set_number(root, "threads", process_count_threads());
    json_set_number(root, "connections", (double)server_connections(server));
    json_set_number(root, "in_flight", (double)server_in_flight(server));
    add_endpoint(json_set_array(root, "endpoints"), settings->endpoint);
    str_clear(out);
    json_print(root, out);
    json_free(root);
}

static void answer_health(struct server *server, const struct settings *settings, struct str *out)
{
    struct admin *admin = server->admin;
    uint64_t now = clock_mono_ms();

    pthread_mutex_lock(&admin->lock);
    if (admin->made_ms == 0 || now - admin->made_ms >= FIGURES_MS) {
        make_health(server, settings, &admin->health);
        admin->made_ms = now;
    }
    str_add(out, admin->health.text, admin->health.len);
    pthread_mutex_unlock(&admin->lock);
}

/* The methods of each route. */
static const struct methods {
    enum route route;
    const char *names[4];
    const char *allow;
} methods[] = {
    {ROUTE_HEALTH, {"GET", "HEAD"}, "GET, HEAD"},
    {ROUTE_STATS, {"GET", "HEAD"}, "GET, HEAD"},
    {ROUTE_CACHE, {"GET", "HEAD", "DELETE"}, "GET, HEAD, DELETE"},
    {ROUTE_CACHE_ENTRY, {"GET", "HEAD", "DELETE"}, "GET, HEAD, DELETE"},
    {ROUTE_CACHE_VERIFY, {"POST"}, "POST"},
};

static int check_method(const struct req *req, enum route route, struct refusal *refusal)
{
    const struct methods *m = methods;

    while (m->route != route)
        m++;
    for (size_t i = 0; m->names[i]; i++)
        if (strcmp(m->names[i], req->head.method) == 0)
            return 0;
    refusal->field = "Allow";
    refusal->value = m->allow;
    return err_set(&refusal->err, ERR_METHOD, "%.*s takes %s.",
                   (int)route_path_len(req->head.target.text), req->head.target.text, m->allow);
}

static enum admin_result answer_of_cache(struct req *req, enum route route, struct err *err)
{
    struct server *server = req->worker->server;

    if (!req->answer.admin_job) {
        req->answer.admin_job = admin_cache_begin(req, server->admin->jobs, route,
                                                  server->caching.path, err);
        return req->answer.admin_job ? ADMIN_WAITS : ADMIN_REFUSED;
    }
    if (!admin_job_is_done(req->answer.admin_job))
        return ADMIN_WAITS;
    if (admin_cache_finish(req->answer.admin_job, &req->reply, req->id, err) < 0)
        return ADMIN_REFUSED;
    return ADMIN_ANSWERED;
}

enum admin_result admin_answer(struct req *req, struct refusal *refusal)
{
    struct server *server = req->worker->server;
    struct reply *reply = &req->reply;
    enum route route = route_of(req->head.target.text);
    enum admin_result result = ADMIN_ANSWERED;

    if (check_method(req, route, refusal) < 0)
        return ADMIN_REFUSED;
    switch (route) {
    case ROUTE_STATS:
        admin_stats(server, req->settings, &reply->text);
        reply_own_json(reply, 200, req->id);
        break;
    case ROUTE_CACHE:
    case ROUTE_CACHE_ENTRY:
    case ROUTE_CACHE_VERIFY:
        result = answer_of_cache(req, route, &refusal->err);
        break;
    default:
        answer_health(server, req->settings, &reply->text);
        reply_own_json(reply, 200, req->id);
        break;
    }
    if (result == ADMIN_ANSWERED)
        fields_adds(&reply->own, "Cache-Control", "no-store");
    return result;
}
