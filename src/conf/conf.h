/* Settings: one table (options.def), four places, and each value remembers where it came from.
 *
 * A flag beats GOPROXYAI_<NAME>, which beats the plain variable, which beats the config file
 * ($XDG_CONFIG_HOME/goproxyai/config), which beats the default. An unknown flag or name, a bad
 * value, and a name that stands twice in the file are ERR_USAGE, and the text names the place. An
 * unknown GOPROXYAI_* variable is a warning. An empty variable counts as not set.
 * Read by cmd/ and proxy/ only, at the start and at SIGHUP; it belongs to the main thread.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum conf_scope { CONF_SERVE = 1, CONF_ASK = 2, CONF_CACHE = 4, CONF_FIXED = 8 };

enum conf_option {
#define OPTION(name, flag, plain, type, value, scope, metavar, help) OPT_##name,
#include "conf/options.def"
#undef OPTION
    OPT_COUNT
};

enum conf_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_PLAIN, ORIGIN_VARIABLE, ORIGIN_FLAG };

struct conf_value {
    char *text;     /* as written */
    int64_t number; /* PORT, COUNT: the number; SWITCH: 0 or 1; DURATION: ms, 0 = off, INT64_MAX =
                       forever; SIZE: bytes; SIZE_AUTO: bytes, 0 = auto;
                       DISCONNECT: 1 for finish */
    enum conf_origin origin;
    char *place; /* "--port", "GOPROXYAI_PORT", "/home/a/.config/goproxyai/config:3" */
};

struct conf {
    struct conf_value value[OPT_COUNT];
    char **warnings; /* one text each, without a newline; it may quote the environment's bytes */
    unsigned warning_count;
};

struct conf_switch { /* a command's own flag, such as --json */
    const char *flag;
    bool *on;          /* NULL: it has a value, … */
    const char **text; /* … which is put here, and stays argv's */
};

struct conf_line { /* a command line */
    int argc;
    char **argv;                   /* what follows the command's name */
    enum conf_scope scope;         /* flags that are not in it are unknown */
    const struct conf_switch *own; /* ends with a row whose flag is NULL; NULL: none */
    int words; /* out: those that are no flags, which are moved to argv's front */
};

/* Reads all places. Passwords in the line's URLs are overwritten once read, so that `ps` does not
 * show them. Returns -1 with ERR_USAGE or ERR_SYSTEM; *conf is released then. */
int conf_load(struct conf *conf, struct conf_line *line, struct err *err);
/* Reads the same places anew, but for the flags, whose values are those of `before`. Returns as
 * conf_load() does. */
int conf_reload(struct conf *conf, const struct conf *before, struct err *err);
/* Has *conf another value for this option than `before`? */
bool conf_differs(const struct conf *conf, const struct conf *before, enum conf_option option);
/* Gives *conf the value that `before` has. */
void conf_keep(struct conf *conf, const struct conf *before, enum conf_option option);
void conf_release(struct conf *conf);

const char *conf_flag(enum conf_option option); /* its name on the command line, without "--" */
bool conf_is_fixed(enum conf_option option);    /* CONF_FIXED */
const char *conf_text(const struct conf *conf, enum conf_option option);
int64_t conf_number(const struct conf *conf, enum conf_option option);
bool conf_is_set(const struct conf *conf, enum conf_option option);  /* anywhere but the default */
bool conf_is_flag(const struct conf *conf, enum conf_option option); /* on the command line */

/* Calls each() for every item of a LIST ("a,b" and repeated flags are the same). */
void conf_each_item(const struct conf *conf, enum conf_option option,
                    void (*each)(void *arg, const char *item), void *arg);

/* $XDG_CONFIG_HOME/goproxyai/config, the caller frees; NULL without XDG_CONFIG_HOME and HOME. */
char *conf_file_path(void);

/* The folder of the cache: --cache-dir, else $XDG_CACHE_HOME/goproxyai, else
 * $HOME/.cache/goproxyai. The caller frees; NULL where neither variable is set. */
char *conf_cache_folder(const struct conf *conf);

/* The help lines of the options in scope. */
void conf_print_help(FILE *out, enum conf_scope scope);

#endif
