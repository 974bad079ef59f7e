/* policy: nothing that comes from either side upsets it, and what it says agrees with itself.
 *
 *      api, status, framed  one byte each
 *      fields               "name:value\n" … up to an empty line
 *      body                 the rest
 */
#include "api/policy.h"

#include "api/key.h"
#include "fuzz.h"

/* Those of a request and of an answer in one. Returns how much of the text they were. */
static size_t read_fields(struct fields *f, const char *text, size_t size)
{
    size_t at = 0;

    fields_init(f);
    while (at < size && text[at] != '\n') {
        size_t len = strcspn(text + at, "\n"), name_len = strcspn(text + at, ":\n");

        if (name_len < len)
            fields_add(f, text + at, name_len, text + at + name_len + 1, len - name_len - 1);
        at += len + (text[at + len] == '\n');
        if (at < size && text[at] == '\0')
            break;
    }
    return at + (at < size);
}

static void judge_request(const struct fields *f, enum cache_class api, const char *body,
                          size_t len)
{
    struct cache_control asks;
    struct body_facts facts;

    cache_class_of(len & 1 ? "GET" : "POST", body, f);
    MUST(policy_collection_of(body) != 0);
    memset(&facts, 'x', sizeof(facts));
    policy_inspect_body(api, body, len, &facts);
    MUST(strnlen(facts.model, sizeof(facts.model)) < sizeof(facts.model));
    MUST(!facts.is_stateful || api == CACHE_CLASS_RESPONSES);
    cache_control_of(f, &asks);
    MUST(asks.max_age_s >= -1 && asks.max_age_s <= INT64_C(1) << 31);
    MUST(asks.min_fresh_s >= 0 && asks.min_fresh_s <= INT64_C(1) << 31);
    fields_each(h, f)
        policy_field_is_kept(&h);
}

/* What proves itself whole is whole as well if HTTP says so, and a success of a POST that may be
 * stored would be complete as an error, too. */
static void judge_answer(const struct fields *f, enum cache_class api, unsigned status,
                         const char *body, size_t len)
{
    static const struct key_rules rules = {.upstream = "http://up/v1"};
    bool unframed = policy_answer_is_whole(api, status, f, &(struct policy_body){body, len, false});

    if (policy_head_may_store(api, NULL, status, f))
        MUST(policy_head_may_store(api, &rules, status, f));
    if (unframed)
        MUST(policy_answer_is_whole(api, status, f, &(struct policy_body){body, len, true}));
    if (api != CACHE_CLASS_GET &&
        policy_answer_is_whole(api, 200, f, &(struct policy_body){body, len, true}))
        MUST(policy_answer_is_whole(api, 400, f, &(struct policy_body){body, len, true}));
}

/* Cut at each of its bytes, a stream is whole from one length on, and not before: that length ends
 * a line, and the terminal event's word is in it (unless an escape spells it). */
static void cut_stream(enum cache_class api, const char *body, size_t len)
{
    struct fields f;
    bool whole = false;

    if (len > 300)
        len = 300;
    fields_init(&f);
    fields_adds(&f, "Content-Type", "text/event-stream");
    for (size_t n = 0; n <= len; n++) {
        bool now = policy_answer_is_whole(api, 200, &f, &(struct policy_body){body, n, n % 2});

        MUST(now || !whole);
        if (now && !whole)
            MUST(n >= 2 && (body[n - 1] == '\n' || body[n - 1] == '\r') &&
                 api != CACHE_CLASS_EMBEDDINGS && api != CACHE_CLASS_NONE &&
                 (memmem(body, n, "[DONE]", 6) || memmem(body, n, "response.", 9) ||
                  memmem(body, n, "\\", 1)));
        whole = now;
    }
    fields_release(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned statuses[] = {200, 201, 400, 401, 500};
    char *text;
    struct fields f;
    enum cache_class api;
    size_t at;

    if (size < 3)
        return 0;
    api = (enum cache_class)(data[0] % (CACHE_CLASS_GET + 1));
    text = fuzz_text(data + 3, size - 3);
    at = read_fields(&f, text, size - 3);
    judge_request(&f, api, text + at, size - 3 - at);
    judge_answer(&f, api, statuses[data[1] % 5], text + at, size - 3 - at);
    cut_stream(api, text + at, size - 3 - at);
    fields_release(&f);
    free(text);
    return 0;
}
