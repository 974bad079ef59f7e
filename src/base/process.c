#include "base/process.h"

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- what the user had ---------------------------------------------------------------- */

#define IGNORED_MAX 8

static struct {
    struct {
        int sig;
        struct sigaction action;
    } ignored[IGNORED_MAX];
    unsigned ignored_count;
    bool has_mask, has_files, has_core, has_umask;
    sigset_t mask;
    struct rlimit files, core;
    mode_t umask;
} users;

void process_ignore_signal(int sig)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    unsigned i = 0;

    while (i < users.ignored_count && users.ignored[i].sig != sig)
        i++;
    assert(i < IGNORED_MAX);
    if (i < users.ignored_count) {
        sigaction(sig, &ignore, NULL);
    } else if (sigaction(sig, &ignore, &users.ignored[i].action) == 0) {
        users.ignored[i].sig = sig;
        users.ignored_count++;
    }
}

void process_block_signals(const sigset_t *signals)
{
    sigset_t before;

    if (pthread_sigmask(SIG_BLOCK, signals, &before) == 0 && !users.has_mask) {
        users.mask = before;
        users.has_mask = true;
    }
}

rlim_t process_raise_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 256;
    if (!users.has_files) {
        users.files = files;
        users.has_files = true;
    }
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
        (void)getrlimit(RLIMIT_NOFILE, &files);
    }
    return files.rlim_cur;
}

/* The soft limit alone: the hard one could not be given back. */
void process_forbid_core_files(void)
{
    struct rlimit core;

    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        if (!users.has_core)
            users.core = core;
        users.has_core = true;
        core.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* Also against handlers that the kernel pipes cores to, whatever the limit. (The
     * sanitizers' leak check needs to look at the process.) */
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

void process_make_files_private(void)
{
    const mode_t before = umask(S_IRWXG | S_IRWXO);

    if (!users.has_umask)
        users.umask = before;
    users.has_umask = true;
}

void process_restore(void)
{
    for (unsigned i = 0; i < users.ignored_count; i++)
        (void)sigaction(users.ignored[i].sig, &users.ignored[i].action, NULL);
    if (users.has_files)
        (void)setrlimit(RLIMIT_NOFILE, &users.files);
    if (users.has_core)
        (void)setrlimit(RLIMIT_CORE, &users.core);
    if (users.has_umask)
        (void)umask(users.umask);
    if (users.has_mask) /* last: a signal that waited comes now */
        (void)pthread_sigmask(SIG_SETMASK, &users.mask, NULL);
}

/* --- priority, memory, counts --------------------------------------------------------- */

void process_lower_priority(int nice)
{
    const id_t thread = (id_t)syscall(SYS_gettid);

    (void)setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + nice);
}

static size_t limit_of(const char *root, const char *group)
{
    unsigned long long bytes = 0;
    char path[2 * PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s%s/memory.max", root, group);
    file = fopen(path, "re");
    if (!file)
        return SIZE_MAX;
    if (fscanf(file, "%llu", &bytes) != 1) /* "max" */
        bytes = 0;
    fclose(file);
    return bytes && bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

/* A group's limit holds for those below it. Of a container that sees its group's name in the
 * machine's tree, and its own group as the root, only the root is there. */
static size_t least_limit(const char *root, char *group)
{
    size_t least = SIZE_MAX;

    for (;;) {
        size_t limit = limit_of(root, group);
        char *slash = strrchr(group, '/');

        if (limit < least)
            least = limit;
        if (!slash)
            return least;
        *slash = '\0';
    }
}

size_t process_group_memory(const char *groups, const char *root)
{
    size_t least = SIZE_MAX;
    char line[PATH_MAX + 8];
    FILE *file = fopen(groups, "re");

    if (!file)
        return SIZE_MAX;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        least = least_limit(root, line + 3);
    }
    fclose(file);
    return least;
}

size_t process_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    size_t machine = pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX;
    size_t group = process_group_memory("/proc/self/cgroup", "/sys/fs/cgroup");

    return group < machine ? group : machine;
}

static unsigned count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned n = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

unsigned process_count_descriptors(void)
{
    unsigned n = count_entries("/proc/self/fd");

    return n > 0 ? n - 1 : 0; /* without the descriptor that reads the folder */
}

unsigned process_count_threads(void)
{
    return count_entries("/proc/self/task");
}
