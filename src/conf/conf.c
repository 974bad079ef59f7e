#include "conf/conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/distance.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "conf/conf_file.h"
#include "conf/conf_type.h"

#define VARIABLE_PREFIX "GOPROXYAI_"

extern char **environ;

static const struct option {
    const char *flag;
    const char *plain;
    enum conf_type type;
    const char *value;
    unsigned scope;
    const char *metavar;
    const char *help;
} options[OPT_COUNT] = {
#define OPTION(name, flag, plain, type, value, scope, metavar, help)                               \
    [OPT_##name] = {flag, plain, CONF_##type, value, scope, metavar, help},
#include "conf/options.def"
#undef OPTION
};

static int find_option(const char *flag, size_t len)
{
    for (int i = 0; i < OPT_COUNT; i++)
        if (strlen(options[i].flag) == len && memcmp(options[i].flag, flag, len) == 0)
            return i;
    return -1;
}

struct source {
    enum conf_origin origin;
    const char *place;
};

/* Checks and stores. A list given twice in the same kind of place grows. */
static int set_value(struct conf *conf, int option, const struct source *source, const char *text,
                     struct err *err)
{
    struct conf_value *v = &conf->value[option];
    struct str why = STR_INIT, joined = STR_INIT;
    int64_t number;

    if (conf_type_check(options[option].type, text, &number, &why) < 0) {
        /* A URL may hold a password, so its text is not repeated. */
        bool secret = options[option].type == CONF_PROXY_URL ||
                      options[option].type == CONF_BASE_URL;
        err_set(err, ERR_USAGE, "%s%s%s%s: it %s", source->place, secret ? "" : " is '",
                secret ? "" : text, secret ? " is not usable" : "'", why.text);
        str_release(&why);
        return -1;
    }
    str_release(&why);
    if (options[option].type == CONF_LIST && v->origin == source->origin &&
        source->origin != ORIGIN_DEFAULT)
        str_addf(&joined, "%s,", v->text);
    str_adds(&joined, text);
    free(v->text);
    free(v->place);
    v->text = str_detach(&joined);
    v->number = number;
    v->origin = source->origin;
    v->place = mem_strdup(source->place);
    return 0;
}

struct file_context {
    struct conf *conf;
    const char *path;
    int lines[OPT_COUNT]; /* where each name stands; 0: nowhere so far */
};

static int on_file_setting(void *arg, const char *name, const char *value, int line,
                           struct err *err)
{
    struct file_context *context = arg;
    struct str place = STR_INIT;
    int option = find_option(name, strlen(name));
    int result;

    str_addf(&place, "%s:%d", context->path, line);
    if (option < 0) {
        result = err_set(err, ERR_USAGE, "%s: there is no setting '%s': see goproxyai help serve",
                         place.text, name);
        url_mask_all(err->text);
    } else if (context->lines[option]) {
        result = err_set(err, ERR_USAGE,
                         "%s: %s stands in line %d already: leave one of the two lines out",
                         place.text, name, context->lines[option]);
    } else {
        context->lines[option] = line;
        str_addf(&place, ": %s", name);
        result = set_value(context->conf, option, &(struct source){ORIGIN_FILE, place.text}, value,
                           err);
    }
    str_release(&place);
    return result;
}

static int load_file(struct conf *conf, struct err *err)
{
    mem_auto char *path = conf_file_path();
    struct file_context context = {.conf = conf, .path = path};

    return path ? conf_file_read(path, on_file_setting, &context, err) : 0;
}

static int load_plain_variables(struct conf *conf, struct err *err)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        const char *text = options[i].plain ? getenv(options[i].plain) : NULL;

        if (text && *text &&
            set_value(conf, i, &(struct source){ORIGIN_PLAIN, options[i].plain}, text, err) < 0)
            return -1;
    }
    return 0;
}

/* GOPROXYAI_REQUEST_TIMEOUT → request-timeout */
static int option_of_variable(const char *name, size_t len)
{
    mem_auto char *flag = mem_strndup(name, len);

    for (char *c = flag; *c; c++) {
        if (islower((unsigned char)*c))
            return -1;
        *c = (char)(*c == '_' ? '-' : tolower((unsigned char)*c));
    }
    return find_option(flag, len);
}

/* Does one of the two end where a word of the other one begins, as in max-cache and max-cache-size?
 */
static bool is_cut(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == *b) {
        a++;
        b++;
    }
    return (!*a && *b == '-') || (!*b && *a == '-');
}

/* The option whose name is the most like that one, or NULL if none is. */
static const char *nearest_flag(const char *flag)
{
    const char *nearest = NULL;

    for (int i = 0; i < OPT_COUNT; i++)
        if ((distance_is_near(flag, options[i].flag) || is_cut(flag, options[i].flag)) &&
            (!nearest || distance_of(flag, options[i].flag) < distance_of(flag, nearest)))
            nearest = options[i].flag;
    return nearest;
}

/* cache-ttl ↔ CACHE_TTL, but for the case */
static void exchange(char *text, char from, char to)
{
    for (; (text = strchr(text, from)); text++)
        *text = to;
}

static void warn_of_variable(struct conf *conf, const char *name)
{
    mem_auto char *flag = mem_strdup(name + strlen(VARIABLE_PREFIX));
    const char *nearest;
    struct str text = STR_INIT;

    exchange(flag, '_', '-');
    nearest = nearest_flag(flag);
    str_addf(&text, "%s is no setting: ", name);
    if (nearest) {
        mem_auto char *variable = mem_strdup(nearest);

        exchange(variable, '-', '_');
        for (char *c = variable; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        str_addf(&text, "did you mean " VARIABLE_PREFIX "%s?", variable);
    } else {
        str_adds(&text, "see goproxyai help serve, or unset it");
    }
    conf->warnings = mem_grow(conf->warnings, (conf->warning_count + 1) * sizeof(char *));
    conf->warnings[conf->warning_count++] = str_detach(&text);
}

static int load_own_variables(struct conf *conf, struct err *err)
{
    size_t prefix = strlen(VARIABLE_PREFIX);

    for (char **variable = environ; *variable; variable++) {
        const char *equals = strchr(*variable, '=');
        mem_auto char *name = NULL;
        int option;

        if (!str_starts(*variable, VARIABLE_PREFIX) || !equals || !equals[1])
            continue;
        name = mem_strndup(*variable, (size_t)(equals - *variable));
        option = option_of_variable(name + prefix, strlen(name) - prefix);
        if (option < 0)
            warn_of_variable(conf, name);
        else if (set_value(conf, option, &(struct source){ORIGIN_VARIABLE, name}, equals + 1, err) <
                 0)
            return -1;
    }
    return 0;
}

static const struct conf_switch *find_own(const struct conf_switch *own, const char *word)
{
    for (; own && own->flag; own++) {
        size_t len = strlen(own->flag);

        if (strncmp(own->flag, word, len) == 0 && (word[len] == '\0' || word[len] == '='))
            return own;
    }
    return NULL;
}

static int load_own_switch(const struct conf_switch *own, const char *text, struct err *err)
{
    struct str why = STR_INIT;
    int64_t on;
    int result = conf_type_check(CONF_SWITCH, text, &on, &why);

    if (result < 0)
        err_set(err, ERR_USAGE, "--%s=%s is wrong: it %s", own->flag, text, why.text);
    *own->on = on != 0;
    str_release(&why);
    return result;
}

static int load_own_flag(const struct conf_switch *own, const struct conf_line *line, int *i,
                         struct err *err)
{
    const char *equals = strchr(line->argv[*i], '=');

    if (own->on)
        return load_own_switch(own, equals ? equals + 1 : "on", err);
    if (!equals && *i + 1 == line->argc)
        return err_set(err, ERR_USAGE, "--%s needs a value: try --help", own->flag);
    *own->text = equals ? equals + 1 : line->argv[++*i];
    return 0;
}

/* One flag at argv[*i], perhaps with its value in the word after it. */
static int load_flag(struct conf *conf, const struct conf_line *line, int *i, struct err *err)
{
    char *word = line->argv[*i] + 2, *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    int option = find_option(word, len), result;
    char *text = equals ? equals + 1 : NULL;
    char place[64];

    if (option < 0 || !(options[option].scope & line->scope))
        return err_set(err, ERR_USAGE, "there is no option --%.*s here: try --help", (int)len,
                       word);
    if (!text && options[option].type == CONF_SWITCH)
        text = (char *)(uintptr_t) "on";
    else if (!text && *i + 1 < line->argc)
        text = line->argv[++*i];
    if (!text)
        return err_set(err, ERR_USAGE, "--%s needs a value: --%s %s", options[option].flag,
                       options[option].flag, options[option].metavar);
    snprintf(place, sizeof(place), "--%s", options[option].flag);
    result = set_value(conf, option, &(struct source){ORIGIN_FLAG, place}, text, err);
    if (options[option].type == CONF_PROXY_URL || options[option].type == CONF_BASE_URL)
        url_hide_password(text); /* `ps` shows argv to everybody on the machine */
    return result;
}

static int load_flags(struct conf *conf, struct conf_line *line, struct err *err)
{
    const struct conf_switch *own;
    char **argv = line->argv;

    line->words = 0;
    for (int i = 0; i < line->argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            for (i++; i < line->argc; i++)
                argv[line->words++] = argv[i];
        } else if (!str_starts(argv[i], "--")) {
            argv[line->words++] = argv[i];
        } else if ((own = find_own(line->own, argv[i] + 2))) {
            if (load_own_flag(own, line, &i, err) < 0)
                return -1;
        } else if (load_flag(conf, line, &i, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* All but the flags. */
static int load_places(struct conf *conf, struct err *err)
{
    const struct source by_default = {ORIGIN_DEFAULT, "default"};

    *conf = (struct conf){.value[0].text = NULL};
    for (int i = 0; i < OPT_COUNT; i++)
        if (set_value(conf, i, &by_default, options[i].value, err) < 0)
            abort(); /* the table itself is wrong; a unit test loads it */
    return load_file(conf, err) < 0 || load_plain_variables(conf, err) < 0 ||
                   load_own_variables(conf, err) < 0
               ? -1
               : 0;
}

int conf_load(struct conf *conf, struct conf_line *line, struct err *err)
{
    if (load_places(conf, err) < 0 || load_flags(conf, line, err) < 0) {
        conf_release(conf);
        return -1;
    }
    return 0;
}

static void free_value(struct conf_value *v)
{
    if (v->text)
        mem_wipe(v->text, strlen(v->text));
    free(v->text);
    free(v->place);
    *v = (struct conf_value){.text = NULL};
}

bool conf_differs(const struct conf *conf, const struct conf *before, enum conf_option option)
{
    return strcmp(conf->value[option].text, before->value[option].text) != 0 ||
           conf->value[option].number != before->value[option].number;
}

void conf_keep(struct conf *conf, const struct conf *before, enum conf_option option)
{
    struct conf_value *v = &conf->value[option];

    free_value(v);
    *v = before->value[option];
    v->text = mem_strdup(before->value[option].text);
    v->place = mem_strdup(before->value[option].place);
}

int conf_reload(struct conf *conf, const struct conf *before, struct err *err)
{
    if (load_places(conf, err) < 0) {
        conf_release(conf);
        return -1;
    }
    for (int i = 0; i < OPT_COUNT; i++)
        if (before->value[i].origin == ORIGIN_FLAG)
            conf_keep(conf, before, i);
    return 0;
}

void conf_release(struct conf *conf)
{
    for (int i = 0; i < OPT_COUNT; i++)
        free_value(&conf->value[i]);
    for (unsigned i = 0; i < conf->warning_count; i++)
        free(conf->warnings[i]);
    free(take(conf->warnings));
    conf->warning_count = 0;
}

const char *conf_flag(enum conf_option option)
{
    return options[option].flag;
}

bool conf_is_fixed(enum conf_option option)
{
    return options[option].scope & CONF_FIXED;
}

const char *conf_text(const struct conf *conf, enum conf_option option)
{
    return conf->value[option].text;
}

int64_t conf_number(const struct conf *conf, enum conf_option option)
{
    return conf->value[option].number;
}

bool conf_is_set(const struct conf *conf, enum conf_option option)
{
    return conf->value[option].origin != ORIGIN_DEFAULT;
}

bool conf_is_flag(const struct conf *conf, enum conf_option option)
{
    return conf->value[option].origin == ORIGIN_FLAG;
}

void conf_each_item(const struct conf *conf, enum conf_option option,
                    void (*each)(void *arg, const char *item), void *arg)
{
    mem_auto char *copy = mem_strdup(conf_text(conf, option));
    char *state = NULL;

    for (char *item = strtok_r(copy, ", \t", &state); item; item = strtok_r(NULL, ", \t", &state))
        each(arg, item);
}

/* $VARIABLE/goproxyai, else $HOME/FALLBACK/goproxyai, or NULL. The XDG specification: a relative
 * path is invalid and to be ignored. */
static char *xdg_folder(const char *variable, const char *fallback)
{
    const char *xdg = getenv(variable), *home = getenv("HOME");
    struct str path = STR_INIT;

    if (xdg && xdg[0] == '/')
        str_addf(&path, "%s/goproxyai", xdg);
    else if (home && *home)
        str_addf(&path, "%s/%s/goproxyai", home, fallback);
    else
        return NULL;
    return str_detach(&path);
}

char *conf_file_path(void)
{
    mem_auto char *folder = xdg_folder("XDG_CONFIG_HOME", ".config");
    struct str path = STR_INIT;

    if (!folder)
        return NULL;
    str_addf(&path, "%s/config", folder);
    return str_detach(&path);
}

char *conf_cache_folder(const struct conf *conf)
{
    const char *given = conf_text(conf, OPT_CACHE_DIR);

    return *given ? mem_strdup(given) : xdg_folder("XDG_CACHE_HOME", ".cache");
}

void conf_print_help(FILE *out, enum conf_scope scope)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        const struct option *o = &options[i];
        char left[64];

        if (!(o->scope & scope))
            continue;
        snprintf(left, sizeof(left), "--%s%s%s", o->flag, o->metavar ? " " : "",
                 o->metavar ? o->metavar : "");
        fprintf(out, "  %-22s %s", left, o->help);
        if (*o->value)
            fprintf(out, " [%s]", o->value);
        if (o->plain)
            fprintf(out, " ($%s)", o->plain);
        fputc('\n', out);
    }
}
