#include "api/sse.h"

#include "base/mem.h"

/* Bytes that are held of a line that comes in several pieces: more than an event's type may have. A
 * longer line is data, which goes on as it comes, or does not matter. */
#define LINE_HELD ((size_t)512)

static const char bom[] = "\xef\xbb\xbf";

void sse_init(struct sse *sse, const struct sse_ops *ops, void *arg)
{
    *sse = (struct sse){.ops = ops, .arg = arg};
    str_init(&sse->line_);
    str_init(&sse->type_);
    str_init(&sse->data_);
}

void sse_release(struct sse *sse)
{
    str_release(&sse->line_);
    str_release(&sse->type_);
    str_release(&sse->data_);
}

static void dispatch(struct sse *sse)
{
    struct sse_event event = {
        .type = sse->type_.len ? sse->type_.text : "message",
        .data = sse->data_.text,
        .data_len = sse->data_.len,
        .in_pieces = sse->in_pieces_,
    };

    if (sse->has_data_)
        sse->ops->on_event(sse->arg, &event);
    str_clear(&sse->type_);
    str_clear(&sse->data_);
    sse->has_data_ = sse->in_pieces_ = false;
}

static void add_data(struct sse *sse, const char *bytes, size_t len)
{
    if (!sse->in_pieces_ && len > SSE_WHOLE_MAX - sse->data_.len) {
        sse->in_pieces_ = true;
        if (sse->data_.len)
            sse->ops->on_piece(sse->arg, sse->data_.text, sse->data_.len);
        str_clear(&sse->data_);
    }
    if (!sse->in_pieces_)
        str_add(&sse->data_, bytes, len);
    else if (len)
        sse->ops->on_piece(sse->arg, bytes, len);
}

/* The value of a `data` field, or its beginning. */
static void begin_data(struct sse *sse, const char *value, size_t len)
{
    if (sse->has_data_)
        add_data(sse, STR_LIT("\n"));
    sse->has_data_ = true;
    add_data(sse, value, len);
}

static void take_type(struct sse *sse, const char *value, size_t len)
{
    str_clear(&sse->type_);
    if (!memchr(value, '\0', len)) /* else it would read as another type */
        str_add(&sse->type_, value, len < SSE_TYPE_MAX ? len : SSE_TYPE_MAX);
}

static void take_field(struct sse *sse, const char *name, size_t name_len, const char *value,
                       size_t len)
{
    if (name_len == 4 && memcmp(name, STR_LIT("data")) == 0)
        begin_data(sse, value, len);
    else if (name_len == 5 && memcmp(name, STR_LIT("event")) == 0)
        take_type(sse, value, len);
}

static bool has_data(const char *line, size_t len)
{
    return len >= 5 && memcmp(line, STR_LIT("data:")) == 0;
}

/* The line may have come in one piece or in several, which makes no difference. */
static void take_line(struct sse *sse, const char *line, size_t len)
{
    const char *colon, *value;

    if (len > LINE_HELD && !has_data(line, len))
        len = LINE_HELD;
    colon = memchr(line, ':', len);
    if (!colon) {
        take_field(sse, line, len, "", 0);
        return;
    }
    value = colon + 1;
    if (value < line + len && *value == ' ')
        value++;
    /* A comment is a field without a name. */
    take_field(sse, line, (size_t)(colon - line), value, (size_t)(line + len - value));
}

/* A line that goes on. */
static void add_to_line(struct sse *sse, const char *bytes, size_t len)
{
    const size_t room = LINE_HELD - sse->line_.len;
    const size_t held = sse->in_data_line_ ? 0 : len < room ? len : room;

    str_add(&sse->line_, bytes, held);
    if (held == len)
        return;
    if (!sse->in_data_line_ && has_data(sse->line_.text, sse->line_.len)) {
        sse->in_data_line_ = true;
        take_line(sse, sse->line_.text, sse->line_.len);
    }
    if (sse->in_data_line_)
        add_data(sse, bytes + held, len - held);
}

/* The end of a line has come: most lines stand in the piece, and are not copied before they are
 * looked at. */
static void end_line(struct sse *sse, const char *piece, size_t len)
{
    if (sse->line_.len == 0) {
        if (len == 0)
            dispatch(sse);
        else
            take_line(sse, piece, len);
        return;
    }
    add_to_line(sse, piece, len);
    if (!sse->in_data_line_)
        take_line(sse, sse->line_.text, sse->line_.len);
    sse->in_data_line_ = false;
    str_clear(&sse->line_);
}

/* Bytes that matched the beginning of a BOM but no BOM begin the first line. */
static const char *skip_bom(struct sse *sse, const char *at, const char *end)
{
    while (at < end && sse->bom_ < 3) {
        if (*at != bom[sse->bom_]) {
            str_add(&sse->line_, bom, sse->bom_);
            sse->bom_ = 3;
            break;
        }
        sse->bom_++;
        at++;
    }
    return at;
}

/* The next of these characters, or the end. What was found stays until it is passed: a stream
 * without the one character is not searched for it again at each of the other. */
static void find(const char **found, char c, const char *at, const char *end)
{
    if (*found && *found >= at)
        return;
    *found = memchr(at, c, (size_t)(end - at));
    if (!*found)
        *found = end;
}

void sse_feed(struct sse *sse, const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len, *lf = NULL, *cr = NULL, *stop;

    if (sse->bom_ < 3)
        at = skip_bom(sse, at, end);
    while (at < end) {
        if (sse->after_cr_) {
            sse->after_cr_ = false;
            at += *at == '\n';
            continue;
        }
        find(&lf, '\n', at, end);
        find(&cr, '\r', at, end);
        stop = lf < cr ? lf : cr;
        if (stop == end) {
            add_to_line(sse, at, (size_t)(end - at));
            return;
        }
        sse->after_cr_ = *stop == '\r';
        end_line(sse, at, (size_t)(stop - at));
        at = stop + 1;
    }
}
