/* The automaton behind framing.h, for framing*.c only: its states, and a function for each group of
 * them that takes one byte and returns what is wrong with it, or NULL.
 */
#ifndef BASE_FRAMING_STATES_H
#define BASE_FRAMING_STATES_H

#include "base/framing.h"

/* In order: between requests; of a head (all that FRAMING_HEAD_MAX bounds), of which trailers use
 * those from STATE_LINE on; of a body. */
enum framing_state {
    STATE_FIRST,    /* of the connection: no byte has come */
    STATE_START,    /* between requests */
    STATE_START_CR, /* behind the CR of an empty line before a request */

    STATE_METHOD,       /* within it, and at the blank behind it */
    STATE_TARGET_BEGIN, /* its first byte is to come */
    STATE_TARGET,       /* within it, and at the blank behind it */
    STATE_VERSION,      /* name_len_ bytes of it have come */
    STATE_LINE,         /* within a field's value */
    STATE_LINE_CR,      /* behind a line's CR */
    STATE_FIELD,        /* at the beginning of a field line */
    STATE_NAME,         /* within a field's name */
    STATE_CODING,       /* Transfer-Encoding's value: nothing, or blanks, so far */
    STATE_CODING_VALUE, /* within it */
    STATE_CODING_BLANK, /* behind a blank in it */
    STATE_LENGTH,       /* Content-Length's value: blanks, then digits */
    STATE_LENGTH_BLANK, /* behind a blank that follows digits */
    STATE_COOKIE,       /* within Cookie's value */
    STATE_END_CR,       /* behind the CR of the empty line that ends head or trailers */

    STATE_BODY, /* left_ bytes of a body with a Content-Length are to come */
    STATE_SIZE, /* chunk size */
    STATE_EXTENSION,
    STATE_SIZE_CR,  /* behind the CR of a chunk-size line */
    STATE_CHUNK,    /* left_ bytes of a chunk's data are to come */
    STATE_CHUNK_CR, /* the CR and */
    STATE_CHUNK_LF, /* the LF behind them */
    STATE_UNKNOWN,  /* the length is unknown: for ever */
};

/* Goes on to a state. No fault. */
static inline const char *framing_go(struct framing *f, enum framing_state state)
{
    f->state_ = (uint8_t)state;
    return NULL;
}

static inline bool framing_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- framing_head.c ---- */

/* In front of a request's first byte. */
void framing_begin_request(struct framing *f);
/* STATE_FIRST to STATE_START_CR */
const char *framing_take_between(struct framing *f, char c);
/* STATE_METHOD to STATE_END_CR, of a head or trailers */
const char *framing_take_head(struct framing *f, char c);
/* Is it one of the fields that are looked into? `name` has `len` bytes and ends at its colon. Then
 * the state is that in front of the colon. */
bool framing_take_known_name(struct framing *f, const char *name, size_t len);
static inline bool framing_take_name(struct framing *f, const char *name, size_t len)
{
    /* Transfer-Encoding, Content-Length, Cookie */
    return (len == 17 || len == 14 || len == 6) && framing_take_known_name(f, name, len);
}
/* The request is whole. */
const char *framing_end_request(struct framing *f);

/* ---- framing_chunks.c ---- */

void framing_begin_size_line(struct framing *f);
/* STATE_SIZE to STATE_SIZE_CR, and STATE_CHUNK_CR and _LF */
const char *framing_take_chunk_line(struct framing *f, char c);

#endif
