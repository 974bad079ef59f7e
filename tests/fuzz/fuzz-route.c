/* route: what passes is safe whoever resolves it. */
#include "api/route.h"

#include <stdbool.h>

#include "fuzz.h"

static int hex(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) % 16 : -1;
}

/* The path as the most obliging upstream would read it: decoded, backslashes turned. */
static char *decoded_path(const char *target)
{
    char *path = fuzz_text((const uint8_t *)target, strcspn(target, "?")), *to = path;

    for (const char *from = path; *from; to++) {
        if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
            *to = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 3;
        } else {
            *to = *from++;
        }
        MUST(*to != '\0');
        if (*to == '\\')
            *to = '/';
    }
    *to = '\0';
    return path;
}

static bool resolves_elsewhere(char *path)
{
    for (char *segment; (segment = strsep(&path, "/"));)
        if (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *target = fuzz_text(data, size);
    const char *fault = route_target_fault(target);
    size_t path_len = route_path_len(target);
    enum route route = route_of(target);

    MUST(path_len <= strlen(target));
    MUST(target[path_len] == '\0' || target[path_len] == '?');
    if (route == ROUTE_API)
        MUST(strncmp(target, "/v1", 3) == 0 && (target[3] == '\0' || strchr("/?", target[3])));
    if (route == ROUTE_HEALTH)
        MUST(path_len == 7 && memcmp(target, "/health", 7) == 0);
    if (!fault) {
        char *path = decoded_path(target);

        MUST(*target == '/');
        for (const char *c = target; *c; c++)
            MUST((unsigned char)*c > ' ' && *c != 0x7f && *c != '#');
        MUST(!strstr(target, "%00"));
        MUST(!resolves_elsewhere(path));
        free(path);
    } else {
        MUST(*fault);
    }
    free(target);
    return 0;
}
