#include "base/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

static int nice_of_thread(void)
{
    return getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
}

static void *lower_twice(void *arg)
{
    int *seen = arg;

    process_lower_priority(2);
    seen[0] = nice_of_thread();
    process_lower_priority(3);
    seen[1] = nice_of_thread();
    process_lower_priority(100);
    seen[2] = nice_of_thread();
    return NULL;
}

static int at_most_19(int nice)
{
    return nice < 19 ? nice : 19;
}

TEST("a thread lowers its own priority from where it is, and nobody else's")
{
    const int before = nice_of_thread();
    int seen[3] = {0};
    pthread_t thread;

    REQUIRE(pthread_create(&thread, NULL, lower_twice, seen) == 0);
    pthread_join(thread, NULL);
    CHECK_INT(seen[0], at_most_19(before + 2));
    CHECK_INT(seen[1], at_most_19(before + 5));
    CHECK_INT(seen[2], 19);
    CHECK_INT(nice_of_thread(), before);
}

/* ---- memory ---- */

/* A tree of groups: files name a group and its memory.max. */
struct tree {
    char *folder, *groups;
};

static void tree_begin(struct tree *tree, const char *groups)
{
    tree->folder = unit_folder();
    tree->groups = unit_file(tree->folder, "cgroup", groups, strlen(groups));
}

static void tree_add(struct tree *tree, const char *group, const char *limit)
{
    struct str name = STR_INIT;

    str_addf(&name, "tree%s/memory.max", group);
    free(unit_file(tree->folder, name.text, limit, strlen(limit)));
    str_release(&name);
}

static size_t tree_memory(const struct tree *tree)
{
    struct str root = STR_INIT;
    size_t bytes;

    str_addf(&root, "%s/tree", tree->folder);
    bytes = process_group_memory(tree->groups, root.text);
    str_release(&root);
    return bytes;
}

static void tree_end(struct tree *tree)
{
    free(tree->folder);
    free(tree->groups);
}

TEST("a process has the memory of its control group")
{
    static const struct {
        const char *groups, *limit;
        size_t bytes;
    } rows[] = {
        {"0::/a/b\n", "1048576\n", 1048576},
        {"0::/a/b\n", "max\n", SIZE_MAX},
        {"0::/a/b\n", "", SIZE_MAX},
        {"0::/a/b\n", "0\n", SIZE_MAX}, /* less than this runs in */
        {"0::/a/b\n", "9223372036854771712\n", 9223372036854771712U},
        {"0::/a/b", "4096\n", 4096},
        {"0::/elsewhere\n", "1048576\n", SIZE_MAX},
        {"3:memory:/a/b\n", "1048576\n", SIZE_MAX}, /* version 1 */
        {"3:cpu:/x\n1:name=systemd:/y\n0::/a/b\n", "1048576\n", 1048576},
        {"", "1048576\n", SIZE_MAX},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct tree tree;

        unit_row(rows[i].groups);
        tree_begin(&tree, rows[i].groups);
        tree_add(&tree, "/a/b", rows[i].limit);
        CHECK(tree_memory(&tree) == rows[i].bytes);
        tree_end(&tree);
    }
    unit_row(NULL);
    CHECK(process_group_memory("/nowhere/cgroup", "/nowhere") == SIZE_MAX);
}

TEST("the limit of a group above holds as well, and the least of them counts")
{
    struct tree tree;

    tree_begin(&tree, "0::/user.slice/user-1000.slice/app.scope\n");
    tree_add(&tree, "/user.slice/user-1000.slice/app.scope", "max\n");
    tree_add(&tree, "/user.slice/user-1000.slice", "3000000\n");
    CHECK_INT(tree_memory(&tree), 3000000);
    tree_add(&tree, "/user.slice", "2000000\n");
    CHECK_INT(tree_memory(&tree), 2000000);
    tree_add(&tree, "/user.slice/user-1000.slice/app.scope", "1000000\n");
    CHECK_INT(tree_memory(&tree), 1000000);
    tree_end(&tree);
}

TEST("in a container the root of the tree has its limit, whatever name the group has outside")
{
    static const char *const groups[] = {"0::/\n", "0::/docker/0123456789abcdef\n",
                                         "0::/../../x.slice\n"};

    for (size_t i = 0; i < countof(groups); i++) {
        struct tree tree;

        unit_row(groups[i]);
        tree_begin(&tree, groups[i]);
        tree_add(&tree, "", "536870912\n");
        CHECK_INT(tree_memory(&tree), 536870912);
        tree_end(&tree);
    }
    unit_row(NULL);
}

TEST("a group's name of any length is read, or is none")
{
    char *text = mem_zero(20000);

    for (size_t len = 1; len < 19000; len += len < 4000 || len > 4200 ? 997 : 1) {
        struct tree tree;

        memset(text, 'x', len);
        memcpy(text, "0::/", 4);
        text[len > 4 ? len : 4] = '\0';
        tree_begin(&tree, text);
        tree_add(&tree, "", "4096\n");
        CHECK(tree_memory(&tree) == 4096 || len > 4000);
        tree_end(&tree);
    }
    free(text);
}

TEST("a process has no more memory than the machine has, and some")
{
    const size_t machine = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);

    CHECK(process_memory() <= machine);
    CHECK(process_memory() > (size_t)1 << 20);
}

/* ---- descriptors ---- */

static unsigned count_one_by_one(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 4096; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

TEST("the descriptors that are open are counted, without the one that it takes to count")
{
    const unsigned before = process_count_descriptors();
    int fds[7];

    CHECK_INT(before, count_one_by_one());
    CHECK_INT(process_count_descriptors(), before);
    for (size_t i = 0; i < countof(fds); i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        CHECK_INT(process_count_descriptors(), before + i + 1);
    }
    for (size_t i = 0; i < countof(fds); i++)
        close(fds[i]);
    CHECK_INT(process_count_descriptors(), before);
}

/* ---- what the user had ---- */

/* In a child, whose changes end with it: 0 if all is well, else which check failed. */
static int change_and_restore(void)
{
    const struct rlimit few = {.rlim_cur = 100, .rlim_max = 200};
    struct sigaction action = {.sa_handler = SIG_DFL}, now;
    struct rlimit core, limit;
    sigset_t mask, more;

    sigaction(SIGPIPE, &action, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (setrlimit(RLIMIT_NOFILE, &few) < 0 || getrlimit(RLIMIT_CORE, &core) < 0)
        return 1;
    sigemptyset(&more);
    sigaddset(&more, SIGTERM);
    process_ignore_signal(SIGPIPE);
    process_ignore_signal(SIGPIPE); /* the second change is not what the user had */
    process_block_signals(&more);
    sigaddset(&more, SIGINT);
    process_block_signals(&more);
    if (process_raise_descriptors() != 200 || process_raise_descriptors() != 200)
        return 2;
    process_forbid_core_files();
    umask(0137);
    process_make_files_private();
    process_make_files_private();
    if (umask(S_IRWXG | S_IRWXO) != (S_IRWXG | S_IRWXO))
        return 8;
    process_forbid_core_files();

    sigaction(SIGPIPE, NULL, &now);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    getrlimit(RLIMIT_CORE, &limit);
    if (now.sa_handler != SIG_IGN || !sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGINT) ||
        !sigismember(&mask, SIGUSR1) || limit.rlim_cur != 0)
        return 3;
    process_restore();
    sigaction(SIGPIPE, NULL, &now);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    if (now.sa_handler != SIG_DFL)
        return 4;
    if (umask(0) != 0137)
        return 9;
    if (sigismember(&mask, SIGTERM) || sigismember(&mask, SIGINT) || !sigismember(&mask, SIGUSR1))
        return 5;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur != 100 || limit.rlim_max != 200)
        return 6;
    if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur != core.rlim_cur ||
        limit.rlim_max != core.rlim_max)
        return 7;
    return 0;
}

TEST("signals and limits are given back as the user had them before the first change")
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(change_and_restore());
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}
