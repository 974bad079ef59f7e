/* Chunk-size lines, and line ends behind chunks: RFC 9112 section 7.1. */
#include "base/framing_states.h"
#include "base/str.h"

void framing_begin_size_line(struct framing *f)
{
    f->room_ = FRAMING_CHUNK_LINE_MAX;
    f->left_ = 0;
    f->digits_ = false;
    framing_go(f, STATE_SIZE);
}

static const char *take_extension(struct framing *f, char c)
{
    if (c == '\r')
        return framing_go(f, STATE_SIZE_CR);
    if (c == '\n')
        return "The request's body has a chunk-size line that ends in LF alone, without CR.";
    if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f)
        return "The request's body has a chunk extension with a control character in it.";
    if (f->extensions_ == FRAMING_EXTENSIONS_MAX)
        return "The request's body has more than 16 KiB of chunk extensions.";
    f->extensions_++;
    return NULL;
}

/* Bad whitespace (RFC 9112 section 7.1.1) in front of an extension is no part of the number: the
 * library behind refuses it, and does so with an answer that is not ours. */
static const char *take_behind_size(struct framing *f, char c)
{
    if (c == ';')
        framing_go(f, STATE_EXTENSION);
    else if (c != '\n' && c != '\r')
        return "The request's body has a chunk size that is not a hexadecimal number.";
    return take_extension(f, c);
}

static const char *take_size(struct framing *f, char c)
{
    const int digit = str_hex_digit(c);

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
        return framing_go(f, STATE_CHUNK);
    f->in_trailers_ = true;
    f->room_ = FRAMING_TRAILERS_MAX;
    return framing_go(f, STATE_FIELD);
}

static const char *take_size_line(struct framing *f, char c)
{
    if (f->room_ == 0)
        return "The request's body has a chunk-size line of more than 1 KiB.";
    f->room_--;
    if (f->state_ == STATE_SIZE)
        return take_size(f, c);
    return f->state_ == STATE_EXTENSION ? take_extension(f, c) : end_size_line(f, c);
}

static const char *end_chunk(struct framing *f, char c)
{
    if (c != (f->state_ == STATE_CHUNK_CR ? '\r' : '\n'))
        return "The request's body has a chunk that no CRLF follows.";
    if (f->state_ == STATE_CHUNK_CR)
        return framing_go(f, STATE_CHUNK_LF);
    framing_begin_size_line(f);
    return NULL;
}

const char *framing_take_chunk_line(struct framing *f, char c)
{
    if (f->state_ == STATE_CHUNK_CR || f->state_ == STATE_CHUNK_LF)
        return end_chunk(f, c);
    return take_size_line(f, c);
}
