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
    unsigned encodings, lengths;
    bool length_bad;
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

static inline void ref_length(struct ref *r, const char *value, size_t len)
{
    r->lengths++;
    r->length = 0;
    r->length_bad = len == 0;
    for (size_t i = 0; i < len; i++) {
        const __uint128_t sum = (__uint128_t)r->length * 10 + (unsigned)(value[i] - '0');

        if (value[i] < '0' || value[i] > '9' || sum > INT64_MAX)
            r->length_bad = true;
        r->length = (uint64_t)sum;
    }
}

/* A field line at r->at that is not empty. */
static inline enum ref_result ref_field(struct ref *r)
{
    const size_t begin = r->at;
    size_t colon = begin, from, to, stop;

    while (colon < r->len && (unsigned char)(r->text[colon] - 0x21) < 0x5f && r->text[colon] != ':')
        colon++;
    if (colon == r->len)
        return REF_ENDS;
    if (colon == begin || r->text[colon] != ':')
        return ref_fault(r, colon);
    stop = ref_line_stop(r, colon + 1);
    if (stop == r->len)
        return REF_ENDS;
    if (r->text[stop] == '\0')
        return ref_fault(r, stop);
    for (from = colon + 1; from < stop && ref_blank(r->text[from]);)
        from++;
    for (to = stop; to > from && ref_blank(r->text[to - 1]);)
        to--;
    if (!r->trailers && colon - begin == 17 &&
        strncasecmp(r->text + begin, "Transfer-Encoding", 17) == 0) {
        r->encodings++;
        if (to > from && to < stop)
            return ref_fault(r, stop);
    }
    if (!r->trailers && colon - begin == 14 &&
        strncasecmp(r->text + begin, "Content-Length", 14) == 0)
        ref_length(r, r->text + from, to - from);
    return ref_line_end(r, stop, !r->trailers);
}

/* Field lines up to the empty line. */
static inline enum ref_result ref_fields(struct ref *r)
{
    enum ref_result result;

    while (r->at < r->len) {
        if (r->text[r->at] == '\r' || r->text[r->at] == '\n')
            return ref_line_end(r, r->at, !r->trailers);
        result = ref_field(r);
        if (result != REF_DONE)
            return result;
    }
    return REF_ENDS;
}

static inline enum ref_result ref_request_line(struct ref *r)
{
    const size_t stop = ref_line_stop(r, r->at);

    return stop == r->len ? REF_ENDS : ref_line_end(r, stop, true);
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
    size_t i = r->at, digits = 0, behind;

    for (r->length = 0; i < r->len && ref_hex(r->text[i]) >= 0; i++, digits++) {
        if (r->length >= (uint64_t)1 << 59)
            return ref_fault(r, i);
        r->length = r->length * 16 + (uint64_t)ref_hex(r->text[i]);
    }
    if (i == r->len)
        return REF_ENDS;
    if (digits == 0)
        return ref_fault(r, i);
    behind = i;
    while (i < r->len && ref_blank(r->text[i])) {
        if (++r->extensions > FRAMING_EXTENSIONS_MAX)
            return ref_fault(r, i);
        i++;
    }
    if (i == r->len)
        return REF_ENDS;
    if (r->text[i] == ';') {
        for (; i < r->len; i++) {
            const unsigned char c = (unsigned char)r->text[i];

            if ((c < ' ' && c != '\t') || c == 0x7f)
                break;
            if (++r->extensions > FRAMING_EXTENSIONS_MAX)
                return ref_fault(r, i);
        }
    } else if (i != behind) {
        return ref_fault(r, i);
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
    enum ref_result result = ref_request_line(r);

    r->encodings = r->lengths = 0;
    r->length_bad = r->trailers = false;
    *in_body = false;
    if (result == REF_DONE)
        result = ref_fields(r);
    if (result != REF_DONE || r->encodings + r->lengths == 0)
        return result;
    *in_body = true;
    if (r->encodings + r->lengths > 1 || r->length_bad)
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
