#include "api/payload.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* ---- one part of an answer ---- */

static bool is_one_of(const struct scan_value *value, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (scan_is_text(value, words[i]))
            return true;
    return false;
}

bool payload_finishes_well(const struct scan_value *finish_reason)
{
    static const char *const words[] = {
        "stop", "length", "tool_calls", "function_call", "eos_token", "stop_sequence", "end_turn",
    };

    return is_one_of(finish_reason, words, countof(words));
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

bool payload_item_speaks(const struct scan_value *type, bool content_speaks)
{
    static const char *const words[] = {"mcp_approval_request", "audio", "output_audio"};
    char name[64];

    if (scan_is_text(type, "message"))
        return content_speaks;
    scan_copy_text(type, name, sizeof(name));
    return ends_with(name, "_call") || is_one_of(type, words, countof(words));
}

static bool any_is_filled(const struct scan_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (scan_is_filled(&members[i].value))
            return true;
    return false;
}

/* -1: none that is counted. Servers with a single choice may leave the index out. */
static int index_of(const struct scan_value *value)
{
    int index = 0;

    if (value->kind == SCAN_MISSING || value->kind == SCAN_NULL)
        return 0;
    if (value->kind != SCAN_NUMBER)
        return -1;
    for (size_t i = 0; i < value->len && index < PAYLOAD_CHOICES_MAX; i++) {
        if (value->at[i] < '0' || value->at[i] > '9')
            return -1;
        index = index * 10 + (value->at[i] - '0');
    }
    return index < PAYLOAD_CHOICES_MAX ? index : -1;
}

static void set_bit(struct payload_bits *bits, int index)
{
    bits->words[index / 64] |= UINT64_C(1) << index % 64;
}

static bool same_bits(const struct payload_bits *a, const struct payload_bits *b)
{
    return memcmp(a->words, b->words, sizeof(a->words)) == 0;
}

/* ---- what is called while it is read ---- */

enum { CHOICE_INDEX, CHOICE_FINISH, CHOICE_SAID };
enum { SAID_CONTENT };
enum { PART_TEXT };

/* `content` and its like stand in an object; `text` of completions is the member itself. An array
 * of parts says what its parts say. */
static bool choice_speaks(const struct payload *p)
{
    if (p->api_ == CACHE_CLASS_COMPLETIONS)
        return scan_is_filled(&p->choice_[CHOICE_SAID].value);
    if (p->said_[SAID_CONTENT].value.kind == SCAN_ARRAY)
        return p->part_spoke_ || any_is_filled(p->said_ + 1, countof(p->said_) - 1);
    return any_is_filled(p->said_, countof(p->said_));
}

/* A document's choice says all in one; they are told apart by their place. */
static void take_whole_choice(struct payload *p)
{
    if (!choice_speaks(p) || !payload_finishes_well(&p->choice_[CHOICE_FINISH].value))
        p->bad_ = true;
}

static void take_piece_of_choice(struct payload *p)
{
    const struct scan_value *finish = &p->choice_[CHOICE_FINISH].value;
    int index = index_of(&p->choice_[CHOICE_INDEX].value);

    if (index < 0) {
        p->bad_ = true;
        return;
    }
    set_bit(&p->begun_, index);
    if (choice_speaks(p))
        set_bit(&p->spoke_, index);
    if (payload_finishes_well(finish))
        set_bit(&p->ended_, index);
    else if (scan_is_truthy(finish))
        p->bad_ = true;
}

static void on_choice(void *arg)
{
    struct payload *p = arg;

    if (p->stream_)
        take_piece_of_choice(p);
    else
        take_whole_choice(p);
    p->part_spoke_ = false;
}

/* Parts without a text member (images, citations) are extensions of other servers: they count. */
static void on_content_part(void *arg)
{
    struct payload *p = arg;

    p->part_spoke_ |= any_is_filled(p->part_, countof(p->part_)) ||
                      p->part_[PART_TEXT].value.kind == SCAN_MISSING;
}

static void on_part(void *arg)
{
    struct payload *p = arg;

    p->part_spoke_ |= any_is_filled(p->part_, countof(p->part_));
}

enum { ITEM_TYPE, ITEM_CONTENT };

/* A message's content is an array of parts, or with other servers the text itself. */
static bool item_speaks(const struct payload *p)
{
    const struct scan_value *content = &p->item_[ITEM_CONTENT].value;

    return payload_item_speaks(&p->item_[ITEM_TYPE].value,
                               p->part_spoke_ ||
                                   (content->kind == SCAN_STRING && scan_is_filled(content)));
}

static void on_item(void *arg)
{
    struct payload *p = arg;

    p->output_spoke_ |= item_speaks(p);
    p->part_spoke_ = false;
}

/* ---- the tables ---- */

/* By API and form; not all of them are looked at. */
enum { TOP_TYPE, TOP_ERROR, TOP_PAYLOAD, TOP_ITEM, TOP_DELTA };
enum { RESPONSE_STATUS, RESPONSE_DETAILS, RESPONSE_OUTPUT, RESPONSE_ERROR };

static struct scan_inside look_in(struct scan_member *members, size_t count,
                                  void (*on_element)(void *arg), void *arg)
{
    return (struct scan_inside){
        .members = members, .count = count, .on_element = on_element, .arg = arg};
}

static void name_parts(struct payload *p, void (*on_element)(void *arg))
{
    static const char *const parts[] = {"text", "refusal", "transcript", "data"};

    for (size_t i = 0; i < countof(parts); i++)
        p->part_[i].name = parts[i];
    p->in_parts_ = look_in(p->part_, countof(p->part_), on_element, p);
}

static void name_choices(struct payload *p)
{
    static const char *const said[] = {"content", "tool_calls", "function_call", "refusal",
                                       "audio"};
    const bool text = p->api_ == CACHE_CLASS_COMPLETIONS;

    for (size_t i = 0; i < countof(said); i++)
        p->said_[i].name = said[i];
    name_parts(p, on_content_part);
    p->said_[SAID_CONTENT].inside = &p->in_parts_;
    p->in_said_ = look_in(p->said_, countof(p->said_), NULL, NULL);
    p->choice_[CHOICE_INDEX].name = "index";
    p->choice_[CHOICE_FINISH].name = "finish_reason";
    p->choice_[CHOICE_SAID].name = text ? "text" : p->stream_ ? "delta" : "message";
    p->choice_[CHOICE_SAID].inside = text ? NULL : &p->in_said_;
    p->in_choices_ = look_in(p->choice_, countof(p->choice_), on_choice, p);
    p->top_[TOP_PAYLOAD].name = "choices";
    p->top_[TOP_PAYLOAD].inside = &p->in_choices_;
}

static void name_items(struct payload *p)
{
    name_parts(p, on_part);
    p->item_[ITEM_TYPE].name = "type";
    p->item_[ITEM_CONTENT].name = "content";
    p->item_[ITEM_CONTENT].inside = &p->in_parts_;
    p->in_item_ = look_in(p->item_, countof(p->item_), NULL, NULL);
    p->in_output_ = look_in(p->item_, countof(p->item_), on_item, p);
}

/* Numbers, or their bytes in base64. */
static void on_vector(void *arg)
{
    struct payload *p = arg;

    p->bad_ |= !scan_is_filled(&p->vector_[0].value);
}

static void name_vectors(struct payload *p)
{
    p->vector_[0].name = "embedding";
    p->in_vectors_ = look_in(p->vector_, countof(p->vector_), on_vector, p);
    p->top_[TOP_PAYLOAD].name = "data";
    p->top_[TOP_PAYLOAD].inside = &p->in_vectors_;
}

/* A document's members are those that a stream's events have in `response`. */
static void name_response(struct payload *p)
{
    name_items(p);
    p->reason_[0].name = "reason";
    p->in_reason_ = look_in(p->reason_, countof(p->reason_), NULL, NULL);
    p->response_[RESPONSE_STATUS].name = "status";
    p->response_[RESPONSE_DETAILS].name = "incomplete_details";
    p->response_[RESPONSE_DETAILS].inside = &p->in_reason_;
    p->response_[RESPONSE_OUTPUT].name = "output";
    p->response_[RESPONSE_OUTPUT].inside = &p->in_output_;
    p->response_[RESPONSE_ERROR].name = "error";
    p->in_response_ = look_in(p->response_, countof(p->response_), NULL, NULL);
    p->top_[TOP_PAYLOAD].name = "response";
    p->top_[TOP_PAYLOAD].inside = &p->in_response_;
    p->top_[TOP_ITEM].name = "item";
    p->top_[TOP_ITEM].inside = &p->in_item_;
    p->top_[TOP_DELTA].name = "delta";
    p->top_count_ = countof(p->top_);
}

void payload_init(struct payload *p, enum cache_class api, bool stream)
{
    *p = (struct payload){.api_ = api, .stream_ = stream, .top_count_ = TOP_PAYLOAD + 1};
    p->top_[TOP_TYPE].name = "type";
    p->top_[TOP_ERROR].name = "error";
    if (api == CACHE_CLASS_CHAT || api == CACHE_CLASS_COMPLETIONS)
        name_choices(p);
    else if (api == CACHE_CLASS_EMBEDDINGS)
        name_vectors(p);
    else if (api == CACHE_CLASS_RESPONSES)
        name_response(p);
    else
        p->top_count_ = TOP_PAYLOAD;
}

/* ---- what was read ---- */

/* The members of the outermost object. */
static struct scan_inside outermost(struct payload *p)
{
    if (p->api_ == CACHE_CLASS_RESPONSES && !p->stream_)
        return (struct scan_inside){.members = p->response_, .count = countof(p->response_)};
    return (struct scan_inside){.members = p->top_, .count = p->top_count_};
}

static void begin_reading(struct payload *p)
{
    p->part_spoke_ = p->output_spoke_ = false;
}

static void end_reading(struct payload *p, bool read)
{
    p->type = p->top_[TOP_TYPE].value;
    p->error = p->top_[TOP_ERROR].value;
    p->read_ += read;
}

bool payload_read(struct payload *p, const char *json, size_t len)
{
    const struct scan_inside top = outermost(p);
    bool read;

    begin_reading(p);
    read = scan_document(json, len, NULL, top.members, top.count);
    end_reading(p, read);
    return read;
}

bool payload_feed(struct payload *p, const char *bytes, size_t len)
{
    const struct scan_inside top = outermost(p);

    if (!p->feeding_) {
        begin_reading(p);
        scan_push_free(p->scan_);
        p->scan_ = scan_push_new(top.members, top.count);
        p->feeding_ = true;
    }
    return scan_push_feed(p->scan_, bytes, len);
}

bool payload_end(struct payload *p)
{
    const bool read = p->feeding_ && scan_push_end(p->scan_, NULL);

    p->feeding_ = false;
    end_reading(p, read);
    return read;
}

void payload_release(struct payload *p)
{
    scan_push_free(p->scan_);
    p->scan_ = NULL;
}

static bool has_elements(const struct scan_value *array)
{
    return array->kind == SCAN_ARRAY && scan_is_filled(array);
}

static bool response_is_done(const struct payload *p)
{
    const struct scan_value *status = &p->response_[RESPONSE_STATUS].value;
    const struct scan_value *reason = &p->reason_[0].value;

    if (scan_is_truthy(&p->response_[RESPONSE_ERROR].value))
        return false;
    if (scan_is_text(status, "completed"))
        return true;
    return scan_is_text(status, "incomplete") && reason->kind == SCAN_STRING &&
           scan_is_filled(reason) && !scan_is_text(reason, "content_filter");
}

bool payload_is_good(const struct payload *p)
{
    static const struct payload_bits none;

    if (p->bad_ || scan_is_truthy(&p->error))
        return false;
    if (p->api_ == CACHE_CLASS_RESPONSES)
        return response_is_done(p) && p->output_spoke_;
    if (!p->stream_)
        return has_elements(&p->top_[TOP_PAYLOAD].value);
    return !same_bits(&p->begun_, &none) && same_bits(&p->begun_, &p->ended_) &&
           same_bits(&p->begun_, &p->spoke_);
}

/* ---- streams of Responses ---- */

void payload_note_event(struct payload *p, const char *name)
{
    static const char *const deltas[] = {
        "response.output_text.delta",
        "response.refusal.delta",
        "response.audio.delta",
        "response.audio.transcript.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
    };

    if (strcmp(name, "response.output_item.done") == 0)
        p->events_spoke_ |= item_speaks(p);
    else if (str_starts(name, "response.") && ends_with(name, "_call.completed"))
        p->events_spoke_ = true;
    for (size_t i = 0; !p->events_spoke_ && i < countof(deltas); i++)
        p->events_spoke_ = strcmp(name, deltas[i]) == 0 &&
                           scan_is_filled(&p->top_[TOP_DELTA].value);
}

bool payload_response_is_good(const struct payload *p)
{
    if (p->read_ < 2 || !response_is_done(p))
        return false;
    return has_elements(&p->response_[RESPONSE_OUTPUT].value) ? p->output_spoke_ : p->events_spoke_;
}
