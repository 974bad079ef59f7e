#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

TEST("setting an error fails in one line and keeps code and text")
{
    struct err err = {.code = ERR_NONE};

    CHECK_INT(err_set(&err, ERR_HOST, "%s is %d", "this", 7), -1);
    CHECK_INT(err.code, ERR_HOST);
    CHECK_STR(err.text, "this is 7");
}

TEST("a system error names its errno, whatever formatting did to errno")
{
    struct err err;

    errno = ENOENT;
    CHECK_INT(err_sys(&err, "cannot read %s", "/x"), -1);
    CHECK_INT(err.code, ERR_SYSTEM);
    CHECK_STR(err.text, "cannot read /x: No such file or directory");
}

TEST("wrapping puts the context in front and leaves the code")
{
    struct err err;

    err_set(&err, ERR_UP_TLS, "inner");
    CHECK_INT(err_wrap(&err, "while %s", "testing"), -1);
    CHECK_INT(err.code, ERR_UP_TLS);
    CHECK_STR(err.text, "while testing: inner");
    err_wrap(&err, "outer");
    CHECK_STR(err.text, "outer: while testing: inner");
    err_wrap(&err, "%s", err.text); /* its own text as an argument */
    CHECK_STR(err.text, "outer: while testing: inner: outer: while testing: inner");
}

TEST("a text that is too long is cut, never overrun")
{
    char huge[5000];
    struct err err;

    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    err_set(&err, ERR_HOST, "%s", huge);
    CHECK_INT(strlen(err.text), sizeof(err.text) - 1);
    err_wrap(&err, "%s", huge);
    CHECK(strlen(err.text) < sizeof(err.text));
    CHECK_HAS(err.text, "xx: xx");
    errno = EACCES;
    err_sys(&err, "%s", huge);
    CHECK_HAS(err.text, ": Permission denied"); /* the reason survives the cut */
    for (unsigned i = 0; i < 50; i++) {
        err_wrap(&err, "context %u", i);
        CHECK(strlen(err.text) < sizeof(err.text));
    }
    CHECK_HAS(err.text, "context 49: context 48");
}

TEST("wrapping cuts nothing that still fits")
{
    char text[700];
    struct err err;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&err, ERR_HOST, "%s", text);
    err_wrap(&err, "why");
    CHECK_INT(strlen(err.text), strlen("why: ") + sizeof(text) - 1);
}

TEST("a copy of an error is one of its own")
{
    struct err err, *copy;

    err_set(&err, ERR_UP_TLS, "text");
    copy = err_copy(&err);
    err_set(&err, ERR_HOST, "other");
    CHECK_INT(copy->code, ERR_UP_TLS);
    CHECK_STR(copy->text, "text");
    free(copy);
}

TEST("every code has a status of its kind, a type, an OpenAI code and an exit status")
{
    static const enum err_code codes[] = {
#define ERR(name, status, type, code, exit) name,
#include "base/err.def"
#undef ERR
    };
    static const struct {
        unsigned status;
        const char *type, *code;
        int exit;
    } table[] = {
#define ERR(name, status, type, code, exit) {status, type, code, exit},
#include "base/err.def"
#undef ERR
    };

    for (size_t i = 0; i < countof(codes); i++) {
        unit_row(table[i].code);
        CHECK_INT(err_status(codes[i]), table[i].status);
        CHECK_STR(err_type(codes[i]), table[i].type);
        CHECK_STR(err_openai(codes[i]), table[i].code);
        CHECK_INT(err_exit_status(codes[i]), table[i].exit);
        CHECK(err_status(codes[i]) >= 400 && err_status(codes[i]) <= 599);
        CHECK(*err_type(codes[i]) && *err_openai(codes[i]));
        CHECK(err_exit_status(codes[i]) == (codes[i] == ERR_USAGE ? 2 : 1));
    }
    unit_row(NULL);
    CHECK_INT(err_status(ERR_NONE), 200);
    CHECK_INT(err_exit_status(ERR_NONE), 0);
}

TEST("the errors that clients act on have the promised statuses")
{
    CHECK_INT(err_status(ERR_UP_SILENT), 504);
    CHECK_INT(err_status(ERR_UP_NAME), 502);
    CHECK_INT(err_status(ERR_UP_PROXY), 502);
    CHECK_INT(err_status(ERR_UP_PROXY_AUTH), 502);
    CHECK_INT(err_status(ERR_UP_TLS), 502);
    CHECK_INT(err_status(ERR_UP_CONNECT), 502);
    CHECK_INT(err_status(ERR_NOT_FOUND), 404);
    CHECK_INT(err_status(ERR_HOST), 403);
    CHECK_INT(err_status(ERR_ORIGIN), 403);
    CHECK_INT(err_status(ERR_BAD_REQUEST), 400);
    CHECK_INT(err_status(ERR_HEAD_TOO_LARGE), 431);
}
