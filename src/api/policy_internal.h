/* Functions that policy_head.c and policy_answer.c share. */
#ifndef API_POLICY_INTERNAL_H
#define API_POLICY_INTERNAL_H

#include "api/policy.h"

enum policy_encoding {
    POLICY_ENCODING_NONE,
    POLICY_ENCODING_GZIP,
    POLICY_ENCODING_OTHER /* also gzip in gzip */
};

enum policy_content {
    POLICY_CONTENT_JSON,
    POLICY_CONTENT_STREAM,
    POLICY_CONTENT_HTML,
    POLICY_CONTENT_OTHER
};

enum policy_encoding policy_encoding_of(const struct fields *fields);
enum policy_content policy_content_of(const struct fields *fields);
/* Can a success of this type be an answer of the API? */
bool policy_fits_success(enum cache_class api, enum policy_content content);

static inline bool policy_is_success(unsigned status)
{
    return status == 200 || status == 201;
}

#endif
