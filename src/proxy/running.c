#include "proxy/running.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"
#include "proxy/runtime_note.h"

#define CANDIDATES_MAX 64U

struct candidate {
    char *host, *folder;
    unsigned port;
    long pid;
};

struct candidates {
    struct candidate list[CANDIDATES_MAX];
    unsigned count;
};

static void keep_first(void *arg, const char *item)
{
    char **first = arg;

    if (!*first)
        *first = mem_strdup(item);
}

char *running_address(const struct conf *conf)
{
    mem_auto char *address = NULL;
    size_t len;

    conf_each_item(conf, OPT_LISTEN, keep_first, &address);
    if (!address || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0 ||
        strcmp(address, "[::]") == 0)
        return mem_strdup("localhost");
    len = strlen(address);
    if (len > 2 && address[0] == '[' && address[len - 1] == ']')
        return mem_strndup(address + 1, len - 2);
    return take(address);
}

char *running_url(const char *address, unsigned port)
{
    const bool v6 = strchr(address, ':') != NULL;
    struct str url = STR_INIT;

    str_addf(&url, "http://%s%s%s:%u", v6 ? "[" : "", address, v6 ? "]" : "", port);
    return str_detach(&url);
}

bool running_is_same_folder(const char *a, const char *b)
{
    struct stat of_a, of_b;

    return a && b && stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

void running_release(struct running *running)
{
    free(running->url);
    free(running->host);
    str_release(&running->answer.body);
    *running = (struct running){.answer = ASK_ANSWER_INIT};
}

int running_ask(const struct running *running, const struct ask_request *request,
                struct ask_answer *answer, struct err *err)
{
    const struct ask_server server = {
        .host = running->host, .port = running->port, .ours = running->ours};

    return ask(&server, request, answer, err);
}

/* ---- one candidate ---- */

/* True if the user named the address: the proxy may then be another user's. */
static bool is_named(const struct running_query *query)
{
    return query->url || conf_is_flag(query->conf, OPT_PORT) ||
           conf_is_flag(query->conf, OPT_LISTEN);
}

/* 1: the candidate answers; 0 with *err: it does not. */
static int try_one(struct running *running, const struct running_query *query, const char *host,
                   unsigned port, struct err *err)
{
    const struct ask_request request = {"GET", query->target, ASK_TIMEOUT_MS};

    running_release(running);
    running->host = mem_strdup(host);
    running->port = port;
    running->ours = !is_named(query);
    if (running_ask(running, &request, &running->answer, err) < 0) {
        running_release(running);
        return 0;
    }
    running->url = running_url(host, port);
    return 1;
}

static bool has_folder(const struct running *running, const char *folder)
{
    struct json *root = json_parse(running->answer.body.text, running->answer.body.len);
    bool has = running_is_same_folder(json_text(json_member(json_member(root, "cache"), "folder")),
                                      folder);

    json_free(root);
    return has;
}

static int try_configured(struct running *running, const struct running_query *query,
                          struct err *err)
{
    mem_auto char *address = running_address(query->conf);

    return try_one(running, query, address, (unsigned)conf_number(query->conf, OPT_PORT), err);
}

/* ---- the proxy that the user named ---- */

static int try_url(struct running *running, const struct running_query *query, struct err *err)
{
    struct url url;
    const char *wrong = url_parse(&url, query->url);
    int result;

    if (wrong)
        return err_set(err, ERR_USAGE, "--url %s: write it like http://localhost:8080", wrong);
    if (strcmp(url.scheme, "http") != 0 || url.user ||
        (*url.path && strcmp(url.path, "/") != 0 && strcmp(url.path, "/v1") != 0)) {
        url_release(&url);
        return err_set(err, ERR_USAGE,
                       "--url is not the address of a proxy: write it like "
                       "http://localhost:8080");
    }
    result = try_one(running, query, url.host, url.port, err);
    url_release(&url);
    return result;
}

static int try_named(struct running *running, const struct running_query *query, struct err *err)
{
    int result = query->url ? try_url(running, query, err) : try_configured(running, query, err);

    if (result == 1 && query->folder_is_asked && !has_folder(running, query->folder)) {
        err_set(err, ERR_USAGE,
                "the proxy on %s does not keep its answers in %s: leave out --cache-dir, or the "
                "proxy's address",
                running->url, query->folder);
        return -1;
    }
    return result;
}

/* ---- proxies with notes ---- */

static void add_candidate(void *arg, const struct runtime_server *server)
{
    struct candidates *all = arg;

    if (all->count == CANDIDATES_MAX)
        return;
    all->list[all->count++] = (struct candidate){
        .host = mem_strdup(server->address),
        .folder = server->cache_folder ? mem_strdup(server->cache_folder) : NULL,
        .port = server->port,
        .pid = server->pid};
}

static void release_candidate(struct candidate *candidate)
{
    free(candidate->host);
    free(candidate->folder);
}

/* Drops the candidates of other folders, unless none would remain and even_if_none is false. */
static void keep_those_of(struct candidates *all, const char *folder, bool even_if_none)
{
    unsigned kept = 0, found = 0;

    for (unsigned i = 0; i < all->count; i++)
        found += running_is_same_folder(all->list[i].folder, folder);
    if (found == 0 && !even_if_none)
        return;
    for (unsigned i = 0; i < all->count; i++) {
        if (running_is_same_folder(all->list[i].folder, folder))
            all->list[kept++] = all->list[i];
        else
            release_candidate(&all->list[i]);
    }
    all->count = kept;
}

static int refuse_several(const struct candidates *all, struct err *err)
{
    struct str text = STR_INIT;

    for (unsigned i = 0; i < all->count; i++) {
        const struct candidate *c = &all->list[i];

        str_addf(&text, "%shttp://%s%s%s:%u (%s)", i ? ", " : "", strchr(c->host, ':') ? "[" : "",
                 c->host, strchr(c->host, ':') ? "]" : "", c->port,
                 c->folder ? c->folder : "memory only");
    }
    err_set(err, ERR_SYSTEM, "several proxies run: say which one with --url: %s", text.text);
    str_release(&text);
    return -1;
}

/* Takes the first candidate that answers: all of them are equally good. */
static int try_candidates(struct running *running, const struct running_query *query,
                          const struct candidates *all, struct err *err)
{
    int found = 0;

    for (unsigned i = 0; i < all->count && !found; i++)
        found = try_one(running, query, all->list[i].host, all->list[i].port, err);
    return found;
}

/* *known: there is at least one note, whether its proxy answers or not. */
static int try_notes(struct running *running, const struct running_query *query, bool *known,
                     struct err *err)
{
    struct candidates all = {.count = 0};
    int result;

    runtime_note_each(add_candidate, &all);
    if (all.count > 1 || query->folder_is_asked)
        keep_those_of(&all, query->folder, query->folder_is_asked);
    *known = all.count > 0;
    if (all.count > 1 &&
        !(query->any_of_folder && running_is_same_folder(all.list[0].folder, query->folder)))
        result = refuse_several(&all, err);
    else
        result = try_candidates(running, query, &all, err);
    for (unsigned i = 0; i < all.count; i++)
        release_candidate(&all.list[i]);
    return result;
}

/* ---- all rules ---- */

static int find_by_folder(struct running *running, const struct running_query *query,
                          struct err *err)
{
    bool known;
    int result = try_notes(running, query, &known, err);

    if (result != 0 || known)
        return result;
    result = try_configured(running, query, err);
    if (result == 1 && !has_folder(running, query->folder)) {
        err_set(err, ERR_NO_SERVER, "no proxy that can be asked runs on %s", query->folder);
        running_release(running);
        return 0;
    }
    return result;
}

static int find(struct running *running, const struct running_query *query, struct err *err)
{
    const struct conf *conf = query->conf;
    const bool has_flag = conf_is_flag(conf, OPT_PORT) || conf_is_flag(conf, OPT_LISTEN);
    const bool is_set = conf_is_set(conf, OPT_PORT) || conf_is_set(conf, OPT_LISTEN);
    bool known;
    int result;

    if (query->url && has_flag)
        return err_set(err, ERR_USAGE, "--url says which proxy: leave out --port and --listen");
    if (is_named(query))
        return try_named(running, query, err);
    if (query->folder_is_asked)
        return find_by_folder(running, query, err);
    if (is_set && try_configured(running, query, err) == 1)
        return 1;
    result = try_notes(running, query, &known, err);
    if (result != 0 || known || is_set)
        return result;
    return try_configured(running, query, err);
}

int running_find(struct running *running, const struct running_query *query, struct err *err)
{
    int result;

    *running = (struct running){.answer = ASK_ANSWER_INIT};
    result = find(running, query, err);
    if (result != 1)
        running_release(running);
    running->is_asked = is_named(query);
    return result;
}

int running_find_figures(struct running *running, const struct conf *conf, const char *url,
                         bool any_of_folder, struct err *err)
{
    mem_auto char *folder = conf_cache_folder(conf);
    const struct running_query query = {.conf = conf,
                                        .url = url,
                                        .target = "/stats",
                                        .folder = folder,
                                        .folder_is_asked = conf_is_flag(conf, OPT_CACHE_DIR),
                                        .any_of_folder = any_of_folder};
    int result = running_find(running, &query, err);

    if (result == 1 && running->answer.status != 200)
        return ask_refused(&running->answer, err);
    return result;
}
