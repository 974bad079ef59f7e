/* scan: what is a document can be walked by its members, each of which is a document itself. */
#include "api/scan.h"

#include "fuzz.h"

static void walk(const struct scan_value *value, unsigned depth)
{
    struct scan_member members[] = {{.name = "a"}, {.name = "b"}, {.name = "status"}};
    struct scan_value whole;
    char copy[8];

    MUST(scan_document(value->at, value->len, &whole, NULL, 0));
    MUST(whole.kind == value->kind && whole.at == value->at && whole.len == value->len);
    MUST(scan_copy_text(value, copy, sizeof(copy)) == (value->kind == SCAN_STRING));
    MUST(strlen(copy) < sizeof(copy));
    if (scan_is_text(value, "a"))
        MUST(strcmp(copy, "a") == 0 && scan_is_truthy(value));
    MUST(scan_document(value->at, value->len, NULL, members, 3));
    for (unsigned i = 0; i < 3; i++) {
        MUST(value->kind == SCAN_OBJECT || members[i].value.kind == SCAN_MISSING);
        if (members[i].value.kind != SCAN_MISSING && depth < 6)
            walk(&members[i].value, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scan_member members[] = {{.name = "a"}, {.name = "status"}};
    struct scan_value whole;

    if (scan_document((const char *)data, size, &whole, members, 2)) {
        walk(&whole, 0);
    } else {
        MUST(whole.kind == SCAN_MISSING);
        MUST(members[0].value.kind == SCAN_MISSING && members[1].value.kind == SCAN_MISSING);
    }
    return 0;
}
