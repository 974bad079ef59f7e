#include "api/sse.h"

#include "base/mem.h"

/* The longest line that may matter in full is "data: " and all that may be kept; with one byte
 * more it is known to be too long. Lines are cut here whether they came in one piece or in
 * many, so that it makes no difference how a stream was split. */
#define LINE_MAX_BYTES (SSE_EVENT_MAX + 7)

static const char bom[] = "\xef\xbb\xbf";

void sse_init(struct sse *sse, void (*on_event)(void *arg, const struct sse_event *event),
              void *arg)
{
    *sse = (struct sse){.on_event = on_event, .arg = arg};
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

/* Adds what fits below max; false if it was not all. */
static bool add_up_to(struct str *s, const char *bytes, size_t len, size_t max)
{
    size_t room = max - s->len;

    str_add(s, bytes, len < room ? len : room);
    return len <= room;
}

static void dispatch(struct sse *sse)
{
    struct sse_event event = {
        .type = sse->type_.len ? sse->type_.text : "message",
        .data = sse->data_.text,
        .data_len = sse->data_.len,
        .cut = sse->cut_,
    };

    if (sse->has_data_)
        sse->on_event(sse->arg, &event);
    str_clear(&sse->type_);
    str_clear(&sse->data_);
    sse->has_data_ = sse->cut_ = false;
}

static void take_field(struct sse *sse, const char *name, size_t name_len, const char *value,
                       size_t len)
{
    if (name_len == 4 && memcmp(name, STR_LIT("data")) == 0) {
        if (sse->has_data_ && !add_up_to(&sse->data_, STR_LIT("\n"), SSE_EVENT_MAX))
            sse->cut_ = true;
        if (!add_up_to(&sse->data_, value, len, SSE_EVENT_MAX))
            sse->cut_ = true;
        sse->has_data_ = true;
    } else if (name_len == 5 && memcmp(name, STR_LIT("event")) == 0) {
        str_clear(&sse->type_);
        if (memchr(value, '\0', len))
            len = 0; /* else it would read as another type */
        if (!add_up_to(&sse->type_, value, len, SSE_TYPE_MAX))
            sse->cut_ = true;
    }
}

static void take_line(struct sse *sse, const char *line, size_t len)
{
    const char *colon, *value;

    if (len == 0) {
        dispatch(sse);
        return;
    }
    if (len > LINE_MAX_BYTES)
        len = LINE_MAX_BYTES;
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

/* The end of a line has come: most lines stand in the piece, and are not copied before they are
 * looked at. */
static void end_line(struct sse *sse, const char *piece, size_t len)
{
    if (sse->line_.len == 0) {
        take_line(sse, piece, len);
        return;
    }
    add_up_to(&sse->line_, piece, len, LINE_MAX_BYTES);
    take_line(sse, sse->line_.text, sse->line_.len);
    str_clear(&sse->line_);
}

/* What looked like a BOM and was none is the beginning of the first line. */
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
            add_up_to(&sse->line_, at, (size_t)(end - at), LINE_MAX_BYTES);
            return;
        }
        sse->after_cr_ = *stop == '\r';
        end_line(sse, at, (size_t)(stop - at));
        at = stop + 1;
    }
}
