#include "api/apierr.h"

#include "base/json.h"

/* A message may quote what a client sent; anything but printable ASCII becomes '?'. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            *text = '?';
}

void apierr_body(struct str *out, const struct err *err)
{
    struct json *root = json_object();
    struct json *error = json_set_object(root, "error");
    struct err copy = *err;

    make_printable(copy.text);
    json_set_text(error, "message", copy.text);
    json_set_text(error, "type", err_type(err->code));
    json_set_text(error, "param", NULL);
    json_set_text(error, "code", err_openai(err->code));
    json_print(root, out);
    json_free(root);
}
