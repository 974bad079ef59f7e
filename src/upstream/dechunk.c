#include "upstream/dechunk.h"

#include <string.h>

#include "base/str.h"

#define DIGITS_MAX 15U

void dechunk_init(struct dechunk *d, bool (*on_data)(void *arg, const char *bytes, size_t len),
                  void *arg)
{
    *d = (struct dechunk){.state = DECHUNK_SIZE, .on_data = on_data, .arg = arg};
}

static enum dechunk_state after_size_line(const struct dechunk *d)
{
    return d->left ? DECHUNK_DATA : DECHUNK_TRAILERS;
}

static enum dechunk_state take_digit(struct dechunk *d, char c)
{
    const int digit = str_hex_digit(c);

    if (digit >= 0) {
        d->left = d->left << 4 | (uint64_t)digit;
        return ++d->digits > DIGITS_MAX ? DECHUNK_BAD : DECHUNK_SIZE;
    }
    if (d->digits == 0 || !strchr(" \t;\r", c) || c == '\0')
        return DECHUNK_BAD;
    return c == '\r' ? DECHUNK_SIZE_LF : DECHUNK_SIZE_LINE;
}

static enum dechunk_state begin_chunk(struct dechunk *d)
{
    d->digits = 0;
    d->left = 0;
    return DECHUNK_SIZE;
}

/* One byte of the framing. */
static enum dechunk_state take_byte(struct dechunk *d, char c)
{
    switch (d->state) {
    case DECHUNK_SIZE:
        return take_digit(d, c);
    case DECHUNK_SIZE_LINE:
        return c == '\r' ? DECHUNK_SIZE_LF : c == '\n' ? DECHUNK_BAD : DECHUNK_SIZE_LINE;
    case DECHUNK_SIZE_LF:
        return c == '\n' ? after_size_line(d) : DECHUNK_BAD;
    case DECHUNK_DATA_CR:
        return c == '\r' ? DECHUNK_DATA_LF : DECHUNK_BAD;
    case DECHUNK_DATA_LF:
        return c == '\n' ? begin_chunk(d) : DECHUNK_BAD;
    case DECHUNK_TRAILERS:
        return c == '\n' ? DECHUNK_WHOLE : c == '\r' ? DECHUNK_LAST_LF : DECHUNK_TRAILER;
    case DECHUNK_TRAILER:
        return c == '\n' ? DECHUNK_TRAILERS : DECHUNK_TRAILER;
    case DECHUNK_LAST_LF:
        return c == '\n' ? DECHUNK_WHOLE : DECHUNK_BAD;
    case DECHUNK_DATA:
    case DECHUNK_WHOLE:
    case DECHUNK_BAD:
        break;
    }
    return DECHUNK_BAD;
}

bool dechunk_take(struct dechunk *d, const char *bytes, size_t len, bool *all)
{
    const char *at = bytes, *end = bytes + len;

    d->begun |= len > 0;
    while (at < end && d->state != DECHUNK_WHOLE && d->state != DECHUNK_BAD) {
        size_t n = (size_t)(end - at);

        if (d->state != DECHUNK_DATA) {
            d->state = take_byte(d, *at++);
            continue;
        }
        n = n < d->left ? n : (size_t)d->left;
        *all = d->on_data(d->arg, at, n) && *all;
        at += n;
        d->left -= n;
        if (d->left == 0)
            d->state = DECHUNK_DATA_CR;
    }
    return d->state != DECHUNK_BAD;
}
