/* Which users of this machine may use the proxy over loopback (--allow-users).
 *
 * Loopback is open to every user of a machine, and a request there may spend the money of an
 * endpoint's own key or empty the cache. So only the user that runs the proxy and root get in, and
 * those that the setting names. Immutable once the server runs; any thread may ask.
 */
#ifndef PROXY_USERS_H
#define PROXY_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define USERS_MAX 64

struct users {
    bool all; /* nobody is asked who they are */
    uid_t uids[USERS_MAX];
    unsigned count;
};

/* The user that runs this process, and root. */
void users_init(struct users *users);
/* One item of the setting: "self", "all", a user's name or number. -1 with ERR_USAGE where there is
 * no such user, or there are more than USERS_MAX. */
int users_allow(struct users *users, const char *item, struct err *err);
bool users_has(const struct users *users, uid_t uid);

#endif
