#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const struct {
    unsigned status;
    const char *type;
    const char *code;
    int exit;
} rows[] = {
    {200, "", "", 0},
#define ERR(name, status, type, code, exit) {status, type, code, exit},
#include "base/err.def"
#undef ERR
};

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;

    err->code = code;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return -1;
}

int err_sys(struct err *err, const char *format, ...)
{
    char what[sizeof(err->text) / 2];
    int saved = errno;
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return err_set(err, ERR_SYSTEM, "%s: %s", what, strerror(saved));
}

int err_wrap(struct err *err, const char *format, ...)
{
    char context[256], inner[sizeof(err->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(context, sizeof(context), format, args);
    va_end(args);
    memcpy(inner, err->text, sizeof(inner));
    /* A text that no longer fits is cut: better than none. */
    int n = snprintf(err->text, sizeof(err->text), "%s: ", context);
    if (n > 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, "%.*s",
                 (int)(sizeof(err->text) - (size_t)n - 1), inner);
    return -1;
}

struct err *err_copy(const struct err *err)
{
    struct err *copy = mem_alloc(sizeof(*copy));

    *copy = *err;
    return copy;
}

unsigned err_status(enum err_code code)
{
    assert(code < countof(rows));
    return rows[code].status;
}

const char *err_type(enum err_code code)
{
    assert(code < countof(rows));
    return rows[code].type;
}

const char *err_openai(enum err_code code)
{
    assert(code < countof(rows));
    return rows[code].code;
}

int err_exit_status(enum err_code code)
{
    assert(code < countof(rows));
    return rows[code].exit;
}
