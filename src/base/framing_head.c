/* The request line, field lines and trailers: RFC 9112 sections 2.2, 3 and 5. */
#include "base/fields.h"
#include "base/framing_states.h"

/* Zeros behind the names, so that each has a byte at each index up to NAME_MAX_LEN. */
#define NAME_MAX_LEN 17U
#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
static const struct {
    char text[NAME_MAX_LEN + 1];
    uint8_t len;
} names[] = {NAME("transfer-encoding"), NAME("content-length"), NAME("cookie")};
enum { ENCODING, LENGTH, COOKIE, NAME_COUNT };

/* ---- limits ---- */

static const char *too_large(struct framing *f)
{
    if (f->in_trailers_)
        return "The request's trailer section is larger than 8 KiB, or the request has more than "
               "100 fields.";
    if (f->state_ <= STATE_VERSION) {
        f->reason = FRAMING_TARGET_TOO_LONG;
        return "The request's target is too long: its line may have 18 KiB.";
    }
    f->reason = FRAMING_HEAD_TOO_LARGE;
    return "The request's header fields are too large: at most 18 KiB and 100 fields are taken, "
           "where each cookie counts as a field, and its bytes twice.";
}

static const char *count_field(struct framing *f)
{
    return f->fields_++ < FRAMING_FIELDS_MAX ? NULL : too_large(f);
}

/* ---- ends ---- */

/* Within a line; whatever is special in the value was seen to. */
static const char *take_line(struct framing *f, char c)
{
    if (c == '\r')
        return framing_go(f, STATE_LINE_CR);
    if (c == '\0')
        return f->in_trailers_ ? "The request's trailer section has a NUL in it."
                               : "The request's head has a NUL in it.";
    if (c != '\n')
        return framing_go(f, STATE_LINE);
    if (f->in_trailers_)
        return "The request's trailer section has a line that ends in LF alone, without CR.";
    return framing_go(f, STATE_FIELD);
}

static const char *lone_cr(const struct framing *f)
{
    return f->in_trailers_ ? "The request's trailer section has a CR in it that no LF follows."
                           : "The request's head has a CR in it that no LF follows.";
}

const char *framing_end_request(struct framing *f)
{
    f->requests++;
    return framing_go(f, STATE_START);
}

/* The empty line is complete. */
static const char *end_fields(struct framing *f)
{
    if (f->in_trailers_) {
        f->in_trailers_ = false;
        return framing_end_request(f);
    }
    if (f->unknown_)
        return framing_go(f, STATE_UNKNOWN);
    if (f->chunked_) {
        f->extensions_ = 0;
        framing_begin_size_line(f);
        return NULL;
    }
    return f->left_ ? framing_go(f, STATE_BODY) : framing_end_request(f);
}

/* ---- request line ---- */

static const char *bad_request_line(char c)
{
    if (c == '\0')
        return "The request's head has a NUL in it.";
    return "The request does not begin with a line of method, target and HTTP/1.1, with one blank "
           "between them.";
}

void framing_begin_request(struct framing *f)
{
    f->chunked_ = f->has_length_ = f->unknown_ = false;
    f->left_ = 0;
    f->fields_ = 0;
    f->room_ = FRAMING_HEAD_MAX;
}

static const char *take_first(struct framing *f, char c)
{
    framing_begin_request(f);
    f->room_--;
    return field_is_token(&c, 1) ? framing_go(f, STATE_METHOD) : bad_request_line(c);
}

const char *framing_take_between(struct framing *f, char c)
{
    if (f->state_ == STATE_START_CR)
        return c == '\n' ? framing_go(f, STATE_START) : lone_cr(f);
    f->tls = f->state_ == STATE_FIRST && c == 0x16; /* a handshake record, RFC 8446 section 5.1 */
    if (f->tls)
        return "This port speaks plain HTTP, not TLS: use http:// in the base URL.";
    if (c == '\r')
        return framing_go(f, STATE_START_CR);
    return c == '\n' ? framing_go(f, STATE_START) : take_first(f, c);
}

static const char *take_method(struct framing *f, char c)
{
    if (c == ' ')
        return framing_go(f, STATE_TARGET_BEGIN);
    return field_is_token(&c, 1) ? NULL : bad_request_line(c);
}

/* Which characters a target may have is for others to say, but for those that end it. */
static const char *take_target(struct framing *f, char c)
{
    if (c == ' ' && f->state_ == STATE_TARGET) {
        f->name_len_ = 0;
        return framing_go(f, STATE_VERSION);
    }
    return (unsigned char)c > ' ' ? framing_go(f, STATE_TARGET) : bad_request_line(c);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1." and a digit: a later minor version is to be read as the highest that is known (RFC
 * 9110 section 6.2). Where it is something else, the blank before it was one within the target,
 * which others refuse, as they know whose it is. */
static const char *take_version(struct framing *f, char c)
{
    static const char version[] = "HTTP/1.";
    const size_t at = f->name_len_;

    if (at == sizeof(version) && (c == '\r' || c == '\n'))
        return take_line(f, c);
    if (at < sizeof(version) && (at == sizeof(version) - 1 ? is_digit(c) : c == version[at])) {
        f->name_len_++;
        return NULL;
    }
    if (at == sizeof("HTTP/") - 1 && is_digit(c)) {
        f->reason = FRAMING_VERSION;
        return "This port speaks HTTP/1 only.";
    }
    framing_go(f, STATE_TARGET);
    return take_target(f, c);
}

/* ---- field lines ---- */

/* The colon has come. More than one of the two that tell the length: any choice is a guess. */
static const char *end_name(struct framing *f)
{
    unsigned which = 0;

    while (which < NAME_COUNT &&
           !((f->name_candidates_ >> which & 1) && f->name_len_ == names[which].len))
        which++;
    if (f->in_trailers_ || which == NAME_COUNT)
        return framing_go(f, STATE_LINE);
    if (which == COOKIE)
        return framing_go(f, STATE_COOKIE);
    f->unknown_ |= f->chunked_ || f->has_length_;
    f->chunked_ |= which == ENCODING;
    f->has_length_ |= which == LENGTH;
    f->digits_ = false;
    f->left_ = 0;
    return framing_go(f, which == ENCODING ? STATE_CODING : STATE_LENGTH);
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
    for (unsigned i = 0; i < NAME_COUNT; i++)
        if (lower != names[i].text[f->name_len_])
            f->name_candidates_ &= (uint8_t) ~(1U << i);
    if (f->name_len_ < NAME_MAX_LEN)
        f->name_len_++;
    return NULL;
}

static const char *take_field(struct framing *f, char c)
{
    const char *fault;

    if (c == '\r')
        return framing_go(f, STATE_END_CR);
    if (c == '\n' && !f->in_trailers_)
        return end_fields(f);
    if (c == '\n')
        return take_line(f, c);
    if (framing_is_blank(c))
        return "A field line of the request begins with a blank: folded fields are not taken.";
    if (c == ':')
        return "A field line of the request has no name.";
    fault = count_field(f);
    if (fault)
        return fault;
    f->name_len_ = 0;
    f->name_candidates_ = (1U << NAME_COUNT) - 1;
    framing_go(f, STATE_NAME);
    return take_name(f, c);
}

bool framing_take_known_name(struct framing *f, const char *name, size_t len)
{
    for (unsigned i = 0; i < NAME_COUNT; i++) {
        size_t at = 0;

        if (len != names[i].len)
            continue;
        while (at < len && (name[at] | 0x20) == names[i].text[at])
            at++;
        if (at < len)
            continue;
        f->fields_++;
        f->name_candidates_ = (uint8_t)(1U << i);
        f->name_len_ = (uint8_t)len;
        framing_go(f, STATE_NAME);
        return true;
    }
    return false;
}

static const char *take_coding(struct framing *f, char c)
{
    const bool ends = c == '\r' || c == '\n';

    if (ends && f->state_ == STATE_CODING_BLANK)
        return "The request's Transfer-Encoding has a blank at its end.";
    if (ends || c == '\0')
        return take_line(f, c);
    if (!framing_is_blank(c))
        return framing_go(f, STATE_CODING_VALUE);
    return framing_go(f, f->state_ == STATE_CODING ? STATE_CODING : STATE_CODING_BLANK);
}

/* Blanks, then digits. */
static const char *take_length(struct framing *f, char c)
{
    const unsigned digit = (unsigned)(unsigned char)c - '0';

    if (f->state_ == STATE_LENGTH_BLANK && (c == '\r' || c == '\n'))
        return "The request's Content-Length has a blank at its end.";
    if (framing_is_blank(c))
        return framing_go(f, f->digits_ ? STATE_LENGTH_BLANK : STATE_LENGTH);
    if (f->digits_ && (c == '\r' || c == '\n'))
        return take_line(f, c);
    if (f->state_ != STATE_LENGTH || digit > 9)
        return c == '\0' ? take_line(f, c) : "The request has a Content-Length that is no number.";
    if (f->left_ > ((uint64_t)INT64_MAX - digit) / 10)
        return "The request has a Content-Length that is too large.";
    f->left_ = f->left_ * 10 + digit;
    f->digits_ = true;
    return NULL;
}

/* The library behind copies the value, and makes a record of each cookie. */
static const char *take_cookie(struct framing *f, char c)
{
    if (c == '\r' || c == '\n' || c == '\0')
        return take_line(f, c);
    if (f->room_ == 0)
        return too_large(f);
    f->room_--;
    return c == ';' || c == ',' ? count_field(f) : NULL;
}

const char *framing_take_head(struct framing *f, char c)
{
    if (f->room_ == 0)
        return too_large(f);
    f->room_--;
    switch ((enum framing_state)f->state_) {
    case STATE_METHOD:
        return take_method(f, c);
    case STATE_TARGET_BEGIN:
    case STATE_TARGET:
        return take_target(f, c);
    case STATE_VERSION:
        return take_version(f, c);
    case STATE_LINE_CR:
        return c == '\n' ? framing_go(f, STATE_FIELD) : lone_cr(f);
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
    case STATE_COOKIE:
        return take_cookie(f, c);
    case STATE_END_CR:
        return c == '\n' ? end_fields(f) : lone_cr(f);
    default:
        return take_line(f, c);
    }
}
