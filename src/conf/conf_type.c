#include "conf/conf_type.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"

#define DURATION_MAX_MS (INT64_C(100) * 366 * 86400 * 1000)
#define WORKERS_MAX 64
#define SIZE_MAX_BYTES (INT64_C(1) << 50)

/* Go's units, and days. */
static double unit_ms(const char **text)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"\xce\xbcs", 1e-3}, {"ms", 1},
                 {"s", 1000},  {"m", 60000}, {"h", 3600000},      {"d", 86400000}};

    for (size_t i = 0; i < countof(units); i++) {
        if (str_starts(*text, units[i].name)) {
            *text += strlen(units[i].name);
            return units[i].ms;
        }
    }
    return -1;
}

/* "1", "1.5", "1.", ".5": as Go's time.ParseDuration. NULL: no digit. */
static const char *take_number(const char *text, double *value)
{
    size_t len = strspn(text, "0123456789"), digits = len;
    char number[64];

    if (text[len] == '.') {
        digits += strspn(text + len + 1, "0123456789");
        len = digits + 1;
    }
    if (digits == 0 || len >= sizeof(number))
        return NULL;
    memcpy(number, text, len);
    number[len] = '\0';
    *value = strtod(number, NULL);
    return text + len;
}

int64_t conf_duration_ms(const char *text)
{
    unsigned long long number;
    double total = 0;

    if (strcmp(text, "off") == 0)
        return 0;
    if (str_to_u64(text, strlen(text), &number))
        return number > DURATION_MAX_MS / 1000 ? -1 : (int64_t)number * 1000;
    if (*text == '+')
        text++;
    if (!*text)
        return -1;
    while (*text) {
        double value, unit;

        text = take_number(text, &value);
        if (!text)
            return -1;
        unit = unit_ms(&text);
        if (unit < 0)
            return -1;
        total += value * unit;
        if (total > (double)DURATION_MAX_MS)
            return -1;
    }
    /* A time above zero does not become "off" by rounding. */
    return total > 0 && total < 1 ? 1 : (int64_t)(total + 0.5);
}

int64_t conf_size_bytes(const char *text)
{
    static const struct {
        char letter;
        int64_t bytes;
    } units[] = {{'k', INT64_C(1) << 10},
                 {'m', INT64_C(1) << 20},
                 {'g', INT64_C(1) << 30},
                 {'t', INT64_C(1) << 40}};
    int64_t unit = INT64_C(1) << 20;
    double value;

    text = str_to_decimal(text, &value);
    for (size_t i = 0; text && *text && i < countof(units); i++) {
        if ((*text | 0x20) != units[i].letter)
            continue;
        unit = units[i].bytes;
        text++;
        if (str_is_nocase(text, "b") || str_is_nocase(text, "ib"))
            text += strlen(text);
        break;
    }
    if (!text || *text || value * (double)unit > (double)SIZE_MAX_BYTES)
        return -1;
    /* A size above zero does not become "none" by rounding. */
    return value > 0 && value * (double)unit < 1 ? 1 : (int64_t)(value * (double)unit);
}

static int check_size(const char *text, int64_t *number, struct str *why)
{
    *number = conf_size_bytes(text);
    if (*number >= 0)
        return 0;
    str_adds(why, "must be a size such as 100 (MB), 500k, 64M or 2G");
    return -1;
}

/* The machine's memory, the most that can be set aside; INT64_MAX where it cannot be read. */
static int64_t memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    return pages > 0 && page > 0 ? (int64_t)pages * page : INT64_MAX;
}

static int check_memory(const char *text, int64_t *number, struct str *why)
{
    const int64_t most = memory_bytes();

    if (check_size(text, number, why) < 0)
        return -1;
    if (*number <= most)
        return 0;
    str_addf(why, "must be at most the memory of this machine, which is %" PRId64 "M", most >> 20);
    return -1;
}

static int check_ttl(const char *text, int64_t *number, struct str *why)
{
    *number = strcmp(text, "forever") == 0 ? INT64_MAX : conf_duration_ms(text);
    if (*number >= 0)
        return 0;
    str_adds(why, "must be a time such as 90s, 5m, 7d or forever; 0 keeps nothing");
    return -1;
}

/* One of the words; the number is its index. */
static int check_word(const char *text, const char *const *words, int64_t *number, struct str *why)
{
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *number = (int64_t)i;
            return 0;
        }
    }
    str_adds(why, "must be ");
    for (size_t i = 0; words[i]; i++) {
        if (i > 0)
            str_adds(why, words[i + 1] ? ", " : " or ");
        str_adds(why, words[i]);
    }
    return -1;
}

static int check_switch(const char *text, int64_t *number, struct str *why)
{
    static const char *const words[][2] = {
        {"off", "on"}, {"no", "yes"}, {"false", "true"}, {"0", "1"}};

    for (size_t i = 0; i < countof(words); i++) {
        for (int on = 0; on < 2; on++) {
            if (strcmp(text, words[i][on]) == 0) {
                *number = on;
                return 0;
            }
        }
    }
    str_adds(why, "must be on or off");
    return -1;
}

static int check_range(const char *text, unsigned long long min, unsigned long long max,
                       int64_t *number, struct str *why)
{
    unsigned long long value;

    if (!str_to_u64(text, strlen(text), &value) || value < min || value > max) {
        str_addf(why, "must be a number from %llu to %llu", min, max);
        return -1;
    }
    *number = (int64_t)value;
    return 0;
}

static int check_url(const char *text, const char *const *schemes, bool user_allowed,
                     const char *allowed, struct str *why)
{
    struct url url;
    const char *wrong = url_parse(&url, text);
    int result = -1;

    if (wrong) {
        str_addf(why, "%s; write it like %s", wrong, allowed);
        return -1;
    }
    for (; *schemes; schemes++)
        if (strcmp(url.scheme, *schemes) == 0)
            result = 0;
    if (result < 0)
        str_addf(why, "has the scheme %s; write it like %s", url.scheme, allowed);
    if (result == 0 && url.user && !user_allowed) {
        str_adds(why, "has a user name in it; credentials belong into the client's Authorization");
        result = -1;
    }
    url_release(&url);
    return result;
}

int conf_type_check(enum conf_type type, const char *text, int64_t *number, struct str *why)
{
    static const char *const base[] = {"http", "https", NULL};
    static const char *const proxy[] = {"http", "https", "socks5h", "socks5", NULL};
    static const char *const disconnect[] = {"cancel", "finish", NULL};

    *number = 0;
    switch (type) {
    case CONF_LIST:
    case CONF_PATH:
        return 0;
    case CONF_PORT:
        return check_range(text, 0, 65535, number, why);
    case CONF_COUNT:
        if (strcmp(text, "auto") == 0)
            return 0;
        return check_range(text, 1, WORKERS_MAX, number, why);
    case CONF_SWITCH:
        return check_switch(text, number, why);
    case CONF_BASE_URL:
        return check_url(text, base, false, "https://api.openai.com", why);
    case CONF_PROXY_URL:
        if (!*text || strcmp(text, "none") == 0)
            return 0;
        return check_url(text, proxy, true, "http://user:password@host:3128", why);
    case CONF_TTL:
        return check_ttl(text, number, why);
    case CONF_SIZE_AUTO:
        if (strcmp(text, "auto") == 0)
            return 0;
        return check_size(text, number, why);
    case CONF_SIZE:
        return check_size(text, number, why);
    case CONF_MEMORY:
        return check_memory(text, number, why);
    case CONF_DISCONNECT:
        return check_word(text, disconnect, number, why);
    case CONF_LOG_LEVEL:
        return check_word(text, log_levels, number, why);
    case CONF_DURATION:
        *number = conf_duration_ms(text);
        if (*number >= 0)
            return 0;
        str_adds(why, "must be a time such as 500ms, 30s, 5m or off");
        return -1;
    }
    return -1;
}
