#include "upstream/goaway.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

#define LINE_7 "recveived GOAWAY, error=0, last_stream=39\n" /* sic, libcurl 7.88 */
#define LINE_8 "received GOAWAY, error=0, last_stream=39\n"

/* Reads a copy that ends where the text does, so that a sanitizer sees each byte behind it. */
static bool parse(const char *text, size_t len, uint32_t *last)
{
    char *copy = mem_alloc(len ? len : 1);
    bool found;

    memcpy(copy, text, len);
    *last = 12345;
    found = goaway_parse(copy, len, last);
    free(copy);
    return found;
}

TEST("libcurl's line says which stream was the last one, in both spellings")
{
    static const struct {
        const char *text;
        uint32_t last;
    } rows[] = {
        {LINE_7, 39},
        {LINE_8, 39},
        {"received GOAWAY, error=0, last_stream=0\n", 0},
        {"received GOAWAY, error=1, last_stream=1\n", 1},
        {"received GOAWAY, error=11, last_stream=1999\n", 1999},
        {"received GOAWAY, error=-1, last_stream=7\n", 7},
        {"received GOAWAY, error=2147483647, last_stream=2147483647\n", INT32_MAX},
        {"[HTTP/2] [0] received GOAWAY, error=0, last_stream=39\n", 39},
        {"received GOAWAY, error=0, last_stream=007\n", 7},
        {"received GOAWAY, error=0, last_stream=39, more\n", 39},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        uint32_t last;

        unit_row(rows[i].text);
        CHECK(parse(rows[i].text, strlen(rows[i].text), &last));
        CHECK_INT(last, rows[i].last);
    }
    unit_row(NULL);
}

TEST("any other line is another one, and leaves the number alone")
{
    static const char *const rows[] = {
        "",
        "\n",
        "Connected to api.openai.com (127.0.0.1) port 443 (#0)\n",
        "GOAWAY received\n",
        "received GOAWAY\n",
        "received GOAWAY, error=0\n",
        "received GOAWAY, error=0, last_stream=\n",
        "received GOAWAY, error=0, last_stream=-1\n",
        "received GOAWAY, error=0, last_stream= 39\n",
        "received GOAWAY, error=0, last_stream=x\n",
        "received goaway, error=0, last_stream=39\n",
        "received GOAWAY error=0, last_stream=39\n",
        "last_stream=39, received GOAWAY, error=0\n",
        "received RST_STREAM, error=0, last_stream=39\n",
    };

    for (size_t i = 0; i < countof(rows); i++) {
        uint32_t last;

        unit_row(rows[i]);
        CHECK(!parse(rows[i], strlen(rows[i]), &last));
        CHECK_INT(last, 12345);
    }
    unit_row(NULL);
}

TEST("a line that is cut anywhere names no stream, least of all a smaller one")
{
    static const char *const lines[] = {LINE_7, LINE_8};

    for (size_t i = 0; i < countof(lines); i++) {
        size_t len = strlen(lines[i]);
        uint32_t last;

        for (size_t cut = 0; cut < len; cut++) { /* "last_stream=3" would have 5 … 39 sent again */
            CHECK(!parse(lines[i], cut, &last));
            CHECK_INT(last, 12345);
        }
        CHECK(parse(lines[i], len, &last));
        CHECK_INT(last, 39);
        for (size_t from = 1; from < len; from++)
            if (parse(lines[i] + from, len - from, &last))
                CHECK_INT(last, 39);
    }
}

TEST("a number that no stream has is the highest that one can have")
{
    static const struct {
        const char *digits;
        uint32_t last;
    } rows[] = {
        {"2147483646", INT32_MAX - 1},
        {"2147483647", INT32_MAX},
        {"2147483648", INT32_MAX},
        {"4294967295", INT32_MAX},
        {"4294967296", INT32_MAX},
        {"4294967335", INT32_MAX}, /* 39 + 2^32 */
        {"18446744073709551616", INT32_MAX},
        {"18446744073709551655", INT32_MAX}, /* 39 + 2^64 */
        {"99999999999999999999999999999999999999999999999999", INT32_MAX},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        char line[128] = "received GOAWAY, error=0, last_stream=";
        uint32_t last;

        unit_row(rows[i].digits);
        strcat(line, rows[i].digits);
        strcat(line, "\n");
        CHECK(parse(line, strlen(line), &last));
        CHECK_INT(last, rows[i].last);
    }
    unit_row(NULL);
}

TEST("the n-th request of a connection is its n-th odd stream")
{
    CHECK_INT(goaway_stream(0), 0);
    CHECK_INT(goaway_stream(1), 1);
    CHECK_INT(goaway_stream(2), 3);
    CHECK_INT(goaway_stream(20), 39);
    CHECK_INT(goaway_stream(1000), 1999);
}

TEST("the server's close_notify is known by libcurl's line, and not what is sent")
{
    static const char in[] = "TLSv1.3 (IN), TLS alert, close notify (256):\n";
    static const char out[] = "TLSv1.3 (OUT), TLS alert, close notify (256):\n";

    CHECK(goaway_is_close_notify(in, sizeof(in) - 1));
    CHECK(!goaway_is_close_notify(in, 20));
    CHECK(!goaway_is_close_notify(out, sizeof(out) - 1));
    CHECK(!goaway_is_close_notify("", 0));
}
