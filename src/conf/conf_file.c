#include "conf/conf_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

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

static char *read_all(FILE *file, const char *path, struct err *err)
{
    char *text = mem_alloc(CONFIG_MAX + 1);
    size_t len = fread(text, 1, CONFIG_MAX, file);

    if (ferror(file)) {
        err_sys(err, "cannot read %s", path);
    } else if (!feof(file) && fgetc(file) != EOF) {
        err_set(err, ERR_USAGE, "%s is larger than 64 KiB: that is no config file", path);
    } else if (memchr(text, '\0', len)) {
        err_set(err, ERR_USAGE, "%s holds NUL bytes: that is no config file", path);
    } else {
        text[len] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

int conf_file_read(const char *path,
                   int (*each)(void *arg, const char *name, const char *value, int line,
                               struct err *err),
                   void *arg, struct err *err)
{
    mem_auto char *text = NULL;
    FILE *file = fopen(path, "re");
    char *next;
    int line = 0;

    if (!file && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (!file)
        return err_sys(err, "cannot read %s", path);
    text = read_all(file, path, err);
    fclose(file);
    if (!text)
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
