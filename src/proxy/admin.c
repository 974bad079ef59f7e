#include "proxy/admin.h"

#include "config.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/route.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "proxy/admin_stats.h"
#include "proxy/server.h"

#define FIGURES_MS 1000

/* Reading /proc costs more than a request does, and anybody may ask often. */
struct admin {
    pthread_mutex_t lock;
    struct str health; /* guarded by lock, as is the next */
    uint64_t made_ms;  /* 0: never */
};

struct admin *admin_new(void)
{
    struct admin *admin = mem_zero(sizeof(*admin));

    pthread_mutex_init(&admin->lock, NULL);
    str_init(&admin->health);
    return admin;
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
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

static unsigned count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    unsigned n = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void add_endpoint(struct json *endpoints, const struct endpoint *e)
{
    struct json *row = json_add_object(endpoints);

    json_set_text(row, "name", e->name);
    json_set_text(row, "group", "default");
    json_set_text(row, "state", "healthy");
}

static void make_health(const struct server *server, struct str *out)
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
    json_set_number(root, "threads", count_threads());
    json_set_number(root, "connections", (double)server_connections(server));
    json_set_number(root, "in_flight", (double)server_in_flight(server));
    add_endpoint(json_set_array(root, "endpoints"), &server->endpoint);
    str_clear(out);
    json_print(root, out);
    json_free(root);
}

static void answer_health(struct server *server, struct str *out)
{
    struct admin *admin = server->admin;
    uint64_t now = clock_mono_ms();

    pthread_mutex_lock(&admin->lock);
    if (admin->made_ms == 0 || now - admin->made_ms >= FIGURES_MS) {
        make_health(server, &admin->health);
        admin->made_ms = now;
    }
    str_add(out, admin->health.text, admin->health.len);
    pthread_mutex_unlock(&admin->lock);
}

static void answer_clear(struct server *server, struct str *out)
{
    struct json *root = json_object();

    caching_clear(&server->caching);
    json_set_text(root, "message", "Cache cleared successfully");
    json_print(root, out);
    json_free(root);
}

static bool is_asked(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

int admin_answer(struct server *server, const char *method, const char *target, struct reply *reply,
                 const char *request_id, struct err *err)
{
    enum route route = route_of(target);

    if (route == ROUTE_CACHE) {
        if (strcmp(method, "DELETE") != 0) {
            fields_adds(&reply->own, "Allow", "DELETE");
            return err_set(err, ERR_METHOD, "/cache takes DELETE, which empties it.");
        }
        answer_clear(server, &reply->text);
    } else {
        if (!is_asked(method)) {
            fields_adds(&reply->own, "Allow", "GET, HEAD");
            return err_set(err, ERR_METHOD, "%.*s is asked with GET.", (int)route_path_len(target),
                           target);
        }
        if (route == ROUTE_STATS)
            admin_stats(server, &reply->text);
        else
            answer_health(server, &reply->text);
    }
    reply_own_json(reply, 200, request_id);
    fields_adds(&reply->own, "Cache-Control", "no-store");
    return 0;
}
