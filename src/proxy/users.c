#include "proxy/users.h"

#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static void add(struct users *users, uid_t uid)
{
    if (!users_has(users, uid))
        users->uids[users->count++] = uid;
}

void users_init(struct users *users)
{
    *users = (struct users){.all = false};
    add(users, 0);
    add(users, geteuid());
}

/* (uid_t)-1 is no user: chown(2), for instance, takes it for "none". */
static bool find_user(const char *item, uid_t *uid)
{
    unsigned long long number;
    struct passwd entry, *found = NULL;
    char buf[4096];

    if (str_to_u64(item, strlen(item), &number) && number < UINT32_MAX) {
        *uid = (uid_t)number;
        return true;
    }
    if (getpwnam_r(item, &entry, buf, sizeof(buf), &found) != 0 || !found)
        return false;
    *uid = found->pw_uid;
    return true;
}

int users_allow(struct users *users, const char *item, struct err *err)
{
    uid_t uid;

    if (strcmp(item, "all") == 0) {
        users->all = true;
        return 0;
    }
    if (strcmp(item, "self") == 0)
        return 0;
    if (!find_user(item, &uid))
        return err_set(err, ERR_USAGE,
                       "'%.100s' is no such user: give names as in /etc/passwd, or all", item);
    if (users->count == USERS_MAX && !users_has(users, uid))
        return err_set(err, ERR_USAGE, "more than %d users: use all", USERS_MAX - 2);
    add(users, uid);
    return 0;
}

bool users_has(const struct users *users, uid_t uid)
{
    for (unsigned i = 0; i < users->count; i++)
        if (users->uids[i] == uid)
            return true;
    return false;
}
