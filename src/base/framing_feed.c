#include "base/framing.h"

#include <string.h>

#include "base/framing_states.h"
#include "base/framing_stops.h"

/* step() is the automaton: it takes one byte. skip() is its shortcut: it passes over many bytes
 * that have no fault, and leaves the state that step() would leave behind them. */

void framing_init(struct framing *framing)
{
    *framing = (struct framing){.state_ = STATE_FIRST};
}

bool framing_in_body(const struct framing *framing)
{
    return framing->state_ >= STATE_BODY || framing->in_trailers_;
}

bool framing_at_start(const struct framing *framing)
{
    return framing->state_ <= STATE_START;
}

/* Takes a byte, or returns what is wrong with it. Bytes of a body are skip()'s. */
static const char *step(struct framing *f, char c)
{
    if (f->state_ <= STATE_START_CR)
        return framing_take_between(f, c);
    return f->state_ <= STATE_END_CR ? framing_take_head(f, c) : framing_take_chunk_line(f, c);
}

/* Where skip_lines() is. */
struct place {
    const char *at; /* bytes before it are done with */
    const char *end;
    const char *name; /* the beginning of the name that it is in; NULL: behind it, in the line */
};

#define LENGTH_DIGITS 15 /* below 2^63, however many of them are 9 */

/* A Content-Length as most are, behind its colon: a blank and up to LENGTH_DIGITS digits, to the
 * end of the line. Returns the place of that end. NULL leaves it to step(): another field or
 * another spelling, part of it is still to come, or the head has told its length before. */
static const char *skip_length(struct framing *f, const char *at, const char *end)
{
    const char *const digits = at + 1;
    uint64_t length = 0;

    if (f->name_len_ != sizeof("Content-Length") - 1 || f->chunked_ || f->has_length_ ||
        at == end || *at != ' ')
        return NULL;
    for (at = digits; at < end && at - digits < LENGTH_DIGITS && *at >= '0' && *at <= '9'; at++)
        length = length * 10 + (uint64_t)(*at - '0');
    if (at == digits || at == end || *at != '\r')
        return NULL;
    f->has_length_ = true;
    f->left_ = length;
    framing_go(f, STATE_LINE);
    return at;
}

/* Each passes a stop, or leaves the place at what step() has to look at and returns false. */
static inline bool pass_name_stop(struct framing *f, struct place *place, const char *stop)
{
    const char *cr;

    if (*stop != ':' || stop == place->name || f->fields_ == FRAMING_FIELDS_MAX) {
        place->at = place->name;
        return false;
    }
    if (framing_take_name(f, place->name, (size_t)(stop - place->name))) {
        cr = skip_length(f, stop + 1, place->end);
        place->at = cr ? cr : stop;
        place->name = NULL;
        return cr != NULL;
    }
    f->fields_++;
    place->name = NULL;
    place->at = stop + 1;
    return true;
}

static inline bool pass_line_stop(struct place *place, const char *stop)
{
    const bool crlf = *stop == '\r' && place->end - stop >= 2 && stop[1] == '\n';

    if (crlf || *stop == '\n') {
        place->name = place->at = stop + (crlf ? 2 : 1);
        return true;
    }
    if (*stop == '\r' || *stop == '\0') {
        place->at = stop;
        return false;
    }
    place->at = stop + 1; /* HTAB, or a control character that may be there */
    return true;
}

static inline bool pass_block(struct framing *f, struct place *place, const char *block)
{
    const struct framing_stops stops = framing_stops_find(block, place->end);
    uint64_t left;

    if (place->at < block)
        place->at = block;
    while (place->at - block < FRAMING_STOPS_BLOCK) {
        left = (place->name ? stops.name : stops.line) >> (place->at - block);
        if (!left)
            break;
        const char *stop = place->at + __builtin_ctzll(left);
        if (!(place->name ? pass_name_stop(f, place, stop) : pass_line_stop(place, stop)))
            return false;
    }
    return true;
}

/* Within a field's value, or at the beginning of a field line: over those that are not wrong and
 * not looked into. A block's stops are looked for before it is known where lines begin in it: the
 * processor looks at the next block while it follows the lines of this one. */
static const char *skip_lines(struct framing *f, const char *at, const char *end)
{
    struct place place = {at, end, f->state_ == STATE_FIELD ? at : NULL};
    bool passed;

    for (;; at += FRAMING_STOPS_BLOCK) {
        passed = pass_block(f, &place, at);
        if (!passed || end - at <= FRAMING_STOPS_BLOCK)
            break;
    }
    if (passed)
        place.at = place.name ? place.name : end;
    if (f->state_ != STATE_NAME)
        framing_go(f, place.name ? STATE_FIELD : STATE_LINE);
    return place.at;
}

static const char *skip_data(struct framing *f, const char *at, const char *end)
{
    const uint64_t here = (uint64_t)(end - at);

    if (f->left_ > here) {
        f->left_ -= here;
        return end;
    }
    at += f->left_;
    f->left_ = 0;
    (void)(f->state_ == STATE_BODY ? framing_end_request(f) : framing_go(f, STATE_CHUNK_CR));
    return at;
}

/* The rest of it, or what has come of it: its end and faults are a step. */
static inline const char *skip_target(const char *at, const char *end)
{
    while (at < end && (unsigned char)*at > ' ')
        at++;
    return at;
}

/* A whole request line as most are. All others are left to step(). */
static const char *skip_request_line(struct framing *f, const char *at, const char *end)
{
    static const char version[] = " HTTP/1.1\r\n";
    const size_t version_len = sizeof(version) - 1;
    const char *target = at, *stop;

    while (target < end && *target >= 'A' && *target <= 'Z')
        target++;
    if (target == at || target == end || *target++ != ' ')
        return at;
    stop = skip_target(target, end);
    if (stop == target || (size_t)(end - stop) < version_len ||
        (size_t)(stop - at) + version_len > FRAMING_HEAD_MAX ||
        memcmp(stop, version, version_len) != 0)
        return at;
    framing_begin_request(f);
    stop += version_len;
    f->room_ = (uint16_t)(f->room_ - (stop - at));
    framing_go(f, STATE_FIELD);
    return stop;
}

/* Where looking at a block costs more than a step for each byte. */
#define SKIP_MIN 8

/* Of a head, which has bytes left that it may have. */
static const char *skip_head(struct framing *f, const char *at, const char *end)
{
    const char *const from = at;

    if (end - at > f->room_)
        end = at + f->room_;
    if (f->state_ == STATE_TARGET)
        at = skip_target(at, end);
    else if (end - at >= SKIP_MIN &&
             (f->state_ == STATE_LINE || (f->state_ == STATE_FIELD && *at != '\r')))
        at = skip_lines(f, at, end);
    f->room_ = (uint16_t)(f->room_ - (at - from));
    return at;
}

/* Passes over what needs no step: returns the next byte that does, or end. Of trailers each byte
 * is a step. */
static const char *skip(struct framing *f, const char *at, const char *end)
{
    if (f->state_ == STATE_BODY || f->state_ == STATE_CHUNK)
        return skip_data(f, at, end);
    if (f->state_ <= STATE_START) {
        const char *const line_end = skip_request_line(f, at, end);

        if (line_end == at || line_end == end)
            return line_end;
        at = line_end;
    }
    if (f->state_ == STATE_UNKNOWN)
        return end;
    return f->state_ <= STATE_END_CR && !f->in_trailers_ ? skip_head(f, at, end) : at;
}

size_t framing_take(struct framing *framing, const char *bytes, size_t len)
{
    const char *at = bytes, *const end = bytes + len;

    if (framing->fault)
        return 0;
    while (at < end) {
        at = skip(framing, at, end);
        if (at == end)
            break;
        framing->fault = step(framing, *at);
        if (framing->fault)
            break;
        at++;
    }
    return (size_t)(at - bytes);
}
