#include "api/sdk.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

#define DAY_MS (INT64_C(86400) * 1000)
#define MARGIN_MS 2000 /* the SDK has to be the one that gives up first */

/* names and values in turn, up to three pairs */
static struct sdk_deadline deadline(const char *const *pairs)
{
    struct sdk_deadline result;
    struct fields f;

    fields_init(&f);
    for (int i = 0; i < 6 && pairs[i]; i += 2)
        CHECK(fields_adds(&f, pairs[i], pairs[i + 1]));
    result = sdk_deadline_of("GET", "/v1/models", &f);
    fields_release(&f);
    return result;
}

/* ms: what the SDK says, 0 if none speaks. */
static void check_deadline(const char *const *pairs, int64_t ms)
{
    struct sdk_deadline got = deadline(pairs);

    CHECK_INT(got.head_ms, ms ? ms + MARGIN_MS : 0);
    CHECK_INT(got.body_ms, ms == 0 ? 0 : ms < 600000 ? 600000 : ms);
}

TEST("an SDK's deadline is its read timeout, else its timeout, else 600 s where one speaks")
{
    static const struct {
        const char *pairs[6];
        int64_t ms;
    } rows[] = {
        {{NULL}, 0},
        {{"user-agent", "curl/8"}, 0},
        {{"x-stainless-lang", "js"}, 600000},
        {{"X-Stainless-Lang", "python"}, 600000},
        {{"x-stainless-os", "Linux"}, 0},
        {{"x-stainless-timeout", "60"}, 60000},
        {{"X-STAINLESS-TIMEOUT", "60"}, 60000},
        {{"x-stainless-timeout", "1200"}, 1200000},
        {{"x-stainless-read-timeout", "5"}, 5000},
        {{"x-stainless-timeout", "60", "x-stainless-read-timeout", "5"}, 5000},
        {{"x-stainless-read-timeout", "5", "x-stainless-timeout", "60"}, 5000},
        {{"x-stainless-read-timeout", "NOT_GIVEN", "x-stainless-timeout", "60"}, 60000},
        {{"x-stainless-lang", "js", "x-stainless-timeout", "60"}, 60000},
        {{"x-stainless-timeout", "60", "x-stainless-lang", "js"}, 60000},
        {{"x-stainless-timeout-x", "60"}, 0},
        {{"stainless-timeout", "60"}, 0},
        {{"x-stainless-", "60"}, 0},
        {{"x-stainles", "60"}, 0},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        unit_row(rows[i].pairs[0]);
        check_deadline(rows[i].pairs, rows[i].ms);
    }
    unit_row(NULL);
}

TEST("seconds may have a fraction, are cut at a day, and what is no number says nothing")
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1", 1000},       {"0.5", 500},
        {"600.0", 600000}, {"0.001", 1},
        {"2.0005", 2001},  {"1.001", 1001},
        {"86400", DAY_MS}, {"86401", DAY_MS},
        {"1e300", 0},      {"99999999999999999999999", DAY_MS},
        {"0", 0},          {"0.0", 0},
        {"-1", 0},         {"-0.5", 0},
        {"", 0},           {"None", 0},
        {"NOT_GIVEN", 0},  {"nan", 0},
        {"inf", 0},        {"5s", 0},
        {"5 5", 0},        {"1,5", 0},
        {"+5", 0},         {".5", 0},
        {"Infinity", 0},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        const char *const alone[6] = {"x-stainless-timeout", rows[i].text};
        const char *const named[6] = {"x-stainless-read-timeout", rows[i].text, "x-stainless-lang",
                                      "python"};

        unit_row(rows[i].text);
        check_deadline(alone, rows[i].ms);
        check_deadline(named, rows[i].ms ? rows[i].ms : 600000);
    }
    unit_row(NULL);
}

TEST("seconds are decimal")
{
    const char *const hex[6] = {"x-stainless-timeout", "0x10"};

    check_deadline(hex, 0);
}

TEST("a deadline that is there is never rounded to none")
{
    const char *const tiny[6] = {"x-stainless-timeout", "0.0001", "x-stainless-lang", "js"};

    CHECK(deadline(tiny).head_ms < 600000);
}

TEST("a generation has 600 s whoever asks, and an SDK's word counts more")
{
    static const struct {
        const char *method, *target;
        bool is_generation;
    } rows[] = {
        {"POST", "/v1/chat/completions", true},
        {"POST", "/v1/chat/completions?x=1", true},
        {"POST", "/v1/completions", true},
        {"POST", "/v1/responses", true},
        {"POST", "/v1/embeddings", false},
        {"POST", "/v1/files", false},
        {"POST", "/v1/responses/resp_1/cancel", false},
        {"GET", "/v1/chat/completions", false},
        {"GET", "/v1/responses", false},
    };
    struct fields none, range, sdk;

    fields_init(&none);
    fields_init(&range);
    fields_adds(&range, "Range", "bytes=0-5"); /* is not cached, and takes as long */
    fields_init(&sdk);
    fields_adds(&sdk, "x-stainless-timeout", "20");
    for (size_t i = 0; i < countof(rows); i++) {
        struct sdk_deadline got = sdk_deadline_of(rows[i].method, rows[i].target, &none);

        unit_row(rows[i].target);
        CHECK_INT(got.head_ms >= 600000, rows[i].is_generation);
        CHECK_INT(got.body_ms, rows[i].is_generation ? 600000 : 0);
        got = sdk_deadline_of(rows[i].method, rows[i].target, &range);
        CHECK_INT(got.head_ms >= 600000, rows[i].is_generation);
        got = sdk_deadline_of(rows[i].method, rows[i].target, &sdk);
        CHECK_INT(got.head_ms, 20000 + MARGIN_MS);
    }
    unit_row(NULL);
    fields_release(&none);
    fields_release(&range);
    fields_release(&sdk);
}
