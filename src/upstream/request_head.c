#include "upstream/request_head.h"

#include "base/header.h"

static bool is_curls_own(const struct field *h)
{
    return str_same_nocase(h->name, h->name_len, STR_LIT("host")) ||
           str_same_nocase(h->name, h->name_len, STR_LIT("content-length")) ||
           str_same_nocase(h->name, h->name_len, STR_LIT("expect"));
}

static bool is_for_proxy(const struct field *h)
{
    return h->name_len >= 12 && str_same_nocase(h->name, 12, STR_LIT("x-goproxyai-"));
}

static bool is_accept_encoding(const struct field *h)
{
    return str_same_nocase(h->name, h->name_len, STR_LIT("accept-encoding"));
}

static bool is_forwarded_for(const struct field *h)
{
    return str_same_nocase(h->name, h->name_len, STR_LIT("x-forwarded-for"));
}

static void add(struct str *lines, const char *name, size_t name_len, const char *value,
                size_t value_len)
{
    char *at;

    str_reserve(lines, name_len + value_len + 3);
    at = lines->text + lines->len;
    memcpy(at, name, name_len);
    at += name_len;
    *at++ = value_len ? ':' : ';';
    if (value_len)
        *at++ = ' ';
    memcpy(at, value, value_len);
    at += value_len;
    *at++ = '\0';
    *at = '\0';
    lines->len = (size_t)(at - lines->text);
}

static void leave_out(struct str *lines, const char *name)
{
    str_adds(lines, name);
    str_add(lines, ":", 2);
}

/* Uses the client's own fields that are end-to-end (RFC 9110 section 7.6.1), except an empty
 * X-Forwarded-For, which would be an empty list element (section 5.6.1). */
static void add_forwarded(struct str *lines, const struct fields *request,
                          const struct header_hops *hops, const struct request_forwarded *forwarded)
{
    struct str chain = STR_INIT;
    bool has_id = false;

    fields_each(h, request) {
        if (!header_is_end_to_end(hops, &h))
            continue;
        if (is_forwarded_for(&h) && h.value_len)
            str_addf(&chain, "%s, ", h.value);
        has_id |= str_same_nocase(h.name, h.name_len, STR_LIT("x-request-id"));
    }
    str_adds(&chain, forwarded->client);
    add(lines, STR_LIT("X-Forwarded-For"), chain.text, chain.len);
    str_release(&chain);
    if (!has_id)
        add(lines, STR_LIT("X-Request-ID"), forwarded->request_id, strlen(forwarded->request_id));
}

void request_head_write(struct str *lines, const struct fields *request, int64_t length,
                        const char *encodings, const struct request_forwarded *forwarded)
{
    struct header_hops hops = header_hops_of(request);
    bool accept = false, type = false, offered = false;

    fields_each(h, request) {
        if (is_curls_own(&h) || is_for_proxy(&h) || (forwarded && is_forwarded_for(&h)) ||
            !header_is_end_to_end(&hops, &h))
            continue;
        if (encodings && is_accept_encoding(&h)) {
            if (!offered)
                add(lines, h.name, h.name_len, encodings, strlen(encodings));
            offered = true;
            continue;
        }
        accept |= str_same_nocase(h.name, h.name_len, STR_LIT("accept"));
        type |= str_same_nocase(h.name, h.name_len, STR_LIT("content-type"));
        add(lines, h.name, h.name_len, h.value, h.value_len);
    }
    if (!accept)
        leave_out(lines, "Accept");
    if (!type && length != REQUEST_LENGTH_NONE)
        leave_out(lines, "Content-Type");
    if (length != REQUEST_LENGTH_NONE)
        leave_out(lines, "Expect");
    if (length == REQUEST_LENGTH_UNKNOWN)
        add(lines, STR_LIT("Transfer-Encoding"), STR_LIT("chunked"));
    if (forwarded)
        add_forwarded(lines, request, &hops, forwarded);
}
