#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf_type.h"
#include "unit.h"

extern char **environ;

static const struct row {
    const char *id; /* "REQUEST_TIMEOUT" */
    const char *flag;
    const char *plain;
    enum conf_type type;
    unsigned scope;
} rows[OPT_COUNT] = {
#define OPTION(name, flag, plain, type, value, scope, metavar, help)                               \
    [OPT_##name] = {#name, flag, plain, CONF_##type, scope},
#include "conf/options.def"
#undef OPTION
};

/* ---- a world of its own: environment, config file, command line ---- */

struct world {
    char *folder;
    char *file; /* the config file, or NULL */
    char *argv[32];
    int argc;
    struct conf conf;
    struct err err;
    int words;
};

static void clean_environment(void)
{
    for (bool again = true; again;) {
        again = false;
        for (char **v = environ; *v; v++) {
            if (str_starts(*v, "GOPROXYAI_")) {
                mem_auto char *name = mem_strndup(*v, strcspn(*v, "="));
                unsetenv(name);
                again = true; /* environ has moved */
                break;
            }
        }
    }
    for (size_t i = 0; i < OPT_COUNT; i++)
        if (rows[i].plain)
            unsetenv(rows[i].plain);
}

static void world_begin(struct world *w)
{
    *w = (struct world){.folder = unit_folder()};
    clean_environment();
    setenv("XDG_CONFIG_HOME", w->folder, 1);
}

static void world_file(struct world *w, const char *text)
{
    free(w->file);
    w->file = unit_file(w->folder, "goproxyai/config", text, strlen(text));
}

static void world_flag(struct world *w, const char *word)
{
    w->argv[w->argc++] = mem_strdup(word);
}

static int world_load(struct world *w, enum conf_scope scope, const struct conf_switch *own)
{
    struct conf_line line = {.argc = w->argc, .argv = w->argv, .scope = scope, .own = own};
    int result;

    w->err.code = ERR_NONE;
    w->err.text[0] = '\0';
    result = conf_load(&w->conf, &line, &w->err);
    w->words = line.words;
    return result;
}

/* Nothing may be left behind for the test after this one; argv's order may have changed. */
static void world_end(struct world *w, char *const *given)
{
    conf_release(&w->conf);
    for (int i = 0; i < w->argc; i++)
        free(given[i]);
    clean_environment();
    free(w->file);
    free(w->folder);
}

#define WITH_WORLD(w)                                                                              \
    struct world w;                                                                                \
    world_begin(&w)
#define END_WORLD(w, kept) world_end(&(w), (kept))
#define KEEP_ARGV(w, kept)                                                                         \
    char *kept[32];                                                                                \
    memcpy(kept, (w).argv, sizeof(kept))

/* Loads and expects failure: wrong usage whose text has these parts. */
static void expect_wrong(struct world *w, const char *part, const char *other_part)
{
    KEEP_ARGV(*w, kept);
    if (CHECK_INT(world_load(w, CONF_SERVE, NULL), -1)) {
        CHECK_INT(w->err.code, ERR_USAGE);
        CHECK_HAS(w->err.text, part);
        CHECK_HAS(w->err.text, other_part);
        for (int i = 0; i < OPT_COUNT; i++)
            CHECK(w->conf.value[i].text == NULL); /* it is released */
    }
    END_WORLD(*w, kept);
}

/* ---- precedence ---- */

/* Four good values of a type, one for each place. NULL: a type that came later than this test. */
static const char *sample(enum conf_type type, unsigned place)
{
    static const char *const list[] = {"a", "b", "c", "d"}, *const port[] = {"1", "2", "3", "4"},
                             *const onoff[] = {"off", "on", "no", "yes"},
                             *const url[] = {"http://a", "http://b", "http://c", "http://d"},
                             *const duration[] = {"1s", "2s", "3s", "4s"},
                             *const ttl[] = {"0", "90s", "7d", "forever"},
                             *const size[] = {"0", "100", "64M", "1.5G"},
                             *const disconnect[] = {"cancel", "finish", "cancel", "finish"},
                             *const level[] = {"error", "warn", "debug", "trace"};

    switch (type) {
    case CONF_LIST:
    case CONF_PATH:
        return list[place];
    case CONF_PORT:
    case CONF_COUNT:
        return port[place];
    case CONF_SWITCH:
        return onoff[place];
    case CONF_BASE_URL:
    case CONF_PROXY_URL:
        return url[place];
    case CONF_DURATION:
        return duration[place];
    case CONF_TTL:
        return ttl[place];
    case CONF_SIZE:
    case CONF_MEMORY:
        return size[place];
    case CONF_DISCONNECT:
        return disconnect[place];
    case CONF_LOG_LEVEL:
        return level[place];
    default:
        return NULL;
    }
}

static void put_into_file(struct world *w, const struct row *row, const char *text)
{
    mem_auto char *line = NULL;
    struct str all = STR_INIT;

    str_addf(&all, "# a comment\n%s = %s\n", row->flag, text);
    line = str_detach(&all);
    world_file(w, line);
}

/* places: a bit each for file, plain variable, own variable, flag. */
static void check_precedence(int option, unsigned places)
{
    const struct row *row = &rows[option];
    enum conf_origin wanted = ORIGIN_DEFAULT;
    char name[128], expected_place[512] = "default";
    WITH_WORLD(w);

    if (places & 1) {
        put_into_file(&w, row, sample(row->type, 0));
        wanted = ORIGIN_FILE;
        snprintf(expected_place, sizeof(expected_place), "%s:2", w.file);
    }
    if (places & 2 && row->plain) {
        setenv(row->plain, sample(row->type, 1), 1);
        wanted = ORIGIN_PLAIN;
        snprintf(expected_place, sizeof(expected_place), "%s", row->plain);
    }
    if (places & 4) {
        snprintf(name, sizeof(name), "GOPROXYAI_%s", row->id);
        setenv(name, sample(row->type, 2), 1);
        wanted = ORIGIN_VARIABLE;
        snprintf(expected_place, sizeof(expected_place), "%s", name);
    }
    if (places & 8 && row->scope & CONF_SERVE) {
        snprintf(name, sizeof(name), "--%s=%s", row->flag, sample(row->type, 3));
        world_flag(&w, name);
        wanted = ORIGIN_FLAG;
        snprintf(expected_place, sizeof(expected_place), "--%s", row->flag);
    }
    KEEP_ARGV(w, kept);
    unit_row(row->flag);
    if (CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0)) {
        const struct conf_value *v = &w.conf.value[option];

        CHECK_INT(v->origin, wanted);
        CHECK(conf_is_set(&w.conf, (enum conf_option)option) == (places && wanted));
        CHECK(str_starts(v->place, expected_place));
        if (wanted != ORIGIN_DEFAULT)
            CHECK_STR(v->text, sample(row->type, (unsigned)wanted - 1));
    } else {
        CHECK_STR(w.err.text, "");
    }
    unit_row(NULL);
    END_WORLD(w, kept);
}

TEST("a flag beats GOPROXYAI_*, which beats the plain variable, the file, and the default")
{
    for (int option = 0; option < OPT_COUNT; option++)
        if (sample(rows[option].type, 0))
            for (unsigned places = 0; places < 16; places += option < 6 ? 1 : 5)
                check_precedence(option, places);
}

TEST("without any setting the promised defaults hold")
{
    WITH_WORLD(w);
    KEEP_ARGV(w, kept);

    REQUIRE(world_load(&w, CONF_SERVE, NULL) == 0);
    CHECK_STR(conf_text(&w.conf, OPT_LISTEN), "localhost");
    CHECK_INT(conf_number(&w.conf, OPT_PORT), 8080);
    CHECK_STR(conf_text(&w.conf, OPT_UPSTREAM), "https://api.openai.com");
    CHECK_STR(conf_text(&w.conf, OPT_PROXY), "");
    CHECK_INT(conf_number(&w.conf, OPT_REQUEST_TIMEOUT), 30000);
    CHECK_INT(conf_number(&w.conf, OPT_CONNECT_TIMEOUT), 10000);
    CHECK_INT(conf_number(&w.conf, OPT_TOTAL_TIMEOUT), 0);
    CHECK_INT(conf_number(&w.conf, OPT_FORWARDED), 0);
    CHECK_INT(conf_number(&w.conf, OPT_ALLOW_REMOTE), 0);
    CHECK_INT(conf_number(&w.conf, OPT_CACHE_TTL), 300000);
    CHECK_INT(conf_number(&w.conf, OPT_MAX_CACHE_SIZE), INT64_C(100) << 20);
    CHECK_INT(conf_number(&w.conf, OPT_MEMORY_CACHE), INT64_C(64) << 20);
    CHECK_INT(conf_number(&w.conf, OPT_MAX_BODY), INT64_C(32) << 20);
    CHECK_STR(conf_text(&w.conf, OPT_CACHE_DIR), "");
    CHECK_INT(conf_number(&w.conf, OPT_SHARE_CACHE), 0);
    CHECK_STR(conf_text(&w.conf, OPT_KEY_IGNORE), "");
    CHECK_STR(conf_text(&w.conf, OPT_KEY_IGNORE_HEADER), "");
    CHECK_INT(conf_number(&w.conf, OPT_ON_DISCONNECT), 0);
    for (int i = 0; i < OPT_COUNT; i++)
        CHECK(!conf_is_set(&w.conf, (enum conf_option)i));
    END_WORLD(w, kept);
}

TEST("no two settings share a flag or a variable")
{
    for (size_t a = 0; a < OPT_COUNT; a++) {
        for (size_t b = a + 1; b < OPT_COUNT; b++) {
            CHECK(strcmp(rows[a].flag, rows[b].flag) != 0);
            CHECK(!rows[a].plain || !rows[b].plain || strcmp(rows[a].plain, rows[b].plain) != 0);
        }
    }
}

/* ---- variables ---- */

TEST("an empty variable counts as not set, whatever its name")
{
    WITH_WORLD(w);
    KEEP_ARGV(w, kept);

    setenv("GOPROXYAI_PORT", "", 1);
    setenv("GOPROXYAI_NO_SUCH", "", 1);
    setenv("PORT", "", 1);
    CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0);
    CHECK_INT(w.conf.value[OPT_PORT].origin, ORIGIN_DEFAULT);
    END_WORLD(w, kept);
}

static void check_variable(const char *name, const char *value, const char *part)
{
    WITH_WORLD(w);

    setenv(name, value, 1);
    unit_row(name);
    expect_wrong(&w, name, part);
    unit_row(NULL);
    unsetenv(name);
}

/* Loads, and expects one warning: of this text, or none where that is NULL. */
static void check_warning(const char *name, const char *value, const char *text)
{
    WITH_WORLD(w);
    KEEP_ARGV(w, kept);

    setenv(name, value, 1);
    unit_row(name);
    if (CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0) &&
        CHECK_INT(w.conf.warning_count, text != NULL) && text)
        CHECK_STR(w.conf.warnings[0], text);
    for (int i = 0; i < OPT_COUNT; i++)
        CHECK(text == NULL || !conf_is_set(&w.conf, (enum conf_option)i));
    unit_row(NULL);
    unsetenv(name);
    END_WORLD(w, kept);
    CHECK_INT(w.conf.warning_count, 0);
    CHECK(w.conf.warnings == NULL);
}

TEST("an unknown GOPROXYAI_ variable is a warning that names the nearest one, if it is near")
{
    check_warning("GOPROXYAI_CACHE_TLT", "1s",
                  "GOPROXYAI_CACHE_TLT is no setting: did you mean GOPROXYAI_CACHE_TTL?");
    check_warning("GOPROXYAI_port", "80", /* case counts */
                  "GOPROXYAI_port is no setting: did you mean GOPROXYAI_PORT?");
    check_warning("GOPROXYAI_PORTS", "x",
                  "GOPROXYAI_PORTS is no setting: did you mean "
                  "GOPROXYAI_PORT?");
    check_warning("GOPROXYAI_POR", "80",
                  "GOPROXYAI_POR is no setting: did you mean "
                  "GOPROXYAI_PORT?");
    check_warning("GOPROXYAI_REQUST_TIMEOT", "80",
                  "GOPROXYAI_REQUST_TIMEOT is no setting: did you mean "
                  "GOPROXYAI_REQUEST_TIMEOUT?");
    check_warning("GOPROXYAI_MAX_CACHE", "1", /* cut, or too long, at a word's end */
                  "GOPROXYAI_MAX_CACHE is no setting: did you mean "
                  "GOPROXYAI_MAX_CACHE_SIZE?");
    check_warning("GOPROXYAI_UPSTREAM_URL", "1",
                  "GOPROXYAI_UPSTREAM_URL is no setting: did you mean "
                  "GOPROXYAI_UPSTREAM?");
    check_warning("GOPROXYAI_NO_SUCH", "1",
                  "GOPROXYAI_NO_SUCH is no setting: see goproxyai help "
                  "serve, or unset it");
    check_warning("GOPROXYAI_", "1",
                  "GOPROXYAI_ is no setting: see goproxyai help serve, or unset "
                  "it");
    check_warning("GOPROXYAI_NO_SUCH", "", NULL);
    check_warning("GOPROXYAI_PORT", "80", NULL);
    check_warning("GOPROXYAIX", "80", NULL);
}

TEST("each unknown variable has a warning of its own")
{
    WITH_WORLD(w);
    KEEP_ARGV(w, kept);

    setenv("GOPROXYAI_X1", "1", 1);
    setenv("GOPROXYAI_X2", "1", 1);
    REQUIRE(world_load(&w, CONF_SERVE, NULL) == 0);
    CHECK_INT(w.conf.warning_count, 2);
    END_WORLD(w, kept);
}

TEST("a bad value in a variable names the variable")
{
    check_variable("GOPROXYAI_PORT", "x", "'x'");
    check_variable("PORT", "65536", "'65536'");
    check_variable("GOPROXYAI_REQUEST_TIMEOUT", "soon", "time");
    check_variable("REQUEST_TIMEOUT", "-1s", "time");
    check_variable("GOPROXYAI_FORWARDED", "maybe", "on or off");
    check_variable("OPENAI_API_URL", "api.openai.com", "scheme");
    check_variable("PROXY_URL", "proxy:3128", "scheme");
    check_variable("GOPROXYAI_PORT", " 80", "number");
}

/* ---- the file ---- */

TEST("the file's lines are name = value, with blanks, comments and any line end")
{
    WITH_WORLD(w);
    KEEP_ARGV(w, kept);

    world_file(&w, "# comment = x\n\n  \t\n   # indented\n\tport\t=  9000 \t\r\nupstream="
                   "http://a/#not-a-comment\nallow-host = a = b");
    CHECK_INT(world_load(&w, CONF_SERVE, NULL), -1); /* a fragment is refused: '#' is no comment */
    CHECK_HAS(w.err.text, "config:6");
    world_file(&w, "# comment = x\n\n  \t\n   # indented\n\tport\t=  9000 \t\r\nallow-host = a=b");
    REQUIRE(world_load(&w, CONF_SERVE, NULL) == 0);
    CHECK_INT(conf_number(&w.conf, OPT_PORT), 9000);
    CHECK_STR(conf_text(&w.conf, OPT_ALLOW_HOST), "a=b"); /* the last line needs no newline */
    CHECK_HAS(w.conf.value[OPT_PORT].place, "goproxyai/config:5");
    END_WORLD(w, kept);
}

static void check_file(const char *text, const char *place, const char *part)
{
    WITH_WORLD(w);

    world_file(&w, text);
    unit_row(text);
    expect_wrong(&w, place, part);
    unit_row(NULL);
}

TEST("an unknown name, a bad value, or a line without '=' in the file names file and line")
{
    check_file("no-such = 1\n", "goproxyai/config:1:", "no-such");
    check_file("# one\n\nPORT = 1\n", "goproxyai/config:3:", "PORT");
    check_file("workers = 1\nport = x\n", "goproxyai/config:2", "'x'");
    check_file("port 80\n", "goproxyai/config:1:", "=");
    check_file("\n\n\n[section]\n", "goproxyai/config:4:", "=");
    check_file("= 80\n", "goproxyai/config:1:", "''");
    check_file("--port = 80\n", "goproxyai/config:1:", "--port");
    check_file("port =\n", "goproxyai/config:1", "number");
    check_file("request_timeout = 3s\n", "goproxyai/config:1:", "request_timeout");
    check_file("forwarded = ON\n", "goproxyai/config:1", "'ON'");
    check_file("proxy = proxy:3128\n", "goproxyai/config:1", "scheme");
}

TEST("a name that stands twice in the file is an error that names both lines, lists included")
{
    check_file("port = 1\n# x\nport = 2\n", "goproxyai/config:3:", "line 1 already");
    check_file("port = 1\nport = 1\n", "goproxyai/config:2: port", "line 1 already");
    check_file("\nallow-host = a\nport = 1\n\nallow-host = b,c\n", "goproxyai/config:5: allow-host",
               "line 2 already");
    check_file("port =\nport = 1\n", "goproxyai/config:1", "number"); /* the first one is wrong */
}

static int load_file_of(size_t size, char filler)
{
    struct str text = STR_INIT;
    int result;
    WITH_WORLD(w);
    KEEP_ARGV(w, kept);

    str_adds(&text, "port = 7\n#");
    while (text.len < size)
        str_addc(&text, filler);
    free(w.file);
    w.file = unit_file(w.folder, "goproxyai/config", text.text, text.len);
    result = world_load(&w, CONF_SERVE, NULL);
    if (result == 0)
        CHECK_INT(conf_number(&w.conf, OPT_PORT), 7);
    else
        CHECK_INT(w.err.code, ERR_USAGE);
    str_release(&text);
    END_WORLD(w, kept);
    return result;
}

TEST("a file of 64 KiB is read, a larger one or one with NULs is no config file")
{
    CHECK_INT(load_file_of(65536, 'x'), 0);
    CHECK_INT(load_file_of(65537, 'x'), -1);
    CHECK_INT(load_file_of(200000, 'x'), -1);
    CHECK_INT(load_file_of(100, '\0'), -1);
}

TEST("no file is an empty file; one that cannot be read is an error that names it")
{
    WITH_WORLD(w);
    KEEP_ARGV(w, kept);

    CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0);
    conf_release(&w.conf);
    w.file = unit_file(w.folder, "goproxyai/config/file-in-a-folder", "", 0);
    CHECK_INT(world_load(&w, CONF_SERVE, NULL), -1);
    CHECK_INT(w.err.code, ERR_SYSTEM);
    CHECK_HAS(w.err.text, "goproxyai/config");
    setenv("XDG_CONFIG_HOME", w.file, 1); /* a file where a folder should be */
    CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0);
    END_WORLD(w, kept);
}

static void check_path(const char *xdg, const char *home, const char *expected)
{
    mem_auto char *path = NULL;

    if (xdg)
        setenv("XDG_CONFIG_HOME", xdg, 1);
    else
        unsetenv("XDG_CONFIG_HOME");
    if (home)
        setenv("HOME", home, 1);
    else
        unsetenv("HOME");
    path = conf_file_path();
    CHECK_STR(path, expected);
}

TEST("the file stands where the XDG specification says")
{
    mem_auto char *home = getenv("HOME") ? mem_strdup(getenv("HOME")) : NULL;

    check_path("/x", "/h", "/x/goproxyai/config");
    check_path(NULL, "/h", "/h/.config/goproxyai/config");
    check_path("", "/h", "/h/.config/goproxyai/config");
    check_path("relative", "/h", "/h/.config/goproxyai/config"); /* invalid: to be ignored */
    check_path("relative", NULL, NULL);
    check_path(NULL, "", NULL);
    check_path("/x", NULL, "/x/goproxyai/config");
    if (home)
        setenv("HOME", home, 1);
    unsetenv("XDG_CONFIG_HOME");
}

/* The folder of the cache for these; NULL: not set. */
static void check_cache_folder(const char *given, const char *xdg, const char *home,
                               const char *expected)
{
    mem_auto char *folder = NULL;
    WITH_WORLD(w);

    if (given)
        setenv("GOPROXYAI_CACHE_DIR", given, 1);
    if (xdg)
        setenv("XDG_CACHE_HOME", xdg, 1);
    else
        unsetenv("XDG_CACHE_HOME");
    if (home)
        setenv("HOME", home, 1);
    else
        unsetenv("HOME");
    KEEP_ARGV(w, kept);
    if (CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0)) {
        folder = conf_cache_folder(&w.conf);
        CHECK_STR(folder, expected);
    }
    END_WORLD(w, kept);
}

TEST("answers are kept where --cache-dir says, else where the XDG specification does")
{
    mem_auto char *home = getenv("HOME") ? mem_strdup(getenv("HOME")) : NULL;
    mem_auto char *xdg = getenv("XDG_CACHE_HOME") ? mem_strdup(getenv("XDG_CACHE_HOME")) : NULL;

    check_cache_folder("/c", "/x", "/h", "/c"); /* the folder itself: nothing is added */
    check_cache_folder("c", "/x", "/h", "c");
    check_cache_folder(NULL, "/x", "/h", "/x/goproxyai");
    check_cache_folder(NULL, NULL, "/h", "/h/.cache/goproxyai");
    check_cache_folder(NULL, "", "/h", "/h/.cache/goproxyai");
    check_cache_folder(NULL, "relative", "/h", "/h/.cache/goproxyai");
    check_cache_folder(NULL, NULL, NULL, NULL);
    check_cache_folder("/c", NULL, NULL, "/c");
    if (home)
        setenv("HOME", home, 1);
    if (xdg)
        setenv("XDG_CACHE_HOME", xdg, 1);
    else
        unsetenv("XDG_CACHE_HOME");
}

/* ---- flags ---- */

TEST("a flag takes its value from after '=' or from the next word")
{
    WITH_WORLD(w);

    world_flag(&w, "--port=1");
    world_flag(&w, "--upstream");
    world_flag(&w, "http://a=b"); /* only the first '=' of a word counts, and not this one's */
    KEEP_ARGV(w, kept);
    CHECK_INT(world_load(&w, CONF_SERVE, NULL), -1);
    CHECK_HAS(w.err.text, "--upstream");
    END_WORLD(w, kept);

    WITH_WORLD(v);
    world_flag(&v, "--allow-host=a=b");
    world_flag(&v, "--port");
    world_flag(&v, "2");
    KEEP_ARGV(v, v_kept);
    REQUIRE(world_load(&v, CONF_SERVE, NULL) == 0);
    CHECK_STR(conf_text(&v.conf, OPT_ALLOW_HOST), "a=b");
    CHECK_INT(conf_number(&v.conf, OPT_PORT), 2);
    CHECK_STR(v.conf.value[OPT_PORT].place, "--port");
    CHECK_INT(v.words, 0);
    END_WORLD(v, v_kept);
}

TEST("a switch stands alone or says after '=' what it is, and takes no word")
{
    static const struct {
        const char *flag;
        int on;
    } cases[] = {{"--forwarded", 1},      {"--forwarded=on", 1},    {"--forwarded=yes", 1},
                 {"--forwarded=true", 1}, {"--forwarded=1", 1},     {"--forwarded=off", 0},
                 {"--forwarded=no", 0},   {"--forwarded=false", 0}, {"--forwarded=0", 0}};

    for (size_t i = 0; i < countof(cases); i++) {
        WITH_WORLD(w);

        world_flag(&w, cases[i].flag);
        world_flag(&w, "off");
        KEEP_ARGV(w, kept);
        unit_row(cases[i].flag);
        CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0);
        CHECK_INT(conf_number(&w.conf, OPT_FORWARDED), cases[i].on);
        CHECK_INT(w.words, 1);
        END_WORLD(w, kept);
    }
    unit_row(NULL);
}

static void check_flags(const char *one, const char *two, const char *part, const char *other)
{
    WITH_WORLD(w);

    world_flag(&w, one);
    if (two)
        world_flag(&w, two);
    unit_row(one);
    expect_wrong(&w, part, other);
    unit_row(NULL);
}

TEST("an unknown flag, a missing or a bad value names the flag")
{
    check_flags("--no-such", NULL, "--no-such", "no option");
    check_flags("--no-such=secret", NULL, "--no-such", "no option");
    check_flags("--port", NULL, "--port", "needs a value");
    check_flags("--port=", NULL, "--port", "number");
    check_flags("--port", "x", "--port", "'x'");
    check_flags("--port", "65536", "--port", "'65536'");
    check_flags("--PORT=1", NULL, "--PORT", "no option");
    check_flags("--por=1", NULL, "--por", "no option"); /* no abbreviations */
    check_flags("--=1", NULL, "--", "no option");
    check_flags("--forwarded=maybe", NULL, "--forwarded", "on or off");
    check_flags("--workers=0", NULL, "--workers", "number");
    check_flags("--request-timeout=1y", NULL, "--request-timeout", "time");
    check_flags("--request_timeout=1s", NULL, "--request_timeout", "no option");
}

TEST("words that are no flags come to the front in order, and all after -- are words")
{
    WITH_WORLD(w);
    bool json = false;
    const struct conf_switch own[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};

    world_flag(&w, "first");
    world_flag(&w, "--port");
    world_flag(&w, "81");
    world_flag(&w, "-x");
    world_flag(&w, "--json");
    world_flag(&w, "--");
    world_flag(&w, "--port=82");
    world_flag(&w, "--");
    KEEP_ARGV(w, kept);
    REQUIRE(world_load(&w, CONF_SERVE, own) == 0);
    CHECK_INT(conf_number(&w.conf, OPT_PORT), 81);
    REQUIRE(w.words == 4);
    CHECK_STR(w.argv[0], "first");
    CHECK_STR(w.argv[1], "-x");
    CHECK_STR(w.argv[2], "--port=82");
    CHECK_STR(w.argv[3], "--");
    CHECK(json);
    END_WORLD(w, kept);
}

TEST("a command knows its own flags and those in its scope, and no others")
{
    WITH_WORLD(w);
    bool json = false;
    const struct conf_switch own[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};

    world_file(&w, "upstream = http://other\n"); /* the file speaks for all commands */
    world_flag(&w, "--json");
    world_flag(&w, "--port=99");
    KEEP_ARGV(w, kept);
    REQUIRE(world_load(&w, CONF_ASK, own) == 0);
    CHECK(json);
    CHECK_INT(conf_number(&w.conf, OPT_PORT), 99);
    CHECK_STR(conf_text(&w.conf, OPT_UPSTREAM), "http://other");
    conf_release(&w.conf);
    free(w.argv[1]);
    kept[1] = w.argv[1] = mem_strdup("--upstream=http://x");
    CHECK_INT(world_load(&w, CONF_ASK, own), -1);
    CHECK_INT(w.err.code, ERR_USAGE);
    CHECK_HAS(w.err.text, "--upstream");
    END_WORLD(w, kept);
}

TEST("a command's own flag is the whole word, and set only if it was given")
{
    bool json = false, watch = false;
    const struct conf_switch own[] = {
        {"json", &json, NULL}, {"watch", &watch, NULL}, {NULL, NULL, NULL}};
    WITH_WORLD(w);

    world_flag(&w, "--watch");
    world_flag(&w, "--jsonx");
    KEEP_ARGV(w, kept);
    CHECK_INT(world_load(&w, CONF_SERVE, own), -1);
    CHECK_HAS(w.err.text, "--jsonx");
    CHECK(watch && !json);
    END_WORLD(w, kept);
}

TEST("a command's own switch takes on and off, and nothing else")
{
    static const struct {
        const char *flag;
        int result;
        bool on;
    } flags[] = {{"--json", 0, true},      {"--json=on", 0, true},      {"--json=yes", 0, true},
                 {"--json=off", 0, false}, {"--json=maybe", -1, false}, {"--json=", -1, false}};

    for (size_t i = 0; i < countof(flags); i++) {
        bool json = false;
        const struct conf_switch own[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};
        WITH_WORLD(w);

        unit_row(flags[i].flag);
        world_flag(&w, flags[i].flag);
        KEEP_ARGV(w, kept);
        CHECK_INT(world_load(&w, CONF_SERVE, own), flags[i].result);
        CHECK_INT(json, flags[i].on);
        if (flags[i].result < 0)
            CHECK_HAS(w.err.text, "--json");
        if (flags[i].result < 0)
            CHECK_HAS(w.err.text, "on or off");
        END_WORLD(w, kept);
    }
    unit_row(NULL);
}

/* ---- lists ---- */

static void join_items(void *arg, const char *item)
{
    str_addf(arg, "<%s>", item);
}

static void check_list(const char *one, const char *two, const char *expected)
{
    struct str items = STR_INIT;
    WITH_WORLD(w);

    world_flag(&w, one);
    if (two)
        world_flag(&w, two);
    KEEP_ARGV(w, kept);
    unit_row(one);
    if (CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0)) {
        conf_each_item(&w.conf, OPT_ALLOW_HOST, join_items, &items);
        CHECK_STR(items.text, expected);
    }
    unit_row(NULL);
    str_release(&items);
    END_WORLD(w, kept);
}

TEST("a list with commas and a flag that is repeated are the same, and blanks do not count")
{
    check_list("--allow-host=a,b", NULL, "<a><b>");
    check_list("--allow-host=a", "--allow-host=b", "<a><b>");
    check_list("--allow-host=a,b", "--allow-host=c", "<a><b><c>");
    check_list("--allow-host= a ,, b,", NULL, "<a><b>");
    check_list("--allow-host=a b\tc", NULL, "<a><b><c>");
    check_list("--allow-host=", NULL, "");
    check_list("--allow-host=,", NULL, "");
}

TEST("a list in a stronger place replaces a weaker one's, and does not grow it")
{
    WITH_WORLD(w);

    world_file(&w, "allow-host = from-file\n");
    setenv("GOPROXYAI_ALLOW_HOST", "from-variable", 1);
    world_flag(&w, "--allow-host=x");
    world_flag(&w, "--allow-host=y");
    KEEP_ARGV(w, kept);
    REQUIRE(world_load(&w, CONF_SERVE, NULL) == 0);
    CHECK_STR(conf_text(&w.conf, OPT_ALLOW_HOST), "x,y");
    END_WORLD(w, kept);
}

/* ---- secrets ---- */

static void check_hidden(const char *flag, const char *value, const char *shown, bool one_word)
{
    struct str word = STR_INIT, expected = STR_INIT;
    WITH_WORLD(w);

    str_addf(&word, one_word ? "%s=%s" : "%s", flag, value);
    str_addf(&expected, one_word ? "%s=%s" : "%.0s%s", flag, shown);
    world_flag(&w, word.text);
    if (!one_word)
        world_flag(&w, value);
    KEEP_ARGV(w, kept);
    unit_row(value);
    CHECK_INT(world_load(&w, CONF_SERVE, NULL), 0);
    CHECK_STR(kept[one_word ? 0 : 1], expected.text);
    CHECK_STR(conf_text(&w.conf, OPT_PROXY), value); /* what was read is whole */
    unit_row(NULL);
    str_release(&word);
    str_release(&expected);
    END_WORLD(w, kept);
}

TEST("a password in a URL is blanked in argv once it is read, and only there")
{
    static const char *const cases[][2] = {
        {"http://u:secret@host:3128", "http://u:******@host:3128"},
        {"http://u:se:cr@et@host", "http://u:********@host"},
        {"http://:secret@host", "http://:******@host"},
        {"http://u@host", "http://u@host"},
        {"http://host:3128", "http://host:3128"},
        {"http://host:3128/a:b@c", "http://host:3128/a:b@c"},
        {"http://u:@host", "http://u:@host"},
        {"none", "none"},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        check_hidden("--proxy", cases[i][0], cases[i][1], true);
        check_hidden("--proxy", cases[i][0], cases[i][1], false);
    }
}

/* In every place, for every setting that is a URL: what is wrong with it, and not what it says. */
static void check_not_told(const struct row *row, const char *text)
{
    char name[300];

    for (int place = 0; place < 4; place++) {
        WITH_WORLD(w);

        if (place == 0)
            put_into_file(&w, row, text);
        snprintf(name, sizeof(name), "GOPROXYAI_%s", row->id);
        if (place == 1)
            setenv(name, text, 1);
        if (place == 2 && row->plain)
            setenv(row->plain, text, 1);
        snprintf(name, sizeof(name), "--%s=%s", row->flag, text);
        if (place == 3)
            world_flag(&w, name);
        KEEP_ARGV(w, kept);
        unit_row(row->flag);
        CHECK_INT(world_load(&w, CONF_SERVE, NULL), -1);
        CHECK_HAS_NOT(w.err.text, "secret");
        if (place == 3 && strstr(text, "://")) /* it is in argv until the program ends */
            CHECK_HAS_NOT(kept[0], "secret");
        END_WORLD(w, kept);
    }
    unit_row(NULL);
}

TEST("no error repeats the password of a proxy's URL")
{
    check_not_told(&rows[OPT_PROXY], "ftp://u:secret@host");
    check_not_told(&rows[OPT_PROXY], "http://u:secret@host:99999");
    check_not_told(&rows[OPT_PROXY], "u:secret@host:3128");
}

TEST("no error repeats the password of an upstream's URL")
{
    check_not_told(&rows[OPT_UPSTREAM], "https://u:secret@host");
    check_not_told(&rows[OPT_UPSTREAM], "https://u:secret@host:99999");
}

/* ---- types ---- */

TEST("a duration is units in a row, bare seconds, or off")
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"0", 0},
        {"off", 0},
        {"0s", 0},
        {"0ms", 0},
        {"90", 90000},
        {"1", 1000},
        {"1ms", 1},
        {"250ms", 250},
        {"30s", 30000},
        {"5m", 300000},
        {"2h", 7200000},
        {"7d", 604800000},
        {"1m30s", 90000},
        {"1h1m1s1ms", 3661001},
        {"1.5h", 5400000},
        {"0.25s", 250},
        {"0.3s", 300},
        {"0.0001s", 1}, /* what was meant as a time does not become "off" */
        {"100d", 8640000000},
        {"36600d", INT64_C(36600) * 86400000},
        {"3162240000", INT64_C(3162240000000)},
        {"", -1},
        {"36601d", -1},
        {"3162240001", -1},
        {"99999999999999999999", -1},
        {"9999999999999999999999s", -1},
        {"s", -1},
        {"ms", -1},
        {"-1s", -1},
        {"+1s", 1000},
        {".5m", 30000},
        {"1.m", 60000},
        {"500us", 1},
        {"1500000us", 1500},
        {"3000000000ns", 3000},
        {"2500\xc2\xb5s", 3},
        {"2000\xce\xbcs", 2},
        {"+", -1},
        {"++1s", -1},
        {".", -1},
        {".s", -1},
        {"1.5.s", -1},
        {" 1s", -1},
        {"1s ", -1},
        {"1 s", -1},
        {"1s,2s", -1},
        {"1S", -1},
        {"OFF", -1},
        {"Off", -1},
        {"offs", -1},
        {"5min", -1},
        {"5sec", -1},
        {"1m30", -1},
        {"1.5", -1},
        {"1w", -1},
        {"1y", -1},
        {"0x10s", -1},
        {"0X1p3s", -1},
        {"1s0x10s", -1},
        {"inf", -1},
        {"infs", -1},
        {"nans", -1},
        {"1..5s", -1},
        {"1,5s", -1},
        {"forever", -1},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        unit_row(cases[i].text);
        CHECK_INT(conf_duration_ms(cases[i].text), cases[i].ms);
    }
    unit_row(NULL);
}

TEST("a duration has no exponents: Go's have none")
{
    CHECK_INT(conf_duration_ms("1e3s"), -1);
    CHECK_INT(conf_duration_ms("1E3s"), -1);
    CHECK_INT(conf_duration_ms("1e999s"), -1);
}

TEST("a duration that milliseconds can say is not off by one")
{
    char text[32];
    unsigned wrong = 0;

    for (int ms = 1; ms < 5000; ms++) {
        snprintf(text, sizeof(text), "%d.%03ds", ms / 1000, ms % 1000);
        wrong += conf_duration_ms(text) != ms;
    }
    CHECK_INT(wrong, 0);
}

static void check_type(enum conf_type type, const char *text, int64_t number)
{
    struct str why = STR_INIT;
    int64_t got = 4711;
    bool ok = number >= 0;

    unit_row(text);
    CHECK(conf_type_check(type, text, &got, &why) == (ok ? 0 : -1));
    if (ok)
        CHECK_INT(got, number);
    CHECK((why.len == 0) == ok); /* each refusal has a reason */
    unit_row(NULL);
    str_release(&why);
}

TEST("ports, counts and switches take what they say and nothing else")
{
    check_type(CONF_PORT, "0", 0);
    check_type(CONF_PORT, "65535", 65535);
    check_type(CONF_PORT, "65536", -1);
    check_type(CONF_PORT, "", -1);
    check_type(CONF_PORT, "-1", -1);
    check_type(CONF_PORT, "80 ", -1);
    check_type(CONF_PORT, "http", -1);
    check_type(CONF_PORT, "18446744073709551696", -1); /* 2^64 + 80 */
    check_type(CONF_COUNT, "auto", 0);
    check_type(CONF_COUNT, "1", 1);
    check_type(CONF_COUNT, "64", 64);
    check_type(CONF_COUNT, "65", -1);
    check_type(CONF_COUNT, "0", -1);
    check_type(CONF_COUNT, "Auto", -1);
    check_type(CONF_COUNT, "", -1);
    check_type(CONF_SWITCH, "on", 1);
    check_type(CONF_SWITCH, "off", 0);
    check_type(CONF_SWITCH, "", -1);
    check_type(CONF_SWITCH, "On", -1);
    check_type(CONF_SWITCH, "2", -1);
    check_type(CONF_SWITCH, "onoff", -1);
    check_type(CONF_LIST, "", 0);
    check_type(CONF_PATH, "/x y", 0);
    check_type(CONF_DURATION, "2s", 2000);
    check_type(CONF_DURATION, "x", -1);
}

TEST("a size is a number of MB, or of what its unit says; 1024 each")
{
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {
        {"0", 0},
        {"100", INT64_C(100) << 20},
        {"1.5", 3 << 19},
        {"512k", 512 << 10},
        {"512K", 512 << 10},
        {"64M", 64 << 20},
        {"64m", 64 << 20},
        {"2G", INT64_C(2) << 30},
        {"1.5G", INT64_C(3) << 29},
        {"1T", INT64_C(1) << 40},
        {"1MB", 1 << 20},
        {"1MiB", 1 << 20},
        {"1mib", 1 << 20},
        {"0k", 0},
        {"0.0001k", 1}, /* what was meant as a size does not become "none" */
        {"1024T", INT64_C(1) << 50},
        {"1025T", -1},
        {"99999999999999999999", -1},
        {"", -1},
        {"M", -1},
        {"-1", -1},
        {"+1", -1},
        {" 1", -1},
        {"1 ", -1},
        {"1 M", -1},
        {"1b", -1},
        {"1P", -1},
        {"1Mi", -1},
        {"1MM", -1},
        {"1M2k", -1},
        {"1,5", -1},
        {"0x10", -1},
        {"1e3", -1},
        {"inf", -1},
        {"nan", -1},
        {"off", -1},
    };

    for (size_t i = 0; i < countof(cases); i++) {
        unit_row(cases[i].text);
        CHECK_INT(conf_size_bytes(cases[i].text), cases[i].bytes);
        unit_row(NULL);
        check_type(CONF_SIZE, cases[i].text, cases[i].bytes);
    }
}

TEST("a size of memory is at most what the machine has")
{
    struct str why = STR_INIT;
    int64_t number;

    check_type(CONF_MEMORY, "0", 0);
    check_type(CONF_MEMORY, "1M", INT64_C(1) << 20);
    check_type(CONF_MEMORY, "many", -1);
    check_type(CONF_MEMORY, "1000T", -1);
    check_type(CONF_SIZE, "1000T", INT64_C(1000) << 40); /* a disk may have it */
    CHECK_INT(conf_type_check(CONF_MEMORY, "900T", &number, &why), -1);
    CHECK_HAS(why.text, "at most the memory of this machine, which is ");
    str_release(&why);
}

TEST("the time for which an answer is good is a duration, or forever")
{
    check_type(CONF_TTL, "5m", 300000);
    check_type(CONF_TTL, "7d", 604800000);
    check_type(CONF_TTL, "90", 90000);
    check_type(CONF_TTL, "0", 0);
    check_type(CONF_TTL, "off", 0);
    check_type(CONF_TTL, "forever", INT64_MAX);
    check_type(CONF_TTL, "Forever", -1);
    check_type(CONF_TTL, "forever1", -1);
    check_type(CONF_TTL, "-1s", -1);
    check_type(CONF_TTL, "", -1);
    check_type(CONF_DURATION, "forever", -1); /* a time limit is not */
}

TEST("what becomes of a call that nobody waits for is cancel or finish")
{
    check_type(CONF_DISCONNECT, "cancel", 0);
    check_type(CONF_DISCONNECT, "finish", 1);
    check_type(CONF_DISCONNECT, "Finish", -1);
    check_type(CONF_DISCONNECT, "on", -1);
    check_type(CONF_DISCONNECT, "", -1);
}

TEST("a log level is one of five words")
{
    check_type(CONF_LOG_LEVEL, "error", LOG_ERROR);
    check_type(CONF_LOG_LEVEL, "warn", LOG_WARN);
    check_type(CONF_LOG_LEVEL, "info", LOG_INFO);
    check_type(CONF_LOG_LEVEL, "debug", LOG_DEBUG);
    check_type(CONF_LOG_LEVEL, "trace", LOG_TRACE);
    check_type(CONF_LOG_LEVEL, "Info", -1);
    check_type(CONF_LOG_LEVEL, "warning", -1);
    check_type(CONF_LOG_LEVEL, "2", -1);
    check_type(CONF_LOG_LEVEL, "", -1);
}

TEST("an upstream is http or https without a user; a proxy may be socks and have one")
{
    check_type(CONF_BASE_URL, "https://api.openai.com/v1", 0);
    check_type(CONF_BASE_URL, "HTTP://localhost:11434", 0);
    check_type(CONF_BASE_URL, "ftp://a", -1);
    check_type(CONF_BASE_URL, "socks5://a", -1);
    check_type(CONF_BASE_URL, "httpsx://a", -1);
    check_type(CONF_BASE_URL, "https://u@a", -1);
    check_type(CONF_BASE_URL, "https://u:p@a", -1);
    check_type(CONF_BASE_URL, "https://a?x", -1);
    check_type(CONF_BASE_URL, "", -1);
    check_type(CONF_BASE_URL, "none", -1);
    check_type(CONF_PROXY_URL, "", 0);
    check_type(CONF_PROXY_URL, "none", 0);
    check_type(CONF_PROXY_URL, "http://u:p@a:3128", 0);
    check_type(CONF_PROXY_URL, "https://a", 0);
    check_type(CONF_PROXY_URL, "socks5h://a", 0);
    check_type(CONF_PROXY_URL, "socks5://a", 0);
    check_type(CONF_PROXY_URL, "socks4://a", -1);
    check_type(CONF_PROXY_URL, "None", -1);
    check_type(CONF_PROXY_URL, "a:3128", -1);
    check_type(CONF_PROXY_URL, "file:///etc/passwd", -1);
}

/* ---- help ---- */

TEST("the help names every option in scope with its default and variable, and no other")
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    char start[64];

    REQUIRE(out != NULL);
    conf_print_help(out, CONF_ASK);
    fclose(out);
    for (size_t i = 0; i < OPT_COUNT; i++) {
        bool wanted = rows[i].scope & CONF_ASK;

        snprintf(start, sizeof(start), "  --%s ", rows[i].flag);
        CHECK((strstr(text, start) != NULL) == wanted);
        if (wanted && rows[i].plain)
            CHECK_HAS(text, rows[i].plain);
    }
    CHECK_HAS(text, "[8080] ($PORT)\n");
    free(text);
}
