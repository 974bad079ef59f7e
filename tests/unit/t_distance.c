#include "base/distance.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

static const struct {
    const char *a, *b;
    unsigned distance;
} words[] = {
    {"", "", 0},
    {"", "abc", 3},
    {"port", "port", 0},
    {"PORT", "port", 0},
    {"port", "ports", 1},
    {"port", "por", 1},
    {"port", "sort", 1},
    {"cache-tlt", "cache-ttl", 1}, /* two neighbours that are exchanged */
    {"tlt", "ttl", 1},
    {"ca", "abc", 3}, /* what was exchanged is not edited again */
    {"kitten", "sitting", 3},
    {"abcdef", "badcfe", 3},
    {"flaw", "lawn", 2},
};

TEST("the distance of two words is that of their edits, the same both ways")
{
    for (size_t i = 0; i < countof(words); i++) {
        unit_row(words[i].a);
        CHECK_INT(distance_of(words[i].a, words[i].b), words[i].distance);
        CHECK_INT(distance_of(words[i].b, words[i].a), words[i].distance);
        unit_row(NULL);
    }
}

TEST("words of up to 63 bytes are compared, longer ones are far")
{
    char word[80];

    memset(word, 'a', sizeof(word));
    word[63] = '\0';
    CHECK_INT(distance_of(word, word), 0);
    CHECK_INT(distance_of(word, ""), 63);
    CHECK_INT(distance_of("", word), 63);
    word[63] = 'a';
    word[64] = '\0';
    CHECK_INT(distance_of(word, word), DISTANCE_FAR);
    CHECK_INT(distance_of("a", word), DISTANCE_FAR);
}

TEST("near is a third of the word at most, and three characters")
{
    CHECK(distance_is_near("cache-tlt", "cache-ttl"));
    CHECK(distance_is_near("ports", "port"));
    CHECK(distance_is_near("x", "y")); /* one is always near */
    CHECK(!distance_is_near("nonsense", "port"));
    CHECK(!distance_is_near("abcd", "abxy"));
    CHECK(distance_is_near("abcdef", "abcdxy"));
    CHECK(!distance_is_near("abcdefghijklmnopqrst", "abcdefghijklmnop"));
    CHECK(!distance_is_near("", "port"));
}
