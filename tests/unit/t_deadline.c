#include "upstream/deadline.h"

#include "base/mem.h"
#include "unit.h"

TEST("the next look is due when the silence or the whole would be too long, whichever is first")
{
    static const struct {
        struct deadline d;
        uint64_t next;
    } rows[] = {
        {{.started_ms = 1000, .heard_ms = 1000}, UINT64_MAX},
        {{.started_ms = 1000, .heard_ms = 1000, .silence_ms = 30}, 1030},
        {{.started_ms = 1000, .heard_ms = 1500, .silence_ms = 30}, 1530},
        {{.started_ms = 1000, .heard_ms = 1500, .total_ms = 700}, 1700},
        {{.started_ms = 1000, .heard_ms = 1500, .silence_ms = 30, .total_ms = 700}, 1530},
        {{.started_ms = 1000, .heard_ms = 1690, .silence_ms = 30, .total_ms = 700}, 1700},
        {{.started_ms = 0, .heard_ms = 0, .silence_ms = 1}, 1},
        {{.started_ms = 1000, .heard_ms = 1000, .total_ms = INT64_MAX / 2}, 1000 + INT64_MAX / 2},
    };

    for (size_t i = 0; i < countof(rows); i++)
        CHECK(deadline_next(&rows[i].d) == rows[i].next);
}

TEST("it is over when the next look is due, and not a millisecond sooner")
{
    struct deadline d = {.started_ms = 1000, .heard_ms = 1500, .silence_ms = 30};
    struct err err = {.code = ERR_NONE};

    CHECK(!deadline_is_over(&d, 1000, &err));
    CHECK(!deadline_is_over(&d, 1529, &err));
    CHECK_INT(err.code, ERR_NONE);
    CHECK(deadline_is_over(&d, 1530, &err));
    CHECK(err.code != ERR_NONE);
    d.heard_ms = 1530; /* it said something */
    CHECK(!deadline_is_over(&d, 1530, &err));
    d.silence_ms = 0;
    CHECK(!deadline_is_over(&d, UINT64_MAX - 1, &err));
}

TEST("the reason says which of the two it was")
{
    struct deadline d = {
        .started_ms = 1000, .heard_ms = 1500, .silence_ms = 300, .total_ms = 10000};
    struct err silent, slow;

    CHECK(deadline_is_over(&d, 1800, &silent));
    CHECK_INT(err_status(silent.code), 504);
    CHECK_HAS(silent.text, "--request-timeout");
    d.heard_ms = 10999;
    CHECK(deadline_is_over(&d, 11000, &slow));
    CHECK_INT(err_status(slow.code), 504);
    CHECK_HAS(slow.text, "--total-timeout");
    d.heard_ms = 2000; /* both: the longer one is the harder fact */
    CHECK(deadline_is_over(&d, 11000, &slow));
    CHECK_HAS(slow.text, "--total-timeout");
}
