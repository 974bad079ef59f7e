#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "proxy/ask.h"

static void print_for_people(const struct json *health)
{
    const char *version = json_text(json_member(health, "version"));
    double uptime = json_number(json_member(health, "uptime_seconds"));
    double rss = json_number(json_member(json_member(health, "memory"), "rss_bytes"));

    command_print_line(
        stdout, "healthy: goproxyai %s, up %.0f s, %.1f MiB, %.0f connections, %.0f in flight",
        version ? version : "?", uptime, rss / (1024 * 1024),
        json_number(json_member(health, "connections")),
        json_number(json_member(health, "in_flight")));
}

static int judge(unsigned status, const struct str *body, bool json, struct err *err)
{
    struct json *health = json_parse(body->text, body->len);
    const char *word = json_text(json_member(health, "status"));
    bool healthy = status == 200 && word && strcmp(word, "healthy") == 0;

    if (json)
        command_print_json(body);
    else if (healthy)
        print_for_people(health);
    json_free(health);
    if (!healthy)
        return err_set(err, ERR_UNHEALTHY, "the proxy is not healthy (HTTP %u): see its log",
                       status);
    return 0;
}

int cmd_health(const struct command *self, int argc, char **argv)
{
    bool json = false;
    const struct conf_switch own[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};
    struct str body = STR_INIT;
    struct conf conf;
    struct err err;
    unsigned status = 0;
    int result = command_settings(self, argc, argv, own, &conf);

    if (result)
        return result == COMMAND_HELPED ? 0 : result;
    mem_auto char *address = command_address(&conf);
    result = ask_get(address, (unsigned)conf_number(&conf, OPT_PORT), "/health", &status, &body,
                     &err);
    if (result == 0)
        result = judge(status, &body, json, &err);
    str_release(&body);
    conf_release(&conf);
    return result < 0 ? command_fail(&err) : 0;
}
