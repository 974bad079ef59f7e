#include "api/apierr.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "unit.h"

static void write_body(struct str *out, enum err_code code, const char *text)
{
    struct err err;

    err_set(&err, code, "%s", text);
    str_clear(out);
    apierr_body(out, &err);
}

TEST("an error body is OpenAI's, member for member and in their order")
{
    struct str out = STR_INIT;

    write_body(&out, ERR_UP_SILENT, "Silent.");
    CHECK_STR(out.text, "{\"error\":{\"message\":\"Silent.\",\"type\":\"upstream_error\","
                        "\"param\":null,\"code\":\"upstream_timeout\"}}");
    str_release(&out);
}

TEST("an error body is appended to what is there, and the error stays as it is")
{
    struct str out = STR_INIT;
    struct err err;

    err_set(&err, ERR_HOST, "a\nb");
    str_adds(&out, ">");
    apierr_body(&out, &err);
    CHECK(str_starts(out.text, ">{\"error\""));
    CHECK_STR(err.text, "a\nb");
    str_release(&out);
}

TEST("whatever a message holds, its body is printable ASCII and parses")
{
    char text[300];
    struct str out = STR_INIT;

    for (size_t i = 0; i < 255; i++) /* every byte but NUL */
        text[i] = (char)(i + 1);
    text[255] = '\0';
    write_body(&out, ERR_BAD_REQUEST, text);
    for (size_t i = 0; i < out.len; i++)
        CHECK(out.text[i] >= ' ' && out.text[i] <= '~');
    struct json *root = json_parse(out.text, out.len);
    const struct json *error = json_member(root, "error");
    const char *message = json_text(json_member(error, "message"));
    REQUIRE(message != NULL);
    CHECK_INT(strlen(message), 255);
    CHECK_HAS(message, "\"#$%&'()*+,-./0123456789");
    CHECK_STR(json_text(json_member(error, "code")), "bad_request");
    json_free(root);
    str_release(&out);
}

TEST("every error code gives a body that parses, with its type and code")
{
    static const enum err_code codes[] = {
#define ERR(name, status, type, code, exit) name,
#include "base/err.def"
#undef ERR
    };
    struct str out = STR_INIT;

    for (size_t i = 0; i < countof(codes); i++) {
        write_body(&out, codes[i], "m");
        struct json *root = json_parse(out.text, out.len);
        const struct json *error = json_member(root, "error");

        CHECK_STR(json_text(json_member(error, "message")), "m");
        CHECK_STR(json_text(json_member(error, "type")), err_type(codes[i]));
        CHECK_STR(json_text(json_member(error, "code")), err_openai(codes[i]));
        json_free(root);
    }
    str_release(&out);
}
