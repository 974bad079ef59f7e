#include "proxy/users.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "unit.h"

#define STRANGER ((uid_t)3999999999U) /* nobody's number but ours, here */

static bool allow(struct users *users, const char *item)
{
    struct err err = {.code = ERR_NONE};

    if (users_allow(users, item, &err) == 0)
        return true;
    CHECK_INT(err.code, ERR_USAGE);
    CHECK_HAS(err.text, "--allow-users");
    CHECK_HAS(err.text, "all"); /* what to do */
    return false;
}

TEST("the user that runs the proxy and root get in, and nobody else")
{
    struct users users;

    memset(&users, 0xff, sizeof(users));
    users_init(&users);
    CHECK(!users.all);
    CHECK(users_has(&users, 0));
    CHECK(users_has(&users, geteuid()));
    CHECK_INT(users.count, geteuid() == 0 ? 1 : 2);
    CHECK(!users_has(&users, STRANGER));
    CHECK(!users_has(&users, (uid_t)-1));
    CHECK(allow(&users, "self"));
    CHECK_INT(users.count, geteuid() == 0 ? 1 : 2);
}

TEST("a user is named by name or number")
{
    struct passwd entry, *nobody = NULL;
    struct users users;
    char buf[4096];

    users_init(&users);
    CHECK(allow(&users, "3999999999"));
    CHECK(users_has(&users, STRANGER));
    CHECK(!users_has(&users, STRANGER - 1));
    CHECK(allow(&users, "root"));
    CHECK(allow(&users, "0"));
    CHECK_INT(users.count, geteuid() == 0 ? 2 : 3); /* nobody twice */
    if (getpwnam_r("nobody", &entry, buf, sizeof(buf), &nobody) == 0 && nobody) {
        uid_t uid = nobody->pw_uid;

        CHECK(!users_has(&users, uid));
        CHECK(allow(&users, "nobody"));
        CHECK(users_has(&users, uid));
    }
    CHECK(!users.all);
}

TEST("all is everybody, and does not undo what else is named")
{
    struct users users;

    users_init(&users);
    CHECK(allow(&users, "3999999999"));
    CHECK(allow(&users, "all"));
    CHECK(users.all);
    CHECK(allow(&users, "self"));
    CHECK(users.all);
    CHECK(users_has(&users, STRANGER));
}

TEST("whoever there is not is no user, and the message names the word")
{
    static const char *const rows[] = {"no-such-user-here",
                                       "4294967295", /* (uid_t)-1: "none" */
                                       "4294967296",
                                       "18446744073709551616",
                                       "-1",
                                       "+0",
                                       "0x0",
                                       "0 ",
                                       " root",
                                       "Self",
                                       "ALL",
                                       "*",
                                       ""};

    for (size_t i = 0; i < countof(rows); i++) {
        struct err err = {.code = ERR_NONE};
        struct users users;
        unsigned before;

        unit_row(rows[i]);
        users_init(&users);
        before = users.count;
        CHECK_INT(users_allow(&users, rows[i], &err), -1);
        CHECK_INT(err.code, ERR_USAGE);
        CHECK_HAS(err.text, rows[i]);
        CHECK_HAS(err.text, "no such user");
        CHECK_INT(users.count, before);
        CHECK(!users.all);
        CHECK(!users_has(&users, (uid_t)-1));
    }
    unit_row(NULL);
}

TEST("a word of any length is refused in a message that can be read")
{
    char *word = mem_zero(100001);
    struct err err = {.code = ERR_NONE};
    struct users users;

    memset(word, 'x', 100000);
    users_init(&users);
    CHECK_INT(users_allow(&users, word, &err), -1);
    CHECK_HAS(err.text, "no such user: give names as in /etc/passwd, or all");
    mem_free_at(&word);
}

TEST("there is room for a bounded number of users, and one who is in needs none")
{
    struct err err = {.code = ERR_NONE};
    struct users users;
    unsigned number = 3000000000U;
    char item[16];

    users_init(&users);
    while (users.count < USERS_MAX) {
        snprintf(item, sizeof(item), "%u", number++);
        REQUIRE(allow(&users, item));
    }
    CHECK_INT(users_allow(&users, "3999999999", &err), -1);
    CHECK_INT(err.code, ERR_USAGE);
    CHECK_HAS(err.text, "62 users: use all");
    CHECK(!users_has(&users, STRANGER));
    CHECK_INT(users.count, USERS_MAX);
    CHECK(allow(&users, "3000000000"));
    CHECK(allow(&users, "root"));
    CHECK(allow(&users, "self"));
    CHECK(allow(&users, "all"));
    CHECK_INT(users.count, USERS_MAX);
}
