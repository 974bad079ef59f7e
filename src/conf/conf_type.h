/* The values that a setting may have, by type. */
#ifndef CONF_CONF_TYPE_H
#define CONF_CONF_TYPE_H

#include <stdint.h>

#include "base/str.h"

enum conf_type {
    CONF_LIST,
    CONF_PORT,
    CONF_SWITCH,
    CONF_BASE_URL,
    CONF_PROXY_URL,
    CONF_PATH,
    CONF_DURATION,
    CONF_TTL,
    CONF_SIZE,
    CONF_SIZE_AUTO,
    CONF_MEMORY, /* a size that this machine's memory can hold */
    CONF_DISCONNECT,
    CONF_LOG_LEVEL,
    CONF_COUNT
};

/* Checks the text and puts its number (conf.h tells which) into *number. Returns 0, or -1 with
 * a phrase in `why` that completes "X is wrong: it …". */
int conf_type_check(enum conf_type type, const char *text, int64_t *number, struct str *why);

/* "1m30s", "250ms", "7d", "90" (seconds), "off" and "0" (0). Milliseconds; -1 if it is none. */
int64_t conf_duration_ms(const char *text);

/* "100" (MB), "64M", "1.5G", "512k", "1MiB", of 1024 each. Bytes; -1 if it is none. */
int64_t conf_size_bytes(const char *text);

#endif
