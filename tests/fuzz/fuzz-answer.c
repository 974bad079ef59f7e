/* answer: no upstream can make a head that breaks the client's side. */
#include "upstream/answer.h"

#include "fuzz.h"
#include "base/header.h"

static void check_head(const struct head *head)
{
    MUST(head->status >= 200 && head->status <= 999);
    MUST(head->length >= -1);
    MUST(!head->until_close || head->length == -1);
    fields_each(h, &head->fields) {
        MUST(strlen(h.value) == h.value_len && !strpbrk(h.value, "\r\n"));
        MUST(field_is_token(h.name, h.name_len));
        MUST(!header_is_hop_by_hop(&h));
    }
    MUST(fields_count(&head->fields, "content-length") == 0);
}

/* Each line in memory of its own size, as nothing says that a NUL follows it. */
static enum answer_line take(struct answer *a, const uint8_t *line, size_t len, struct head *head,
                             struct err *err)
{
    char *copy = malloc(len ? len : 1);
    enum answer_line result;

    MUST(copy);
    memcpy(copy, line, len);
    result = answer_take(a, copy, len, head, err);
    free(copy);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum answer_line result = ANSWER_MORE;
    struct err err = {.code = ERR_NONE};
    struct answer a;
    struct head head;
    unsigned heads = 0;

    answer_init(&a);
    head_init(&head);
    for (size_t at = 0; at < size && result != ANSWER_BAD;) {
        const uint8_t *newline = memchr(data + at, '\n', size - at);
        size_t len = newline ? (size_t)(newline - data) - at + 1 : size - at;

        result = take(&a, data + at, len, &head, &err);
        MUST(a.fields.bytes.len <= 65536 + 16);
        heads += result == ANSWER_HEAD;
        at += len;
    }
    MUST(heads <= 1); /* trailers and what follows are ignored */
    MUST((err.code == ERR_UP_ANSWER) == (result == ANSWER_BAD));
    if (heads)
        check_head(&head);
    answer_release(&a);
    head_release(&head);
    return 0;
}
