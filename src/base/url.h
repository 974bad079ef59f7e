/* scheme://[user[:password]@]host[:port][/path] — just what settings need, strictly. */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>

#include "base/str.h"

struct url {
    char *scheme; /* lower case */
    char *user;   /* as written (percent-encoded), NULL if none */
    char *password;
    char *host;    /* without the brackets of an IPv6 address */
    unsigned port; /* the scheme's own where none is written, 0 if that is unknown */
    char *path;    /* begins with '/' or is empty; query and fragment are refused */
    bool bracketed;
};

/* NULL, or what is wrong with the text ("has no host", …). The caller releases on success. */
const char *url_parse(struct url *url, const char *text);
void url_release(struct url *url);

/* Appends the URL with "***" in the password's place: fit for logs. */
void url_add_masked(struct str *out, const struct url *url);
/* Overwrites what stands between "://" and '@' anywhere in a text with '*': for the words of a
 * library that quotes URLs. */
void url_mask_all(char *text);
/* Overwrites the password of a URL with '*', and leaves the rest. */
void url_hide_password(char *url);
/* Appends host:port as it stands in a Host field: no port where it is the scheme's own. */
void url_add_authority(struct str *out, const struct url *url);

#endif
