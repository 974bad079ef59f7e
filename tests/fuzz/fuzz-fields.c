/* fields: whatever is added, no field can become two. Lines: "name:value", or " more" to go on. */
#include "base/fields.h"

#include "fuzz.h"

static void check(const struct fields *f)
{
    unsigned n = 0;

    fields_each(h, f) {
        MUST(field_is_token(h.name, h.name_len));
        MUST(strlen(h.name) == h.name_len && strlen(h.value) == h.value_len);
        MUST(!strpbrk(h.value, "\r\n"));
        MUST(fields_count(f, h.name) >= 1 && fields_get(f, h.name));
        n++;
    }
    MUST(n == f->count);
}

static void take_line(struct fields *f, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    unsigned before = f->count;

    if (len && (*line == ' ' || *line == '\t')) {
        fields_continue(f, line, len);
        MUST(f->count == before);
    } else if (colon) {
        bool added = fields_add(f, line, (size_t)(colon - line), colon + 1,
                                (size_t)(line + len - colon - 1));
        MUST(f->count == before + added);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct fields f;

    fields_init(&f);
    for (size_t at = 0; at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t len = newline ? (size_t)(newline - text) - at : size - at;

        take_line(&f, text + at, len);
        /* Once in a while a line end is part of what is added, to see it refused. */
        if (newline && len % 8 == 3)
            take_line(&f, text + at, len + 1);
        at += len + 1;
    }
    check(&f);
    field_has_token(text, "close", 5);
    fields_release(&f);
    free(text);
    return 0;
}
