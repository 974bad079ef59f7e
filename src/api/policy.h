/* What may be looked up, what may be stored: the contract's section "Caching" as pure functions.
 * Any thread.
 */
#ifndef API_POLICY_H
#define API_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fields.h"

struct key_rules; /* key.h */

/* ---- requests (policy_request.c) ---- */

/* Which of the APIs a request is for, as far as caching goes. */
enum cache_class {
    CACHE_CLASS_NONE, /* is passed on, nothing is kept */
    CACHE_CLASS_CHAT,
    CACHE_CLASS_COMPLETIONS,
    CACHE_CLASS_EMBEDDINGS,
    CACHE_CLASS_RESPONSES,
    CACHE_CLASS_GET
};

/* By the request's head: method, path (raw; a trailing slash or an escaped spelling is another
 * path, and none of these), and fields that ask for something that one stored answer cannot give
 * (Range, If-*): such requests are CACHE_CLASS_NONE. */
enum cache_class cache_class_of(const char *method, const char *target,
                                const struct fields *fields);

/* Does the request have a model write something: chat completions, completions, responses? Whatever
 * its fields say, and whether it is cached or not. */
bool policy_is_generation(const char *method, const char *target);

/* The members of a request's body that the proxy reads. */
#define POLICY_MODEL_SIZE 256
struct body_facts {
    char model[POLICY_MODEL_SIZE]; /* cut to fit; "": none, or the body is no strict JSON */
    bool is_stream;                /* `stream` is true */
    bool is_stateful; /* Responses API: `background` is truthy or `conversation` is not null, or may
                         be so to a lenient reader of what is no strict JSON, or names one of them
                         twice. It is passed on. */
};
void policy_inspect_body(enum cache_class class, const char *body, size_t len,
                         struct body_facts *facts);

/* The request's Cache-Control (RFC 9111 section 5.2.1; all its fields, and Pragma: no-cache where
 * there is none). Seconds are at most 2^31. Of repeated ones the stricter counts, and what is
 * unreadable counts as the strictest. */
struct cache_control {
    bool no_cache;       /* fetch, and store */
    bool no_store;       /* neither look up nor store */
    bool only_if_cached; /* 504 on a miss */
    int64_t max_age_s;   /* -1: not said */
    int64_t min_fresh_s; /* 0: not said */
};
void cache_control_of(const struct fields *fields, struct cache_control *asks);

/* Methods that may change things: all but those that are known to be safe (RFC 9111 section 4.4).
 */
bool policy_is_write(const char *method);
/* The collection of a target, as a number that is never 0: all targets with the same first
 * segment after /v1, percent-decoded. RFC 9111 section 4.4 for the stored GETs of it. */
uint64_t policy_collection_of(const char *target);

/* ---- answers (policy_head.c, policy_answer.c) ---- */

/* By the answer's head: may it be stored once it is complete? Only then may others share it.
 * 200 and 201, 400 and 401 (without x-should-retry: true); of a POST's successes JSON and event
 * streams by their Content-Type, of a GET's all but pages (text/html); no Set-Cookie (but for the
 * two by which Cloudflare tells clients apart), no Cache-Control: no-store or no-cache, nor
 * `private` where rules->share (else the cache is one caller's own), no Vary with a field that is
 * not in the key (Accept-Encoding and Origin aside), no Content-Encoding but one gzip. rules: what
 * is in the key; NULL: no field is. */
bool policy_head_may_store(enum cache_class api, const struct key_rules *rules, unsigned status,
                           const struct fields *fields);

/* All of an answer's body, as it came. */
struct policy_body {
    const char *bytes;
    size_t len;
    bool framed; /* the length matched or the last chunk came, so HTTP itself says that it is whole;
                    without (close-delimited, or the client left after its terminal event) only the
                    content can prove it */
};

/* Is this the whole answer, one that will not change, and one that says something? (gzip is
 * inflated up to 64 MiB.)
 *
 * - A POST's 200 or 201 is JSON or a stream of events, has its payload, and ended well: see
 *   payload.h. An `error` in it says no. A stream reached its API's terminal event, blank line
 *   included, without an error event or data that is no JSON before it, and with an event that
 *   has a payload. What comes after the terminal event does not matter: no client reads that.
 * - A GET's: JSON parses, and a `status` (of the document, or of its list's elements) is final. A
 *   stream reached a terminal event. A page (text/html) says no. Anything else is whole if it is
 *   framed.
 * - An error is whole if it parses (JSON), ended (a stream), or is framed. */
bool policy_answer_is_whole(enum cache_class api, unsigned status, const struct fields *fields,
                            const struct policy_body *body);

/* The same, of an answer that comes in pieces: each costs time in proportion to its own length, and
 * nothing of it is kept. holds() judges what was fed so far as if that were all of it; nothing may
 * be fed after it. It gives up where gzip unfolds to more than 1 MiB and 100 times what came, as
 * one piece could take too long then: policy_answer_is_whole() has to judge. One thread's at a
 * time. */
struct policy_proof *policy_proof_new(enum cache_class api, unsigned status,
                                      const struct fields *fields);
void policy_proof_free(struct policy_proof *proof); /* NULL is nothing */
void policy_proof_feed(struct policy_proof *proof, const char *bytes, size_t len);
bool policy_proof_gave_up(const struct policy_proof *proof);
bool policy_proof_holds(struct policy_proof *proof, bool framed);

/* Does the body itself say where it ends, so that clients leave then? An event stream does, by its
 * terminal event. A JSON document does not: another one may follow. */
bool policy_ends_by_itself(const struct fields *fields);

/* Is the answer's one Content-Encoding gzip (or x-gzip), whatever stands beside it that changes
 * nothing (identity)? Then it can be inflated for a client that takes no gzip. */
bool policy_is_gzip(const struct fields *fields);

/* Which fields of an answer are kept with it, and replayed: not those of a connection (those that
 * Connection names are the caller's to leave out), those that the proxy writes itself, and
 * those that would lie later. */
bool policy_field_is_kept(const struct field *h);

#endif
