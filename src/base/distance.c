#include "base/distance.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 63
#define NEAR_MAX 3U

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static int same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Three rows of the table are enough: an exchange looks two rows back. */
unsigned distance_of(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    const size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return DISTANCE_FAR;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1,
                           above[j - 1] + !same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

int distance_is_near(const char *a, const char *b)
{
    const unsigned third = (unsigned)(strlen(a) / 3);
    const unsigned most = third < NEAR_MAX ? third : NEAR_MAX;

    return distance_of(a, b) <= (most ? most : 1);
}
