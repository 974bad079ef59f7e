#include "cmd.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/printable.h"
#include "base/process.h"
#include "base/url.h"

static const struct command commands[] = {
    {"serve", "[OPTION...]", "run the proxy, in the foreground",
     "Listens on localhost and sends the /v1 traffic of OpenAI clients upstream.\n"
     "Point clients at it with the export line that it prints. SIGTERM and SIGINT let\n"
     "requests in flight finish; a second one ends at once.",
     CONF_SERVE, cmd_serve, NULL},
    {"health", "[OPTION...]", "ask the running proxy how it is; exit 0 healthy, 1 not",
     "Asks the proxy that runs for its /health. Where several do, --url or --port says\n"
     "which one.",
     CONF_ASK, cmd_health,
     "  --url URL              the proxy to ask, such as http://localhost:8080\n"
     "  --json                 print the answer as it came\n"},
    {"stats", "[OPTION...]", "show traffic and cache, of the running proxy or on disk",
     "Asks the proxy that runs for its /stats. Where several do, --url or --port says\n"
     "which one. Where none runs, it shows what the cache on disk holds.",
     CONF_ASK | CONF_CACHE, cmd_stats,
     "  --url URL              the proxy to ask, such as http://localhost:8080\n"
     "  --json                 print the figures as JSON\n"},
    {"cache", "WORD [KEY] [OPTION...]", "look at stored answers, and remove them",
     "  clear          remove all, or those that --older-than and --model name\n"
     "  list           one line an answer, the newest first\n"
     "  show KEY       print one as the client gets it; with --headers its head too\n"
     "  remove KEY     remove one\n"
     "  verify         check every answer; remove those that are damaged, and exit 1 then\n"
     "  path           print where they are kept\n"
     "\n"
     "A KEY may be cut to a beginning that only one answer has. All of it works on the\n"
     "cache of the proxy that runs, its memory included, whatever its folder; where none\n"
     "runs, on the folder. Where several do, --url, --port or --cache-dir says which one.",
     CONF_ASK | CONF_CACHE, cmd_cache,
     "  --url URL              the proxy to ask, such as http://localhost:8080\n"
     "  --older-than TIME      clear: what was stored longer ago, such as 90s, 12h, 7d\n"
     "  --model GLOB           clear: what was asked of such models, as in 'gpt-4*'\n"
     "  --headers              show: print status and headers before the answer\n"
     "  --json                 list: print JSON\n"},
    {"version", "", "print the version, and those of the libraries", NULL, 0, cmd_version, NULL},
    {"help", "[COMMAND]", "print this, or what a command takes", NULL, 0, cmd_help, NULL},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < countof(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

void commands_print_help(void)
{
    printf("Usage: %s COMMAND [OPTION...]\n\n"
           "A local proxy for OpenAI clients. Set OPENAI_BASE_URL=http://localhost:8080/v1\n"
           "and change nothing else.\n\n"
           "Commands:\n",
           PROGRAM);
    for (size_t i = 0; i < countof(commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\n%s help COMMAND, or COMMAND --help, tells more.\n", PROGRAM);
}

void command_print_help(const struct command *c)
{
    printf("Usage: %s %s%s%s\n\n%c%s.\n", PROGRAM, c->name, *c->arguments ? " " : "", c->arguments,
           c->summary[0] - 'a' + 'A', c->summary + 1);
    if (c->text)
        printf("%s\n", c->text);
    if (!c->scope && !c->own_flags)
        return;
    printf("\nOptions (default in brackets, environment variable in parentheses):\n");
    if (c->own_flags)
        fputs(c->own_flags, stdout);
    conf_print_help(stdout, c->scope);
    printf("  %-22s %s\n", "--help", "print this");
    if (c->scope & CONF_SERVE)
        printf("\nA TIME is such as 500ms, 30s, 5m or off. Every option may also be given as\n"
               "GOPROXYAI_NAME in the environment, or as 'name = value' in the config file\n"
               "($XDG_CONFIG_HOME/goproxyai/config); the flag wins.\n");
}

void command_print_line(FILE *to, const char *format, ...)
{
    struct str text = STR_INIT, line = STR_INIT;
    va_list args;

    va_start(args, format);
    str_vaddf(&text, format, args);
    va_end(args);
    printable_add(&line, text.text, text.len);
    str_addc(&line, '\n');
    fwrite(line.text, 1, line.len, to);
    str_release(&text);
    str_release(&line);
}

void command_print_body(const void *bytes, size_t len)
{
    struct str text = STR_INIT;

    if (!isatty(STDOUT_FILENO)) {
        fwrite(bytes, 1, len, stdout);
        return;
    }
    printable_add_lines(&text, bytes, len);
    fwrite(text.text, 1, text.len, stdout);
    str_release(&text);
}

void command_print_json(const struct str *text)
{
    command_print_body(text->text, text->len);
    putchar('\n');
}

int command_fail(const struct err *err)
{
    command_print_line(stderr, "%s: %s", PROGRAM, err->text);
    return err_exit_status(err->code);
}

static bool asks_for_help(const struct command *self, int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            command_print_help(self);
            return true;
        }
    }
    return false;
}

static int refuse_word(const struct command *self, const char *word)
{
    struct err err;

    err_set(&err, ERR_USAGE, "%s takes no argument such as '%s': try %s help %s", self->name, word,
            PROGRAM, self->name);
    url_mask_all(err.text); /* the word may be a URL, whose flag was forgotten */
    return command_fail(&err);
}

int command_words(const struct command *self, struct conf_line *line, struct conf *conf)
{
    struct err err;

    if (asks_for_help(self, line->argc, line->argv))
        return COMMAND_HELPED;
    line->scope = self->scope;
    if (conf_load(conf, line, &err) < 0)
        return command_fail(&err);
    for (unsigned i = 0; i < conf->warning_count; i++)
        command_print_line(stderr, "%s: warning: %s", PROGRAM, conf->warnings[i]);
    return 0;
}

int command_settings(const struct command *self, int argc, char **argv,
                     const struct conf_switch *own, struct conf *conf)
{
    struct conf_line line = {.argc = argc, .argv = argv, .own = own};
    int status = command_words(self, &line, conf);

    if (status)
        return status;
    if (line.words == 0)
        return 0;
    conf_release(conf);
    return refuse_word(self, argv[0]);
}

int command_no_words(const struct command *self, int argc, char **argv)
{
    if (asks_for_help(self, argc, argv))
        return COMMAND_HELPED;
    return argc > 0 ? refuse_word(self, argv[0]) : 0;
}

int cmd_help(const struct command *self, int argc, char **argv)
{
    const struct command *command;
    struct err err;

    if (asks_for_help(self, argc, argv))
        return 0;
    if (argc == 0) {
        commands_print_help();
        return 0;
    }
    if (argc > 1)
        return refuse_word(self, argv[1]);
    command = command_find(argv[0]);
    if (!command) {
        err_set(&err, ERR_USAGE, "there is no command '%s': try %s help", argv[0], PROGRAM);
        return command_fail(&err);
    }
    command_print_help(command);
    return 0;
}

/* A closed standard descriptor would become one of ours, and the log would write into it. For
 * reading only, so that writing to it fails as it should. */
static void open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    const struct command *command;
    struct err err;
    int status;

    open_standard_descriptors();
    process_make_files_private();
    process_ignore_signal(SIGXFSZ); /* a file at its limit (ulimit -f) is an error of write(2) */
    if (argc < 2) {
        commands_print_help();
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        argv[1] = (char *)(uintptr_t) "help";
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        argv[1] = (char *)(uintptr_t) "version";
    command = command_find(argv[1]);
    if (!command) {
        err_set(&err, ERR_USAGE, "there is no command '%s': try %s help", argv[1], PROGRAM);
        url_mask_all(err.text);
        return command_fail(&err);
    }
    status = command->run(command, argc - 2, argv + 2);
    /* A full disk behind a redirected stdout is a failure, too. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        err_sys(&err, "cannot write to standard output");
        return command_fail(&err);
    }
    return status;
}
