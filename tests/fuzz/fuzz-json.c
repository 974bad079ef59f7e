/* json: any bytes are JSON or not, and what was parsed can be printed and parsed again.
 *
 * The bytes stand in a struct str, as all that the program parses does: cJSON 1.7.15 may look one
 * byte beyond a text that ends after a comma (CVE-2023-53154), which is then the NUL. */
#include "base/json.h"

#include "fuzz.h"

static void look_around(const struct json *root)
{
    const struct json *error = json_member(root, "error");

    json_text(root);
    json_number(root);
    json_text(json_member(error, "message"));
    json_number(json_member(root, "n"));
}

static void parse(const char *text, size_t len)
{
    struct json *root = json_parse(text, len), *again;
    struct str out = STR_INIT;

    if (!root)
        return;
    look_around(root);
    json_print(root, &out);
    again = json_parse(out.text, out.len);
    MUST(again);
    json_free(again);
    json_free(root);
    str_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = STR_INIT;

    str_add(&text, data, size);
    parse(text.text, text.len);
    str_release(&text);
    return 0;
}
