#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "proxy/running.h"

static void print_for_people(const struct json *health, const char *url)
{
    const char *version = json_text(json_member(health, "version"));
    double uptime = json_number(json_member(health, "uptime_seconds"));
    double rss = json_number(json_member(json_member(health, "memory"), "rss_bytes"));

    command_print_line(
        stdout,
        "healthy: goproxyai %s on %s, up %.0f s, %.1f MiB, %.0f connections, %.0f in flight",
        version ? version : "?", url, uptime, rss / (1024 * 1024),
        json_number(json_member(health, "connections")),
        json_number(json_member(health, "in_flight")));
}

static int judge(const struct running *running, bool json, struct err *err)
{
    const struct str *body = &running->answer.body;
    struct json *health = json_parse(body->text, body->len);
    const char *word = json_text(json_member(health, "status"));
    bool healthy = running->answer.status == 200 && word && strcmp(word, "healthy") == 0;

    if (json)
        command_print_json(body);
    else if (healthy)
        print_for_people(health, running->url);
    json_free(health);
    if (!healthy)
        return err_set(err, ERR_UNHEALTHY, "the proxy on %s is not healthy (HTTP %u): see its log",
                       running->url, running->answer.status);
    return 0;
}

int cmd_health(const struct command *self, int argc, char **argv)
{
    bool json = false;
    const char *url = NULL;
    const struct conf_switch own[] = {
        {"json", &json, NULL}, {"url", NULL, &url}, {NULL, NULL, NULL}};
    struct running running;
    struct conf conf;
    struct err err;
    int result = command_settings(self, argc, argv, own, &conf);

    if (result)
        return result == COMMAND_HELPED ? 0 : result;
    mem_auto char *folder = conf_cache_folder(&conf);
    const struct running_query query = {
        .conf = &conf, .url = url, .target = "/health", .folder = folder};

    result = running_find(&running, &query, &err) == 1 ? judge(&running, json, &err) : -1;
    running_release(&running);
    conf_release(&conf);
    return result < 0 ? command_fail(&err) : 0;
}
