#include "base/header.h"

#include "base/mem.h"

bool header_is_hop_by_hop(const struct field *h)
{
    static const char *const names[] = {
        "connection", "keep-alive", "proxy-connection",   "transfer-encoding",   "te",
        "trailer",    "upgrade",    "proxy-authenticate", "proxy-authorization",
    };

    /* The first letter rules out nearly all fields: this runs for each one of each message. */
    if (!strchr("ckptuCKPTU", h->name[0]))
        return false;
    for (size_t i = 0; i < countof(names); i++)
        if (str_same_nocase(h->name, h->name_len, names[i], strlen(names[i])))
            return true;
    return false;
}

/* Meant for all who get the answer, caches among them: no Connection field may take it away (RFC
 * 9110 section 7.6.1). */
static bool is_for_all(const struct field *h)
{
    static const char *const names[] = {"cache-control", "set-cookie", "vary", "x-should-retry"};

    for (size_t i = 0; i < countof(names); i++)
        if (str_same_nocase(h->name, h->name_len, names[i], strlen(names[i])))
            return true;
    return false;
}

struct header_hops header_hops_of(const struct fields *message)
{
    fields_each(c, message)
        if (str_same_nocase(c.name, c.name_len, STR_LIT("connection")) &&
            !str_is_nocase(c.value, "keep-alive") && !str_is_nocase(c.value, "close"))
            return (struct header_hops){message};
    return (struct header_hops){NULL};
}

bool header_is_end_to_end(const struct header_hops *hops, const struct field *h)
{
    if (header_is_hop_by_hop(h))
        return false;
    if (!hops->message || is_for_all(h))
        return true;
    fields_each(c, hops->message)
        if (str_same_nocase(c.name, c.name_len, STR_LIT("connection")) &&
            field_has_token(c.value, h->name, h->name_len))
            return false;
    return true;
}

/* One item of Accept-Encoding, "gzip;q=0.5": 1 yes, 0 no, -1 it is for another coding. */
static int judge_coding(const char *item, size_t len, const char *coding)
{
    size_t name_len = strcspn(item, " \t;,");
    const char *q;

    if (name_len > len || !str_same_nocase(item, name_len, coding, strlen(coding)))
        return -1;
    q = memchr(item, '=', len);
    if (!q)
        return 1;
    for (q++; q < item + len; q++)
        if (*q >= '1' && *q <= '9')
            return 1; /* any digit but 0 makes it more than none */
    return 0;
}

bool header_accepts_gzip(const struct fields *request)
{
    int gzip = -1, any = -1;

    if (!fields_may_have(request, "accept-encoding"))
        return false;
    fields_each(h, request) {
        const char *item = h.value;

        if (!str_same_nocase(h.name, h.name_len, STR_LIT("accept-encoding")))
            continue;
        while (*item) {
            size_t len;

            item += strspn(item, " \t,");
            len = strcspn(item, ",");
            if (judge_coding(item, len, "gzip") >= 0)
                gzip = judge_coding(item, len, "gzip");
            else if (judge_coding(item, len, "x-gzip") >= 0)
                gzip = judge_coding(item, len, "x-gzip");
            else if (judge_coding(item, len, "*") >= 0)
                any = judge_coding(item, len, "*");
            item += len;
        }
    }
    return gzip >= 0 ? gzip == 1 : any == 1;
}

bool header_wants_websocket(const struct fields *request)
{
    bool websocket = false, upgrade = false;

    if (!fields_may_have(request, "upgrade"))
        return false;
    fields_each(h, request) {
        websocket |= str_same_nocase(h.name, h.name_len, STR_LIT("upgrade")) &&
                     field_has_token(h.value, STR_LIT("websocket"));
        upgrade |= str_same_nocase(h.name, h.name_len, STR_LIT("connection")) &&
                   field_has_token(h.value, STR_LIT("upgrade"));
    }
    return websocket && upgrade; /* without Connection it asks for nothing (RFC 9110 7.8) */
}

bool header_method_is_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

    for (size_t i = 0; i < countof(methods); i++)
        if (strcmp(method, methods[i]) == 0)
            return true;
    return false;
}

bool header_announces_body(const struct field *h)
{
    if (str_same_nocase(h->name, h->name_len, STR_LIT("content-length")))
        return h->value_len != 1 || h->value[0] != '0';
    return str_same_nocase(h->name, h->name_len, STR_LIT("transfer-encoding"));
}
