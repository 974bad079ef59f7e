/* The commands. Each one parses, calls the library, prints, and returns the exit status:
 * 0 done, 1 failed, 2 wrong usage. The table is in goproxyai.c; --help is printed from it. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"

#define PROGRAM "goproxyai"

struct command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;
    const char *text; /* more, for its own help */
    enum conf_scope scope;
    int (*run)(const struct command *self, int argc, char **argv); /* what follows the name */
    const char *own_flags; /* help lines of the flags that are not settings, or NULL */
};

/* NULL if there is no such command. */
const struct command *command_find(const char *name);
void command_print_help(const struct command *command);
void commands_print_help(void);

/* conf_load() for a command that takes no words; handles --help (sets *done). Prints errors.
 * Returns 0, or the exit status. */
int command_settings(const struct command *self, int argc, char **argv,
                     const struct conf_switch *own, struct conf *conf);
/* The same for a command that takes words. The line's scope is set here. */
int command_words(const struct command *self, struct conf_line *line, struct conf *conf);
/* The same for a command that takes neither settings nor flags of its own. */
int command_no_words(const struct command *self, int argc, char **argv);
#define COMMAND_HELPED (-1) /* command_settings: --help was asked for and given: exit 0 */

/* Prints "goproxyai: what: what to do" as one line and returns the exit status of its code. */
int command_fail(const struct err *err);

/* What comes from others goes to the terminal through these (base/printable.h). A line: printf's
 * text, escaped in any case, and a newline. A body: to a terminal escaped but for LF and TAB; to
 * anything else its very bytes. */
void command_print_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void command_print_body(const void *bytes, size_t len);
void command_print_json(const struct str *text); /* the same, with a newline after it */

int cmd_serve(const struct command *self, int argc, char **argv);
int cmd_health(const struct command *self, int argc, char **argv);
int cmd_stats(const struct command *self, int argc, char **argv);
int cmd_cache(const struct command *self, int argc, char **argv);
int cmd_version(const struct command *self, int argc, char **argv);
int cmd_help(const struct command *self, int argc, char **argv);

#endif
