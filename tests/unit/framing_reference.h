/* A second reading of framing.h, for the unit test and the fuzzer: the connection as one text that
 * is all there, by position instead of by state. */
#ifndef FRAMING_REFERENCE_H
#define FRAMING_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/framing.h"

/* Where the text ends, or is at fault. */
struct framing_verdict {
    size_t taken;
    bool fault, tls;
    bool in_body, at_start; /* without fault */
};

enum ref_result { REF_DONE, REF_ENDS, REF_FAULT };

/* at: what is done with; of a fault, the byte at fault. */
struct ref {
    const char *text;
    size_t len, at;
    bool trailers;
    size_t room, fields; /* of the head */
    unsigned encodings, lengths;
    uint64_t length;
    size_t extensions;
};

static inline enum ref_result ref_fault(struct ref *r, size_t at)
{
    r->at = at;
    return REF_FAULT;
}

/* The line end at i. */
static inline enum ref_result ref_line_end(struct ref *r, size_t i, bool bare_lf)
{
    if (r->text[i] == '\n') {
        r->at = i + 1;
        return bare_lf ? REF_DONE : ref_fault(r, i);
    }
    if (r->text[i] != '\r')
        return ref_fault(r, i);
    if (i + 1 == r->len)
        return REF_ENDS;
    r->at = i + 2;
    return r->text[i + 1] == '\n' ? REF_DONE : ref_fault(r, i + 1);
}

static inline size_t ref_line_stop(const struct ref *r, size_t i)
{
    while (i < r->len && r->text[i] != '\r' && r->text[i] != '\n' && r->text[i] != '\0')
        i++;
    return i;
}

static inline bool ref_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Has what ended at r->at, from `from` on, more bytes than the head may still have, each counted
 * `times` times? */
static inline enum ref_result ref_spend(struct ref *r, size_t from, size_t times,
                                        enum ref_result result)
{
    const size_t to = result == REF_ENDS ? r->len : result == REF_FAULT ? r->at + 1 : r->at;

    if (r->trailers)
        return result;
    if ((to - from) * times > r->room)
        return ref_fault(r, from + r->room / times);
    r->room -= (to - from) * times;
    return result;
}

/* From `from` to before `stop`: blanks, digits, blanks, and then the line's end. */
static inline enum ref_result ref_length(struct ref *r, size_t from, size_t stop)
{
    size_t i = from;

    r->lengths++;
    r->length = 0;
    while (i < stop && ref_blank(r->text[i]))
        i++;
    for (from = i; i < stop && r->text[i] >= '0' && r->text[i] <= '9'; i++) {
        const __uint128_t sum = (__uint128_t)r->length * 10 + (unsigned)(r->text[i] - '0');

        if (sum > INT64_MAX)
            return ref_fault(r, i);
        r->length = (uint64_t)sum;
    }
    if (i == from && i < r->len)
        return ref_fault(r, i);
    for (from = i; i < stop && ref_blank(r->text[i]); i++)
        continue;
    return i < stop || (i > from && i < r->len) ? ref_fault(r, i) : REF_DONE;
}

/* Cookies are fields, and their bytes count twice. */
static inline enum ref_result ref_cookie(struct ref *r, size_t from, size_t stop)
{
    enum ref_result result = REF_DONE;

    for (r->at = from; r->at < stop; r->at++)
        if ((r->text[r->at] == ';' || r->text[r->at] == ',') && ++r->fields > FRAMING_FIELDS_MAX) {
            result = REF_FAULT;
            break;
        }
    return ref_spend(r, from, 2, result);
}

/* The coding ends where blanks may follow, which may not end the line. */
static inline enum ref_result ref_encoding(struct ref *r, size_t from, size_t stop)
{
    size_t to = stop;

    r->encodings++;
    while (from < stop && ref_blank(r->text[from]))
        from++;
    while (to > from && ref_blank(r->text[to - 1]))
        to--;
    if (stop < r->len && r->text[stop] != '\0' && to > from && to < stop)
        return ref_fault(r, stop);
    return REF_DONE;
}

static inline bool ref_is_name(const struct ref *r, size_t from, size_t to, const char *name)
{
    return !r->trailers && to - from == strlen(name) &&
           strncasecmp(r->text + from, name, to - from) == 0;
}

/* What stands between a colon and the end of the line at `stop`. */
static inline enum ref_result ref_value(struct ref *r, size_t begin, size_t colon, size_t stop)
{
    enum ref_result result = REF_DONE;

    r->at = stop;
    if (ref_is_name(r, begin, colon, "Cookie"))
        return ref_cookie(r, colon + 1, stop);
    if (ref_is_name(r, begin, colon, "Transfer-Encoding"))
        result = ref_encoding(r, colon + 1, stop);
    else if (ref_is_name(r, begin, colon, "Content-Length"))
        result = ref_length(r, colon + 1, stop);
    return ref_spend(r, colon + 1, 1, result);
}

/* A field line at r->at that is not empty. */
static inline enum ref_result ref_field(struct ref *r)
{
    const size_t begin = r->at;
    size_t colon = begin, stop;
    enum ref_result result;

    while (colon < r->len && (unsigned char)(r->text[colon] - 0x21) < 0x5f && r->text[colon] != ':')
        colon++;
    if (colon < r->len && (colon == begin || r->text[colon] != ':'))
        result = ref_fault(r, colon);
    else
        result = colon == r->len ? REF_ENDS : REF_DONE;
    if ((colon > begin) && ++r->fields > FRAMING_FIELDS_MAX)
        result = ref_fault(r, begin);
    if (result == REF_DONE)
        r->at = colon + 1;
    result = ref_spend(r, begin, 1, result);
    if (result != REF_DONE)
        return result;
    stop = ref_line_stop(r, colon + 1);
    result = ref_value(r, begin, colon, stop);
    if (result != REF_DONE || stop == r->len)
        return result == REF_DONE ? REF_ENDS : result;
    if (r->text[stop] == '\0')
        return ref_spend(r, stop, 1, ref_fault(r, stop));
    return ref_spend(r, stop, 1, ref_line_end(r, stop, !r->trailers));
}

/* Field lines up to the empty line. */
static inline enum ref_result ref_fields(struct ref *r)
{
    enum ref_result result;

    while (r->at < r->len) {
        const size_t begin = r->at;

        if (r->text[begin] == '\r' || r->text[begin] == '\n')
            return ref_spend(r, begin, 1, ref_line_end(r, begin, !r->trailers));
        result = ref_field(r);
        if (result != REF_DONE)
            return result;
    }
    return REF_ENDS;
}

static inline enum ref_result ref_request_words(struct ref *r)
{
    static const char tokens[] = "!#$%&'*+-.^_`|~0123456789"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t i = r->at, target;

    while (i < r->len && r->text[i] && strchr(tokens, r->text[i]))
        i++;
    if (i < r->len && (i == r->at || r->text[i] != ' '))
        return ref_fault(r, i);
    for (target = ++i; i < r->len; i++) {
        const char *const text = r->text + i;
        const size_t len = i - target;

        if (len > 6 && memcmp(text - 6, " HTTP/", 6) == 0 && *text >= '0' && *text <= '9' &&
            *text != '1')
            return ref_fault(r, i);
        if ((unsigned char)*text > ' ' || (*text == ' ' && len > 0))
            continue;
        if ((*text == '\r' || *text == '\n') && len > 9 && memcmp(text - 9, " HTTP/1.", 8) == 0 &&
            text[-1] >= '0' && text[-1] <= '9')
            return ref_line_end(r, i, true);
        return ref_fault(r, i);
    }
    return REF_ENDS;
}

static inline enum ref_result ref_request_line(struct ref *r)
{
    const size_t begin = r->at;

    return ref_spend(r, begin, 1, ref_request_words(r));
}

/* Reads a part that may have `most` bytes. */
static inline enum ref_result ref_limited(struct ref *r, enum ref_result (*part)(struct ref *),
                                          size_t most)
{
    const size_t len = r->len, begin = r->at;
    enum ref_result result;

    if (len - begin > most)
        r->len = begin + most;
    result = part(r);
    if (result == REF_ENDS && r->len < len)
        result = ref_fault(r, r->len);
    r->len = len;
    return result;
}

static inline int ref_hex(char c)
{
    const char *const digits = "00112233445566778899aAbBcCdDeEfF";
    const char *digit = c ? strchr(digits, c) : NULL;

    return digit ? (int)(digit - digits) / 2 : -1;
}

/* A chunk-size line; r->length is the size. */
static inline enum ref_result ref_size_line(struct ref *r)
{
    size_t i = r->at, digits = 0;

    for (r->length = 0; i < r->len && ref_hex(r->text[i]) >= 0; i++, digits++) {
        if (r->length >= (uint64_t)1 << 59)
            return ref_fault(r, i);
        r->length = r->length * 16 + (uint64_t)ref_hex(r->text[i]);
    }
    if (i == r->len)
        return REF_ENDS;
    if (digits == 0)
        return ref_fault(r, i);
    if (r->text[i] == ';') {
        for (; i < r->len; i++) {
            const unsigned char c = (unsigned char)r->text[i];

            if ((c < ' ' && c != '\t') || c == 0x7f)
                break;
            if (++r->extensions > FRAMING_EXTENSIONS_MAX)
                return ref_fault(r, i);
        }
    }
    return i == r->len ? REF_ENDS : ref_line_end(r, i, false);
}

/* Bytes of a body: as many as there are of r->length. */
static inline enum ref_result ref_data(struct ref *r)
{
    if (r->length > r->len - r->at)
        return REF_ENDS;
    r->at += r->length;
    return REF_DONE;
}

static inline enum ref_result ref_chunked(struct ref *r)
{
    enum ref_result result;

    for (r->extensions = 0;;) {
        result = ref_limited(r, ref_size_line, FRAMING_CHUNK_LINE_MAX);
        if (result != REF_DONE)
            return result;
        if (r->length == 0)
            break;
        result = ref_data(r);
        if (result == REF_DONE)
            result = r->at == r->len ? REF_ENDS : ref_line_end(r, r->at, false);
        if (result != REF_DONE)
            return result;
    }
    r->trailers = true;
    return ref_limited(r, ref_fields, FRAMING_TRAILERS_MAX);
}

/* A request from its first byte on. */
static inline enum ref_result ref_request(struct ref *r, bool *in_body)
{
    enum ref_result result;

    r->encodings = r->lengths = 0;
    r->trailers = false;
    r->room = FRAMING_HEAD_MAX;
    r->fields = 0;
    *in_body = false;
    result = ref_request_line(r);
    if (result == REF_DONE)
        result = ref_fields(r);
    if (result != REF_DONE || r->encodings + r->lengths == 0)
        return result;
    *in_body = true;
    if (r->encodings + r->lengths > 1)
        return REF_ENDS;
    return r->encodings ? ref_chunked(r) : ref_data(r);
}

static inline struct framing_verdict framing_reference(const char *text, size_t len)
{
    struct ref r = {.text = text, .len = len};
    struct framing_verdict verdict = {.at_start = true};
    enum ref_result result = REF_DONE;

    if (len && text[0] == 0x16)
        return (struct framing_verdict){.fault = true, .tls = true};
    while (result == REF_DONE && r.at < len) {
        if (text[r.at] == '\r' || text[r.at] == '\n')
            result = ref_line_end(&r, r.at, true);
        else
            result = ref_request(&r, &verdict.in_body);
        verdict.at_start = result == REF_DONE;
        verdict.in_body &= result != REF_DONE;
    }
    verdict.fault = result == REF_FAULT;
    verdict.taken = result == REF_ENDS ? len : r.at;
    return verdict;
}

#endif
