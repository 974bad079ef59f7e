/* Follows the message framing of a client's connection (RFC 9112 sections 2.2, 5, 6 and 7.1).
 *
 * The HTTP library behind it decodes leniently: it takes a bare LF as a line end within chunked
 * bodies, and joins folded fields. Where two programs disagree on where a request ends, one of
 * them takes a client's bytes for another request (request smuggling). So each byte of a
 * connection passes here first, from request to request (keep-alive, pipelining), and what the
 * library might read in another way is a fault.
 *
 * In a request's head CRLF and a bare LF end a line, and empty lines before the request line are
 * skipped (section 2.2).
 *
 * Faults in a head:
 * - a request line that is not a method (a token), a target, which may have blanks in it, and
 *   HTTP/1.x with one blank between them; another major version is FRAMING_VERSION;
 * - a request line of more than FRAMING_HEAD_MAX bytes (FRAMING_TARGET_TOO_LONG);
 * - a head of more than FRAMING_HEAD_MAX bytes, or more than FRAMING_FIELDS_MAX fields, trailers
 *   included (FRAMING_HEAD_TOO_LARGE). Each cookie counts as a field, and the bytes of a Cookie's
 *   value count twice, because the library copies them;
 * - a Content-Length that is no number below 2^63, or has a blank behind it, which RFC 9112 section
 *   5 allows (the library refuses it with a page of its own, whose head it sends twice).
 *
 * Faults in a head, and in the trailer section of a chunked body:
 * - a NUL; a CR that is not followed by LF;
 * - a field line that begins with a blank (a folded field), has no name or no colon;
 * - a byte up to 0x20 or above 0x7f in a field name;
 * - a Transfer-Encoding value with a blank behind it (the library takes "chunked " for another
 *   coding than chunked).
 *
 * Faults in a chunked body, besides:
 * - a line that ends in a bare LF;
 * - a chunk size that is no hexadecimal number, is 2^63 or more, or has a blank behind it;
 * - a control character other than HTAB in an extension;
 * - a chunk-size line of more than FRAMING_CHUNK_LINE_MAX bytes, or more than
 *   FRAMING_EXTENSIONS_MAX bytes of extensions in one body;
 * - chunk data without CRLF behind it;
 * - a trailer section of more than FRAMING_TRAILERS_MAX bytes.
 *
 * Line ends count in all limits. On a connection's first byte a TLS handshake is a fault.
 *
 * Left to the caller, who must refuse them and close: the characters of a target, another
 * Transfer-Encoding than "chunked" (its body is followed as a chunked one), and a head with more
 * than one Content-Length or Transfer-Encoding field. The last leaves the length of the request
 * unknown: all that comes after such a head is let through.
 *
 * Pure and incremental: nothing is allocated, and how a connection is split into pieces makes no
 * difference. One thread at a time; embedded in the connection, nothing to release.
 */
#ifndef BASE_FRAMING_H
#define BASE_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMING_HEAD_MAX 18432U
#define FRAMING_FIELDS_MAX 100U
#define FRAMING_CHUNK_LINE_MAX 1024U
#define FRAMING_EXTENSIONS_MAX 16384U
#define FRAMING_TRAILERS_MAX 8192U

enum framing_reason {
    FRAMING_MALFORMED,
    FRAMING_TARGET_TOO_LONG,
    FRAMING_HEAD_TOO_LARGE,
    FRAMING_VERSION,
};

struct framing {
    const char *fault;          /* NULL, or what is wrong, a sentence for the client; static */
    enum framing_reason reason; /* of the fault */
    bool tls;          /* the fault is a client that speaks TLS: an HTTP answer is of no use */
    uint64_t requests; /* how many have come whole, before the fault if there is one */
    /* private */
    bool chunked_, has_length_, unknown_; /* of the current request's head */
    bool digits_;                         /* the number that is being read has a digit */
    bool in_trailers_;
    uint8_t state_;
    uint8_t name_len_, name_candidates_; /* of the current field line */
    uint8_t fields_;                     /* of the current request, cookies and trailers included */
    uint16_t room_;       /* bytes that the head, the chunk-size line or trailers may still have */
    uint16_t extensions_; /* bytes of extensions in this body so far */
    uint64_t left_; /* Content-Length or chunk size; from then on, bytes of it still to come */
};

/* A connection of which nothing has come. */
void framing_init(struct framing *framing);

/* Takes the next bytes of the connection. Returns how many of them, from the first on, may be
 * given on: len, or fewer if there is a fault. Then framing->fault is set, the byte behind those
 * is the first that no valid request can have there, and every later call returns 0. Whole
 * requests may come before the fault: give them on and have them answered, then answer 400 (or
 * what the reason asks for) and close the connection. */
size_t framing_take(struct framing *framing, const char *bytes, size_t len);

/* The current request's head is complete, and its body is not: a body is expected or being
 * received, a chunked one's trailer section included. Also true once the length is unknown. */
bool framing_in_body(const struct framing *framing);

/* Between requests: nothing of the next one has come, empty lines before it aside. */
bool framing_at_start(const struct framing *framing);

#endif
