#include "conf/conf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text_file.h"

#define CONFIG_MAX 65536

static char *trimmed(char *s)
{
    char *end;

    s += strspn(s, " \t\r");
    end = s + strlen(s);
    while (end > s && strchr(" \t\r\n", end[-1]))
        *--end = '\0';
    return s;
}

/* *text stays NULL where there is no file. */
static int read_config(const char *path, char **text, struct err *err)
{
    size_t len;

    switch (text_file_read(path, CONFIG_MAX, text, &len)) {
    case TEXT_FILE_FAILED:
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(err, "cannot read %s", path);
    case TEXT_FILE_TOO_LARGE:
        return err_set(err, ERR_USAGE, "%s is larger than 64 KiB: that is no config file", path);
    case TEXT_FILE_SILENT:
        return err_set(err, ERR_USAGE,
                       "%s is a pipe that did not end within 2 s: write a file there", path);
    case TEXT_FILE_READ:
        break;
    }
    if (memchr(*text, '\0', len))
        return err_set(err, ERR_USAGE, "%s holds NUL bytes: that is no config file", path);
    return 0;
}

int conf_file_read(const char *path,
                   int (*each)(void *arg, const char *name, const char *value, int line,
                               struct err *err),
                   void *arg, struct err *err)
{
    mem_auto char *text = NULL;
    char *next;
    int line = 0;

    if (read_config(path, &text, err) < 0)
        return -1;
    for (char *at = text; at; at = next) {
        char *name, *equals;

        line++;
        next = strchr(at, '\n');
        if (next)
            *next++ = '\0';
        name = trimmed(at);
        if (!*name || *name == '#')
            continue;
        equals = strchr(name, '=');
        if (!equals)
            return err_set(err, ERR_USAGE, "%s:%d: no '=' in this line: write name = value", path,
                           line);
        *equals = '\0';
        if (each(arg, trimmed(name), trimmed(equals + 1), line, err) < 0)
            return -1;
    }
    return 0;
}
