/* The tokens of lex.h, of a text that comes in pieces: each has a small automaton, so that a piece
 * may end anywhere. One thread's.
 */
#ifndef API_LEX_PUSH_H
#define API_LEX_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEX_PUSH_TEXT 512

enum lex_push_kind { LEX_PUSH_STRING, LEX_PUSH_NUMBER, LEX_PUSH_LITERAL };
enum lex_push_result { LEX_PUSH_MORE, LEX_PUSH_END, LEX_PUSH_BAD };

/* Within a string. */
enum lex_string_state {
    LEX_STRING_PLAIN,
    LEX_STRING_ESCAPE,
    LEX_STRING_HEX,
    LEX_STRING_LOW, /* a second surrogate must follow: its backslash, its u */
    LEX_STRING_LOW_U,
    LEX_STRING_UTF8
};

/* Within a number: what was read last. */
enum lex_number_state {
    LEX_NUMBER_MINUS, /* or nothing */
    LEX_NUMBER_ZERO,
    LEX_NUMBER_DIGITS,
    LEX_NUMBER_POINT,
    LEX_NUMBER_FRACTION,
    LEX_NUMBER_E,
    LEX_NUMBER_SIGN,
    LEX_NUMBER_EXPONENT
};

struct lex_push {
    char text[LEX_PUSH_TEXT]; /* if captured: how the token is written, as far as that fits */
    size_t len;               /* of all of it */
    bool captured;
    bool filled; /* if captured: a string that is not blank (scan_is_filled()), a number but 0 */

    enum lex_push_kind kind_;
    enum lex_string_state string_;
    enum lex_number_state number_;
    const char *rest_;        /* of a literal */
    unsigned wanted_;         /* hex digits, or bytes of a character, to come */
    uint32_t code_;           /* what the hex digits spell so far */
    bool low_;                /* they are those of a second surrogate */
    unsigned char from_, to_; /* where the next byte of a character must lie */
};

/* At the token's first byte, which is fed as well. */
void lex_push_begin(struct lex_push *t, char first, bool captured);
/* Moves *at on, to behind the token at most; of a number that shows at the byte after it. */
enum lex_push_result lex_push_feed(struct lex_push *t, const char **at, const char *end);
/* The text ends here: only a number may end with it. */
enum lex_push_result lex_push_end(const struct lex_push *t);
/* Was the token captured, and is it longer than the text? */
static inline bool lex_push_is_cut(const struct lex_push *t)
{
    return t->len >= LEX_PUSH_TEXT;
}

#endif
