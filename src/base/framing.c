#include "base/framing.h"

#include "base/framing_stops.h"

/* step() is the automaton: it takes one byte. skip() is its shortcut: it passes over many bytes
 * that have no fault, and leaves the state that step() would leave behind them. */
enum state {
    STATE_FIRST,        /* of the connection: no byte has come */
    STATE_START,        /* between requests */
    STATE_START_CR,     /* behind the CR of an empty line before a request */
    STATE_LINE,         /* within the request line or a field's value */
    STATE_LINE_CR,      /* behind its CR */
    STATE_FIELD,        /* at the beginning of a field line */
    STATE_NAME,         /* within a field's name */
    STATE_CODING,       /* Transfer-Encoding's value: nothing, or blanks, so far */
    STATE_CODING_VALUE, /* within it */
    STATE_CODING_BLANK, /* behind a blank in it */
    STATE_LENGTH,       /* Content-Length's value: blanks, then digits */
    STATE_LENGTH_BLANK, /* behind a blank that follows digits */
    STATE_END_CR,       /* behind the CR of the empty line that ends head or trailers */
    STATE_BODY,         /* left_ bytes of a body with a Content-Length are to come */
    STATE_SIZE,         /* chunk size */
    STATE_SIZE_BLANK,   /* behind a blank that follows it */
    STATE_EXTENSION,
    STATE_SIZE_CR, /* behind the CR of a chunk-size line */
    STATE_CHUNK,   /* left_ bytes of a chunk's data are to come */
    STATE_CHUNK_CR,
    STATE_CHUNK_LF, /* the CR and LF behind them */
    STATE_UNKNOWN,  /* the length is unknown: for ever */
};

/* Zeros behind the names, so that both have a byte at each index up to NAME_MAX_LEN. */
#define NAME_MAX_LEN 17U
static const char encoding_name[NAME_MAX_LEN + 1] = "transfer-encoding";
static const char length_name[NAME_MAX_LEN + 1] = "content-length";
#define ENCODING_LEN 17U
#define LENGTH_LEN 14U
#define ENCODING 1U
#define LENGTH 2U

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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Goes on to a state. No fault. */
static const char *go(struct framing *f, enum state state)
{
    f->state_ = (uint8_t)state;
    return NULL;
}

/* ---- head and trailer section ---- */

/* Within a line; whatever is special in the value was seen to. */
static const char *take_line(struct framing *f, char c)
{
    if (c == '\r')
        return go(f, STATE_LINE_CR);
    if (c == '\0')
        return f->in_trailers_ ? "The request's trailer section has a NUL in it."
                               : "The request's head has a NUL in it.";
    if (c != '\n')
        return go(f, STATE_LINE);
    if (f->in_trailers_)
        return "The request's trailer section has a line that ends in LF alone, without CR.";
    return go(f, STATE_FIELD);
}

static const char *lone_cr(const struct framing *f)
{
    return f->in_trailers_ ? "The request's trailer section has a CR in it that no LF follows."
                           : "The request's head has a CR in it that no LF follows.";
}

static const char *take_start(struct framing *f, char c)
{
    if (c == '\r')
        return go(f, STATE_START_CR);
    if (c == '\n')
        return go(f, STATE_START);
    f->chunked_ = f->has_length_ = f->unknown_ = false;
    f->left_ = 0;
    return take_line(f, c);
}

static const char *take_first(struct framing *f, char c)
{
    f->tls = c == 0x16; /* the content type of a handshake record, RFC 8446 section 5.1 */
    if (f->tls)
        return "This port speaks plain HTTP, not TLS: use http:// in the base URL.";
    return take_start(f, c);
}

static void begin_size_line(struct framing *f)
{
    f->room_ = FRAMING_CHUNK_LINE_MAX;
    f->left_ = 0;
    f->digits_ = false;
    go(f, STATE_SIZE);
}

static const char *end_request(struct framing *f)
{
    f->requests++;
    return go(f, STATE_START);
}

/* The empty line is complete. */
static const char *end_fields(struct framing *f)
{
    if (f->in_trailers_) {
        f->in_trailers_ = false;
        return end_request(f);
    }
    if (f->unknown_)
        return go(f, STATE_UNKNOWN);
    if (f->chunked_) {
        f->extensions_ = 0;
        begin_size_line(f);
        return NULL;
    }
    return f->left_ ? go(f, STATE_BODY) : end_request(f);
}

/* The colon has come. More than one field of the two: any choice is a guess. */
static const char *end_name(struct framing *f)
{
    const bool encoding = (f->name_candidates_ & ENCODING) && f->name_len_ == ENCODING_LEN;
    const bool length = (f->name_candidates_ & LENGTH) && f->name_len_ == LENGTH_LEN;

    if (f->in_trailers_ || (!encoding && !length))
        return go(f, STATE_LINE);
    f->unknown_ |= f->chunked_ || f->has_length_;
    f->chunked_ |= encoding;
    f->has_length_ |= length;
    f->digits_ = false;
    f->left_ = 0;
    return go(f, encoding ? STATE_CODING : STATE_LENGTH);
}

static const char *take_name(struct framing *f, char c)
{
    const char lower = (char)(c | 0x20);

    if (c == ':')
        return end_name(f);
    if (c == '\r' || c == '\n')
        return "A field line of the request has no colon in it.";
    if (c == '\0')
        return take_line(f, c);
    if ((signed char)c <= ' ') /* what is above ASCII is below 0 */
        return "A field name of the request has a blank or another wrong character in it.";
    if (lower != encoding_name[f->name_len_])
        f->name_candidates_ &= (uint8_t)~ENCODING;
    if (lower != length_name[f->name_len_])
        f->name_candidates_ &= (uint8_t)~LENGTH;
    if (f->name_len_ < NAME_MAX_LEN)
        f->name_len_++;
    return NULL;
}

static const char *take_field(struct framing *f, char c)
{
    if (c == '\r')
        return go(f, STATE_END_CR);
    if (c == '\n' && !f->in_trailers_)
        return end_fields(f);
    if (c == '\n')
        return take_line(f, c);
    if (is_blank(c))
        return "A field line of the request begins with a blank: folded fields are not taken.";
    if (c == ':')
        return "A field line of the request has no name.";
    f->name_len_ = 0;
    f->name_candidates_ = ENCODING | LENGTH;
    go(f, STATE_NAME);
    return take_name(f, c);
}

static const char *take_coding(struct framing *f, char c)
{
    const bool ends = c == '\r' || c == '\n';

    if (ends && f->state_ == STATE_CODING_BLANK)
        return "The request's Transfer-Encoding has a blank at its end.";
    if (ends || c == '\0')
        return take_line(f, c);
    if (!is_blank(c))
        return go(f, STATE_CODING_VALUE);
    return go(f, f->state_ == STATE_CODING ? STATE_CODING : STATE_CODING_BLANK);
}

static const char *take_length(struct framing *f, char c)
{
    const unsigned digit = (unsigned)(unsigned char)c - '0';

    if (is_blank(c))
        return go(f, f->digits_ ? STATE_LENGTH_BLANK : STATE_LENGTH);
    if (f->state_ == STATE_LENGTH && digit <= 9 && f->left_ <= ((uint64_t)INT64_MAX - digit) / 10) {
        f->left_ = f->left_ * 10 + digit;
        f->digits_ = true;
        return NULL;
    }
    if (!f->digits_ || (c != '\r' && c != '\n'))
        f->unknown_ = true;
    return take_line(f, c);
}

/* ---- chunked body ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *take_extension(struct framing *f, char c)
{
    if (c == '\r')
        return go(f, STATE_SIZE_CR);
    if (c == '\n')
        return "The request's body has a chunk-size line that ends in LF alone, without CR.";
    if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f)
        return "The request's body has a chunk extension with a control character in it.";
    if (f->extensions_ == FRAMING_EXTENSIONS_MAX)
        return "The request's body has more than 16 KiB of chunk extensions.";
    f->extensions_++;
    return NULL;
}

/* The grammar allows blanks before an extension, and nowhere else behind the size. */
static const char *take_behind_size(struct framing *f, char c)
{
    if (is_blank(c))
        go(f, STATE_SIZE_BLANK);
    else if (c == ';')
        go(f, STATE_EXTENSION);
    else if (c != '\n' && (c != '\r' || f->state_ == STATE_SIZE_BLANK))
        return "The request's body has a chunk size that is not a hexadecimal number.";
    return take_extension(f, c);
}

static const char *take_size(struct framing *f, char c)
{
    const int digit = hex_digit(c);

    if (digit < 0 && !f->digits_)
        return "The request's body has a chunk without a size.";
    if (digit < 0)
        return take_behind_size(f, c);
    if (f->left_ >> 59)
        return "The request's body has a chunk that is too large.";
    f->left_ = f->left_ << 4 | (unsigned)digit;
    f->digits_ = true;
    return NULL;
}

static const char *end_size_line(struct framing *f, char c)
{
    if (c != '\n')
        return "The request's body has a CR in a chunk-size line that no LF follows.";
    if (f->left_)
        return go(f, STATE_CHUNK);
    f->in_trailers_ = true;
    f->room_ = FRAMING_TRAILERS_MAX;
    return go(f, STATE_FIELD);
}

static const char *take_size_line(struct framing *f, char c)
{
    if (f->room_ == 0)
        return "The request's body has a chunk-size line of more than 1 KiB.";
    f->room_--;
    if (f->state_ == STATE_SIZE)
        return take_size(f, c);
    if (f->state_ == STATE_SIZE_BLANK)
        return take_behind_size(f, c);
    return f->state_ == STATE_EXTENSION ? take_extension(f, c) : end_size_line(f, c);
}

static const char *end_chunk(struct framing *f, char c)
{
    if (c != (f->state_ == STATE_CHUNK_CR ? '\r' : '\n'))
        return "The request's body has a chunk that no CRLF follows.";
    if (f->state_ == STATE_CHUNK_CR)
        return go(f, STATE_CHUNK_LF);
    begin_size_line(f);
    return NULL;
}

/* ---- all of it ---- */

/* Takes a byte, or returns what is wrong with it. Bytes of a body are skip()'s. */
static const char *step(struct framing *f, char c)
{
    if (f->in_trailers_ && f->room_-- == 0)
        return "The request's trailer section is larger than 8 KiB.";
    switch ((enum state)f->state_) {
    case STATE_FIRST:
        return take_first(f, c);
    case STATE_START:
        return take_start(f, c);
    case STATE_START_CR:
        return c == '\n' ? go(f, STATE_START) : lone_cr(f);
    case STATE_LINE:
        return take_line(f, c);
    case STATE_LINE_CR:
        return c == '\n' ? go(f, STATE_FIELD) : lone_cr(f);
    case STATE_FIELD:
        return take_field(f, c);
    case STATE_NAME:
        return take_name(f, c);
    case STATE_CODING:
    case STATE_CODING_VALUE:
    case STATE_CODING_BLANK:
        return take_coding(f, c);
    case STATE_LENGTH:
    case STATE_LENGTH_BLANK:
        return take_length(f, c);
    case STATE_END_CR:
        return c == '\n' ? end_fields(f) : lone_cr(f);
    case STATE_SIZE:
    case STATE_SIZE_BLANK:
    case STATE_EXTENSION:
    case STATE_SIZE_CR:
        return take_size_line(f, c);
    case STATE_CHUNK_CR:
    case STATE_CHUNK_LF:
        return end_chunk(f, c);
    case STATE_BODY:
    case STATE_CHUNK:
    case STATE_UNKNOWN:
        break;
    }
    return NULL;
}

/* Content-Length or Transfer-Encoding: what step() would remember of the name at its colon. */
static inline bool take_framing_name(struct framing *f, const char *name, size_t len)
{
    const char *const framing_name = len == ENCODING_LEN ? encoding_name : length_name;

    if (len != ENCODING_LEN && len != LENGTH_LEN)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((name[i] | 0x20) != framing_name[i])
            return false;
    f->name_candidates_ = len == ENCODING_LEN ? ENCODING : LENGTH;
    f->name_len_ = (uint8_t)len;
    go(f, STATE_NAME);
    return true;
}

/* Where skip_lines() is. */
struct place {
    const char *at; /* bytes before it are done with */
    const char *end;
    const char *name; /* the beginning of the name that it is in; NULL: behind it, in the line */
};

/* Each passes a stop, or leaves the place at what step() has to look at and returns false. */
static inline bool pass_name_stop(struct framing *f, struct place *place, const char *stop)
{
    if (*stop != ':' || stop == place->name) {
        place->at = place->name;
        return false;
    }
    if (take_framing_name(f, place->name, (size_t)(stop - place->name))) {
        place->at = stop;
        return false;
    }
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

/* Within a line, or at the beginning of a field line: over those that are not wrong and not about
 * the length. A block's stops are looked for before it is known where lines begin in it: the
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
        go(f, place.name ? STATE_FIELD : STATE_LINE);
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
    (void)(f->state_ == STATE_BODY ? end_request(f) : go(f, STATE_CHUNK_CR));
    return at;
}

/* Where looking at a block costs more than a step for each byte. */
#define SKIP_MIN 8

/* Passes over what needs no step: returns the next byte that does, or end. The bytes of trailers
 * are counted, and each of them is a step. */
static const char *skip(struct framing *f, const char *at, const char *end)
{
    if (f->state_ == STATE_BODY || f->state_ == STATE_CHUNK)
        return skip_data(f, at, end);
    if (f->state_ == STATE_UNKNOWN)
        return end;
    if (f->in_trailers_ || end - at < SKIP_MIN)
        return at;
    if (f->state_ == STATE_LINE || (f->state_ == STATE_FIELD && *at != '\r'))
        return skip_lines(f, at, end);
    return at;
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
