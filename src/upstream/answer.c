#include "upstream/answer.h"

#include <string.h>

#include "base/header.h"

#define HEAD_MAX 65536

void answer_init(struct answer *a)
{
    *a = (struct answer){.status = 0};
    fields_init(&a->fields);
}

void answer_release(struct answer *a)
{
    fields_release(&a->fields);
}

void answer_clear(struct answer *a)
{
    fields_clear(&a->fields);
    a->status = 0;
    a->done = a->left_out = false;
}

static enum answer_line bad(struct err *err, const char *why)
{
    err_set(err, ERR_UP_ANSWER, "The upstream's answer %s.", why);
    return ANSWER_BAD;
}

static enum answer_line take_status(struct answer *a, const char *line, size_t len, struct err *err)
{
    const char *space = memchr(line, ' ', len), *end = line + len;
    const char *c = space ? space + 1 : end;
    unsigned status = 0;

    for (; c < end && *c >= '0' && *c <= '9'; c++)
        if (status < 1000)
            status = status * 10 + (unsigned)(*c - '0');
    if (status < 100 || status > 999 || (c < end && *c != ' '))
        return bad(err, "has no status");
    fields_clear(&a->fields);
    a->left_out = a->chunked = false;
    a->status = status;
    a->http1 = strncmp(line, STR_LIT("HTTP/1.")) == 0;
    return ANSWER_MORE;
}

/* Repeats must agree (RFC 9112 section 6.3, rule 5). */
static bool take_length(int64_t *length, const struct field *h)
{
    unsigned long long value;

    if (!str_to_u64(h->value, h->value_len, &value) || value > INT64_MAX)
        return false;
    if (*length >= 0 && *length != (int64_t)value)
        return false;
    *length = (int64_t)value;
    return true;
}

/* Without TE in the request only chunked is allowed (RFC 9112 section 6.1); some servers send
 * identity. */
static bool take_encoding(struct answer *a, const char *value)
{
    if (str_is_nocase(value, "chunked"))
        a->chunked = a->http1;
    return a->chunked || str_is_nocase(value, "chunked") || str_is_nocase(value, "identity");
}

static enum answer_line take_end(struct answer *a, struct head *head, struct err *err)
{
    struct header_hops hops = header_hops_of(&a->fields);
    bool encoded = false;

    if (a->status < 200)
        return ANSWER_MORE;
    head->status = a->status;
    fields_each(h, &a->fields) {
        if (str_same_nocase(h.name, h.name_len, STR_LIT("content-length"))) {
            if (!take_length(&head->length, &h))
                return bad(err, "has Content-Length fields that make no sense");
        } else if (str_same_nocase(h.name, h.name_len, STR_LIT("transfer-encoding"))) {
            if (!take_encoding(a, h.value))
                return bad(err, "has a Transfer-Encoding that nobody asked for");
            encoded = true;
        } else if (header_is_end_to_end(&hops, &h)) {
            fields_add_field(&head->fields, &h);
        }
    }
    if (encoded)
        head->length = -1; /* Transfer-Encoding overrides it (rule 3) */
    head->until_close = a->http1 && !a->chunked && head->length < 0 && a->status != 204 &&
                        a->status != 304;
    /* libcurl reports an HTTP/2 stream that was reset with NO_ERROR, without END_STREAM, as
     * complete. */
    head->unframed = head->until_close || (!a->http1 && head->length < 0);
    a->unframed = head->unframed;
    a->done = true;
    return ANSWER_HEAD;
}

enum answer_line answer_take(struct answer *a, const char *line, size_t len, struct head *head,
                             struct err *err)
{
    const char *colon;

    if (a->done)
        return ANSWER_MORE;
    while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (len == 0)
        return take_end(a, head, err);
    if (a->fields.bytes.len + len > HEAD_MAX) {
        err_set(err, ERR_UP_ANSWER, "%s", ANSWER_HEAD_TOO_LARGE);
        return ANSWER_BAD;
    }
    if (len > 5 && memcmp(line, STR_LIT("HTTP/")) == 0)
        return take_status(a, line, len, err);
    if (*line == ' ' || *line == '\t') {
        if (!a->left_out && !fields_continue(&a->fields, line, len))
            return bad(err, "has a broken header field");
        return ANSWER_MORE;
    }
    /* Like libcurl, skips a line that is no field. */
    colon = memchr(line, ':', len);
    a->left_out = !colon || !fields_add(&a->fields, line, (size_t)(colon - line), colon + 1,
                                        (size_t)(line + len - colon - 1));
    return ANSWER_MORE;
}
