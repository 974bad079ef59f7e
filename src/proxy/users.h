/* The local users who may use the proxy over loopback (--allow-users).
 *
 * Loopback is open to every user of a machine, and a request there may spend the money of an
 * endpoint's own key or empty the cache. So only the proxy's user, root and the users named by the
 * setting are admitted. Immutable once the server runs; any thread may read.
 */
#ifndef PROXY_USERS_H
#define PROXY_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define USERS_MAX 64

struct users {
    bool all; /* every local user is admitted, unchecked */
    uid_t uids[USERS_MAX];
    unsigned count;
};

/* Admits this process's user, and root. */
void users_init(struct users *users);
/* Adds an item of the setting: "self", "all", a user's name or number. -1 with ERR_USAGE if the
 * user does not exist, or for more than USERS_MAX users. */
int users_allow(struct users *users, const char *item, struct err *err);
/* True if uid is listed; does not look at `all`. */
bool users_has(const struct users *users, uid_t uid);

#endif
