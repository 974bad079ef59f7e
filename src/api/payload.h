/* The payload of a successful answer to a POST: what a model said, and whether it was done.
 *
 * A chat completion has choices with a `message` each (in a stream, a `delta`), a completion
 * choices with a `text`, an embedding `data`, a Response an `output` of items. An answer without
 * payload, or of which a part broke off, is not worth storing: a retry must get another one.
 *
 *      payload_init ► payload_read, or payload_feed any number of times ► payload_end,
 *                     once for a document, or for each event of a stream
 *                   ► payload_is_good, or payload_response_is_good at a Response's terminal event
 *                   ► payload_release
 *
 * One pass over the text, no I/O. A payload belongs to one answer and one thread.
 *
 * A choice is good if it says something (`content` that is no empty string, nor an array of
 * nothing but empty texts, or `tool_calls`, `function_call`, `refusal`, `audio`; of completions
 * `text`; reasoning alone is not enough), and if its `finish_reason` is one of
 * payload_finishes_well(). All choices must be good. In a stream each index has its own; a reason
 * once given stays, and "" is none yet.
 *
 * A Response is good if its `status` is `completed`, or `incomplete` with a reason other than
 * `content_filter` (none at all is not enough), and one item of its `output` says something: a
 * message with text, a refusal or audio, the call of a tool, an approval asked for. Where the
 * terminal event of a stream has an empty output, the events before it are taken at their word:
 * deltas of text, refusal, audio and arguments, finished items, finished calls.
 */
#ifndef API_PAYLOAD_H
#define API_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/policy.h"
#include "api/scan.h"
#include "api/scan_push.h"

/* Choices of one stream; a higher index makes it an answer that is not stored. */
#define PAYLOAD_CHOICES_MAX 2048

struct payload_bits {
    uint64_t words[PAYLOAD_CHOICES_MAX / 64];
};

/* Must stay where it is: its tables point to one another. */
struct payload {
    struct scan_value type, error; /* of what was read last: the members of that name */

    enum cache_class api_;
    bool stream_;
    /* the tables of what is looked for, from the outside inwards */
    struct scan_member top_[5], response_[4], reason_[1], choice_[3], said_[5], item_[2], part_[4],
        vector_[1];
    struct scan_inside in_response_, in_reason_, in_choices_, in_said_, in_output_, in_item_,
        in_parts_, in_vectors_;
    size_t top_count_;
    /* what was read so far */
    struct payload_bits begun_, spoke_, ended_; /* choices of a stream, by index */
    bool bad_;               /* a choice ended badly, has no place, or was damaged; no vector */
    bool part_spoke_;        /* a part of the item that is being read */
    bool output_spoke_;      /* an item of the output that was read last */
    bool events_spoke_;      /* an event before the terminal one */
    uint64_t read_;          /* documents and events that were JSON */
    struct scan_push *scan_; /* of what came in pieces */
    bool feeding_;           /* and has not ended */
};

/* api: CACHE_CLASS_GET and CACHE_CLASS_NONE have no payload: only `type` and `error` are read. */
void payload_init(struct payload *p, enum cache_class api, bool stream);

/* Reads a document, or an event's data. False: it is no strict JSON, and has no members. */
bool payload_read(struct payload *p, const char *json, size_t len);

/* The same of a text that comes in pieces (len > 0), the first of which follows payload_init,
 * payload_read or payload_end. False: no strict JSON, whatever may follow. */
bool payload_feed(struct payload *p, const char *bytes, size_t len);
/* Its end. False: it is no strict JSON, or nothing was fed. `type` and `error` are valid until the
 * next text. */
bool payload_end(struct payload *p);
void payload_release(struct payload *p);

/* Is the document that was read good? Is the stream of chat or completions, at its [DONE]? */
bool payload_is_good(const struct payload *p);

/* Notes what the event of a Response's stream that was read says, by its name. */
void payload_note_event(struct payload *p, const char *name);
/* The terminal event of a Response's stream was read: is the Response good, and was it not the
 * only event? */
bool payload_response_is_good(const struct payload *p);

/* ---- what judges one part of an answer ---- */

/* stop, length, tool_calls, function_call; eos_token, stop_sequence, end_turn of other servers.
 * Not content_filter, error, insufficient_system_resource, nor words of tomorrow. */
bool payload_finishes_well(const struct scan_value *finish_reason);
/* Does an item of a Response's output say something, by its type? content_speaks: a part of its
 * content has text, a refusal or audio. */
bool payload_item_speaks(const struct scan_value *type, bool content_speaks);

#endif
